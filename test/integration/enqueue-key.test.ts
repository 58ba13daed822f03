import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { createProducer, defineJob, type EnqueueOptions } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { handle } from '../../src/worker/index.js'
import { anything } from '../support/schemas.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()
const { producer, redis } = shop
const proxy = await startFaultProxy({ target: shop.server.url })
afterAll(() => proxy.close())

function job(name = 'pay') {
  return defineJob({ name, queue: `q-${randomUUID().slice(0, 8)}`, input: anything, keepResult: '1h' })
}
const waiting = (queue: string) => redis.llen(`${queueKeys('drover', queue).bullBase}wait`)
const codeOf = (call: Promise<unknown>) => call.then(() => 'ok').catch((error: { code?: unknown }) => error.code)

describe('an enqueue with a key', () => {
  it('gives the same job for an equal input, whatever the order of its properties', async () => {
    const contract = job()
    const first = await producer.enqueue(contract, { a: 1, b: { c: [2], d: 'x' } }, { key: 'order:7' })
    const second = await producer.enqueue(contract, { b: { d: 'x', c: [2] }, a: 1 }, { key: 'order:7' })
    expect(first).not.toHaveProperty('deduplicated')
    expect(second).toEqual({ ...first, deduplicated: true })
    expect(await waiting(contract.queue)).toBe(1)
  })

  it('of another input is IDEMPOTENCY_CONFLICT with the first job, and enqueues nothing', async () => {
    const contract = job()
    const { id } = await producer.enqueue(contract, { n: 1 }, { key: 'k' })
    const error = await producer.enqueue(contract, { n: 2 }, { key: 'k' }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', job: 'pay', key: 'k', jobId: id })
    expect(await waiting(contract.queue)).toBe(1)
    expect(JSON.parse((await redis.hget(queueKeys('drover', contract.queue).bullBase + id, 'data')) ?? '')).toEqual({
      n: 1,
    })
  })

  it('of another job name or queue is another key', async () => {
    const contract = job()
    const other = defineJob({ name: 'refund', queue: contract.queue, input: anything })
    const ids = await Promise.all([
      producer.enqueue(contract, 1, { key: 'k' }),
      producer.enqueue(other, 2, { key: 'k' }),
      producer.enqueue(job(), 3, { key: 'k' }),
    ])
    expect(new Set(ids.map(({ id }) => id)).size).toBe(3)
  })

  it.each<[string, EnqueueOptions]>([
    ['waiting', {}],
    ['delayed', { delay: '1h' }],
    ['prioritized', { priority: 3 }],
  ])('of two producers at the same time makes one %s job', async (_state, options) => {
    const contract = job()
    const other = createProducer({ redis: shop.server.url })
    const calls = Array.from({ length: 40 }, (_, n) =>
      (n % 2 === 0 ? producer : other).enqueue(contract, { n: 1 }, { ...options, key: 'k' }),
    )
    const handles = await Promise.all(calls)
    await other.close()
    expect(new Set(handles.map(({ id }) => id)).size).toBe(1)
    expect(handles.filter(({ deduplicated }) => !deduplicated).length).toBe(1)
    expect(await redis.keys(`${queueKeys('drover', contract.queue).bullBase}${handles[0]?.id}`)).toHaveLength(1)
  })

  it('gives the finished job as long as its result is there, and a new one after', async () => {
    const contract = job()
    const keys = queueKeys('drover', contract.queue)
    await shop.work([handle(contract, (input) => input)], { keepCompleted: 1 })
    const first = await producer.enqueue(contract, 5, { key: 'k' })
    await shop.end(first)
    // The job itself is not kept: other jobs push it out.
    await shop.end(await producer.enqueue(contract, 6))
    expect(await producer.enqueue(contract, 5, { key: 'k' })).toEqual({ ...first, deduplicated: true })
    expect(await codeOf(producer.enqueue(contract, 6, { key: 'k' }))).toBe('IDEMPOTENCY_CONFLICT')
    await redis.del(keys.bullBase + first.id)
    await producer.results.delete(first)
    const second = await producer.enqueue(contract, 6, { key: 'k' })
    expect(second.id).not.toBe(first.id)
    expect(second).not.toHaveProperty('deduplicated')
  })

  it('of a job that a person removed makes a new one', async () => {
    const contract = job()
    const first = await producer.enqueue(contract, 1, { key: 'k' })
    await redis.del(queueKeys('drover', contract.queue).bullBase + first.id)
    const second = await producer.enqueue(contract, 2, { key: 'k' })
    expect(second.id).not.toBe(first.id)
  })

  it('has its record kept as long as the result from the commit on, and 30 days with the delay before', async () => {
    const contract = job()
    const keys = queueKeys('drover', contract.queue)
    const handler = handle(contract, (input) => input)
    await producer.enqueue(contract, 1, { key: 'later', delay: '10d' })
    expect(await redis.pttl(keys.key('pay:later'))).toBeGreaterThan(39.9 * 86_400_000)
    await shop.work([handler])
    await shop.end(await producer.enqueue(contract, 1, { key: 'done' }))
    const [record, result] = await Promise.all([redis.pttl(keys.key('pay:done')), redis.pttl(keys.result('x'))])
    expect(result).toBe(-2)
    expect(record).toBeGreaterThan(3_000_000)
    expect(record).toBeLessThanOrEqual(3_600_000)
  })

  it('with keyTtl holds for that time, whatever becomes of the job', async () => {
    const contract = job()
    const keys = queueKeys('drover', contract.queue)
    const first = await producer.enqueue(contract, 1, { key: 'k', keyTtl: '10m' })
    await redis.del(keys.bullBase + first.id)
    expect(await producer.enqueue(contract, 1, { key: 'k' })).toEqual({ ...first, deduplicated: true })
    expect(await redis.pttl(keys.key('pay:k'))).toBeLessThanOrEqual(600_000)
    await redis.del(keys.key('pay:k'))
    expect((await producer.enqueue(contract, 1, { key: 'k' })).id).not.toBe(first.id)
  })
})

describe('lost replies', () => {
  it('an enqueue with a key that is sent again makes one job and is not told as deduplicated', async () => {
    const contract = job()
    const far = createProducer({ redis: proxy.url, timeout: '60s' })
    await far.enqueue(contract, 0, { key: 'k0' })
    const lost = proxy.counts.lostReplies
    for (let n = 1; n <= 10; n++) {
      proxy.set({ mode: 'dropReply', count: 1, matching: 'evalsha' })
      expect(await far.enqueue(contract, n, { key: `k${n}` })).not.toHaveProperty('deduplicated')
    }
    await far.close()
    expect(proxy.counts.lostReplies - lost).toBe(10)
    expect(await waiting(contract.queue)).toBe(11)
  })
})

describe('a refused option', () => {
  it.each<[string, EnqueueOptions]>([
    ['an empty key', { key: '' }],
    ['a key with a space', { key: 'a b' }],
    ['a key of 257 characters', { key: 'k'.repeat(257) }],
    ['a key that is a number', { key: 7 as never }],
    ['key with id', { key: 'k', id: 'a1' }],
    ['key with unique', { key: 'k', unique: {} }],
    ['key with debounce', { key: 'k', debounce: { wait: '1s' } }],
    ['keyTtl without key', { keyTtl: '1h' }],
    ['a keyTtl below a second', { key: 'k', keyTtl: 999 }],
    ['a keyTtl that is no duration', { key: 'k', keyTtl: 'soon' as never }],
  ])('%s is INVALID_OPTION, and nothing is enqueued', async (_what, options) => {
    const contract = job()
    expect(await codeOf(producer.enqueue(contract, 1, options))).toBe('INVALID_OPTION')
    expect(await redis.keys(`*${contract.queue}*`)).toEqual([])
  })
})
