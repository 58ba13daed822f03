// Owns the option `limit` of a contract: how many of its jobs run at once and how many start in a time, for all workers
// together, by a key of their input. Redis applies it, in src/ledger/limits.

import { describeValue } from './describe-value.js'
import { type Duration, parseDuration } from './duration.js'
import { type MergeBy, readText } from './enqueue-rules.js'
import { InvalidOptionError, UnknownOptionError } from './errors.js'
import { suggest } from './suggest.js'

export interface RateOptions {
  /** Most starts in a window, 1 to 1,000,000; 10,000 for `sliding`, which keeps the time of each. */
  readonly limit: number
  /** 1 ms to 30 days. */
  readonly window: Duration
  /**
   * `sliding` (default): in no span of that length more. `fixed`: windows begin at whole multiples of their length since
   * 1970, so that around such a moment twice as many may start. `bucket`: one start each `window / limit`, and what was
   * not used adds up to `burst`.
   */
  readonly kind?: 'sliding' | 'fixed' | 'bucket'
  /** Of `bucket` only: most starts at once after a rest, 1 to 1,000,000. Default: `limit`. */
  readonly burst?: number
}

export interface LimitOptions<Input = unknown> {
  /**
   * Whose limit it is: the name of a field of the input, a list of names, or a function that gives a text of 1 to 256
   * characters. It is read when the job is enqueued, and must not give another key for the same input later. Default: one
   * limit for all jobs of the contract.
   */
  readonly key?: MergeBy<Input>
  /** `job` (default): each job name has keys of its own. `queue`: contracts of the queue with an equal key share its limit. */
  readonly scope?: 'job' | 'queue'
  /** Most jobs of the key that run at once, 1 to 100,000. Default: any number; 1 with `order: 'strict'`. */
  readonly concurrency?: number
  /** Most starts of attempts in a time. Default: any number. */
  readonly rate?: RateOptions
  /**
   * `free` (default): while a job of the key waits for its next attempt, others of it may start. `strict`: jobs of a key
   * run one by one in the order of their enqueue, and one that is to be retried holds those behind it until it has ended.
   */
  readonly order?: 'free' | 'strict'
  /**
   * Share of a key among those that have jobs waiting, a whole number 1 to 1000 or a function of the input: a key of
   * weight 2 starts two jobs where one of weight 1 starts one. Default 1.
   */
  readonly weight?: number | ((input: Input) => number)
}

export interface LimitContractOptions<Input = unknown> {
  /** How many jobs run at once and in a time, over all workers: see `LimitOptions`. Default: no limit. */
  readonly limit?: LimitOptions<Input>
}

/** The option as a contract keeps it. */
export interface JobLimit {
  readonly key: MergeBy<never> | undefined
  readonly scope: 'job' | 'queue'
  /** 0: any number. */
  readonly concurrency: number
  readonly rate: {
    readonly kind: 'sliding' | 'fixed' | 'bucket'
    readonly limit: number
    readonly windowMs: number
    readonly burst: number
  } | null
  readonly order: 'free' | 'strict'
  readonly weight: number | ((input: never) => number)
}

const NAMES = ['key', 'scope', 'concurrency', 'rate', 'order', 'weight']
const RATE_NAMES = ['limit', 'window', 'kind', 'burst']
const MAX_CONCURRENCY = 100_000
const MAX_STARTS = 1_000_000
const MAX_SLIDING = 10_000
const MAX_WEIGHT = 1_000
const MAX_WINDOW_MS = 30 * 86_400_000
/** Longest key, in UTF-16 units. */
const MAX_KEY = 256

/** @throws InvalidOptionError, UnknownOptionError for the first problem */
export function readLimit(given: unknown): JobLimit | undefined {
  if (given === undefined) return undefined
  const options = readObject('limit', given, NAMES)
  const { key, scope = 'job', concurrency, rate, order = 'free', weight = 1 } = options
  checkKeyOption(key)
  checkOneOf('limit.scope', scope, ['job', 'queue'])
  checkOneOf('limit.order', order, ['free', 'strict'])
  if (concurrency !== undefined) checkNumber('limit.concurrency', concurrency, MAX_CONCURRENCY)
  const isStrict = order === 'strict'
  if (isStrict && concurrency !== undefined && concurrency !== 1) {
    throw new InvalidOptionError('limit.concurrency', "1 beside order 'strict'", concurrency)
  }
  if (typeof weight !== 'function') checkNumber('limit.weight', weight, MAX_WEIGHT)
  const says = [key, concurrency, rate].some((value) => value !== undefined) || isStrict
  if (!says) throw new InvalidOptionError('limit', 'a key, concurrency, rate or order', given)
  return Object.freeze({
    key: key as JobLimit['key'],
    scope: scope as JobLimit['scope'],
    concurrency: isStrict ? 1 : ((concurrency as number | undefined) ?? 0),
    rate: rate === undefined ? null : readRate(rate),
    order: order as JobLimit['order'],
    weight: weight as JobLimit['weight'],
  })
}

