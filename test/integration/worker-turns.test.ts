// Jobs that stalled: which of them run alone, what counts as a crash of theirs, and what does not.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Queue } from 'bullmq'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const hashOf = (queue: string, id: string) => `${shop.keys(queue).bullBase}${id}`
const FIELDS = ['stc', 'drover:survived', 'drover:alone'] as const
const crashesOf = async (queue: string, id: string) => {
  return (await shop.redis.hmget(hashOf(queue, id), ...FIELDS)).map((text) => Number(text ?? 0))
}

/** Enqueues a job before its worker is there, with the marks of earlier crashes. */
async function enqueueCrashed(contract: ReturnType<typeof newContract>, marks: Record<string, number>, n = 1) {
  const job = await shop.producer.enqueue(contract, { n })
  await shop.redis.hset(hashOf(job.queue, job.id), marks)
  return job
}

async function inBullQueue(name: string, use: (queue: Queue) => Promise<unknown>): Promise<void> {
  const queue = new Queue(name, { connection: { url: shop.server.url }, prefix: shop.keys(name).bull })
  await use(queue)
  await queue.close()
}

function newContract(queue: string, attempts = 1) {
  return defineJob({ name: 'suspect', queue, input, attempts, backoff: { type: 'fixed', delay: 1 } })
}

