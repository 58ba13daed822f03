// The options of one enqueue: read, checked alone and together, and turned into what is stored with the job.
import {
  type AnyJobContract,
  type Duration,
  InvalidOptionError,
  parseDuration,
  suggest,
  UnknownOptionError,
} from '../job/index.js'
import { checkJobId } from '../redis/index.js'

export interface EnqueueOptions {
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
}

/** What BullMQ keeps as a job's options. */
export interface StoredOptions {
  readonly attempts: number
  readonly backoff: { readonly type: string }
  readonly stackTraceLimit: number
  readonly delay?: number
  readonly priority?: number
  readonly lifo?: boolean
}

const NAMES = ['id', 'delay', 'at', 'priority', 'attempts', 'lifo'] as const
const MAX_AHEAD_MS = 365 * 86_400_000
const MAX_ATTEMPTS = 1_000
/** 2^21 - 1, the last that fits BullMQ's score of a prioritized job. */
const MAX_PRIORITY = 2_097_151
/** Frames that BullMQ keeps of each failed attempt; the result record has the whole stack of the last. */
const STACK_TRACE_LIMIT = 10
/** The worker knows this name and computes the wait from the contract's backoff. */
const BACKOFF = { type: 'drover' } as const
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/

/** @throws UnknownOptionError, InvalidOptionError, InvalidJobIdError */
export function planOptions(
  contract: AnyJobContract,
  options: EnqueueOptions | undefined,
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
  }
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

function readDelayMs({ delay, at }: EnqueueOptions, nowMs: number): number {
  if (at === undefined) return delay === undefined ? 0 : parseDuration(delay, 'delay')
  if (delay !== undefined) throw new InvalidOptionError('at', 'only one of delay and at', at)
  const atMs = readTimeMs(at)
  if (atMs >= nowMs && atMs <= nowMs + MAX_AHEAD_MS) return Math.round(atMs - nowMs)
  const expected = 'a time from now to 365 days ahead: a Date, milliseconds since 1970, or ISO 8601 with its zone'
  throw new InvalidOptionError('at', expected, at instanceof Date && !Number.isNaN(atMs) ? at.toISOString() : at)
}
