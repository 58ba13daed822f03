// Owns the `backoff` of a contract: how long to wait after a failed attempt, as it is given and as it is read. The wait
// itself is computed in the worker, src/worker/retry-policy.ts.
import { describeValue } from './describe-value.js'
import type { Duration } from './duration.js'
import { asRecord, listUnknown, readDuration } from './option-problems.js'
import { suggest } from './suggest.js'

const MAX_BACKOFF_MS = 30 * 86_400_000
const DEFAULT_DELAY_MS = 1_000
const DEFAULT_MAX_DELAY_MS = 3_600_000
const DEFAULT_JITTER = 0.5
const MAX_DELAYS = 100

const OPTION_NAMES = ['type', 'delay', 'delays', 'jitter', 'maxDelay'] as const
const TYPES = ['fixed', 'exponential', 'list', 'custom'] as const
type BackoffType = (typeof TYPES)[number]

export interface BackoffOptions {
  /**
   * `exponential` doubles the delay with each failed attempt, `fixed` keeps it, `list` takes one of `delays` after the
   * other, `custom` asks the function `retryDelay` that `handle` was given. Default `exponential`.
   */
  readonly type?: BackoffType
  /**
   * Wait after the first failed attempt, 0 to 30 days. Default `1s`. Zero retries at once, every time. With `custom` it
   * begins the exponential wait that stands in for a function that gives none. Not with `list`.
   */
  readonly delay?: Duration
  /** With `list` alone: 1 to 100 waits, each 0 to 30 days; attempts beyond them wait as long as the last says. */
  readonly delays?: readonly Duration[]
  /**
   * Share of the delay that chance may take off, 0 to 1, so that jobs that failed together do not return together.
   * Default 0.5; with `custom` 0.
   */
  readonly jitter?: number
  /** Upper bound of the wait, at least `delay` and each of `delays`, at most 30 days. Default `1h`, or the longest of these. */
  readonly maxDelay?: Duration
}

/** How long to wait after a failed attempt, defaults filled in. */
export interface Backoff {
  readonly type: BackoffType
  readonly delayMs: number
  /** Of a list; never empty. */
  readonly delaysMs?: readonly number[]
  readonly jitter: number
  readonly maxDelayMs: number
}

/** The backoff with its defaults; what is wrong goes to `problems`. */
export function readBackoff(given: unknown, problems: string[]): Backoff {
  const options = asRecord(given === undefined ? {} : given)
  if (options === undefined) problems.push(`backoff: expected an object of options, got ${describeValue(given)}`)
  const { type = 'exponential', delay, delays, jitter, maxDelay } = options ?? {}
  listUnknown(options ?? {}, OPTION_NAMES, 'backoff.', problems)
  if (!isType(type)) problems.push(typeProblem(type))
  const share = jitter === undefined ? (type === 'custom' ? 0 : DEFAULT_JITTER) : jitter
  if (typeof share !== 'number' || !(share >= 0 && share <= 1)) {
    problems.push(`backoff.jitter: expected a number from 0 to 1, got ${describeValue(jitter)}`)
  }
  const delaysMs = type === 'list' ? readDelays(delays, problems) : undefined
  if (type === 'list' && delay !== undefined) {
    problems.push(`backoff.delay: expected delays alone with type 'list', got ${describeValue(delay)}`)
  }
  if (type !== 'list' && delays !== undefined) {
    problems.push(`backoff.delays: expected type 'list' beside it, got ${describeValue(delays)}`)
  }
  const range = { minMs: 0, maxMs: MAX_BACKOFF_MS }
  const delayMs = delaysMs?.[0] ?? readDuration('backoff.delay', delay, DEFAULT_DELAY_MS, range, problems)
  const longestMs = Math.max(delayMs, ...(delaysMs ?? []))
  const capMs = Math.max(DEFAULT_MAX_DELAY_MS, longestMs)
  const capRange = { minMs: longestMs, maxMs: MAX_BACKOFF_MS }
  const maxDelayMs = readDuration('backoff.maxDelay', maxDelay, capMs, capRange, problems)
  const common = { type: type as BackoffType, delayMs, jitter: share as number, maxDelayMs }
  return Object.freeze(delaysMs === undefined ? common : { ...common, delaysMs })
}

function isType(value: unknown): value is BackoffType {
  return TYPES.includes(value as BackoffType)
}

function typeProblem(type: unknown): string {
  const nearest = typeof type === 'string' ? suggest(type, TYPES) : undefined
  const advice = nearest === undefined ? '' : `; did you mean '${nearest}'?`
  return `backoff.type: expected 'fixed', 'exponential', 'list' or 'custom', got ${describeValue(type)}${advice}`
}

function readDelays(given: unknown, problems: string[]): readonly number[] {
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_DELAYS) {
    problems.push(`backoff.delays: expected a list of 1 to ${MAX_DELAYS} durations, got ${describeValue(given)}`)
    return [DEFAULT_DELAY_MS]
  }
  const range = { minMs: 0, maxMs: MAX_BACKOFF_MS }
  // Array.from also visits the holes of a list, which are no durations.
  return Object.freeze(
    Array.from(given, (delay: unknown, index) => {
      return readDuration(`backoff.delays[${index}]`, delay ?? null, DEFAULT_DELAY_MS, range, problems)
    }),
  )
}
