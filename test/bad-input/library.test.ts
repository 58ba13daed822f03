// B01 to B11: what an app may call by mistake. Each row alone, then all of them in random order among good calls.
import { mkdirSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { BULL_RESERVED_IDS } from '../../src/redis/index.js'
import { shuffle, testSeed } from '../support/random.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { CANARY, errorOf, expectTyped, Redis, readStore } from './matrix.js'

const job = defineJob({ name: 'any', queue: 'any', input: anything })
let redis: TestRedis
let client: Redis
let producer: Producer

beforeAll(async () => {
  redis = await startTestRedis()
  client = new Redis(redis.url)
  producer = createProducer({ redis: redis.url, timeout: '60s' })
})
afterAll(async () => {
  await producer?.close()
  client?.disconnect()
  await redis?.close()
})

type Row = readonly [row: string, what: string, code: string, call: () => unknown]
const enqueue = (input: unknown, options?: unknown) => producer.enqueue(job, input as never, options as never)
const good = { of: CANARY }

const cyclic: Record<string, unknown> = { of: CANARY }
cyclic.again = { cyclic }
const deep: unknown[] = []
for (let level = 0, inner = deep; level < 10_000; level++) {
  const next: unknown[] = []
  inner.push(next)
  inner = next
}
const proto = (text: string) => JSON.parse(text.replace('X', CANARY)) as unknown

const IDS: readonly [string, unknown][] = [
  ['with one colon', `a:b`],
  ['with two colons', `a:b:c`],
  ['with NUL', 'a\0b'],
  ['with a line break', 'a\nb'],
  ['with an escape', 'a\u001b[31mb'],
  ['that is empty', ''],
  ['of 1 MB', 'x'.repeat(2 ** 20)],
  ['that is a whole number', '42'],
  ['that is 0', '0'],
  ['that is a number, not text', 7],
  ['with a slash', '../x'],
  ['with braces', '{x}'],
  ['with a space', 'a b'],
  ['with letters of other scripts', 'ідентифікатор'],
]

const ROWS: readonly Row[] = [
  ...BULL_RESERVED_IDS.map(
    (id): Row => [
      'B01',
      `an id that BullMQ uses: ${JSON.stringify(id)}`,
      'INVALID_JOB_ID',
      () => enqueue(good, { id }),
    ],
  ),
  ...IDS.map(([what, id]): Row => ['B02', `an id ${what}`, 'INVALID_JOB_ID', () => enqueue(good, { id })]),
  ['B03', 'NaN', 'NOT_JSON', () => enqueue({ of: CANARY, n: Number.NaN })],
  ['B03', 'Infinity', 'NOT_JSON', () => enqueue({ of: CANARY, n: Number.POSITIVE_INFINITY })],
  ['B03', 'a function', 'NOT_JSON', () => enqueue({ of: CANARY, f: () => 1 })],
  ['B03', 'a symbol', 'NOT_JSON', () => enqueue({ of: CANARY, s: Symbol('s') })],
  ['B03', 'undefined', 'NOT_JSON', () => enqueue(undefined)],
  ['B03', 'a Map', 'NOT_JSON', () => enqueue(new Map([[CANARY, 1]]))],
  ['B04', 'a BigInt', 'NOT_JSON', () => enqueue({ of: CANARY, n: 1n })],
  ['B04', 'a cycle', 'NOT_JSON', () => enqueue(cyclic)],
  ['B04', 'a depth of 10,000', 'NOT_JSON', () => enqueue(deep)],
  ['B04', 'a lone surrogate', 'NOT_JSON', () => enqueue({ of: `${CANARY}\ud800` })],
  ['B04', 'a toJSON that throws', 'NOT_JSON', () => enqueue({ toJSON: () => raise() })],
  [
    'B04',
    'a getter that throws',
    'NOT_JSON',
    () => enqueue(Object.defineProperty({}, 'x', { enumerable: true, get: raise })),
  ],
  ['B04', 'a proxy that throws', 'NOT_JSON', () => enqueue(new Proxy({}, { get: raise, ownKeys: raise }))],
  ['B05', 'a __proto__ key', 'NOT_JSON', () => enqueue(proto('{"__proto__":{"polluted":"X"}}'))],
  ['B05', 'a __proto__ key far inside', 'NOT_JSON', () => enqueue(proto('{"a":[{"__proto__":{"polluted":"X"}}]}'))],
  ...([-5, '5', 1e15, Number.NaN, 1.5, null, {}, '-5s', '1y'] as const).map(
    (delay): Row => ['B06', `a delay of ${JSON.stringify(delay)}`, 'INVALID_OPTION', () => enqueue(good, { delay })],
  ),
  ...([-1, 0, 'x', 1.5, 1_001, Number.NaN, null] as const).map(
    (attempts): Row => [
      'B07',
      `${JSON.stringify(attempts)} attempts`,
      'INVALID_OPTION',
      () => enqueue(good, { attempts }),
    ],
  ),
  ...([-1, 0, 1.5, 3e6, '1', null] as const).map(
    (priority): Row => [
      'B07',
      `priority ${JSON.stringify(priority)}`,
      'INVALID_OPTION',
      () => enqueue(good, { priority }),
    ],
  ),
  ['B08', 'an unknown option', 'UNKNOWN_OPTION', () => enqueue(good, { delya: 5 })],
  ['B08', 'an option named __proto__', 'UNKNOWN_OPTION', () => enqueue(good, JSON.parse('{"__proto__":1}'))],
  ['B08', 'options that are a list', 'INVALID_OPTION', () => enqueue(good, [])],
  ['B08', 'a contract that is none', 'INVALID_OPTION', () => producer.enqueue({ name: 'any' } as never, {} as never)],
  ...['a:b', '{a}', 'a b', '', 'result', '..', 'x'.repeat(65)].map(
    (queue): Row => [
      'B08',
      `a queue named ${JSON.stringify(queue.slice(0, 9))}`,
      'CONTRACT_INVALID',
      () => defineJob({ name: 'any', queue, input: anything }),
    ],
  ),
  [
    'B08',
    'the result of a queue that cannot be',
    'INVALID_QUEUE_NAME',
    () => producer.results.get({ queue: 'a:b', id: 'x' }),
  ],
  ['B08', 'a counter of a name that cannot be', 'INVALID_COUNTER_NAME', () => producer.counters.get('any', 'a b')],
  ['B08', 'a counter moved by a fraction', 'INVALID_OPTION', () => producer.counters.incr('any', 'n', 0.5)],
  ['B08', 'a bulk of nothing', 'EMPTY_BULK', () => producer.enqueueBulk(job, [])],
  ['B08', 'a bulk that is text', 'INVALID_OPTION', () => producer.enqueueBulk(job, 'abc' as never)],
  [
    'B08',
    'a bulk with one bad input among 99',
    'BULK_ITEM_INVALID',
    () => producer.enqueueBulk(job, bulkWithOneBad() as never),
  ],
  ['B24', 'an input over its limit', 'TOO_LARGE', () => enqueue({ of: CANARY.repeat(40_000) })],
]

function raise(): never {
  throw new Error(`${CANARY} thrown by the caller's own code`)
}

function bulkWithOneBad(): unknown[] {
  return Array.from({ length: 99 }, (_, at) => (at === 70 ? { of: CANARY, n: 1n } : { at }))
}

const prototypes = () => [Object.prototype, Array.prototype].map((each) => Object.getOwnPropertyNames(each).length)

async function check([, , code, call]: Row): Promise<void> {
  const before = await readStore(client, 'any')
  const known = prototypes()
  expectTyped(await errorOf(call), code)
  expect(await readStore(client, 'any')).toEqual(before)
  expect(prototypes()).toEqual(known)
}

describe('a call that is wrong', () => {
  beforeEach(async () => {
    await client.flushall()
    // The first enqueue lists the queue: a key more, which no row may be blamed for.
    await createAndSettle()
  })

  it.each(ROWS)('%s %s is refused with %s, and changes nothing', async (...row) => {
    await check(row)
    const { id } = await enqueue({ fine: true })
    expect(await client.exists(`{drover:any}:any:${id}`)).toBe(1)
  })
})

async function createAndSettle(): Promise<void> {
  const first = createProducer({ redis: redis.url })
  await first.enqueue(job, { first: true })
  await first.close()
}

it('all of them in random order among good calls leave the good jobs alone', async () => {
  await client.flushall()
  await createAndSettle()
  const seed = testSeed()
  console.info(`seed ${seed}: ${ROWS.length} rows`)
  let accepted = 1
  for (const row of shuffle(ROWS, seed)) {
    await Promise.all([enqueue({ accepted }), enqueue({ accepted }, { delay: '1h' })])
    accepted += 2
    await check(row)
  }
  const { states } = await readStore(client, 'any')
  expect((states.wait ?? 0) + (states.delayed ?? 0)).toBe(accepted)
})

describe('B09 an id that is used again', () => {
  it('keeps the first job, whatever comes under its name, while the queue knows it', async () => {
    await client.flushall()
    await createAndSettle()
    await enqueue({ n: 1 }, { id: 'daily' })
    const before = await readStore(client, 'any')
    expect(await enqueue({ n: 1 }, { id: 'daily' })).toMatchObject({ id: 'daily' })
    expect(await readStore(client, 'any')).toEqual(before)
    expect(await client.hget('{drover:any}:any:daily', 'data')).toBe('{"n":1}')
  })
})

describe('B05 keys that name prototypes', () => {
  it('are own data all the way, where they are allowed', async () => {
    const input = { constructor: { prototype: { polluted: true } }, prototype: 1, toString: 'x', hasOwnProperty: 1 }
    const { id } = await enqueue(input)
    expect(JSON.parse((await client.hget(`{drover:any}:any:${id}`, 'data')) ?? '')).toEqual(input)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
})

describe('B10 a Redis that is not as it should be', () => {
  it.each<[string, () => Promise<{ url: string; end(): Promise<void> }>, string]>([
    [
      'is not there',
      async () => ({ url: 'redis://:c4nary-pw@127.0.0.1:1', end: async () => undefined }),
      'REDIS_UNAVAILABLE',
    ],
    ['has another password', () => withServer({ password: 'another-one' }), 'REDIS_AUTH'],
    ['speaks no TLS', () => withServer({ password: 'c4nary-pw' }, 'rediss'), 'REDIS_UNAVAILABLE'],
    ['is full', () => withServer({ password: 'c4nary-pw', args: ['--maxmemory', '1mb'] }), 'REDIS_FULL'],
    ['cannot save its snapshots', () => withoutSnapshots(), 'REDIS_REFUSED'],
  ])('that %s is an error of its own, without the password', async (_what, open, code) => {
    const { url, end } = await open()
    const other = createProducer({ redis: url, timeout: code === 'REDIS_UNAVAILABLE' ? '1s' : '60s' })
    const error = await errorOf(() => other.enqueue(job, good as never))
    await other.close()
    await end()
    expectTyped(error, code)
    const { stack, cause } = error as Error & { cause?: Error }
    expect(`${stack} ${cause?.message} ${cause?.stack}`).not.toMatch(/c4nary|another-one/)
  })

  async function withServer(options: { password: string; args?: string[] }, scheme = 'redis') {
    const server = await startTestRedis(options)
    return { url: `${scheme}://:c4nary-pw@${server.host}:${server.port}`, end: () => server.close() }
  }

  // Refuses every write then, with MISCONF. A directory stands where the file of the snapshot is to be.
  async function withoutSnapshots() {
    const server = await startTestRedis({ password: 'c4nary-pw', args: ['--save', '3600 1000'] })
    mkdirSync(`${server.directory}/dump.rdb/full`, { recursive: true })
    await server.cli('BGSAVE')
    await vi.waitFor(async () => expect(await server.cli('INFO')).toContain('rdb_last_bgsave_status:err'), PATIENCE)
    const keys = await server.cli('DBSIZE')
    const end = async () => {
      expect(await server.cli('DBSIZE')).toBe(keys)
      await server.close()
    }
    return { url: `redis://:c4nary-pw@${server.host}:${server.port}`, end }
  }
})

describe('B11 a producer that is closed', () => {
  it('refuses every call with CLOSED, and settles what was under way', async () => {
    const other = createProducer({ redis: redis.url })
    await other.enqueue(job, {})
    const running = Array.from({ length: 50 }, () => other.enqueue(job, {}))
    await Promise.all([other.close(), other.close()])
    await other.close()
    const settled = await Promise.allSettled(running)
    for (const each of settled) if (each.status === 'rejected') expectTyped(each.reason, 'CLOSED')
    for (const call of [() => other.enqueue(job, {}), () => other.counters.get('any', 'n')]) {
      expectTyped(await errorOf(call), 'CLOSED')
    }
  })
})
