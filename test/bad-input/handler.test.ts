// B28 to B32: whatever a handler throws, returns or does to its own job: one ending, counted once, in words that fit, and
// its neighbours run on. What a handler does to its whole process is a matter of test/fault.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import type { JobContext } from '../../src/worker/index.js'
import { handle } from '../../src/worker/index.js'
import { shuffle, testSeed } from '../support/random.js'
import { anything } from '../support/schemas.js'
import { openWorkshop, type Workshop } from '../support/worker.js'

const odd = defineJob({ name: 'odd', queue: 'odd', input: anything, attempts: 1, maxResultBytes: 100_000 })
const good = defineJob({ name: 'good', queue: 'odd', input: anything })

type Row = readonly [
  row: string,
  what: string,
  code: string | undefined,
  run: (input: unknown, ctx: JobContext) => unknown,
]

const cyclic: Record<string, unknown> = {}
cyclic.self = cyclic
const withCycle = new Error('round')
withCycle.cause = withCycle
const raise = (thrown: unknown) => () => {
  throw thrown
}

const ROWS: readonly Row[] = [
  ['B28', 'throws text', undefined, raise('text')],
  ['B28', 'throws null', undefined, raise(null)],
  ['B28', 'throws undefined', undefined, raise(undefined)],
  ['B28', 'throws a frozen error', undefined, raise(Object.freeze(new Error('cold')))],
  ['B28', 'throws an error that is its own cause', undefined, raise(withCycle)],
  ['B28', 'throws a message of 5 MB', undefined, raise(new Error('x'.repeat(5 * 2 ** 20)))],
  [
    'B28',
    'throws a proxy that throws',
    undefined,
    raise(new Proxy(new Error('x'), { get: raise(new Error('again')) })),
  ],
  [
    'B28',
    'throws an error with a code that is an object',
    undefined,
    raise(Object.assign(new Error('x'), { code: cyclic })),
  ],
  ['B28', 'rejects later', undefined, () => new Promise((_, reject) => setImmediate(() => reject(new Error('late'))))],
  ['B28', 'throws a __proto__ of its own', undefined, raise(JSON.parse('{"__proto__":{"polluted":1}}'))],
  ['B29', 'returns a BigInt', 'NOT_JSON', () => 1n],
  ['B29', 'returns a cycle', 'NOT_JSON', () => cyclic],
  ['B29', 'returns a function', 'NOT_JSON', () => () => 1],
  ['B29', 'returns NaN', 'NOT_JSON', () => Number.NaN],
  ['B29', 'returns a Map', 'NOT_JSON', () => new Map()],
  ['B29', 'returns a __proto__ key', 'NOT_JSON', () => JSON.parse('{"__proto__":{"polluted":1}}')],
  ['B29', 'returns 10 MB', 'TOO_LARGE', () => 'x'.repeat(10 * 2 ** 20)],
  ['B32', 'stages a write that cannot be', 'EFFECT_REJECTED', (_, { effects }) => effects.incrby('n', 0.5)],
  [
    'B32',
    'stages a write to its own result',
    'EFFECT_REJECTED',
    (_, { effects }) => effects.del('{drover:odd}:result:x'),
  ],
  [
    'B32',
    'stages a write to its own queue',
    'EFFECT_REJECTED',
    (_, { effects }) => effects.del('{drover:odd}:odd:wait'),
  ],
  ['B32', 'adds to a counter that cannot be', 'INVALID_COUNTER_NAME', (_, ctx) => ctx.counter('a b').add()],
]

let shop: Workshop
let run: Row[3] = () => undefined
let unhandled = 0
const countUnhandled = () => {
  unhandled++
}

beforeAll(async () => {
  shop = await openWorkshop()
  process.on('unhandledRejection', countUnhandled)
  const oddly = handle(odd, (input, ctx) => run(input, ctx as JobContext) as never)
  await shop.work([oddly, handle(good, (input) => input)])
})
afterAll(async () => {
  process.off('unhandledRejection', countUnhandled)
  await shop?.close()
  expect(unhandled).toBe(0)
})

/** Runs the row's handler between two good jobs and gives the record of its end. */
async function runAmongGood(row: Row) {
  run = row[3]
  const before = await shop.producer.enqueue(good, { n: 1 })
  const job = await shop.producer.enqueue(odd, {})
  const after = await shop.producer.enqueue(good, { n: 2 })
  const record = await shop.end(job)
  for (const each of [before, after]) expect((await shop.end(each)).status).toBe('completed')
  return { job, record }
}

async function failedCount(): Promise<number> {
  return Number((await shop.redis.hget(shop.keys('odd').totals, 'odd:failed')) ?? 0)
}

it.each(ROWS)('%s a handler that %s fails its job once, with the code %s, and no neighbour', async (...row) => {
  const failedBefore = await failedCount()
  const { job, record } = await runAmongGood(row)
  expect(record.status).toBe('failed')
  const { error } = record as { error: { message: string; stack?: string; code?: string } }
  if (row[2] !== undefined) expect(error.code).toBe(row[2])
  expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(4_096)
  expect(Buffer.byteLength(error.stack ?? '')).toBeLessThanOrEqual(8_192)
  expect(await failedCount()).toBe(failedBefore + 1)
  const { bullBase } = shop.keys('odd')
  expect(await shop.redis.zscore(`${bullBase}failed`, job.id)).not.toBeNull()
  expect(Number(await shop.redis.hstrlen(bullBase + job.id, 'failedReason'))).toBeLessThan(10_000)
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

it.each<[string, () => unknown, unknown]>([
  ['nothing', () => undefined, null],
  ['a Date', () => new Date(0), '1970-01-01T00:00:00.000Z'],
  ['a Buffer', () => Buffer.from('a'), { type: 'Buffer', data: [97] }],
])('B29 a handler that returns %s completes, with what JSON makes of it', async (_what, returns, value) => {
  const { record } = await runAmongGood(['B29', '', undefined, returns])
  expect(record).toMatchObject({ status: 'completed', value })
})

it('B32 a handler that changes its input changes neither the stored job nor what the next attempt gets', async () => {
  run = (input) => {
    Object.assign(input as object, { changed: true })
    throw new Error('seen')
  }
  const job = await shop.producer.enqueue(odd, { n: 1 })
  await shop.end(job)
  expect(await shop.redis.hget(shop.keys('odd').bullBase + job.id, 'data')).toBe('{"n":1}')
})

it('all of them in random order, with good jobs between, leave every good job completed', async () => {
  const seed = testSeed()
  console.info(`seed ${seed}: ${ROWS.length} rows`)
  const failedBefore = await failedCount()
  for (const row of shuffle(ROWS, seed)) await runAmongGood(row)
  expect(await failedCount()).toBe(failedBefore + ROWS.length)
})
