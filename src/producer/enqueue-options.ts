// The options of one enqueue: read, checked alone and together, and turned into what is stored with the job. Those that
// decide whether there is a job at all are read in job-rules.ts.
import {
  type AnyJobContract,
  type DebounceOptions,
  type DepthOptions,
  type Duration,
  InvalidOptionError,
  parseDuration,
  suggest,
  type ThrottleOptions,
  type UniqueOptions,
  UnknownOptionError,
} from '../job/index.js'
import { checkJobId } from '../redis/index.js'

/** `Input` is the contract's; only the functions among the options see it. */
export interface EnqueueOptions<Input = unknown> {
  /**
   * The job's id: 1 to 128 characters of A-Z a-z 0-9 _ . -, not a whole number. Default: a random one of 20 characters.
   * An id that the queue still knows enqueues nothing; the job that is there stays as it is.
   */
  readonly id?: string | undefined
  /** Wait before the job may start, 0 to 365 days. Default 0. */
  readonly delay?: Duration | undefined
  /** When the job may start: a Date, milliseconds since 1970 or ISO 8601 with its zone. Not with `delay`, not in the past. */
  readonly at?: Date | number | string | undefined
  /**
   * 1 (first) to 2097151 (last). Default none, and jobs without one run before all that have one. It makes enqueueing
   * slower the more jobs wait.
   */
  readonly priority?: number | undefined
  /** Most runs of this job, 1 to 1000. Default: the contract's. */
  readonly attempts?: number | undefined
  /** Takes the job next, before those that wait longer. Default false. Not with `delay`, `at` or `priority`. */
  readonly lifo?: boolean | undefined
  /**
   * Idempotency key: 1 to 256 characters of A-Z a-z 0-9 _ . : @ / + = -. A second enqueue of this job with the same key
   * and an equal input gives the first one's job; with another input it throws IdempotencyConflictError. It holds as long
   * as that job is unfinished (at most 30 days from when it may start) or its result exists. Not with `id`, `unique`,
   * `debounce` or `throttle`.
   */
  readonly key?: string | undefined
  /** Holds the key for this time from the enqueue instead, whatever becomes of the job: 1 s to 365 days. Only with `key`. */
  readonly keyTtl?: Duration | undefined
  /** In place of the contract's `unique`, `debounce` or `throttle`; `false` goes without. At most one of the three. */
  readonly unique?: UniqueOptions<Input> | false | undefined
  readonly debounce?: DebounceOptions<Input> | false | undefined
  readonly throttle?: ThrottleOptions<Input> | false | undefined
  /** In place of the contract's. */
  readonly maxDepth?: DepthOptions['maxDepth'] | undefined
  readonly onFull?: DepthOptions['onFull'] | undefined
  /**
   * A job whose first attempt has not begun by then fails with START_BY_PASSED and never runs: a duration from the
   * enqueue, a Date or ISO 8601 with its zone, 1 ms to 365 days ahead and after `delay` or `at`. The worker's clock counts.
   */
  readonly startBy?: Duration | Date | string | undefined
  /** How long the result stays readable, 1 s to 365 days. Default: the contract's. */
  readonly keepResult?: Duration | undefined
  /**
   * Up to 10 tags by which `producer.jobs.byTag` finds the job, each of 1 to 64 characters of A-Z a-z 0-9 _ . : @ / + = -.
   * Redis keeps the newest 10,000 jobs of a tag, for 30 days.
   */
  readonly tags?: readonly string[] | undefined
}

/** What BullMQ keeps as a job's options. */
export interface StoredOptions {
  readonly attempts: number
  readonly backoff: { readonly type: string }
  readonly stackTraceLimit: number
  readonly delay?: number
  readonly priority?: number
  readonly lifo?: boolean
  /** Milliseconds from the job's timestamp, so that jobs of one contract share their options' text. */
  readonly startBy?: number
  readonly keepResult?: number
  readonly tags?: readonly string[]
  /** The idempotency key; with `keyTtl`, milliseconds, the commit leaves the key's record alone. */
  readonly key?: string
  readonly keyTtl?: number
  /** BullMQ's own. */
  readonly deduplication?: { readonly id: string; readonly ttl?: number; readonly reschedule?: boolean }
}

/** The options that a bulk shares with a single enqueue. */
export const SHARED_NAMES = [
  'delay',
  'at',
  'priority',
  'attempts',
  'lifo',
  'key',
  'keyTtl',
  'unique',
  'debounce',
  'throttle',
  'maxDepth',
  'onFull',
  'startBy',
  'keepResult',
  'tags',
] as const
const NAMES = ['id', ...SHARED_NAMES] as const
const MAX_AHEAD_MS = 365 * 86_400_000
const MAX_ATTEMPTS = 1_000
/** 2^21 - 1, the last that fits BullMQ's score of a prioritized job. */
const MAX_PRIORITY = 2_097_151
/** Frames that BullMQ keeps of each failed attempt; the result record has the whole stack of the last. */
const STACK_TRACE_LIMIT = 10
/** The worker knows this name and computes the wait from the contract's backoff. */
const BACKOFF = { type: 'drover' } as const
const MAX_TAGS = 10
const TAG = /^[\w.:@/+=-]{1,64}$/
const TAG_RULE = '1 to 64 characters of A-Z a-z 0-9 _ . : @ / + = -'
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/

