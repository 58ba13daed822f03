import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type BulkProgress, createProducer, defineJob, type EnqueueBulkOptions } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()
const { producer, redis } = shop
const proxy = await startFaultProxy({ target: shop.server.url })
afterAll(() => proxy.close())

interface Row {
  readonly n: number
}
function job() {
  return defineJob({ name: 'row', queue: `q-${randomUUID().slice(0, 8)}`, input: z.object({ n: z.number() }) })
}
const rows = (count: number): Row[] => Array.from({ length: count }, (_, n) => ({ n }))
const bull = (queue: string) => queueKeys('drover', queue).bullBase
const waiting = (queue: string) => redis.llen(`${bull(queue)}wait`)
const key = ({ n }: Row) => `row-${n}`
const caught = (call: Promise<unknown>) => call.then(() => undefined).catch((error: unknown) => error)

describe('a bulk that skips bad inputs', () => {
  it('enqueues the good ones and tells index and reason of each bad one', async () => {
    const contract = job()
    const inputs = rows(100).map((row) => (row.n % 10 === 3 ? { n: 'bad' as never } : row))
    const told: BulkProgress[] = []
    const handle = await producer.enqueueBulk(contract, inputs, {
      onBadItem: 'skip',
      chunkSize: 20,
      onProgress: (progress) => told.push(progress),
    })
    expect(handle).toMatchObject({ count: 90, failed: 10, deduplicated: 0 })
    expect(handle.ids).toHaveLength(90)
    expect(handle.failures.map(({ index }) => index)).toEqual([3, 13, 23, 33, 43, 53, 63, 73, 83, 93])
    for (const { error } of handle.failures) expect(error).toMatchObject({ code: 'INVALID_INPUT' })
    expect(told.at(-1)).toEqual({ enqueued: 90, deduplicated: 0, failed: 10 })
    expect(await waiting(contract.queue)).toBe(90)
  })

  it('keeps the first 1000 reasons, and resolves also when no input is good', async () => {
    const contract = job()
    const handle = await producer.enqueueBulk(contract, Array<never>(1_500).fill('bad' as never), { onBadItem: 'skip' })
    expect(handle).toMatchObject({ count: 0, failed: 1_500, ids: [] })
    expect(handle.failures).toHaveLength(1_000)
  })

  it('tells conflicts and a full queue of each input', async () => {
    const contract = job()
    await producer.enqueue(contract, { n: 77 }, { key: 'row-1' })
    const options = { key, onBadItem: 'skip', maxDepth: 5 } as const
    const { ids, failures } = await producer.enqueueBulk(contract, rows(6), options)
    expect(ids).toHaveLength(4)
    const codes = failures.map(({ index, error }) => [index, (error as { code: string }).code])
    expect(codes).toEqual([
      [1, 'IDEMPOTENCY_CONFLICT'],
      [5, 'QUEUE_FULL'],
    ])
  })
})

describe('a bulk with keys', () => {
  it('given again from its start enqueues what is missing', async () => {
    const contract = job()
    const broken = function* () {
      yield* rows(130)
      throw new Error('the file ended early')
    }
    expect(await caught(producer.enqueueBulk(contract, broken(), { key, chunkSize: 50 }))).toMatchObject({
      message: 'the file ended early',
    })
    expect(await waiting(contract.queue)).toBe(100)
    const handle = await producer.enqueueBulk(contract, rows(300), { key, chunkSize: 50 })
    expect(handle).toMatchObject({ count: 300, deduplicated: 100 })
    expect(new Set(handle.ids).size).toBe(300)
    expect(await waiting(contract.queue)).toBe(300)
  })

  it('by two producers at once enqueues each input once', async () => {
    const contract = job()
    const other = createProducer({ redis: shop.server.url })
    const handles = await Promise.all([producer, other].map((one) => one.enqueueBulk(contract, rows(1_000), { key })))
    await other.close()
    expect(handles[0]?.ids).toEqual(handles[1]?.ids)
    expect((handles[0]?.deduplicated ?? 0) + (handles[1]?.deduplicated ?? 0)).toBe(1_000)
    expect(await waiting(contract.queue)).toBe(1_000)
  })

  it('loses nothing and doubles nothing when replies are lost', async () => {
    const contract = job()
    const far = createProducer({ redis: proxy.url, timeout: '60s' })
    const lost = proxy.counts.lostReplies
    const { count, deduplicated } = await far.enqueueBulk(contract, rows(400), {
      key,
      chunkSize: 50,
      onProgress: () => proxy.set({ mode: 'dropReply', count: 1, matching: 'evalsha' }),
    })
    await far.close()
    expect(proxy.counts.lostReplies - lost).toBeGreaterThan(3)
    expect({ count, deduplicated }).toEqual({ count: 400, deduplicated: 0 })
    expect(await waiting(contract.queue)).toBe(400)
  })

  it('that stops at a conflict says which input and how many are in', async () => {
    const contract = job()
    await producer.enqueue(contract, { n: 77 }, { key: 'row-7' })
    const error = await caught(producer.enqueueBulk(contract, rows(20), { key, chunkSize: 10 }))
    expect(error).toMatchObject({
      code: 'BULK_ITEM_INVALID',
      index: 7,
      enqueued: 9,
      cause: { code: 'IDEMPOTENCY_CONFLICT', key: 'row-7' },
    })
    expect(await waiting(contract.queue)).toBe(10)
  })
})

