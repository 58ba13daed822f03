// Rates by key, over two workers. When jobs were handed out is read from BullMQ's event stream, whose entries Redis itself
// stamps with its time: no part of the limits writes it.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob, type RateOptions } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { byKey, mostInSpan } from '../support/limit-oracle.js'
import { openWorkshop, type Workshop } from '../support/worker.js'

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.close())

const PATIENCE = { timeout: 60_000 }
/** A script has one time, of its start; Redis stamps what it writes to the stream when it writes it, on a busy machine later. */
const STAMP_MS = 40
const input = z.object({ tenant: z.string() })

/** When each job of the queue was handed to a worker, by Redis's clock. */
async function startsOf(queue: string): Promise<{ key: string; at: number }[]> {
  const { bullBase } = shop.keys(queue)
  const starts: { key: string; at: number }[] = []
  for (const [id, fields] of await shop.redis.xrange(`${bullBase}events`, '-', '+')) {
    if (fields[fields.indexOf('event') + 1] !== 'active') continue
    const job = fields[fields.indexOf('jobId') + 1]
    const { tenant } = JSON.parse((await shop.redis.hget(`${bullBase}${job}`, 'data')) ?? '{}')
    starts.push({ key: tenant, at: Number(id.split('-')[0]) })
  }
  return starts
}

async function runAll(queue: string, rate: RateOptions, each: number) {
  const job = defineJob({ name: 'work', queue, input, limit: { key: 'tenant', rate } })
  const ran: string[] = []
  const run = handle(job, ({ tenant }) => void ran.push(tenant))
  const workers = await Promise.all([shop.work([run]), shop.work([run])])
  const jobs = Array.from({ length: 2 * each }, (_, n) => ({ tenant: n % 2 === 0 ? 'a' : 'b' }))
  await shop.producer.enqueueBulk(job, jobs)
  await vi.waitFor(() => expect(ran).toHaveLength(2 * each), PATIENCE)
  for (const worker of workers) await worker.close()
  const starts = byKey(await startsOf(queue))
  return ['a', 'b'].map((key) => (starts.get(key) ?? []).map(({ at }) => at))
}

describe('a rate by key', () => {
  it('as a sliding window is not exceeded in any span of its length', async () => {
    for (const moments of await runAll('sliding', { limit: 5, window: 400 }, 17)) {
      expect(moments).toHaveLength(17)
      expect(mostInSpan(moments, 400 - STAMP_MS)).toBe(5)
      // And it is used: the seventeenth starts in the fourth window, not long after.
      expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThanOrEqual(1200)
    }
  })

  it('as a fixed window is not exceeded between multiples of its length', async () => {
    for (const moments of await runAll('fixed', { kind: 'fixed', limit: 4, window: 300 }, 14)) {
      const windows = new Map<number, number>()
      for (const at of moments) windows.set(Math.floor(at / 300), (windows.get(Math.floor(at / 300)) ?? 0) + 1)
      expect(Math.max(...windows.values())).toBeLessThanOrEqual(4)
      expect(windows.size).toBeGreaterThanOrEqual(4)
    }
  })

  it('as a token bucket lets a burst through, then one each share of the window', async () => {
    for (const moments of await runAll('bucket', { kind: 'bucket', limit: 10, window: '1s', burst: 3 }, 13)) {
      expect(mostInSpan(moments, 50)).toBeLessThanOrEqual(3)
      // In any span no more than the burst and what is refilled meanwhile.
      for (const span of [100, 300, 500, 900])
        expect(mostInSpan(moments, span)).toBeLessThanOrEqual(3 + (span + STAMP_MS) / 100)
      expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThanOrEqual(999)
    }
  })

  it('is told with what is left of it and from when it lets the next one start', async () => {
    const queue = 'told'
    const rate = { limit: 2, window: '1h' } as const
    const job = defineJob({ name: 'work', queue, input, limit: { key: 'tenant', rate, concurrency: 50 } })
    const worker = await shop.work([handle(job, () => undefined)])
    const { producer } = shop
    const jobs = await Promise.all([1, 2, 3, 4].map(() => producer.enqueue(job, { tenant: 'a' })))
    const started = { held: 0, parked: 2 }
    await vi.waitFor(async () => expect(await producer.limits.get(job, 'a')).toMatchObject(started), PATIENCE)
    const state = await producer.limits.get(job, 'a')
    expect(state).toMatchObject({ parked: 2, waitsFor: 'rate', rate: { kind: 'sliding', limit: 2, left: 0 } })
    const [seconds] = await shop.redis.time()
    expect(state?.freeAt).toBeGreaterThan(Number(seconds) * 1000 + 3_000_000)
    expect(state?.freeAt).toBeLessThanOrEqual(Number(seconds) * 1000 + 3_601_000)
    // Nobody asks for them meanwhile: an idle worker looks once in five seconds.
    const calls = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await shop.redis.info('commandstats'))?.[1])
    const before = await calls()
    await vi.waitFor(
      async () => expect(Number((await shop.redis.time())[0])).toBeGreaterThan(Number(seconds) + 2),
      PATIENCE,
    )
    expect((await calls()) - before).toBeLessThan(200)
    for (const { id } of jobs) await producer.jobs.cancel({ queue, id }).catch(() => undefined)
    await worker.close()
  })
})

describe('the rate of a queue', () => {
  it('holds over two workers', async () => {
    const queue = 'whole'
    const job = defineJob({ name: 'work', queue, input })
    await shop.producer.limits.setQueue(queue, { rate: { limit: 5, window: 500 } })
    const ran: string[] = []
    const run = handle(job, ({ tenant }) => void ran.push(tenant))
    const workers = await Promise.all([shop.work([run]), shop.work([run])])
    await shop.producer.enqueueBulk(
      job,
      Array.from({ length: 18 }, () => ({ tenant: 'all' })),
    )
    await vi.waitFor(() => expect(ran).toHaveLength(18), PATIENCE)
    const moments = (await startsOf(queue)).map(({ at }) => at).sort((a, b) => a - b)
    // Each window begins with its first start: the sixth comes in the next one.
    for (let at = 0; at + 5 < 18; at += 5)
      expect((moments[at + 5] ?? 0) - (moments[at] ?? 0)).toBeGreaterThanOrEqual(499)
    for (const worker of workers) await worker.close()
  })
})