/** @throws UnknownOptionError, InvalidOptionError, InvalidJobIdError */
export function planOptions(
  contract: AnyJobContract,
  options: EnqueueOptions<never> | undefined,
  nowMs: number,
): StoredOptions {
  const plan = { attempts: contract.attempts, backoff: BACKOFF, stackTraceLimit: STACK_TRACE_LIMIT }
  if (options === undefined) return plan
  refuseUnknown(options, NAMES, 'enqueue')
  const { id, priority, attempts = contract.attempts, lifo } = options
  const delay = readDelayMs(options, nowMs)
  if (id !== undefined) checkJobId(id)
  if (priority !== undefined) checkWhole('priority', priority, 1, MAX_PRIORITY)
  checkWhole('attempts', attempts, 1, MAX_ATTEMPTS)
  if (lifo !== undefined && typeof lifo !== 'boolean') throw new InvalidOptionError('lifo', 'true or false', lifo)
  if (lifo && (delay > 0 || priority !== undefined)) {
    throw new InvalidOptionError('lifo', 'no delay, at or priority beside it: they order the job already', lifo)
  }
  return {
    ...plan,
    attempts,
    ...(delay > 0 ? { delay } : {}),
    ...(priority === undefined ? {} : { priority }),
    ...(lifo ? { lifo } : {}),
    ...planLife(options, delay, nowMs),
  }
}

type Life = Pick<StoredOptions, 'startBy' | 'keepResult' | 'tags'>

function planLife(
  { startBy, keepResult, tags }: EnqueueOptions<never>,
  delay: number,
  nowMs: number,
): Life | undefined {
  if (startBy === undefined && keepResult === undefined && tags === undefined) return undefined
  return {
    ...(startBy === undefined ? {} : { startBy: readStartByMs(startBy, delay, nowMs) }),
    ...(keepResult === undefined
      ? {}
      : { keepResult: parseDuration(keepResult, { option: 'keepResult', minMs: 1_000 }) }),
    ...readTags(tags),
  }
}

function readStartByMs(startBy: unknown, delay: number, nowMs: number): number {
  const isTime = startBy instanceof Date || (typeof startBy === 'string' && ISO_TIME.test(startBy))
  const ms = isTime ? Math.floor(readTimeMs(startBy) - nowMs) : parseDuration(startBy, { option: 'startBy', minMs: 1 })
  if (ms > delay && ms <= MAX_AHEAD_MS) return ms
  const expected = 'a time from now to 365 days ahead, and after delay or at'
  const got = startBy instanceof Date && !Number.isNaN(ms) ? startBy.toISOString() : startBy
  throw new InvalidOptionError('startBy', expected, got)
}

function readTags(tags: unknown): { tags?: readonly string[] } {
  if (tags === undefined) return {}
  const isTag = (tag: unknown) => typeof tag === 'string' && TAG.test(tag)
  if (!Array.isArray(tags) || tags.length > MAX_TAGS || !tags.every(isTag)) {
    const got = Array.isArray(tags) ? (tags.find((tag) => !isTag(tag)) ?? `${tags.length} tags`) : tags
    throw new InvalidOptionError('tags', `up to ${MAX_TAGS} texts of ${TAG_RULE}`, got)
  }
  return tags.length === 0 ? {} : { tags: [...new Set(tags as string[])] }
}

/** @throws InvalidOptionError */
export function checkTag(tag: unknown): void {
  if (typeof tag !== 'string' || !TAG.test(tag)) throw new InvalidOptionError('tag', `a text of ${TAG_RULE}`, tag)
}

/** @throws UnknownOptionError for the first option that is not in `known`, InvalidOptionError when it is no object */
export function refuseUnknown(options: unknown, known: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidOptionError('options', `an object of options for ${where}`, options)
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new UnknownOptionError(name, suggest(name, known), where)
  }
}

/** @throws InvalidOptionError */
export function checkWhole(option: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new InvalidOptionError(option, `a whole number from ${min} to ${max}`, value)
}

/** Milliseconds since 1970 of a Date, such a number, or ISO 8601 text with its zone; NaN for anything else. */
export function readTimeMs(value: unknown): number {
  if (value instanceof Date) return value.getTime()
  if (typeof value === 'number') return value
  return typeof value === 'string' && ISO_TIME.test(value) ? Date.parse(value) : Number.NaN
}

function readDelayMs({ delay, at }: EnqueueOptions<never>, nowMs: number): number {
  if (at === undefined) return delay === undefined ? 0 : parseDuration(delay, 'delay')
  if (delay !== undefined) throw new InvalidOptionError('at', 'only one of delay and at', at)
  const atMs = readTimeMs(at)
  if (atMs >= nowMs && atMs <= nowMs + MAX_AHEAD_MS) return Math.round(atMs - nowMs)
  const expected = 'a time from now to 365 days ahead: a Date, milliseconds since 1970, or ISO 8601 with its zone'
  throw new InvalidOptionError('at', expected, at instanceof Date && !Number.isNaN(atMs) ? at.toISOString() : at)
}
