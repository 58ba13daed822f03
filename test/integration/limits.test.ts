// Limits by key: how many jobs run at once, over all workers, however they came and however they end. What ran when is
// judged from what the handlers noted.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob, type LimitOptions, PermanentError } from '../../src/job/index.js'
import { defineSchedule, repairLimits } from '../../src/ledger/index.js'
import { handle } from '../../src/worker/index.js'
import { mostAtOnce, type Run } from '../support/limit-oracle.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ tenant: z.string(), n: z.number() })
type Input = z.input<typeof input>

function contractOf(queue: string, limit: LimitOptions<Input>, options = {}) {
  return defineJob({ name: 'work', queue, input, limit, ...options })
}

/** What is left of the limits of a queue: nothing, when its jobs have all ended. */
async function leftOf(queue: string): Promise<string[]> {
  const { base, bullBase } = shop.keys(queue)
  const keys = await shop.redis.keys(`${base}limit:*`)
  const lists = ['wait', 'active', 'delayed', 'prioritized', 'waiting-children']
  const there = await Promise.all(lists.map((name) => shop.redis.exists(bullBase + name)))
  return [...keys.filter((key) => !key.endsWith('limit:state')), ...lists.filter((_, index) => there[index] === 1)]
}

const isClean = (queue: string) => vi.waitFor(async () => expect(await leftOf(queue)).toEqual([]), PATIENCE)

/** Notes when each job ran; each takes some milliseconds. */
function recorder() {
  const runs: Run[] = []
  const record = async ({ tenant, n }: Input, { id }: { id: string }) => {
    const startedAt = performance.now()
    await sleep((n * 7) % 23)
    runs.push({ key: tenant, id, startedAt, endedAt: performance.now() })
  }
  return { runs, record }
}

describe('concurrency by key', () => {
  it('lets never more of a key run over two workers, and leaves nothing behind', async () => {
    const queue = 'tenants'
    const job = contractOf(queue, { key: 'tenant', concurrency: 2 })
    const { runs, record } = recorder()
    const jobs = Array.from({ length: 150 }, (_, n) => ({ tenant: `t${n % 3}`, n }))
    await shop.producer.enqueueBulk(job, jobs.slice(0, 100))
    const workers = await Promise.all([shop.work([handle(job, record)]), shop.work([handle(job, record)])])
    for (const each of jobs.slice(100)) await shop.producer.enqueue(job, each)
    await vi.waitFor(() => expect(runs).toHaveLength(150), PATIENCE)
    const two = ['t0', 't1', 't2'].map((tenant) => [tenant, 2] as const)
    expect(mostAtOnce(runs)).toEqual(new Map(two))
    await isClean(queue)
    for (const worker of workers) await worker.close()
  })

  it('holds however a job is enqueued', async () => {
    const queue = 'ways'
    const limit = { key: 'tenant', concurrency: 1 }
    const job = contractOf(queue, limit, { attempts: 3, backoff: { type: 'fixed', delay: 20, jitter: 0 } })
    const starter = defineJob({ name: 'starter', queue, input: z.object({}) })
    const { runs, record } = recorder()
    const failed = new Set<string>()
    const ns: number[] = []
    const run = handle(job, async (given, ctx) => {
      await record(given, ctx)
      ns.push(given.n)
      if (given.n % 5 > 0 || failed.has(ctx.id)) return
      failed.add(ctx.id)
      throw new Error('once')
    })
    const start = handle(starter, async (_, ctx) => {
      for (let n = 1; n < 4; n++) await ctx.enqueue(job, { tenant: 'a', n }, { delay: n === 2 ? 5 : 0 })
    })
    const { producer } = shop
    const workers = await Promise.all([shop.work([run, start]), shop.work([run, start])])
    const a = (n: number) => ({ tenant: 'a', n })
    await producer.enqueue(starter, {})
    await producer.enqueueBulk(job, [a(5), a(6)], { spread: '20ms' })
    await producer.enqueue(job, a(7), { delay: 10 })
    await producer.enqueue(job, a(10), { priority: 2 })
    await producer.enqueue(job, a(11), { lifo: true })
    await producer.enqueue(job, a(12), { key: 'twelve', tags: ['x'] })
    expect((await producer.enqueue(job, a(12), { key: 'twelve' })).deduplicated).toBe(true)
    await producer.enqueue(job, a(13), { unique: { by: 'n' }, maxDepth: 1000 })
    await producer.flows.start({ jobs: { one: { job, input: a(14) }, two: { job, input: a(16), after: ['one'] } } })
    const batch = await producer.batches.open(queue, { onComplete: { job, input: a(17) } })
    await batch.enqueue(job, a(18))
    await batch.close()
    await producer.schedules.set(defineSchedule(job, { name: 'often', every: '365d', input: a(19) }))
    await producer.schedules.runNow(queue, 'often')
    // Each runs once, and the two that fail twice.
    const all = [1, 2, 3, 5, 5, 6, 7, 10, 10, 11, 12, 13, 14, 16, 17, 18, 19]
    await vi.waitFor(() => expect([...ns].sort((x, y) => x - y)).toEqual(all), PATIENCE)
    expect(mostAtOnce(runs)).toEqual(new Map([['a', 1]]))
    await isClean(queue)
    for (const worker of workers) await worker.close()
  })

  it('is one for all jobs of a contract without a key, and shared by contracts of scope queue', async () => {
    const queue = 'scopes'
    const alone = defineJob({ name: 'alone', queue, input, limit: { concurrency: 1 } })
    const shared = { key: 'tenant', scope: 'queue', concurrency: 1 } as const
    const left = defineJob({ name: 'left', queue, input, limit: shared })
    const right = defineJob({ name: 'right', queue, input, limit: shared })
    const { runs, record } = recorder()
    const note = (key: string) => (given: Input, ctx: { id: string }) => record({ ...given, tenant: key }, ctx)
    const handlers = [handle(alone, note('alone')), handle(left, note('shared')), handle(right, note('shared'))]
    const worker = await shop.work(handlers)
    for (let n = 0; n < 12; n++) {
      for (const job of [alone, left, right]) await shop.producer.enqueue(job, { tenant: `t`, n })
    }
    await vi.waitFor(() => expect(runs).toHaveLength(36), PATIENCE)
    expect(mostAtOnce(runs)).toEqual(
      new Map([
        ['alone', 1],
        ['shared', 1],
      ]),
    )
    await isClean(queue)
    await worker.close()
  })

  it('lets others of the key run while one waits for its retry, and takes its turn then', async () => {
    const queue = 'backoff'
    const job = contractOf(
      queue,
      { key: 'tenant', concurrency: 1 },
      { backoff: { type: 'fixed', delay: '1h', jitter: 0 } },
    )
    const order: number[] = []
    const jobs = [0, 1, 2].map((n) => ({ tenant: 'a', n }))
    const { ids } = await shop.producer.enqueueBulk(job, jobs)
    const worker = await shop.work([
      handle(job, ({ n }) => {
        order.push(n)
        if (n === 0 && order.filter((each) => each === 0).length === 1) throw new Error('once')
      }),
    ])
    await vi.waitFor(() => expect(order).toEqual([0, 1, 2]), PATIENCE)
    // The hour is over: its retry is due, and the worker is told to look.
    const { bullBase } = shop.keys(queue)
    expect(await shop.redis.zadd(`${bullBase}delayed`, 'XX', 'CH', 1, String(ids[0]))).toBe(1)
    await shop.redis.zadd(`${bullBase}marker`, 0, '0')
    await vi.waitFor(() => expect(order).toEqual([0, 1, 2, 0]), PATIENCE)
    await isClean(queue)
    await worker.close()
  })
})

