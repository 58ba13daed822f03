// Rates by key, over two workers. When jobs were handed out is read from BullMQ's event stream, whose entries Redis itself
// stamps with its time: no part of the limits writes it. A script that hands a job out reads the time once, T, and a rate is
// exact by that. Its entry in the stream is stamped s when it is written: off T by no more than the script takes, which Redis
// measures itself (SLOWLOG; D is the longest). And as Redis runs one script at a time, s lies before the T of the next one.
// So of a sliding window of 5 and W ms: of any 6 starts the stamps are W - D apart, and of any 7 they are W apart, whatever D is.
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob, type RateOptions } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { byKey, mostInSpan } from '../support/limit-oracle.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const MAX_SLOW = 100_000
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

interface Starts {
  /** The stamps of each key. */
  readonly keys: readonly number[][]
  /** How long the longest command took Redis meanwhile, whole milliseconds: D. */
  readonly longestMs: number
}

async function watchLongest(): Promise<() => Promise<number>> {
  const { redis } = shop
  // What is not listed took less.
  await redis.config('SET', 'slowlog-log-slower-than', 1_000, 'slowlog-max-len', MAX_SLOW)
  await redis.slowlog('RESET')
  return async () => {
    const slow = (await redis.slowlog('GET', MAX_SLOW)) as [id: number, at: number, micros: number][]
    expect(slow.length).toBeLessThan(MAX_SLOW)
    return Math.ceil(Math.max(1_000, ...slow.map(([, , micros]) => micros)) / 1_000)
  }
}

async function runAll(queue: string, rate: RateOptions, each: number): Promise<Starts> {
  const job = defineJob({ name: 'work', queue, input, limit: { key: 'tenant', rate } })
  const ran: string[] = []
  const run = handle(job, ({ tenant }) => void ran.push(tenant))
  const workers = await Promise.all([shop.work([run]), shop.work([run])])
  const longest = await watchLongest()
  const jobs = Array.from({ length: 2 * each }, (_, n) => ({ tenant: n % 2 === 0 ? 'a' : 'b' }))
  await shop.producer.enqueueBulk(job, jobs)
  await vi.waitFor(() => expect(ran).toHaveLength(2 * each), PATIENCE)
  const longestMs = await longest()
  for (const worker of workers) await worker.close()
  const starts = byKey(await startsOf(queue))
  return { keys: ['a', 'b'].map((key) => (starts.get(key) ?? []).map(({ at }) => at)), longestMs }
}

describe('a rate by key', () => {
  it('as a sliding window is not exceeded in any span of its length', async () => {
    const { keys, longestMs } = await runAll('sliding', { limit: 5, window: 400 }, 17)
    for (const moments of keys) {
      expect(moments).toHaveLength(17)
      expect(mostInSpan(moments, 400 - longestMs)).toBeLessThanOrEqual(5)
      expect(mostInSpan(moments, 400)).toBeLessThanOrEqual(6)
      expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThanOrEqual(1200 - longestMs)
    }
  })

  it('as a fixed window is not exceeded between multiples of its length', async () => {
    const { keys, longestMs } = await runAll('fixed', { kind: 'fixed', limit: 4, window: 300 }, 14)
    for (const moments of keys) {
      const windows = new Map<number, number>()
      const ofWindow = (at: number) => Math.floor(at / 300)
      for (const at of moments) {
        windows.set(ofWindow(at), windows.get(ofWindow(at)) ?? 0)
        // Of one beside the edge of a window nobody can tell from outside in which it was counted.
        if (ofWindow(at - longestMs) !== ofWindow(at + longestMs)) continue
        windows.set(ofWindow(at), (windows.get(ofWindow(at)) ?? 0) + 1)
      }
      expect(Math.max(...windows.values())).toBeLessThanOrEqual(4)
      expect(windows.size).toBeGreaterThanOrEqual(4)
    }
  })

  it('as a token bucket lets a burst through, then one each share of the window', async () => {
    const { keys, longestMs } = await runAll('bucket', { kind: 'bucket', limit: 10, window: '1s', burst: 3 }, 13)
    for (const moments of keys) {
      // In any span no more than the burst and what is refilled meanwhile.
      for (const span of [50, 100, 300, 500, 900])
        expect(mostInSpan(moments, span)).toBeLessThanOrEqual(3 + (span + longestMs) / 100)
      expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThanOrEqual(1_000 - longestMs)
    }
  })

  it.each(['sliding', 'fixed', 'bucket'] as const)(
    'as %s remembers its starts for longer than they count',
    async (kind) => {
      const queue = `kept-${kind}`
      const rate = { kind, limit: 2, window: '1h' } as const
      const job = defineJob({ name: 'work', queue, input, limit: { key: 'tenant', rate } })
      const worker = await shop.work([handle(job, () => undefined)])
      await shop.end(await shop.producer.enqueue(job, { tenant: 'a' }))
      await worker.close()
      const key = shop.keys(queue).limit(`${kind === 'sliding' ? 'log' : 'key'}:work:a`)
      // A script reads the time after it has begun, and Redis may reckon with its beginning what a script lets expire.
      expect(await shop.redis.pttl(key)).toBeGreaterThan(3_600_000)
    },
  )

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
    const [before, from] = [await calls(), performance.now()]
    await vi.waitFor(
      async () => expect(Number((await shop.redis.time())[0])).toBeGreaterThan(Number(seconds) + 2),
      PATIENCE,
    )
    const perSecond = ((await calls()) - before) / ((performance.now() - from) / 1_000)
    expect(perSecond).toBeLessThan(70)
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
    const longest = await watchLongest()
    await shop.producer.enqueueBulk(
      job,
      Array.from({ length: 18 }, () => ({ tenant: 'all' })),
    )
    await vi.waitFor(() => expect(ran).toHaveLength(18), PATIENCE)
    const longestMs = await longest()
    const moments = (await startsOf(queue)).map(({ at }) => at).sort((a, b) => a - b)
    // Each window begins with its first start: the sixth comes in the next one.
    for (let at = 0; at + 5 < 18; at += 5)
      expect((moments[at + 5] ?? 0) - (moments[at] ?? 0)).toBeGreaterThanOrEqual(500 - longestMs)
    for (const worker of workers) await worker.close()
  })
})
