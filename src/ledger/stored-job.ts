// A job as it is stored: the options that say when and how often it runs, checked alone and together, and its shape in
// BullMQ. For all who enqueue: a producer, a handler, a schedule.
import type { JobJson } from 'bullmq'
import {
  type AnyJobContract,
  checkWhole,
  type Duration,
  InvalidOptionError,
  isIsoTime,
  limitOf,
  parseDuration,
  readTimeMs,
} from '../job/index.js'

/** When, in which order and how often a job runs. */
export interface QueueingOptions {
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
   * A job whose first attempt has not begun by then fails with START_BY_PASSED and never runs: a duration from the
   * enqueue, a Date or ISO 8601 with its zone, 1 ms to 365 days ahead and after `delay` or `at`. The worker's clock counts.
   */
  readonly startBy?: Duration | Date | string | undefined
  /** How long the result stays readable, 1 s to 365 days. Default: the contract's. */
  readonly keepResult?: Duration | undefined
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
  /** Of the input, where it is above 1. */
  readonly version?: number
  readonly tags?: readonly string[]
  /** Id of the batch that it is a member of. */
  readonly batch?: string
  /** Keys of the batches of a flow that it counts in, and the jobs that it was enqueued after, by name. */
  readonly countsIn?: readonly string[]
  readonly needs?: Readonly<Record<string, { readonly queue: string; readonly id: string }>>
  /** The idempotency key; with `keyTtl`, milliseconds, the commit leaves the key's record alone. */
  readonly key?: string
  readonly keyTtl?: number
  /** Hash by which its result serves equal inputs, and for how long, milliseconds from its commit. */
  readonly cache?: string
  readonly cacheTtl?: number
  /** What limits it, as limits/limit-functions.lua reads it. */
  readonly limit?: string
  /** BullMQ's own. */
  readonly deduplication?: { readonly id: string; readonly ttl?: number; readonly reschedule?: boolean }
}

const MAX_AHEAD_MS = 365 * 86_400_000
const MAX_ATTEMPTS = 1_000
/** 2^21 - 1, the last that fits BullMQ's score of a prioritized job. */
const MAX_PRIORITY = 2_097_151
/** Frames that BullMQ keeps of each failed attempt; the result record has the whole stack of the last. */
const STACK_TRACE_LIMIT = 10
/** The worker knows this name and computes the wait from the contract's backoff. */
const BACKOFF = { type: 'drover' } as const

/** @throws InvalidOptionError for one of these options; others are not looked at. */
export function planQueueing(
  contract: AnyJobContract,
  options: QueueingOptions | undefined,
  nowMs: number,
): StoredOptions {
  const { attempts: most, version } = contract
  const common = { attempts: most, backoff: BACKOFF, stackTraceLimit: STACK_TRACE_LIMIT }
  const plan = version > 1 ? { ...common, version } : common
  if (options === undefined) return plan
  const { priority, attempts = most, lifo } = options
  const delay = readDelayMs(options, nowMs)
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

/**
 * The options with the limit of this job, as the contract says. `input` is as the caller gave it.
 * @throws InvalidOptionError for a key or weight that is none, and for what a strict order does not go with
 */
export function withLimit<Options extends StoredOptions>(
  contract: AnyJobContract,
  stored: Options,
  input: unknown,
): Options {
  const { name, limit } = contract
  if (limit === undefined) return stored
  const { delay, priority, lifo } = stored
  if (limit.order === 'strict' && (delay !== undefined || priority !== undefined || lifo)) {
    const option = priority !== undefined ? 'priority' : lifo ? 'lifo' : 'delay'
    throw new InvalidOptionError(
      option,
      "none beside limit.order 'strict': jobs run as they were enqueued",
      stored[option],
    )
  }
  return { ...stored, limit: limitOf({ name, limit }, input) }
}

function planLife({ startBy, keepResult }: QueueingOptions, delay: number, nowMs: number) {
  if (startBy === undefined && keepResult === undefined) return undefined
  return {
    ...(startBy === undefined ? {} : { startBy: readStartByMs(startBy, delay, nowMs) }),
    ...(keepResult === undefined
      ? {}
      : { keepResult: parseDuration(keepResult, { option: 'keepResult', minMs: 1_000 }) }),
  }
}

function readStartByMs(startBy: unknown, delay: number, nowMs: number): number {
  const isTime = startBy instanceof Date || isIsoTime(startBy)
  const ms = isTime ? Math.floor(readTimeMs(startBy) - nowMs) : parseDuration(startBy, { option: 'startBy', minMs: 1 })
  if (ms > delay && ms <= MAX_AHEAD_MS) return ms
  const expected = 'a time from now to 365 days ahead, and after delay or at'
  const got = startBy instanceof Date && !Number.isNaN(ms) ? startBy.toISOString() : startBy
  throw new InvalidOptionError('startBy', expected, got)
}

function readDelayMs({ delay, at }: QueueingOptions, nowMs: number): number {
  if (at === undefined) return delay === undefined ? 0 : parseDuration(delay, 'delay')
  if (delay !== undefined) throw new InvalidOptionError('at', 'only one of delay and at', at)
  const atMs = readTimeMs(at)
  if (atMs >= nowMs && atMs <= nowMs + MAX_AHEAD_MS) return Math.round(atMs - nowMs)
  const expected = 'a time from now to 365 days ahead: a Date, milliseconds since 1970, or ISO 8601 with its zone'
  throw new InvalidOptionError('at', expected, at instanceof Date && !Number.isNaN(atMs) ? at.toISOString() : at)
}

/**
 * A job in the shape of BullMQ's `Job.asJSON`; `input` is JSON text already. The id stays out of the options, where
 * BullMQ's `Queue` leaves a copy: jobs of one contract then store the same options text, which a worker parses once.
 */
export function newStoredJob(name: string, id: string, input: string, options: object, timestamp: number): JobJson {
  return {
    id,
    name,
    data: input,
    opts: options,
    progress: 0,
    attemptsMade: 0,
    attemptsStarted: 0,
    stalledCounter: 0,
    timestamp,
    failedReason: '',
    returnvalue: 'null',
  }
}
