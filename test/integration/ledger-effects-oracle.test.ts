// Random staged writes, judged twice: by check-effects.lua as part of a commit, and by Redis itself, which runs the same
// writes one by one on a copy of the same keys in a second database.
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { EffectRejectedError } from '../../src/job/index.js'
import type { StagedWrite } from '../../src/ledger/index.js'
import { Effects } from '../../src/ledger/index.js'
import { dumpDb, type RedisDump } from '../support/dump-db.js'
import { type Kernel, openKernel } from '../support/kernel.js'
import { createRandom, type Random, testSeed } from '../support/random.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const CASES = 600
// A key that is another one with a field behind it: what tells them apart must not be a separator.
const KEYS = ['k', 'k\nf', 'q']
const FIELDS = ['f', 'g', 'x\nf', '']
const WHOLE = [1, -1, 0, 7, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
const FLOATS = [0.5, -0.5, 0.1, 3, 1e-20, 1e308, -1e308, 5e-324, 2 ** 53, 1e21]
const TEXTS = [
  ...['0', '1', '-1', '42', '7', '1', '2', '3', '-12'],
  ...['007', '-0', '+5', ' 5', '5 ', '', 'abc', '1\0', '1\0x', '12\n'],
  ...['1.5', '.5', '5.', '1e3', '1E3', '1e', '1.2.3', '0x10', 'inf', '-inf', 'nan', '1e308', '-1e308', '0e5'],
  ...['1e400', '1e-400', '1e-5000', `${'0'.repeat(5_200)}1`, '9'.repeat(30)],
  ...['9223372036854775807', '-9223372036854775808', '9000000000000000001', '8999999999999999999', '9007199254740993'],
]
const COLLECTIONS = ['list', 'set', 'zset', 'hash'] as const
type Type = 'none' | 'string' | (typeof COLLECTIONS)[number]
const REMOVING = /^(LTRIM|LREM|SREM|ZREM.*|HDEL)$/

const STAGE: Record<Type, (random: Random, effects: Effects, key: string) => void> = {
  none: (random, effects, key) => {
    const value = random.pick(TEXTS)
    const stage = random.pick([
      () => effects.set(key, value),
      () => effects.set(key, value, { ttlMs: random.pick([60_000, Number.MAX_SAFE_INTEGER]) }),
      () => effects.setnx(key, value),
      () => effects.del(key),
      () => effects.expire(key, random.pick([60, Number.MAX_SAFE_INTEGER])),
      () => effects.persist(key),
    ])
    stage()
  },
  string: (random, effects, key) => {
    const stage = random.pick([
      () => effects.incrby(key, random.pick(WHOLE)),
      () => effects.incrbyfloat(key, random.pick(FLOATS)),
      () => effects.append(key, random.pick(TEXTS)),
    ])
    stage()
  },
  list: (random, effects, key) => {
    const stage = random.pick([
      () => effects.lpush(key, random.pick(TEXTS), 5),
      () => effects.rpush(key, random.pick(TEXTS)),
      () => effects.ltrim(key, random.pick(WHOLE), random.pick(WHOLE)),
      () => effects.lrem(key, random.pick(WHOLE), random.pick(TEXTS)),
    ])
    stage()
  },
  set: (random, effects, key) => {
    if (random.chance(0.7)) effects.sadd(key, random.pick(TEXTS), random.pick(FIELDS))
    else effects.srem(key, random.pick(TEXTS), random.pick(FIELDS))
  },
  zset: (random, effects, key) => {
    const stage = random.pick([
      () => effects.zadd(key, random.pick(FLOATS), random.pick(FIELDS)),
      () => effects.zincrby(key, random.pick(FLOATS), random.pick(FIELDS)),
      () => effects.zrem(key, random.pick(FIELDS)),
      () => effects.zremrangebyrank(key, random.pick(WHOLE), random.pick(WHOLE)),
      () => effects.zremrangebyscore(key, random.pick(FLOATS), random.pick(FLOATS)),
    ])
    stage()
  },
  hash: (random, effects, key) => {
    const field = random.pick(FIELDS)
    const stage = random.pick([
      () => effects.hset(key, field, random.pick(TEXTS)),
      () => effects.hset(key, { [field]: random.pick(TEXTS), other: 1 }),
      () => effects.hsetnx(key, field, random.pick(TEXTS)),
      () => effects.hdel(key, field),
      () => effects.hincrby(key, field, random.pick(WHOLE)),
      () => effects.hincrbyfloat(key, field, random.pick(FLOATS)),
    ])
    stage()
  },
}

let server: TestRedis
let kernel: Kernel
let copy: Redis

beforeAll(async () => {
  server = await startTestRedis()
  kernel = await openKernel(server.url)
  copy = new Redis(`${server.url}/1`)
})
afterAll(async () => {
  copy.disconnect()
  await kernel.close()
  await server.close()
})

/** The writes that make the keys of one case, for both databases. */
function makeKeys(random: Random): { commands: StagedWrite[]; types: Map<string, Type> } {
  const types = new Map<string, Type>()
  const commands: StagedWrite[] = []
  for (const key of KEYS) {
    const type = random.pick<Type | 'stream'>([
      'none',
      'none',
      'string',
      'string',
      'hash',
      'hash',
      ...COLLECTIONS,
      'stream',
    ])
    const text = random.pick(TEXTS)
    if (type === 'string') commands.push(['SET', key, text])
    if (type === 'list') commands.push(['RPUSH', key, text, 'f'])
    if (type === 'set') commands.push(['SADD', key, random.pick(FIELDS)])
    if (type === 'zset') commands.push(['ZADD', key, random.pick(['1', 'inf', '-inf']), random.pick(FIELDS)])
    if (type === 'hash') commands.push(['HSET', key, random.pick(FIELDS), text])
    if (type === 'stream') commands.push(['XADD', key, '*', 'f', 'v'])
    types.set(key, type === 'stream' ? 'none' : type)
  }
  return { commands, types }
}

function stageWrites(random: Random, types: Map<string, Type>): readonly StagedWrite[] {
  const effects = new Effects(kernel.keys, { cluster: false })
  for (let left = 1 + random.below(8); left > 0; left--) {
    const key = random.pick(KEYS)
    // Mostly what fits the key, so that many cases are good to their end; each write may also change what fits.
    const type = random.chance(0.8) ? (types.get(key) ?? 'none') : random.pick<Type>(['none', 'string', ...COLLECTIONS])
    STAGE[type](random, effects, key)
    if (type !== 'none' && types.get(key) === 'none') types.set(key, type)
  }
  return effects.close()
}

async function runAll(client: Redis, commands: readonly StagedWrite[]): Promise<void> {
  for (const [command, ...words] of commands) await client.call(String(command), ...words.map(String))
}

/** Runs the writes one by one; the index of the first that Redis refuses, or -1, and what stood in its place before. */
async function judgeByRedis(commands: readonly StagedWrite[]): Promise<number> {
  for (const [index, [command, ...words]] of commands.entries()) {
    try {
      await copy.call(String(command), ...words.map(String))
    } catch {
      return index
    }
  }
  return -1
}

/** What the check may refuse although Redis would take it; check-effects.lua names these. */
function mayOverReject(commands: readonly StagedWrite[], rejection: EffectRejectedError): boolean {
  const index = Number(/^DROVER_EFFECT (\d+)/.exec(String((rejection.cause as Error).message))?.[1]) - 1
  const [, key] = commands[index] ?? []
  const earlier = commands.slice(0, index).filter((write) => write[1] === key)
  if (earlier.some(([command]) => REMOVING.test(String(command)))) return true
  if (rejection.reason.includes('64 bits')) return true
  const addedFloat = earlier.some(([command]) => /FLOAT$/.test(String(command)))
  if (rejection.reason.includes('whole number')) return addedFloat
  // Numbers that a double cannot hold, and forms nobody would write.
  return rejection.reason.includes('finite')
}

const ownKeys = (key: string) => KEYS.includes(key)

it(`a commit takes the writes that Redis would take, and refuses whole what holds one it would not`, async () => {
  const seed = testSeed()
  const random = createRandom(seed)
  const counts = { taken: 0, refused: 0, overRefused: 0 }
  for (let round = 0; round < CASES; round++) {
    await Promise.all([kernel.client.flushdb(), copy.flushdb()])
    const { commands, types } = makeKeys(random)
    await Promise.all([runAll(kernel.client, commands), runAll(copy, commands)])
    const effects = stageWrites(random, types)
    const label = `seed ${seed}, case ${round}: ${JSON.stringify({ commands, effects }).replace(/0{99,}/g, '0…0')}`
    const job = await kernel.start()
    const before = await dumpDb(kernel.client, ownKeys)
    const refusal: unknown = await kernel.complete(job, { effects }).then(
      () => undefined,
      (error) => error,
    )
    const wrongAt = await judgeByRedis(effects)
    const after: RedisDump = await dumpDb(kernel.client, ownKeys)
    if (refusal === undefined) {
      counts.taken++
      expect(wrongAt, `taken, but Redis refuses write ${wrongAt}; ${label}`).toBe(-1)
      expect(after, label).toEqual(await dumpDb(copy, ownKeys))
      continue
    }
    counts.refused++
    expect(refusal, label).toBeInstanceOf(EffectRejectedError)
    expect(after, label).toEqual(before)
    if (wrongAt === -1) {
      counts.overRefused++
      expect(mayOverReject(effects, refusal as EffectRejectedError), `refused: ${refusal}; ${label}`).toBe(true)
    }
  }
  // Both verdicts were put to the test.
  expect(Math.min(counts.taken, counts.refused), JSON.stringify({ seed, ...counts })).toBeGreaterThan(CASES / 10)
  console.info(`seed ${seed}: ${JSON.stringify(counts)}`)
})
