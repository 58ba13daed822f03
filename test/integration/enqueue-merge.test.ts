import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob, type EnqueueOptions } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { handle } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()
const { producer, redis } = shop
const proxy = await startFaultProxy({ target: shop.server.url })
afterAll(() => proxy.close())

const input = z.object({ user: z.string(), n: z.number() })
type Input = z.input<typeof input>
type Rules = Pick<Parameters<typeof defineJob>[0], 'maxDepth'> & {
  readonly unique?: object
  readonly debounce?: object
  readonly throttle?: object
}

function job(rules: Rules) {
  return defineJob({ name: 'sync', queue: `q-${randomUUID().slice(0, 8)}`, input, ...(rules as object) })
}
const bull = (queue: string) => queueKeys('drover', queue).bullBase
const inputOf = async (queue: string, id: string) => JSON.parse((await redis.hget(bull(queue) + id, 'data')) ?? 'null')
const counts = async (queue: string) => ({
  wait: await redis.llen(`${bull(queue)}wait`),
  delayed: await redis.zcard(`${bull(queue)}delayed`),
})
const codeOf = (call: Promise<unknown>) => call.then(() => 'ok').catch((error: { code?: unknown }) => error.code)

describe('unique', () => {
  it('enqueues no second job until the first has ended', async () => {
    const contract = job({ unique: { by: 'user' } })
    const gates = [createGate(), createGate()]
    let runs = 0
    const worker = await shop.work([handle(contract, () => gates[runs++]?.promise ?? Promise.resolve())])
    const first = await producer.enqueue(contract, { user: 'ada', n: 1 })
    await vi.waitFor(() => expect(runs).toBe(1), PATIENCE)
    const second = await producer.enqueue(contract, { user: 'ada', n: 2 })
    expect(second).toEqual({ ...first, deduplicated: true })
    expect((await producer.enqueue(contract, { user: 'bob', n: 2 })).id).not.toBe(first.id)
    for (const gate of gates) gate.open()
    await shop.end(first)
    const third = await producer.enqueue(contract, { user: 'ada', n: 3 })
    expect(third.id).not.toBe(first.id)
    await shop.end(third)
    await worker.close()
  })

  it('while waiting lets one more wait as soon as the first has begun', async () => {
    const contract = job({ unique: { by: 'user', while: 'waiting' } })
    const gate = createGate()
    let runs = 0
    const enqueue = (n: number) => producer.enqueue(contract, { user: 'ada', n })
    const first = await enqueue(1)
    expect((await enqueue(2)).id).toBe(first.id)
    const worker = await shop.work([handle(contract, () => (runs++ === 0 ? gate.promise : undefined))])
    await vi.waitFor(() => expect(runs).toBe(1), PATIENCE)
    await worker.close().catch(() => undefined)
    const second = await enqueue(3)
    expect(second).not.toHaveProperty('deduplicated')
    expect(await enqueue(4)).toEqual({ ...second, deduplicated: true })
    gate.open()
  })

  it('with a ttl keeps others out no longer than that, nor beyond the end of its job', async () => {
    const contract = job({ unique: { by: 'user', ttl: '1h' } })
    const first = await producer.enqueue(contract, { user: 'ada', n: 1 })
    expect((await producer.enqueue(contract, { user: 'ada', n: 2 })).id).toBe(first.id)
    const [deKey = ''] = await redis.keys(`${bull(contract.queue)}de:*`)
    expect(await redis.pttl(deKey)).toBeGreaterThan(3_500_000)
    const worker = await shop.work([handle(contract, () => null)])
    await shop.end(first)
    await worker.close()
    const third = await producer.enqueue(contract, { user: 'ada', n: 3 })
    expect(third.id).not.toBe(first.id)
    await redis.del(deKey)
    expect((await producer.enqueue(contract, { user: 'ada', n: 4 })).id).not.toBe(third.id)
  })

  it('of a job that was removed lets the next one in', async () => {
    const contract = job({ unique: {} })
    const first = await producer.enqueue(contract, { user: 'ada', n: 1 })
    expect((await producer.enqueue(contract, { n: 1, user: 'ada' })).id).toBe(first.id)
    await redis.del(bull(contract.queue) + first.id)
    expect((await producer.enqueue(contract, { user: 'ada', n: 1 })).id).not.toBe(first.id)
  })

  it('by two producers at the same time makes one job', async () => {
    const contract = job({ unique: { by: ({ user }: Input) => user.toLowerCase() } })
    const other = createProducer({ redis: shop.server.url })
    const handles = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        (n % 2 === 0 ? producer : other).enqueue(contract, { user: n % 3 === 0 ? 'Ada' : 'ada', n }),
      ),
    )
    await other.close()
    expect(new Set(handles.map(({ id }) => id)).size).toBe(1)
    expect(handles.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1)
    expect(await counts(contract.queue)).toEqual({ wait: 1, delayed: 0 })
  })

  it('with replies lost makes one job for each input', async () => {
    const contract = job({ unique: { by: 'user' } })
    const far = createProducer({ redis: proxy.url, timeout: '60s' })
    await far.enqueue(contract, { user: 'u0', n: 0 })
    for (let n = 1; n <= 10; n++) {
      proxy.set({ mode: 'dropReply', count: 1, matching: 'evalsha' })
      expect(await far.enqueue(contract, { user: `u${n}`, n })).not.toHaveProperty('deduplicated')
    }
    await far.close()
    expect(await counts(contract.queue)).toEqual({ wait: 11, delayed: 0 })
  })

  it('is turned off by false, and replaced by another rule, for one enqueue', async () => {
    const contract = job({ unique: { by: 'user' } })
    const enqueue = (options?: EnqueueOptions<Input>) => producer.enqueue(contract, { user: 'ada', n: 1 }, options)
    const first = await enqueue()
    expect((await enqueue({ unique: false })).id).not.toBe(first.id)
    expect((await enqueue({ throttle: { by: ['user'], window: '1h' } })).id).not.toBe(first.id)
    expect((await enqueue()).id).toBe(first.id)
  })
})

