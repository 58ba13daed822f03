// Workers that are killed with permits in their hands: the limits hold on, in order, and no permit is lost.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { mostAtOnce, type Run } from '../support/limit-oracle.js'
import { PATIENCE } from '../support/until.js'
import { openWorkshop, type Workshop } from '../support/worker.js'

let shop: Workshop
const folder = mkdtempSync(join(tmpdir(), 'drover-limits-'))
const file = join(folder, 'runs')
const children = new Set<ChildProcess>()
beforeAll(async () => {
  writeFileSync(file, '')
  shop = await openWorkshop()
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await shop.close()
  rmSync(folder, { recursive: true })
})

const root = fileURLToPath(new URL('../..', import.meta.url))
const queue = 'killed'
const input = z.object({ tenant: z.string(), n: z.number() })
const attempts = { attempts: 3 }
const shared = defineJob({ name: 'shared', queue, input, ...attempts, limit: { key: 'tenant', concurrency: 2 } })
const ordered = defineJob({ name: 'ordered', queue, input, ...attempts, limit: { key: 'tenant', order: 'strict' } })

async function startChild(): Promise<ChildProcess> {
  const args = ['--import', 'tsx', 'test/support/limited-script.ts', shop.server.url, queue, file]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  await once(child.stdout, 'data')
  return child
}

interface Note {
  readonly kind: 'start' | 'end'
  readonly job: string
  readonly tenant: string
  readonly n: number
  readonly id: string
  readonly pid: number
  readonly at: number
}

const notes = () =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Note)

/** Runs by job and tenant; one without an end was its process's last, which died soon after the last word of it. */
function runsOf(all: readonly Note[]): Run[] {
  const lastOf = new Map(all.map(({ pid, at }) => [pid, at]))
  return all
    .filter(({ kind }) => kind === 'start')
    .map((start) => {
      const end = all.find(
        ({ kind, id, pid, at }) => kind === 'end' && id === start.id && pid === start.pid && at >= start.at,
      )
      const key = `${start.job} ${start.tenant}`
      return { key, id: start.id, startedAt: start.at, endedAt: end?.at ?? lastOf.get(start.pid) ?? start.at }
    })
}

it('keeps every limit while its workers are killed, and leaves no permit and no job in line', async () => {
  const workers = await Promise.all([startChild(), startChild(), startChild(), startChild()])
  for (const [index, victim] of workers.slice(1).entries()) {
    const before = notes().length
    // New jobs for each kill: however late it is looked, there is something that runs.
    const jobs = Array.from({ length: 30 }, (_, n) => ({ tenant: `t${n % 3}`, n: 30 * index + n }))
    await shop.producer.enqueueBulk(shared, jobs)
    await shop.producer.enqueueBulk(ordered, jobs)
    await vi.waitFor(() => expect(notes().length).toBeGreaterThan(before + 20), PATIENCE)
    victim.kill('SIGKILL')
  }
  const completed = async () => {
    const totals = await shop.redis.hgetall(shop.keys(queue).totals)
    return [totals['shared:completed'], totals['ordered:completed']]
  }
  await vi.waitFor(async () => expect(await completed()).toEqual(['90', '90']), { timeout: 120_000, interval: 100 })

  const all = notes()
  for (const [key, most] of mostAtOnce(runsOf(all)))
    expect([key, most <= (key.startsWith('shared') ? 2 : 1)]).toEqual([key, true])
  for (const tenant of ['t0', 't1', 't2']) {
    const order = all.filter(
      ({ kind, job, tenant: whose }) => kind === 'start' && job === 'ordered' && whose === tenant,
    )
    const numbers = order.map(({ n }) => n)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  }
  const left = await shop.redis.keys(`${shop.keys(queue).base}limit:*`)
  expect(left).toEqual([`${shop.keys(queue).base}limit:state`])
  expect(await shop.producer.limits.counts(queue)).toEqual({ keys: 0, held: 0, parked: 0 })
})
