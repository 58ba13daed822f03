// The result cache on real Redis: what an equal input gets, from whom, and what takes a result out of it.
import { randomUUID } from 'node:crypto'
import { Queue } from 'bullmq'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type CacheOptions, createProducer, defineJob, PermanentError, type Producer } from '../../src/index.js'
import { handle } from '../../src/worker/index.js'
import { openWorkshop, type TestWorker, type Workshop } from '../support/worker.js'

let shop: Workshop
let producer: Producer
const workers: TestWorker[] = []

beforeAll(async () => {
  shop = await openWorkshop()
  producer = shop.producer
})
afterAll(() => shop.close())
afterEach(() => Promise.all(workers.splice(0).map((worker) => worker.close())))

const input = z.object({ user: z.string(), page: z.number().optional(), fails: z.boolean().optional() })
type Input = z.infer<typeof input>

function job(cache: CacheOptions<Input> | undefined = { ttl: '1h' }, more: { queue?: string; version?: number } = {}) {
  const { queue = `q-${randomUUID().slice(0, 8)}`, version = 1 } = more
  const upcast = version === 1 ? undefined : { 1: (old: unknown) => old }
  return defineJob({
    name: 'look-up',
    queue,
    input,
    output: z.number(),
    attempts: 1,
    ...(cache && { cache }),
    ...(upcast && { version, upcast }),
  })
}
type Job = ReturnType<typeof job>

/** A worker whose handler gives the number of its run; a run waits for `gate`. */
async function work(contract: Job, gate: Promise<void> = Promise.resolve()) {
  let runs = 0
  const handler = handle(contract, async ({ fails }) => {
    const run = ++runs
    await gate
    if (fails) throw new PermanentError('asked to')
    return run
  })
  workers.push(await shop.work([handler]))
  return () => runs
}

/** What an enqueue of this input comes to, and how it was answered. */
async function ask(contract: Job, given: Input, options: object = {}) {
  const { cached = false, deduplicated = false, ...handled } = await producer.enqueue(contract, given, options)
  const outcome = await producer.results.wait(handled, { timeout: '60s' })
  return { cached, deduplicated, value: outcome.ok ? outcome.value : outcome.error.message }
}
const ran = (value: number | string) => ({ cached: false, deduplicated: false, value })
const hit = (value: number | string) => ({ cached: true, deduplicated: true, value })
const gateOf = () => {
  let open: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  return { gate, open }
}