describe('strict order', () => {
  it('survives retries with a backoff, under two workers', async () => {
    const queue = 'strict'
    const job = contractOf(
      queue,
      { key: 'tenant', order: 'strict' },
      { attempts: 4, backoff: { type: 'fixed', delay: 15, jitter: 0 } },
    )
    const order = new Map<string, number[]>([
      ['a', []],
      ['b', []],
      ['c', []],
    ])
    const { runs, record } = recorder()
    const run = handle(job, async (given, ctx) => {
      order.get(given.tenant)?.push(given.n)
      await record(given, ctx)
      if (ctx.attempt <= given.n % 3) throw new Error('again')
      if (given.n === 7) throw new PermanentError('for good')
    })
    const workers = await Promise.all([shop.work([run]), shop.work([run])])
    for (let n = 0; n < 12; n++) for (const tenant of order.keys()) await shop.producer.enqueue(job, { tenant, n })
    const expected = Array.from({ length: 12 }, (_, n) => Array(1 + (n % 3)).fill(n)).flat()
    await vi.waitFor(() => expect([...order.values()]).toEqual([expected, expected, expected]), PATIENCE)
    expect([...mostAtOnce(runs).values()]).toEqual([1, 1, 1])
    await isClean(queue)
    for (const worker of workers) await worker.close()
  })

  it('refuses what would change it, and enqueues nothing', async () => {
    const job = contractOf('strict-refused', { key: 'tenant', order: 'strict' })
    const given = { tenant: 'a', n: 1 }
    for (const options of [{ delay: '1s' }, { priority: 1 }, { lifo: true }, { debounce: { wait: '1s' } }] as const) {
      await expect(shop.producer.enqueue(job, given, options)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    }
    await expect(shop.producer.enqueueBulk(job, [given], { spread: '1m' })).rejects.toThrow()
    expect(await leftOf('strict-refused')).toEqual([])
  })
})

describe('fair share', () => {
  it('starts jobs by weight, however many of a key came first, and beside jobs without a limit', async () => {
    const queue = 'fair'
    const weights: Record<string, number> = { big: 1, small: 1, heavy: 3 }
    const job = contractOf(queue, { key: 'tenant', weight: ({ tenant }) => weights[tenant] ?? 1 })
    const plain = defineJob({ name: 'plain', queue, input })
    const order: string[] = []
    await shop.producer.enqueueBulk(
      job,
      Array.from({ length: 200 }, (_, n) => ({ tenant: 'big', n })),
    )
    await shop.producer.enqueueBulk(
      job,
      Array.from({ length: 40 }, (_, n) => ({ tenant: 'heavy', n })),
    )
    await shop.producer.enqueueBulk(
      job,
      Array.from({ length: 40 }, (_, n) => ({ tenant: 'small', n })),
    )
    await shop.producer.enqueueBulk(
      plain,
      Array.from({ length: 40 }, (_, n) => ({ tenant: 'plain', n })),
    )
    const handlers = [job, plain].map((each) => handle(each, ({ tenant }) => void order.push(tenant)))
    const worker = await shop.work(handlers, { concurrency: 1 })
    await vi.waitFor(() => expect(order).toHaveLength(320), PATIENCE)
    const first = order.slice(0, 60)
    const due = { big: 10, heavy: 30, small: 10, plain: 10 }
    // Sixty starts are ten for each unit of weight; no key is ahead of another by more than one of its own turns.
    for (const [tenant, starts] of Object.entries(due)) {
      const had = first.filter((each) => each === tenant).length
      expect(Math.abs(had - starts)).toBeLessThanOrEqual(3)
    }
    await isClean(queue)
    await worker.close()
  })
})

describe('a job in line', () => {
  it('is seen, with its place and who is before it, and leaves when it is cancelled or removed', async () => {
    const queue = 'seen'
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    const gate = createGate()
    const worker = await shop.work([handle(job, () => gate.promise)])
    const { producer } = shop
    const jobs = []
    for (let n = 0; n < 4; n++) jobs.push(await producer.enqueue(job, { tenant: 'a', n }))
    const ids = jobs.map(({ id }) => id)
    await vi.waitFor(async () => expect((await producer.limits.get(job, 'a'))?.held).toBe(1), PATIENCE)
    const state = { key: 'a', job: 'work', concurrency: 1, held: 1, parked: 3, waitsFor: 'permit', rate: undefined }
    expect(await producer.limits.get(job, 'a')).toMatchObject(state)
    const ofThird = await producer.limits.ofJob({ queue, id: ids[2] ?? '' })
    expect(ofThird).toMatchObject({ ...state, position: 1, holds: false, holders: [ids[0]] })
    expect(await producer.limits.ofJob({ queue, id: ids[0] ?? '' })).toMatchObject({ holds: true, position: undefined })
    expect(await producer.limits.counts(queue)).toEqual({ keys: 1, held: 1, parked: 3 })
    expect(await producer.limits.list(queue)).toEqual([await producer.limits.get(job, 'a')])
    expect(await producer.limits.get(job, 'b')).toBeUndefined()
    await expect(producer.enqueue(job, { tenant: 'a', n: 9 }, { maxDepth: 3 })).rejects.toMatchObject({
      code: 'QUEUE_FULL',
    })

    expect(await producer.jobs.cancel({ queue, id: ids[1] ?? '' })).toBe('cancelled')
    // As BullMQ's own tools remove a job.
    const { bullBase } = shop.keys(queue)
    await shop.redis
      .multi()
      .zrem(`${bullBase}waiting-children`, ids[2] ?? '')
      .del(`${bullBase}${ids[2]}`)
      .exec()
    gate.open()
    await shop.end({ queue, id: ids[3] ?? '' })
    await isClean(queue)
    expect(await shop.redis.hget(shop.keys(queue).totals, 'work:completed')).toBe('2')
    await worker.close()
  })

  it('starts although who had the permit was removed by hand', async () => {
    const queue = 'leak'
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    const keys = shop.keys(queue)
    await shop.redis.hset(keys.limit('held'), 'gone', 'work:a')
    await shop.redis.hset(keys.limit('key:work:a'), { spec: '1,n,0,0,0,1,f', held: 1, tag: 0 })
    const waiting = await shop.producer.enqueue(job, { tenant: 'a', n: 1 })
    expect(await shop.producer.limits.get(job, 'a')).toMatchObject({ held: 1, parked: 1 })
    const worker = await shop.work([handle(job, () => undefined)])
    expect(await shop.end(waiting)).toMatchObject({ status: 'completed' })
    await isClean(queue)
    expect(await repairLimits(shop.redis, keys)).toBe(0)
    await worker.close()
  })

  it('is heeded by a worker that knows nothing of limits', async () => {
    const queue = 'skew'
    const old = defineJob({ name: 'work', queue, input })
    const limited = contractOf(queue, { key: 'tenant', concurrency: 1 })
    const { runs, record } = recorder()
    const worker = await shop.work([handle(old, record)])
    const jobs = Array.from({ length: 30 }, (_, n) => ({ tenant: 'a', n }))
    await shop.producer.enqueueBulk(limited, jobs.slice(0, 20), { spread: '50ms' })
    await shop.producer.enqueueBulk(limited, jobs.slice(20))
    await vi.waitFor(() => expect(runs).toHaveLength(30), PATIENCE)
    expect(mostAtOnce(runs)).toEqual(new Map([['a', 1]]))
    await isClean(queue)
    await worker.close()
  })

  it('keeps its permit when it is handed back, and runs again first', async () => {
    const queue = 'handed'
    const job = contractOf(queue, { key: 'tenant', order: 'strict' })
    const started = createGate()
    const first = await shop.work([
      handle(job, async (_, { signal }) => {
        started.open()
        await sleep(60_000, undefined, { signal })
      }),
    ])
    for (let n = 0; n < 3; n++) await shop.producer.enqueue(job, { tenant: 'a', n })
    await started.promise
    await first.close()
    const order: number[] = []
    const second = await shop.work([handle(job, ({ n }) => void order.push(n))])
    await vi.waitFor(() => expect(order).toEqual([0, 1, 2]), PATIENCE)
    await isClean(queue)
    await second.close()
  })
})

describe('keys of any text', () => {
  it('are kept apart, each with its own limit', async () => {
    const queue = 'hostile'
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    const { runs, record } = recorder()
    const worker = await shop.work([handle(job, record)])
    const tenants = [
      'a b',
      'a',
      '{x}',
      '}:{',
      'new\nline',
      '%s %d',
      '\u0000',
      'é😀',
      '__proto__',
      ':',
      '1,n,0,0,0,1,f a',
    ]
    for (let n = 0; n < 3; n++) for (const tenant of tenants) await shop.producer.enqueue(job, { tenant, n })
    await vi.waitFor(() => expect(runs).toHaveLength(33), PATIENCE)
    expect(mostAtOnce(runs)).toEqual(new Map(tenants.map((tenant) => [tenant, 1])))
    await isClean(queue)
    await worker.close()
  })

  it('that are none enqueue nothing', async () => {
    const queue = 'none'
    const job = contractOf(queue, { key: ({ tenant }) => (tenant === 'x' ? (7 as never) : tenant), concurrency: 1 })
    await expect(shop.producer.enqueue(job, { tenant: 'x', n: 1 })).rejects.toMatchObject({ option: 'limit.key' })
    await expect(shop.producer.enqueue(job, { tenant: '', n: 1 })).rejects.toMatchObject({ option: 'limit.key' })
    const jobs = [{ tenant: 'x', n: 1 }]
    await expect(shop.producer.enqueueBulk(job, jobs)).rejects.toMatchObject({ cause: { option: 'limit.key' } })
    const flow = { one: { job, input: { tenant: 'x', n: 1 } } }
    await expect(shop.producer.flows.start({ jobs: flow })).rejects.toMatchObject({ option: 'limit.key' })
    expect(await leftOf(queue)).toEqual([])
    expect(await shop.redis.keys(`${shop.keys(queue).bullBase}*`)).toEqual([])
  })
})

describe('the concurrency of a queue', () => {
  it('holds over two workers, and is changed while they run', async () => {
    const queue = 'whole'
    const job = defineJob({ name: 'work', queue, input })
    const { runs, record } = recorder()
    expect(await shop.producer.limits.setQueue(queue, { concurrency: 3 })).toEqual({ concurrency: 3, rate: undefined })
    const workers = await Promise.all([shop.work([handle(job, record)]), shop.work([handle(job, record)])])
    await shop.producer.enqueueBulk(
      job,
      Array.from({ length: 60 }, (_, n) => ({ tenant: 'all', n })),
    )
    await vi.waitFor(() => expect(runs).toHaveLength(60), PATIENCE)
    expect(mostAtOnce(runs).get('all')).toBe(3)
    for (const bad of [{ concurrency: 0 }, { concurrency: 1.5 }, { rate: { limit: 0, window: '1s' } }, { other: 1 }]) {
      await expect(shop.producer.limits.setQueue(queue, bad as never)).rejects.toThrow(/expected|unknown/i)
    }
    expect(await shop.producer.limits.getQueue(queue)).toEqual({ concurrency: 3, rate: undefined })
    expect(await shop.producer.limits.setQueue(queue, { concurrency: null })).toEqual({
      concurrency: undefined,
      rate: undefined,
    })
    for (const worker of workers) await worker.close()
  })
})