describe('a job whose worker crashed twice', () => {
  it('runs alone: it waits for those that run, and those that come wait for it, on all queues', async () => {
    const contract = newContract('alone')
    const other = defineJob({ name: 'other', queue: 'other', input })
    const held = { before: createGate(), suspect: createGate() }
    const order: string[] = []
    let running = 0
    let most = 0
    const track = async (name: string, until?: Promise<void>) => {
      most = Math.max(most, ++running)
      order.push(name)
      await until
      running--
    }
    const before = await shop.producer.enqueue(other, { n: 1 })
    const worker = await shop.work([
      handle(contract, ({ n }) => track(`suspect ${n}`, held.suspect.promise)),
      handle(other, ({ n }) => track(`other ${n}`, n === 1 ? held.before.promise : undefined)),
    ])
    await vi.waitFor(() => expect(order).toEqual(['other 1']), PATIENCE)
    // Delayed, so that the marks are there first.
    const suspect = await shop.producer.enqueue(contract, { n: 7 }, { delay: '1h' })
    await shop.redis.hset(hashOf('alone', suspect.id), { stc: 2 })
    await inBullQueue('alone', async (queue) => (await queue.getJob(suspect.id))?.promote())
    // Its lock is that of one who waits.
    const lock = `${hashOf('alone', suspect.id)}:lock`
    await vi.waitFor(async () => expect(await shop.redis.exists(lock)).toBe(1), PATIENCE)
    const after = await shop.producer.enqueue(other, { n: 2 })
    await vi.waitFor(async () => expect(await shop.redis.exists(`${hashOf('other', after.id)}:lock`)).toBe(1), PATIENCE)
    expect(order).toEqual(['other 1'])
    held.before.open()
    await vi.waitFor(() => expect(order).toEqual(['other 1', 'suspect 7']), PATIENCE)
    expect(await crashesOf('alone', suspect.id)).toEqual([2, 0, 1])
    expect(worker.running).toBe(1)
    held.suspect.open()
    for (const job of [before, suspect, after]) expect(await shop.end(job)).toMatchObject({ status: 'completed' })
    expect([order, most]).toEqual([['other 1', 'suspect 7', 'other 2'], 1])
    expect(await crashesOf('alone', suspect.id)).toEqual([0, 0, 0])
  })

  it('fails for good without a run once three starts alone did not come back, and starts afresh by hand', async () => {
    const contract = newContract('condemned', 5)
    const job = await enqueueCrashed(contract, { stc: 5, 'drover:alone': 3 })
    let runs = 0
    await shop.work([handle(contract, () => ++runs)])
    expect(await shop.end(job)).toMatchObject({
      status: 'failed',
      error: { name: 'JobCrashedError', code: 'JOB_CRASHED', message: expect.stringContaining('5 times') },
      attempts: 1,
    })
    expect(runs).toBe(0)
    expect(await shop.redis.hgetall(shop.keys('condemned').totals)).toEqual({ 'suspect:failed': '1' })
    expect(await crashesOf('condemned', job.id)).toEqual([0, 0, 0])
    await inBullQueue('condemned', async (queue) => (await queue.getJob(job.id))?.retry('failed'))
    await vi.waitFor(() => expect(runs).toBe(1), PATIENCE)
  })

  it('is put off when it crashed alone just before', async () => {
    const contract = newContract('put-off')
    // In a while, so that a slow start of the worker does not eat up the wait.
    const at = Date.now() + 6_000
    const job = await enqueueCrashed(contract, { stc: 3, 'drover:alone': 1, 'drover:aloneAt': at })
    const starts: number[] = []
    const handler = handle(contract, () => void starts.push(Date.now()))
    const worker = await shop.work([handler], { lockDuration: '3s' })
    expect(await shop.end(job)).toMatchObject({ status: 'completed', attempts: 1 })
    // Two locks of three seconds.
    expect(starts).toHaveLength(1)
    expect(Number(starts[0]) - at).toBeGreaterThanOrEqual(5_900)
    expect(worker.lines.map(({ msg }) => msg)).toContain(
      'the job runs alone, after a while: its worker crashed when it last did',
    )
    expect(await shop.redis.hgetall(shop.keys('put-off').totals)).toEqual({ 'suspect:completed': '1' })
  })

  it.each([
    ['an attempt that failed', 'thrown'],
    ['a hand-back', 'handed'],
    ['a lost lock', 'lost'],
  ])('does not count %s as a crash alone', async (_what, kind) => {
    const queue = `back-${kind}`
    const contract = newContract(queue, 3)
    const job = await enqueueCrashed(contract, { stc: 2 })
    const started = createGate()
    let runs = 0
    const seen: number[][] = []
    const handler = handle(contract, async (_input, { id, signal }) => {
      if (++runs > 1) {
        seen.push(await crashesOf(queue, id))
        return
      }
      started.open()
      if (kind === 'thrown') throw new Error('this once')
      if (kind === 'lost') await shop.redis.del(`${hashOf(queue, id)}:lock`)
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    const worker = await shop.work([handler])
    await started.promise
    if (kind === 'handed') {
      await worker.close()
      await vi.waitFor(async () => expect(await crashesOf(queue, job.id)).toEqual([2, 0, 0]), PATIENCE)
      await shop.work([handler])
    }
    expect(await shop.end(job)).toMatchObject({ status: 'completed', attempts: kind === 'thrown' ? 2 : 1 })
    // The stall of a lost lock is one more, but one that its process survived.
    expect(seen).toEqual([kind === 'lost' ? [3, 1, 1] : [2, 0, 1]])
  })
})

it('a job that stalled often, but whose workers lived on, runs beside others', async () => {
  const contract = newContract('survived')
  const gate = createGate()
  let running = 0
  const jobs = [
    await enqueueCrashed(contract, { stc: 9, 'drover:survived': 8 }, 1),
    await enqueueCrashed(contract, { stc: 9, 'drover:survived': 9 }, 2),
  ]
  await shop.work([
    handle(contract, async () => {
      if (++running === 2) gate.open()
      await gate.promise
    }),
  ])
  for (const job of jobs) expect(await shop.end(job)).toMatchObject({ status: 'completed' })
})

it('jobs that never stalled cost no command for any of this', async () => {
  const contract = newContract('innocent')
  // The one that did stall shows that the others would have been seen.
  const crashed = await enqueueCrashed(contract, { stc: 9 }, 99)
  const own = shop.keys(contract.queue).bullBase + crashed.id
  const scripts = ['suspect', 'came-back'].map((name) => readFileSync(`src/worker/${name}.lua`, 'utf8'))
  const known = new Set(scripts.flatMap((lua) => [lua, createHash('sha1').update(lua).digest('hex')]))
  // Over a socket of its own: ioredis's monitor breaks when other commands come while it turns into one.
  const monitor = connect(shop.server.port, shop.server.host)
  monitor.write('MONITOR\r\n')
  const lines = createInterface({ input: monitor })
  await once(lines, 'line')
  const asked: string[] = []
  lines.on('line', (line) => {
    const [command = '', script = '', _keys, key = ''] = Array.from(
      line.matchAll(/"((?:[^"\\]|\\.)*)"/g),
      ([, word = '']) => word,
    )
    if (/^eval/i.test(command) && known.has(script.replaceAll('\\n', '\n'))) asked.push(key)
  })
  await shop.work([handle(contract, () => 1)])
  const jobs: string[] = []
  for (let n = 0; n < 20; n++) {
    const job = await shop.producer.enqueue(contract, { n })
    await shop.end(job)
    jobs.push(shop.keys(contract.queue).bullBase + job.id)
  }
  await expect.poll(() => asked.includes(own)).toBe(true)
  expect(asked.filter((key) => jobs.includes(key))).toEqual([])
  monitor.destroy()
})