it('a bulk that keeps no ids counts its jobs all the same', async () => {
  const contract = job()
  expect(await producer.enqueueBulk(contract, rows(30), { keepIds: false })).toMatchObject({ count: 30, ids: [] })
  expect(await waiting(contract.queue)).toBe(30)
})

describe('a bulk that is spread', () => {
  it('starts its jobs evenly over the time, after the delay', async () => {
    const contract = job()
    const { ids } = await producer.enqueueBulk(contract, rows(5), { spread: '100s', delay: '1h' })
    const delays = await Promise.all(ids.map((id) => redis.hget(bull(contract.queue) + id, 'delay')))
    expect(delays).toEqual(['3600000', '3620000', '3640000', '3660000', '3680000'])
    const times = await Promise.all(ids.map((id) => redis.hget(bull(contract.queue) + id, 'timestamp')))
    expect(new Set(times).size).toBe(1)
  })

  it('of a stream takes the count, and the first job starts at once', async () => {
    const contract = job()
    const { ids } = await producer.enqueueBulk(contract, rows(4).values(), { spread: { over: '40s', count: 4 } })
    const delays = await Promise.all(ids.map((id) => redis.hget(bull(contract.queue) + id, 'delay')))
    expect(delays).toEqual(['0', '10000', '20000', '30000'])
    expect(await waiting(contract.queue)).toBe(1)
  })
})

describe('a refused option of a bulk', () => {
  const bad: [string, EnqueueBulkOptions<Row>, Iterable<Row>][] = [
    ['spread of a stream without its count', { spread: '1m' }, rows(2).values()],
    ['a spread of zero', { spread: 0 }, rows(2)],
    ['a spread with a count of zero', { spread: { over: '1m', count: 0 } }, rows(2)],
    ['spread with lifo', { spread: '1m', lifo: true }, rows(2)],
    ['spread with debounce', { spread: '1m', debounce: { wait: '1s' } }, rows(2)],
    ['spread beyond startBy', { spread: '1m', startBy: '30s' }, rows(2)],
    ['one key for all', { key: 'k' as never }, rows(2)],
    ['key with unique', { key, unique: {} }, rows(2)],
    ['keyTtl without key', { keyTtl: '1h' }, rows(2)],
    ['another onBadItem', { onBadItem: 'ignore' as never }, rows(2)],
  ]
  it.each(bad)('%s is INVALID_OPTION, and nothing is enqueued', async (_what, options, inputs) => {
    const contract = job()
    expect(await caught(producer.enqueueBulk(contract, inputs, options))).toMatchObject({ code: 'INVALID_OPTION' })
    expect(await redis.keys(`*${contract.queue}*`)).toEqual([])
  })

  it.each<[string, (row: Row) => unknown]>([
    ['no text', () => 7],
    ['a space in it', () => 'a b'],
  ])('a key function that gives %s stops the bulk at that input', async (_what, give) => {
    const contract = job()
    const error = await caught(producer.enqueueBulk(contract, rows(3), { key: give as never }))
    expect(error).toMatchObject({
      code: 'BULK_ITEM_INVALID',
      index: 0,
      cause: { code: 'INVALID_OPTION', option: 'key' },
    })
  })
})
