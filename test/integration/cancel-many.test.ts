// All jobs of a queue that match a filter, cancelled: exact counts, beside workers, after a refusal, and with rubbish.
import { Redis } from 'ioredis'
import { describe, expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { readTotals } from '../../src/ledger/index.js'
import { createProducer } from '../../src/producer/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { handle } from '../../src/worker/index.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const NONE = { matched: 0, cancelled: 0, cancelling: 0, ended: 0, refused: 0 }
const all = (n: number) => ({ ...NONE, matched: n, cancelled: n })
const define = (queue: string, name: string) => defineJob({ name, queue, input: anything, attempts: 1 })
const waiting = (queue: string) => shop.redis.lrange(`${shop.keys(queue).bullBase}wait`, 0, -1)
const failed = async (queue: string, name: string) =>
  (await readTotals(shop.redis, shop.keys(queue))).get(name)?.failed ?? 0

async function fill(queue: string, count: number): Promise<string[]> {
  const [red, blue] = [define(queue, 'red'), define(queue, 'blue')]
  const handles = []
  for (let n = 0; n < count; n++) handles.push(await shop.producer.enqueue(n % 3 === 0 ? red : blue, { n }))
  return handles.map(({ id }) => id)
}

describe('all jobs that match', () => {
  it('are cancelled by job name, and the others keep their order', async () => {
    const ids = await fill('names', 1_200)
    const filter = { queue: 'names', job: 'red' }
    expect(await shop.producer.jobs.cancelMany(filter, { dryRun: true })).toEqual({ ...NONE, matched: 400 })
    // A bounded one looks at the newest, piece by piece, and says that there are more.
    const bounded = (bounds: object) => shop.producer.jobs.cancelMany(filter, { dryRun: true, ...bounds })
    expect(await bounded({ maxRead: 900 })).toEqual({ ...NONE, matched: 333, isPartial: true })
    expect(await bounded({ limit: 7 })).toEqual({ ...NONE, matched: 7, isPartial: true })
    expect(await bounded({ maxRead: 1_201, limit: 400 })).toMatchObject({ matched: 400 })
    expect(await failed('names', 'red')).toBe(0)
    expect(await shop.producer.jobs.cancelMany(filter)).toEqual(all(400))
    expect(await waiting('names')).toEqual(ids.filter((_, n) => n % 3 !== 0).reverse())
    expect([await failed('names', 'red'), await failed('names', 'blue')]).toEqual([400, 0])
    expect(await shop.redis.llen(`${shop.keys('names').bullBase}active`)).toBe(0)
    expect(await shop.producer.jobs.cancelMany(filter)).toEqual(NONE)
  })

  it('are cancelled by state and tag together', async () => {
    const job = define('mixed', 'any')
    for (const options of [{ delay: '1h' }, { priority: 5 }, {}] as const) {
      await shop.producer.enqueue(job, {}, { ...options, tags: ['import-7', 'eu'] })
      await shop.producer.enqueue(job, {}, { ...options, tags: ['import-8'] })
      await shop.producer.enqueue(job, {}, options)
    }
    const cancel = (filter: object) => shop.producer.jobs.cancelMany({ queue: 'mixed', ...filter })
    expect(await cancel({ tag: 'import-7', states: ['delayed', 'prioritized'] })).toEqual(all(2))
    expect(await cancel({ tag: 'import-7' })).toEqual(all(1))
    expect(await cancel({ tag: 'import-9' })).toEqual(NONE)
    expect(await cancel({ job: 'none' })).toEqual(NONE)
    expect(await cancel({ states: ['waiting'] })).toEqual(all(2))
    expect(await shop.producer.jobs.cancelMany({ queue: 'mixed' }, { limit: 3 })).toEqual(all(3))
    expect(await cancel({})).toEqual(all(1))
    expect(await failed('mixed', 'any')).toBe(9)
  })

  it('and run are aborted, and counted once though they are met again', async () => {
    const job = define('running', 'long')
    const gate = createGate()
    let running = 0
    const worker = await shop.work(
      [
        handle(job, async (_input, ctx) => {
          if (++running === 3) gate.open()
          await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
        }),
      ],
      { concurrency: 3 },
    )
    const jobs = await Promise.all(Array.from({ length: 5 }, () => shop.producer.enqueue(job, {})))
    await gate.promise
    const counts = await shop.producer.jobs.cancelMany({ queue: 'running' })
    expect(counts).toEqual({ ...NONE, matched: 5, cancelled: 2, cancelling: 3 })
    const ends = await Promise.all(jobs.map((each) => shop.end(each)))
    expect(ends.map((end) => end.status === 'failed' && end.error.code)).toEqual(Array(5).fill('CANCELLED'))
    expect(await failed('running', 'long')).toBe(5)
    await worker.close()
  })

  it('end once each beside workers that take them, and beside another cancel', async () => {
    const job = define('race-many', 'race')
    const worker = await shop.work([handle(job, () => 1)], { concurrency: 4 })
    const { ids } = await shop.producer.enqueueBulk(
      job,
      Array.from({ length: 2_000 }, (_, n) => ({ n })),
    )
    const [one, other] = await Promise.all([
      shop.producer.jobs.cancelMany({ queue: 'race-many', states: ['waiting'] }),
      shop.producer.jobs.cancelMany({ queue: 'race-many', states: ['waiting'] }),
    ])
    for (const id of ids) await shop.end({ queue: 'race-many', id })
    const counted = (await readTotals(shop.redis, shop.keys('race-many'))).get('race')
    expect(counted?.failed ?? 0).toBe(one.cancelled + other.cancelled)
    expect((counted?.completed ?? 0) + (counted?.failed ?? 0)).toBe(2_000)
    expect(await waiting('race-many')).toEqual([])
    await worker.close()
  })

  it('are counted exactly though the answer to a cancel is lost', async () => {
    await fill('cut', 600)
    const proxy = await startFaultProxy({ target: shop.server.url })
    const producer = createProducer({ redis: proxy.url, timeout: '60s' })
    await producer.jobs.cancelMany({ queue: 'cut' }, { dryRun: true })
    // The token of the script's lock is in each of its calls.
    proxy.set({ mode: 'dropReply', matching: 'drover:cancel', every: 2, count: 2 })
    const cancelled = producer.jobs.cancelMany({ queue: 'cut' })
    expect(await cancelled).toEqual(all(600))
    expect(proxy.counts.lostReplies).toBe(2)
    expect([await failed('cut', 'red'), await failed('cut', 'blue')]).toEqual([200, 400])
    await producer.close()
    await proxy.close()
  })
})

describe('a job of a flow', () => {
  it('that is cancelled holds those after it, as one that failed, until a retry of it completes', async () => {
    const job = define('flow', 'step')
    const { jobs } = await shop.producer.flows.start({
      id: 'f',
      jobs: { first: { job, input: {} }, last: { job, input: {}, after: ['first'] } },
    })
    expect(await shop.producer.jobs.cancelMany({ queue: 'flow' })).toEqual(all(1))
    expect(await shop.producer.batches.get('flow', 'f.last')).toMatchObject({ total: 1, failed: 1, fired: [] })
    await expect(shop.producer.jobs.cancel(jobs.last as never)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    const { Queue } = await import('bullmq')
    const queue = new Queue('flow', { connection: { url: shop.server.url }, prefix: shop.keys('flow').bull })
    await (await queue.getJob('f.first'))?.retry('failed')
    await queue.close()
    const worker = await shop.work([handle(job, () => 1)])
    await vi.waitFor(
      () =>
        shop.producer.results
          .get({ queue: 'flow', id: 'f.last' })
          .then((end) => expect(end).toMatchObject({ status: 'completed' })),
      PATIENCE,
    )
    await worker.close()
  })
})

describe('a job whose end cannot be written', () => {
  it('stays where it was, with all around it, until it can', async () => {
    const { bullBase } = shop.keys('stuck')
    const job = define('stuck', 'member')
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.push((await shop.producer.enqueue(job, { n })).id)
    const member = { queue: 'stuck', id: ids[2] as string }
    // BullMQ's script reads it, and raises.
    await shop.redis.hset(bullBase + member.id, 'parent', 'no JSON')
    await expect(shop.producer.jobs.cancel(member)).rejects.toMatchObject({ code: 'REDIS_REFUSED' })
    expect(await waiting('stuck')).toEqual([...ids].reverse())
    expect(await shop.redis.exists(`${bullBase}active`, `${bullBase}${member.id}:lock`)).toBe(0)
    expect(await shop.producer.jobs.cancelMany({ queue: 'stuck' })).toEqual({
      ...NONE,
      matched: 5,
      cancelled: 4,
      refused: 1,
    })
    expect(await waiting('stuck')).toEqual([member.id])
  })

  it('and that stands in a full Redis is left there, and its cancel refused', async () => {
    const job = define('full', 'any')
    const ids = [await shop.producer.enqueue(job, {}), await shop.producer.enqueue(job, {})].map(({ id }) => id)
    const admin = new Redis(shop.server.url)
    await admin.config('SET', 'maxmemory', '1')
    try {
      await expect(shop.producer.jobs.cancel({ queue: 'full', id: ids[0] as string })).rejects.toMatchObject({
        code: 'REDIS_FULL',
      })
      await expect(shop.producer.jobs.cancelMany({ queue: 'full' })).rejects.toMatchObject({ code: 'REDIS_FULL' })
    } finally {
      await admin.config('SET', 'maxmemory', '0')
      admin.disconnect()
    }
    expect(await waiting('full')).toEqual([...ids].reverse())
    expect(await shop.redis.exists(`${shop.keys('full').bullBase}active`)).toBe(0)
  })
})

describe('a filter', () => {
  it.each([
    [{ queue: 'a b' }, 'INVALID_QUEUE_NAME'],
    [{}, 'INVALID_QUEUE_NAME'],
    [{ queue: 'x', job: 7 }, 'INVALID_OPTION'],
    [{ queue: 'x', job: 'a|b' }, 'INVALID_OPTION'],
    [{ queue: 'x', tag: '' }, 'INVALID_OPTION'],
    [{ queue: 'x', states: [] }, 'INVALID_OPTION'],
    [{ queue: 'x', states: 'waiting' }, 'INVALID_OPTION'],
    [{ queue: 'x', states: ['completed'] }, 'INVALID_OPTION'],
    [{ queue: 'x', jobs: 'y' }, 'UNKNOWN_OPTION'],
  ])('of %j is refused with %s', async (filter, code) => {
    await expect(shop.producer.jobs.cancelMany(filter as never)).rejects.toMatchObject({ code })
  })

  it('with a misspelt state is told the one that was meant', async () => {
    const filter = { queue: 'x', states: ['delayd' as never] }
    await expect(shop.producer.jobs.cancelMany(filter)).rejects.toThrow('did you mean delayed?')
    await expect(shop.producer.jobs.cancelMany({ queue: 'x' }, { limit: 0 })).rejects.toThrow('limit')
    await expect(shop.producer.jobs.cancelMany({ queue: 'x' }, { dryRun: 1 as never })).rejects.toThrow('dryRun')
  })
})