function readRate(given: unknown): NonNullable<JobLimit['rate']> {
  const { limit, window, kind = 'sliding', burst } = readObject('limit.rate', given, RATE_NAMES)
  checkOneOf('limit.rate.kind', kind, ['sliding', 'fixed', 'bucket'])
  checkNumber('limit.rate.limit', limit, kind === 'sliding' ? MAX_SLIDING : MAX_STARTS)
  if (burst !== undefined && kind !== 'bucket') {
    throw new InvalidOptionError('limit.rate.burst', "kind 'bucket' beside it", burst)
  }
  if (burst !== undefined) checkNumber('limit.rate.burst', burst, MAX_STARTS)
  const windowMs = parseDuration(window, { option: 'limit.rate.window', minMs: 1, maxMs: MAX_WINDOW_MS })
  return Object.freeze({
    kind: kind as 'sliding',
    limit: limit as number,
    windowMs,
    burst: kind === 'bucket' ? ((burst ?? limit) as number) : 0,
  })
}

function checkKeyOption(key: unknown): void {
  if (key === undefined || typeof key === 'function') return
  const fields: readonly unknown[] = Array.isArray(key) ? key : [key]
  if (fields.length > 0 && fields.every((field) => typeof field === 'string' && field !== '')) return
  const expected = 'the name of a field, a list of names, or a function that gives text'
  throw new InvalidOptionError('limit.key', expected, key)
}

const KIND_LETTER = { sliding: 's', fixed: 'f', bucket: 'b' } as const

/** What a job's commit and its worker are told of its limit: `<spec> <ID>`, as src/ledger/limits reads it. */
export interface LimitedJob {
  readonly name: string
  readonly limit: JobLimit
}

/** @throws InvalidOptionError when the key or the weight of this input is none, or its function throws */
export function limitOf({ name, limit }: LimitedJob, input: unknown): string {
  const { concurrency, rate, order } = limit
  const ofRate = rate ? `${KIND_LETTER[rate.kind]},${rate.limit},${rate.windowMs},${rate.burst}` : 'n,0,0,0'
  const spec = `${concurrency},${ofRate},${weightOf(limit, input)},${order === 'strict' ? 's' : 'f'}`
  return `${spec} ${limitId(name, limit, keyOf(limit, input))}`
}

/** Names a limit among those of its queue. */
export function limitId(name: string, { scope }: Pick<JobLimit, 'scope'>, key: string): string {
  return `${scope === 'job' ? name : ''}:${key}`
}

function keyOf({ key }: JobLimit, input: unknown): string {
  if (key === undefined) return ''
  const expected = `a text of 1 to ${MAX_KEY} characters`
  if (typeof key === 'function') {
    const text = readText('limit.key', key as (input: unknown) => unknown, [input])
    if (text.length <= MAX_KEY) return text
    throw new InvalidOptionError('limit.key', `a function that gives ${expected}`, `${text.length} characters`)
  }
  const object = typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : {}
  const fields = typeof key === 'string' ? [key] : key
  const texts = fields.map((field) => (Object.hasOwn(object, field) ? object[field] : undefined))
  const bad = texts.findIndex((text) => typeof text !== 'string' || text === '')
  if (bad >= 0) throw new InvalidOptionError('limit.key', `${expected} in field ${fields[bad]}`, texts[bad])
  const text = texts.length === 1 ? (texts[0] as string) : JSON.stringify(texts)
  if (text.length <= MAX_KEY) return text
  throw new InvalidOptionError('limit.key', expected, `${text.length} characters`)
}

function weightOf({ weight }: JobLimit, input: unknown): number {
  if (typeof weight === 'number') return weight
  let given: unknown
  try {
    given = (weight as (input: unknown) => unknown)(input)
  } catch (cause) {
    const expected = `a function that gives a whole number from 1 to ${MAX_WEIGHT}, not one that throws`
    throw new InvalidOptionError('limit.weight', expected, describeValue(cause), { cause })
  }
  checkNumber('limit.weight', given, MAX_WEIGHT)
  return given as number
}

function readObject(option: string, value: unknown, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(option, `an object with ${names.join(', ')}`, value)
  }
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw new UnknownOptionError(name, suggest(name, names), option)
  }
  return value as Record<string, unknown>
}

function checkNumber(option: string, value: unknown, max: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return
  throw new InvalidOptionError(option, `a whole number from 1 to ${max}`, value)
}

function checkOneOf(option: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value === 'string' && allowed.includes(value)) return
  throw new InvalidOptionError(option, allowed.map((each) => `'${each}'`).join(', '), value)
}
