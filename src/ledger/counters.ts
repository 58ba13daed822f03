// User counters outside of a job: read, list, add to, delete, and their history per minute or hour. A job's own counts
// are committed by commit.lua. A counter is a plain integer key, so that any Redis client may read and INCRBY it.
import { readFileSync } from 'node:fs'
import { CounterNotIntegerError, CounterOverflowError, InvalidOptionError } from '../job/index.js'
import { bareRedisError, type KeysOfQueue, type RedisClient } from '../redis/index.js'
import { readStatsHashes, type StatsStep } from './stats-hashes.js'
import { readTotals } from './totals.js'

const incrCounterLua = readFileSync(new URL('./incr-counter.lua', import.meta.url), 'utf8')
const INTEGER = /^-?\d{1,19}$/

export interface CounterValue {
  readonly name: string
  /** Null when another program wrote something to the key that is not an integer. */
  readonly value: number | null
}

export interface CounterSeriesOptions {
  /** Milliseconds since 1970: at most 48 hours ago by minute, 90 days by hour. */
  readonly sinceMs: number
  readonly by: StatsStep
  /** End of the series, by default now. */
  readonly nowMs?: number
}

/** How much was added to a counter in one minute or hour; `at` is its start in milliseconds since 1970. */
export interface CounterPoint {
  readonly at: number
  readonly value: number
}

/** A point of a counter, and what of it each job added; what a producer added is under no job. */
export interface CounterSplitPoint extends CounterPoint {
  readonly jobs: ReadonlyMap<string, number>
}

/**
 * The counter's value, 0 when it does not exist; beyond 2^53 the nearest number.
 * @throws CounterNotIntegerError when the key holds something else
 */
export async function readCounter(client: RedisClient, keys: KeysOfQueue, name: string): Promise<number> {
  const text = await client.get(keys.counter(name)).catch((error: unknown) => {
    throw counterError(error, name)
  })
  const value = text === null ? 0 : parseCounter(text)
  if (value === null) throw new CounterNotIntegerError(name)
  return value
}

/**
 * Adds a whole number, which may be negative, and gives the new value. A counter that does not exist starts at 0.
 * @throws InvalidOptionError, CounterNotIntegerError, CounterOverflowError; the counter is then unchanged
 */
export async function incrCounter(
  client: RedisClient,
  keys: KeysOfQueue,
  name: string,
  by: number = 1,
): Promise<number> {
  if (!Number.isSafeInteger(by)) throw new InvalidOptionError('by', 'a whole number up to 2^53 - 1', by)
  try {
    const names = [keys.counter(name), keys.counterNames]
    return Number(await client.eval(incrCounterLua, names.length, ...names, keys.stats(0).slice(0, -1), name, by))
  } catch (error) {
    throw counterError(error, name)
  }
}

export async function counterExists(client: RedisClient, keys: KeysOfQueue, name: string): Promise<boolean> {
  return (await client.exists(keys.counter(name))) === 1
}

/** Deletes the counter and tells whether it existed; it reads as 0 from then on. Its history stays. */
export async function deleteCounter(client: RedisClient, keys: KeysOfQueue, name: string): Promise<boolean> {
  const replies = await client.multi().del(keys.counter(name)).srem(keys.counterNames, name).exec()
  const [error, deleted] = replies?.[0] ?? []
  if (error) throw error
  return deleted === 1
}

/**
 * The counters of the queue, names sorted: those that a job or a producer ever changed and that still exist. One that
 * only another program wrote is not listed, though it can be read by name.
 */
export async function listCounters(client: RedisClient, keys: KeysOfQueue): Promise<CounterValue[]> {
  const names = (await client.smembers(keys.counterNames)).sort()
  if (names.length === 0) return []
  // MGET answers null for a key of another type too; such a counter is left out like one that is gone.
  const texts = await client.mget(names.map((name) => keys.counter(name)))
  return names.flatMap((name, index) => {
    const text = texts[index]
    return typeof text === 'string' ? [{ name, value: parseCounter(text) }] : []
  })
}

/**
 * What jobs and producers added to the counter, per minute or hour, oldest first, quiet ones as 0. An INCRBY by another
 * program is in the counter but not in its history.
 * @throws InvalidOptionError when the series would start in the future, or earlier than its history is kept
 */
export async function readCounterSeries(
  client: RedisClient,
  keys: KeysOfQueue,
  name: string,
  options: CounterSeriesOptions,
): Promise<CounterPoint[]> {
  return (await readCounterSplit(client, keys, name, options)).map(({ at, value }) => ({ at, value }))
}

/** As `readCounterSeries`, with what each job added. */
export async function readCounterSplit(
  client: RedisClient,
  keys: KeysOfQueue,
  name: string,
  { sinceMs, by, nowMs }: CounterSeriesOptions,
): Promise<CounterSplitPoint[]> {
  const span = { sinceMs, step: by, ...(nowMs === undefined ? {} : { nowMs }) }
  // A job that ever added to a counter is in the totals, which the same commit wrote.
  const jobs = [...(await readTotals(client, keys)).keys()]
  const fields = [`#${name}`, ...jobs.map((job) => `#${name}|${job}`)] as const
  const steps = await readStatsHashes<(string | null)[]>(client, keys, span, ['hmget', ...fields])
  return steps.map(({ at, replies }) => {
    // A minute may hold more than a number can add exactly.
    const sums = fields.map((_, index) => replies.reduce((sum, texts) => sum + exactly(texts[index]), 0n))
    const split = jobs.map((job, index) => [job, Number(sums[index + 1])] as const).filter(([, value]) => value !== 0)
    return { at, value: Number(sums.reduce((total, sum) => total + sum, 0n)), jobs: new Map(split) }
  })
}

function exactly(text: string | null | undefined): bigint {
  return typeof text === 'string' && INTEGER.test(text) ? BigInt(text) : 0n
}

function parseCounter(text: string): number | null {
  return INTEGER.test(text) ? Number(text) : null
}

function counterError(error: unknown, name: string): unknown {
  const message = error instanceof Error ? error.message : ''
  if (/would overflow/.test(message)) return new CounterOverflowError(name, { cause: bareRedisError(error) })
  if (/not an integer|WRONGTYPE/.test(message))
    return new CounterNotIntegerError(name, { cause: bareRedisError(error) })
  return error
}
