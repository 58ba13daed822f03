// Whatever a handler throws or returns: one ending each, in words that can be stored, and the worker goes on.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { openWorkshop, type Workshop } from '../support/worker.js'

const anything = defineJob({ name: 'any', queue: 'endings', input: z.number(), attempts: 1, maxResultBytes: 1_000 })
let shop: Workshop
let next: () => unknown = () => undefined
let unhandled = 0
const countUnhandled = () => {
  unhandled++
}

beforeAll(async () => {
  shop = await openWorkshop()
  await shop.work([handle(anything, () => next())])
  process.on('unhandledRejection', countUnhandled)
})
afterAll(async () => {
  process.off('unhandledRejection', countUnhandled)
  await shop.close()
  expect(unhandled).toBe(0)
})

/** Runs a job whose handler does this; its result record and what BullMQ keeps of the failure. */
async function run(handler: () => unknown) {
  next = handler
  const job = await shop.producer.enqueue(anything, 1)
  const record = await shop.end(job)
  const { bullBase } = shop.keys('endings')
  const [reason = '', stacks = '[]'] = await shop.redis.hmget(`${bullBase}${job.id}`, 'failedReason', 'stacktrace')
  return { record, reason: reason ?? '', stacks: stacks ?? '[]' }
}

function rejectLater(error: unknown): Promise<never> {
  return new Promise((_, reject) => setImmediate(() => reject(error)))
}

const withCycle = new Error('round')
withCycle.cause = withCycle

it.each<[string, unknown, { name: string; message: string; code?: string }]>([
  ['a string', 'plain', { name: 'NonError', message: 'plain' }],
  ['null', null, { name: 'NonError', message: 'null' }],
  ['undefined', undefined, { name: 'NonError', message: 'undefined' }],
  ['a number', 42, { name: 'NonError', message: '42' }],
  ['an object', { secret: 'token' }, { name: 'NonError', message: 'an object' }],
  ['a frozen error', Object.freeze(new TypeError('cold')), { name: 'TypeError', message: 'cold' }],
  ['an error that is its own cause', withCycle, { name: 'Error', message: 'round' }],
  [
    'an error with a code',
    Object.assign(new Error('gone'), { code: 'ENOENT' }),
    { name: 'Error', message: 'gone', code: 'ENOENT' },
  ],
  ['an error whose message throws', throwingMessage(), { name: 'Error', message: '' }],
  ['a lone surrogate', new Error('\ud800'), { name: 'Error', message: '\ufffd' }],
  ['text that looks like markup', new Error('<script>'), { name: 'Error', message: '<script>' }],
])('a handler that throws %s fails its job once, at once or later', async (_what, thrown, error) => {
  for (const handler of [
    () => {
      throw thrown
    },
    () => rejectLater(thrown),
  ]) {
    const { record } = await run(handler)
    expect(record).toMatchObject({ status: 'failed', attempts: 1, error })
    expect(JSON.stringify(record)).not.toContain('token')
  }
})

it('a message of 5 MB is cut, in the record, in what BullMQ keeps, and in its event stream', async () => {
  const { record, reason, stacks } = await run(() => {
    throw new Error('x'.repeat(5 * 1024 * 1024))
  })
  if (record.status !== 'failed') throw new Error('the job has not failed')
  expect(Buffer.byteLength(record.error.message)).toBe(4_096)
  expect(Buffer.byteLength(record.error.stack ?? '')).toBeLessThanOrEqual(8_192)
  expect(record.error.stack).toContain('at ')
  expect([reason.length, stacks.length < 20_000]).toEqual([record.error.message.length, true])
  const events = await shop.redis.xrevrange(`${shop.keys('endings').bullBase}events`, '+', '-', 'COUNT', 5)
  expect(JSON.stringify(events).length).toBeLessThan(30_000)
})

it('a promise that rejects a second time is settled by the first', async () => {
  const { record } = await run(
    () =>
      new Promise((resolve, reject) => {
        reject(new Error('first'))
        reject(new Error('second'))
        resolve('third')
      }),
  )
  expect(record).toMatchObject({ status: 'failed', error: { message: 'first' } })
})

it.each<[string, () => unknown, unknown]>([
  ['nothing', () => undefined, null],
  ['null', () => null, null],
  ['a promise of nothing', async () => undefined, null],
  ['false', () => false, false],
  ['an empty text', () => '', ''],
  ['a Date', () => new Date(0), '1970-01-01T00:00:00.000Z'],
  ['what has a toJSON', () => ({ toJSON: () => ({ kept: 1 }) }), { kept: 1 }],
  ['undefined among its fields', () => ({ a: 1, b: undefined }), { a: 1 }],
  // biome-ignore lint/suspicious/noThenProperty: a handler may return anything
  ['what can be awaited', () => ({ then: (resolve: (value: string) => void) => resolve('awaited') }), 'awaited'],
  ['a promise in a promise', async () => Promise.resolve(Promise.resolve(5)), 5],
])('a handler that returns %s completes its job with a documented value', async (_what, handler, value) => {
  const { record } = await run(handler)
  expect(record).toMatchObject({ status: 'completed', value })
})