describe('a job with a cache', () => {
  it('gives an equal input the stored result without a run, and counts it where any client reads it', async () => {
    const contract = job()
    const runs = await work(contract)
    expect(await ask(contract, { user: 'ada', page: 1 })).toEqual(ran(1))
    expect(await ask(contract, { page: 1, user: 'ada' })).toEqual(hit(1))
    expect(await ask(contract, { user: 'ada', page: 2 })).toEqual(ran(2))
    expect(runs()).toBe(2)
    expect(await producer.cache.stats(contract)).toEqual({ hits: 1, shared: 0, misses: 2 })
    expect(await shop.redis.get(`{drover:${contract.queue}}:counter:cache:look-up:hits`)).toBe('1')
    expect(await shop.redis.get(`{drover:${contract.queue}}:counter:cache:look-up:misses`)).toBe('2')
    const points = await producer.counters.read(contract.queue, 'cache:look-up:misses')
    expect(points.reduce((sum, { value }) => sum + value, 0)).toBe(2)
  })

  it('gives equal inputs of two producers at the same time one run', async () => {
    const contract = job()
    const { gate, open } = gateOf()
    const runs = await work(contract, gate)
    await using other = createProducer({ redis: shop.server.url })
    const asked = Array.from({ length: 60 }, (_, n) =>
      (n % 2 === 0 ? producer : other).enqueue(contract, { user: 'ada' }),
    )
    const handles = await Promise.all(asked)
    open()
    const values = await Promise.all(handles.map((each) => producer.results.wait(each, { timeout: '60s' })))
    expect(values.every((outcome) => outcome.ok && outcome.value === 1)).toBe(true)
    expect(handles.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1)
    expect(handles.every(({ cached }) => cached === undefined)).toBe(true)
    expect(runs()).toBe(1)
    expect(await producer.cache.stats(contract)).toEqual({ hits: 0, shared: 59, misses: 1 })
  })

  it('takes inputs for the same by fields, or by a function', async () => {
    const byField = job({ ttl: '1h', key: 'user' })
    await work(byField)
    expect(await ask(byField, { user: 'ada', page: 1 })).toEqual(ran(1))
    expect(await ask(byField, { user: 'ada', page: 2 })).toEqual(hit(1))
    expect(await ask(byField, { user: 'bob' })).toEqual(ran(2))
    const byFunction = job({ ttl: '1h', key: ({ user }) => user.toLowerCase() })
    await work(byFunction)
    expect(await ask(byFunction, { user: 'ada' })).toEqual(ran(1))
    expect(await ask(byFunction, { user: 'ADA' })).toEqual(hit(1))
  })

  it.each<[string, () => unknown]>([
    ['is too long', () => 'x'.repeat(1_025)],
    ['is empty', () => ''],
    ['is no text', () => Promise.resolve('x')],
    [
      'throws',
      () => {
        throw new Error('no key')
      },
    ],
  ])('refuses an input whose key %s, and enqueues nothing', async (_what, key) => {
    const contract = job({ ttl: '1h', key: key as never })
    const error = await producer.enqueue(contract, { user: 'ada' }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option: 'cache.key' })
    expect(await shop.redis.keys(`{drover:${contract.queue}}:*`)).toEqual([])
  })

  it('runs an input again each time when its key function gives another text each time', async () => {
    const contract = job({ ttl: '1h', key: () => randomUUID() })
    await work(contract)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(1))
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(2))
  })

  it('serves a result for its ttl from the end of its run, and no longer', async () => {
    const contract = job({ ttl: '1s' })
    await work(contract)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(1))
    const [record = ''] = await shop.redis.keys(`{drover:${contract.queue}}:cache:*`)
    expect(await shop.redis.pttl(record)).toBeLessThanOrEqual(1_000)
    await expect.poll(() => shop.redis.exists(record)).toBe(0)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(2))
  })

  it('keeps the result that it answered with for a minute, so that it can be read', async () => {
    const contract = job()
    await work(contract)
    const first = await producer.enqueue(contract, { user: 'ada' })
    await shop.end(first)
    const { result } = shop.keys(contract.queue)
    await shop.redis.pexpire(result(first.id), 20_000)
    expect(await producer.enqueue(contract, { user: 'ada' })).toMatchObject({ id: first.id, cached: true })
    expect(await shop.redis.pttl(result(first.id))).toBeGreaterThan(20_000)
  })

  it('gives those who share a run that fails its error, and runs the next input anew', async () => {
    const contract = job({ ttl: '1h', key: 'user' })
    const { gate, open } = gateOf()
    await work(contract, gate)
    const first = ask(contract, { user: 'ada', fails: true })
    await expect.poll(async () => (await producer.cache.stats(contract)).misses).toBe(1)
    const second = ask(contract, { user: 'ada' })
    await expect.poll(async () => (await producer.cache.stats(contract)).shared).toBe(1)
    open()
    expect(await first).toEqual(ran('asked to'))
    expect(await second).toEqual({ cached: false, deduplicated: true, value: 'asked to' })
    expect(await shop.redis.keys(`{drover:${contract.queue}}:cache:*`)).toEqual([])
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(2))
    expect(await ask(contract, { user: 'ada' })).toEqual(hit(2))
  })

  it('runs again when the result was deleted, or the job cancelled', async () => {
    const contract = job()
    const waiting = await producer.enqueue(contract, { user: 'ada' })
    expect(await producer.jobs.cancel(waiting)).toBe('cancelled')
    expect(await shop.redis.keys(`{drover:${contract.queue}}:cache:*`)).toEqual([])
    await work(contract)
    const done = await producer.enqueue(contract, { user: 'ada' })
    expect(done).not.toHaveProperty('deduplicated')
    await shop.end(done)
    await producer.results.delete(done)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(2))
  })

  it('shares the run of a manual retry, whose result takes the place of the first one', async () => {
    const contract = job()
    await work(contract)
    const { id, queue: name } = await producer.enqueue(contract, { user: 'ada' })
    await shop.end({ id, queue: name })
    const queue = new Queue(name, {
      connection: { host: shop.server.host, port: shop.server.port },
      prefix: shop.keys(name).bull,
    })
    await queue.pause()
    await (await queue.getJob(id))?.retry('completed')
    expect(await producer.enqueue(contract, { user: 'ada' })).toEqual({
      id,
      name: 'look-up',
      queue: name,
      deduplicated: true,
    })
    await queue.resume()
    await queue.close()
    expect(await producer.results.wait({ id, queue: name }, { timeout: '60s' })).toMatchObject({ value: 2 })
    expect(await ask(contract, { user: 'ada' })).toEqual(hit(2))
  })

  it('does not serve what an older version of the contract made', async () => {
    const contract = job()
    const newer = job({ ttl: '1h' }, { queue: contract.queue, version: 2 })
    await work(newer)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(1))
    expect(await ask(newer, { user: 'ada' })).toEqual(ran(2))
    expect(await ask(newer, { user: 'ada' })).toEqual(hit(2))
  })

  it('is gone past with cache: false, an id, a key, or in a batch, and is renewed with refresh', async () => {
    const contract = job()
    await work(contract)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(1))
    expect(await ask(contract, { user: 'ada' }, { cache: false })).toEqual(ran(2))
    expect(await ask(contract, { user: 'ada' }, { id: 'mine' })).toEqual(ran(3))
    expect(await ask(contract, { user: 'ada' }, { key: 'mine' })).toEqual(ran(4))
    const batch = await producer.batches.open(contract.queue)
    const { count, deduplicated } = await batch.enqueueBulk(contract, [{ user: 'ada' }])
    await batch.close()
    expect({ count, deduplicated }).toEqual({ count: 1, deduplicated: 0 })
    expect(await ask(contract, { user: 'ada' })).toEqual(hit(1))
    expect(await ask(contract, { user: 'ada' }, { cache: 'refresh' })).toMatchObject({ cached: false })
    expect(await ask(contract, { user: 'ada' })).toMatchObject({ cached: true })
    expect((await ask(contract, { user: 'ada' })).value).not.toBe(1)
  })

  it('serves the inputs of a bulk', async () => {
    const contract = job()
    await work(contract)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(1))
    const inputs = [{ user: 'ada' }, { user: 'bob' }, { user: 'bob' }]
    const bulk = await producer.enqueueBulk(contract, inputs)
    expect(bulk).toMatchObject({ count: 3, deduplicated: 2 })
    expect(bulk.ids[1]).toBe(bulk.ids[2])
    await Promise.all(bulk.ids.map((id) => shop.end({ queue: contract.queue, id })))
    expect(await producer.cache.stats(contract)).toEqual({ hits: 1, shared: 1, misses: 2 })
  })

  it('serves an input when the queue is full, and counts nothing of one that is refused', async () => {
    const contract = job()
    const runs = await work(contract)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(1))
    await producer.enqueue(contract, { user: 'late' }, { delay: '1h', cache: false })
    expect(await ask(contract, { user: 'ada' }, { maxDepth: 1 })).toEqual(hit(1))
    const error = await producer.enqueue(contract, { user: 'bob' }, { maxDepth: 1 }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'QUEUE_FULL' })
    expect(await producer.cache.stats(contract)).toEqual({ hits: 1, shared: 0, misses: 1 })
    expect(runs()).toBe(1)
  })
})