describe('throttle', () => {
  it('makes one job in a window, also when it has ended, and another in the next window', async () => {
    const contract = job({ throttle: { by: 'user', window: '1h' } })
    const first = await producer.enqueue(contract, { user: 'ada', n: 1 })
    const worker = await shop.work([handle(contract, () => null)])
    await shop.end(first)
    await worker.close()
    expect(await producer.enqueue(contract, { user: 'ada', n: 2 })).toEqual({ ...first, deduplicated: true })
    const [deKey = ''] = await redis.keys(`${bull(contract.queue)}de:*`)
    expect(await redis.pttl(deKey)).toBeLessThanOrEqual(3_600_000)
    await redis.pexpire(deKey, 1)
    await vi.waitFor(async () => expect(await redis.exists(deKey)).toBe(0), PATIENCE)
    expect((await producer.enqueue(contract, { user: 'ada', n: 3 })).id).not.toBe(first.id)
  })
})

describe('debounce', () => {
  it('keeps one job, which takes the newest input and starts anew to wait', async () => {
    const contract = job({ debounce: { by: 'user', wait: '1h' } })
    const first = await producer.enqueue(contract, { user: 'ada', n: 1 })
    const score = async () => Number(await redis.zscore(`${bull(contract.queue)}delayed`, first.id))
    const before = await score()
    for (const n of [2, 3]) {
      const at = Date.now()
      await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(at), PATIENCE)
      expect(await producer.enqueue(contract, { user: 'ada', n })).toEqual({ ...first, deduplicated: true })
    }
    expect(await score()).toBeGreaterThan(before)
    expect(await inputOf(contract.queue, first.id)).toEqual({ user: 'ada', n: 3 })
    expect(await counts(contract.queue)).toEqual({ wait: 0, delayed: 1 })
  })

  it('runs once with the newest input, and an enqueue after its start is the next job', async () => {
    const contract = job({ debounce: { by: 'user', wait: '1s' } })
    const gate = createGate()
    const ran: number[] = []
    const worker = await shop.work([
      handle(contract, async ({ n }) => {
        ran.push(n)
        if (ran.length === 1) await gate.promise
      }),
    ])
    const [first] = await Promise.all([1, 2, 3].map((n) => producer.enqueue(contract, { user: 'ada', n })))
    await vi.waitFor(() => expect(ran).toHaveLength(1), PATIENCE)
    expect(ran).toEqual([3])
    const second = await producer.enqueue(contract, { user: 'ada', n: 4 })
    expect(second.id).not.toBe(first?.id)
    gate.open()
    await shop.end(second)
    expect(ran).toEqual([3, 4])
    const record = await producer.results.get(second)
    expect(record).not.toBeNull()
    await worker.close()
  })
})

describe('a refused rule', () => {
  it.each<[string, EnqueueOptions<Input>, string]>([
    ['unique that is no object', { unique: true as never }, 'INVALID_OPTION'],
    ['an unknown option of unique', { unique: { bye: 'user' } as never }, 'UNKNOWN_OPTION'],
    ['another state of unique', { unique: { while: 'active' as never } }, 'INVALID_OPTION'],
    ['an empty list of fields', { unique: { by: [] } }, 'INVALID_OPTION'],
    ['a field that is a number', { unique: { by: [7 as never] } }, 'INVALID_OPTION'],
    ['a ttl of zero', { unique: { ttl: 0 } }, 'INVALID_OPTION'],
    ['debounce without wait', { debounce: {} as never }, 'INVALID_OPTION'],
    ['throttle without window', { throttle: { by: 'user' } as never }, 'INVALID_OPTION'],
    ['debounce with unique', { debounce: { wait: '1s' }, unique: {} }, 'INVALID_OPTION'],
    ['debounce with delay', { debounce: { wait: '1s' }, delay: '1s' }, 'INVALID_OPTION'],
    ['debounce with lifo', { debounce: { wait: '1s' }, lifo: true }, 'INVALID_OPTION'],
    ['a by that throws', { unique: { by: () => JSON.parse('{') as never } }, 'INVALID_OPTION'],
    ['a by that gives a number', { unique: { by: ((given: Input) => given.n) as never } }, 'INVALID_OPTION'],
    ['a by that gives too much', { unique: { by: () => 'x'.repeat(1_025) } }, 'INVALID_OPTION'],
    ['a maxDepth of zero', { maxDepth: 0 }, 'INVALID_OPTION'],
    ['onFull without maxDepth', { onFull: 'wait' }, 'INVALID_OPTION'],
    ['another onFull', { maxDepth: 1, onFull: 'drop' as never }, 'INVALID_OPTION'],
  ])('%s is a typed error, and nothing is enqueued', async (_what, options, code) => {
    const contract = job({})
    expect(await codeOf(producer.enqueue(contract, { user: 'ada', n: 1 }, options))).toBe(code)
    expect(await redis.keys(`*${contract.queue}*`)).toEqual([])
  })

  it('of a contract is told by defineJob with all other problems', () => {
    const make = () => job({ unique: { by: 7 }, maxDepth: 0 } as never)
    expect(make).toThrow(expect.objectContaining({ code: 'CONTRACT_INVALID' }))
    expect(make).toThrow('unique.by: expected')
    expect(make).toThrow('maxDepth: expected')
  })
})