it.each<[string, () => unknown, string]>([
  ['a BigInt', () => 1n, '$ is a BigInt'],
  ['a BigInt inside', () => ({ deep: [1n] }), '$.deep[0] is a BigInt'],
  ['a cycle', () => cyclic(), '$.self is a cycle'],
  ['a Map', () => new Map(), '$ is a Map'],
  ['a Set', () => new Set(), '$ is a Set'],
  ['a typed array', () => new Uint8Array(2), '$ is a Uint8Array'],
  ['a function', () => () => 1, '$ is a function'],
  ['a symbol', () => Symbol('s'), '$ is a symbol'],
  ['NaN', () => Number.NaN, '$ is NaN'],
  ['infinity', () => [Number.POSITIVE_INFINITY], '$[0] is Infinity'],
  ['undefined in a list', () => [undefined], '$[0] is undefined'],
  ['an invalid Date', () => new Date(Number.NaN), '$ is an invalid Date'],
  ['an error', () => new Error('returned'), '$ is an Error'],
  ['an own __proto__ key', () => JSON.parse('{"__proto__":1}'), '$.__proto__ is a __proto__ key'],
])('a handler that returns %s has failed, by name and place', async (_what, handler, where) => {
  const { record } = await run(handler)
  expect(record).toMatchObject({
    status: 'failed',
    error: { name: 'NotJsonError', code: 'NOT_JSON', message: expect.stringContaining(where) },
  })
})

it('a Buffer is stored as its toJSON says, within the limit', async () => {
  const { record } = await run(() => Buffer.from('hi'))
  expect(record).toMatchObject({ status: 'completed', value: { type: 'Buffer', data: [104, 105] } })
})

it.each<[string, () => unknown]>([
  ['in one text', () => 'x'.repeat(1_001)],
  ['in bytes, though not in characters', () => 'é'.repeat(500)],
  ['by much', () => 'x'.repeat(10 * 1024 * 1024)],
])('a result larger than its contract allows fails the job: %s', async (_what, handler) => {
  const { record } = await run(handler)
  expect(record).toMatchObject({ status: 'failed', error: { code: 'TOO_LARGE' } })
})

it('a result that fails its output schema fails the job, and one that its schema changes is stored changed', async () => {
  const output = z.object({ bytes: z.number().transform((bytes) => bytes * 2) })
  const contract = defineJob({ name: 'sized', queue: 'sized', input: z.number(), output, attempts: 1 })
  await shop.work([handle(contract, (n) => (n > 0 ? { bytes: n } : ({ bytes: 'many' } as never)))])
  expect(await shop.end(await shop.producer.enqueue(contract, 21))).toMatchObject({ value: { bytes: 42 } })
  expect(await shop.end(await shop.producer.enqueue(contract, 0))).toMatchObject({
    status: 'failed',
    error: { code: 'INVALID_RESULT', message: expect.stringContaining('$.bytes') },
  })
})

it('a handler that changes its input changes neither the stored job nor the next attempt', async () => {
  const contract = defineJob({ name: 'edit', queue: 'edit', input: z.any(), attempts: 2, backoff: { delay: 0 } })
  const seen: unknown[] = []
  const handler = handle(contract, async (input: { list: number[] }, ctx) => {
    seen.push(structuredClone(input))
    input.list.push(99)
    if (ctx.attempt === 1) throw new Error('again')
  })
  await shop.work([handler])
  const job = await shop.producer.enqueue(contract, { list: [1] })
  expect(await shop.end(job)).toMatchObject({ status: 'completed' })
  expect(seen).toEqual([{ list: [1] }, { list: [1] }])
  expect(await shop.redis.hget(`${shop.keys('edit').bullBase}${job.id}`, 'data')).toBe('{"list":[1]}')
})

it('counts every one of these endings once', async () => {
  const { bullBase, totals } = shop.keys('endings')
  const [completed, failed] = await Promise.all([
    shop.redis.zcard(`${bullBase}completed`),
    shop.redis.zcard(`${bullBase}failed`),
  ])
  expect(await shop.redis.hgetall(totals)).toEqual({ 'any:completed': `${completed}`, 'any:failed': `${failed}` })
  expect(completed + failed).toBeGreaterThan(50)
})

function cyclic(): object {
  const value: Record<string, unknown> = {}
  value.self = value
  return value
}

function throwingMessage(): Error {
  const error = new Error('never read')
  Object.defineProperty(error, 'message', {
    get: () => {
      throw new Error('no')
    },
  })
  return error
}