describe('producer.cache', () => {
  it('takes out one input, or the text of its key, or all of a job name', async () => {
    const contract = job({ ttl: '1h', key: ({ user }) => `user:${user}` })
    const other = job({ ttl: '1h' }, { queue: contract.queue })
    await work(contract)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(1))
    expect(await producer.cache.invalidate(contract, { input: { user: 'ada' } })).toBe(true)
    expect(await producer.cache.invalidate(contract, { input: { user: 'ada' } })).toBe(false)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(2))
    expect(await producer.cache.invalidate(contract, { key: 'user:ada' })).toBe(true)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(3))
    expect(await ask(contract, { user: 'bob' })).toEqual(ran(4))
    await producer.cache.clear({ queue: contract.queue, name: 'another' })
    expect(await ask(contract, { user: 'bob' })).toEqual(hit(4))
    await producer.cache.clear(other)
    expect(await ask(contract, { user: 'ada' })).toEqual(ran(5))
    expect(await ask(contract, { user: 'bob' })).toEqual(ran(6))
    expect(await ask(contract, { user: 'bob' })).toEqual(hit(6))
  })

  it('keeps the result of a run that was under way from serving anyone', async () => {
    for (const invalidate of [
      (contract: Job) => producer.cache.invalidate(contract, { input: { user: 'ada' } }),
      (contract: Job) => producer.cache.clear(contract),
    ]) {
      const contract = job()
      const { gate, open } = gateOf()
      const runs = await work(contract, gate)
      const stale = await producer.enqueue(contract, { user: 'ada' })
      await expect.poll(runs).toBe(1)
      await invalidate(contract)
      const fresh = await producer.enqueue(contract, { user: 'ada' })
      expect(fresh.id).not.toBe(stale.id)
      open()
      await Promise.all([shop.end(stale), shop.end(fresh)])
      expect(await producer.enqueue(contract, { user: 'ada' })).toMatchObject({ id: fresh.id, cached: true })
    }
  })

  it('refuses what names no input of a job with a cache', async () => {
    const contract = job()
    const refused = (which: unknown, of = contract) =>
      producer.cache.invalidate(of, which as never).catch(({ code }: { code: string }) => code)
    expect(await refused({ key: 'x' })).toBe('INVALID_OPTION')
    expect(await refused({})).toBe('INVALID_OPTION')
    expect(await refused(undefined)).toBe('INVALID_OPTION')
    expect(await refused({ input: { user: 'a' }, all: true })).toBe('UNKNOWN_OPTION')
    expect(await refused({ input: { user: 7 } })).toBe('INVALID_INPUT')
    expect(await refused({ input: { user: 'a' } }, defineJob({ name: 'plain', queue: 'q', input }) as never)).toBe(
      'INVALID_OPTION',
    )
    await expect(producer.cache.clear({ queue: 'q', name: 'a b' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(producer.cache.clear({ queue: 'cache', name: 'a' })).rejects.toMatchObject({
      code: 'INVALID_QUEUE_NAME',
    })
  })
})

describe('the option cache', () => {
  it.each<[string, object, string]>([
    ['a ttl of no time', { cache: { ttl: 0 } }, 'cache.ttl'],
    ['no ttl', { cache: {} }, 'cache.ttl'],
    ['no object', { cache: '1h' }, 'cache: expected an object'],
    ['an unknown name', { cache: { ttl: '1h', kee: 'user' } }, 'kee'],
    ['a key that is none', { cache: { ttl: '1h', key: 7 } }, 'cache.key'],
    ['a ttl above keepResult', { cache: { ttl: '2h' }, keepResult: '1h' }, 'cache.ttl'],
    ['unique beside it', { cache: { ttl: '2h' }, unique: {} }, 'unique'],
    ['a long name', { name: 'n'.repeat(116), cache: { ttl: '2h' } }, '115'],
  ])('of a contract refuses %s', (_what, options, told) => {
    const define = () => defineJob({ name: 'n', queue: 'q', input, ...options } as never)
    expect(define).toThrow(told)
  })

  it('keeps results as long as it serves them', () => {
    const week = 7 * 86_400_000
    expect(defineJob({ name: 'n', queue: 'q', input, cache: { ttl: '7d' } }).keepResultMs).toBe(week)
  })

  it.each<[string, object, object | undefined, string]>([
    ['another word', { cache: 'always' }, undefined, 'cache'],
    ['refresh of a contract without', { cache: 'refresh' }, { plain: true }, 'cache'],
    ['refresh with a key', { cache: 'refresh', key: 'k' }, undefined, 'cache'],
    ['a shorter keepResult', { keepResult: '10m' }, undefined, 'keepResult'],
  ])('of an enqueue refuses %s', async (_what, options, plain, option) => {
    const contract = plain ? defineJob({ name: 'plain', queue: 'q', input, output: z.number() }) : job()
    const error = await producer.enqueue(contract, { user: 'ada' }, options).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option })
  })
})
