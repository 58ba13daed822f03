// What becomes of jobs when their worker process is stopped, killed by one of them, or blocked for good.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

const root = fileURLToPath(new URL('../..', import.meta.url))
const input = z.object({ ms: z.number() })
const contract = (name: string, queue: string) => defineJob({ name, queue, input, attempts: 1 })

type Line = Readonly<Record<string, unknown>>

function startChild(queue: string, options: object = {}) {
  const args = ['--import', 'tsx', 'test/support/crash-script.ts', shop.server.url, queue, JSON.stringify(options)]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  const lines: Line[] = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (line.startsWith('{')) lines.push(JSON.parse(line))
    })
  }
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  const until = (match: (line: Line) => unknown) => {
    return vi.waitFor(() => {
      const found = lines.find(match)
      if (!found) throw new Error(`no such line in ${JSON.stringify(lines)}`)
      return found
    }, PATIENCE)
  }
  return { child, lines, exited, until }
}

it('a stopped process that goes on aborts its handlers: the job ran elsewhere meanwhile, and counts once', async () => {
  const job = await shop.producer.enqueue(contract('wait', 'zombie'), { ms: 120_000 })
  // Longer than a busy machine stands still: the other one keeps its lock.
  const zombie = startChild('zombie', { lockDuration: '3s' })
  await zombie.until((line) => line.started === job.id)
  zombie.child.kill('SIGSTOP')
  const other = startChild('zombie', { lockDuration: '3s' })
  await other.until((line) => line.started === job.id)
  zombie.child.kill('SIGCONT')
  expect(await zombie.until((line) => line.aborted)).toMatchObject({ aborted: job.id, reason: 'LOCK_LOST' })
  expect(await zombie.until((line) => line.msg === 'lock lost, attempt abandoned')).toMatchObject({ id: job.id })
  expect(other.lines.filter((line) => line.aborted)).toEqual([])
})

it('a poison job stops after five kills, two beside others and three alone; its neighbours complete at their first attempt', async () => {
  const queue = 'poison'
  const poison = await shop.producer.enqueue(contract('poison', queue), { ms: 100 })
  const { ids } = await shop.producer.enqueueBulk(
    contract('wait', queue),
    Array.from({ length: 30 }, () => ({ ms: 300 })),
  )
  let isOver = false
  const outcome = shop.end(poison).finally(() => {
    isOver = true
  })
  let kills = 0
  while (!isOver) {
    const { exited } = startChild(queue, { concurrency: 5 })
    const [, signal] = await Promise.race([exited, outcome.then(() => [null, null] as const)])
    if (signal === 'SIGKILL') kills++
  }
  expect(kills).toBe(5)
  expect(await outcome).toMatchObject({
    status: 'failed',
    error: { name: 'JobCrashedError', code: 'JOB_CRASHED', message: expect.stringContaining('5 times') },
    attempts: 1,
  })
  for (const id of ids) expect(await shop.end({ queue, id })).toMatchObject({ status: 'completed', attempts: 1 })
  expect(await shop.redis.hgetall(shop.keys(queue).totals)).toEqual({ 'wait:completed': '30', 'poison:failed': '1' })
  expect(await shop.producer.counters.get(queue, 'waited')).toBe(30)
})

it('a process whose event loop is blocked for too long ends, and says why with the jobs it ran', async () => {
  const job = await shop.producer.enqueue(contract('block', 'stuck'), { ms: 120_000 })
  const neighbour = await shop.producer.enqueue(contract('wait', 'stuck'), { ms: 3_000 })
  const { exited, lines, child } = startChild('stuck', { maxBlocked: '2s' })
  expect(await exited).toEqual([null, 'SIGKILL'])
  // A slow start may have told of a block of its own before.
  const said = lines.filter(({ msg }) => String(msg).startsWith('event loop blocked')).slice(-2)
  expect(said).toMatchObject([
    { level: 40, msg: 'event loop blocked, the locks are kept', pid: child.pid },
    { level: 60, msg: 'event loop blocked too long, the process is ended', pid: child.pid },
  ])
  expect(said[1]?.jobs).toEqual(expect.arrayContaining([`stuck:${job.id}`]))
  // The poison is taken away; what ran beside it is done by the next worker.
  await shop.redis.hset(`${shop.keys('stuck').bullBase}${job.id}`, 'data', '{"ms":1}')
  startChild('stuck')
  for (const id of [job.id, neighbour.id]) {
    expect(await shop.end({ queue: 'stuck', id })).toMatchObject({ status: 'completed', attempts: 1 })
  }
})
