// The one place that decides what an attempt's error means: another attempt and when, the end of the job, or neither.
import type { Job } from 'bullmq'
import {
  type AnyJobContract,
  type Backoff,
  CancelledError,
  InputVersionError,
  InvalidInputError,
  JobCrashedError,
  JobDeadlineError,
  LockLostError,
  PermanentError,
  RetryInError,
  RetryUntilPassedError,
  ShutdownError,
  SnoozeError,
  SnoozeLimitError,
  StartByPassedError,
} from '../job/index.js'
import { untilDeadline } from './deadline.js'

/**
 * `retry`: the attempt failed, another follows after `delayMs`. `fail`: the job fails for good, with `error` where that is
 * not what was thrown. `snooze`: not a failed attempt, the job runs again after `delayMs`. `hand-back`: not a failed
 * attempt, the job returns to its queue at once. `abandon`: another run owns the job, so nothing is to be done.
 */
export type Decision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'fail'; readonly error?: Error }
  | { readonly kind: 'snooze'; readonly delayMs: number }
  | { readonly kind: 'hand-back' }
  | { readonly kind: 'abandon' }

/** Errors that no further attempt can help. */
const PERMANENT = [
  PermanentError,
  InvalidInputError,
  InputVersionError,
  CancelledError,
  StartByPassedError,
  JobCrashedError,
  JobDeadlineError,
  RetryUntilPassedError,
]

/** A job that was started so often without a failed attempt is not snoozed once more: what it waits for does not come. */
export const MAX_IDLE_STARTS = 10_000

/** Where no contract is at hand (a job without a handler here), retries follow these. */
const DEFAULT_BACKOFF: Backoff = { type: 'exponential', delayMs: 1_000, jitter: 0.5, maxDelayMs: 3_600_000 }

/** True for an error that no further attempt can help. */
export function isPermanent(thrown: unknown): boolean {
  return PERMANENT.some((kind) => thrown instanceof kind)
}

/** What of BullMQ's job the decision needs; without the last three there is no limit by them. */
type Attempted = Pick<Job, 'attemptsMade' | 'opts'> & Partial<Pick<Job, 'attemptsStarted' | 'timestamp'>>

/** Asks the handler's own `retryDelay` for the wait after this attempt, milliseconds; undefined when it has none to give. */
export type AskDelay = (error: unknown, attempt: number) => number | undefined

/**
 * What follows from an attempt that ended with `thrown`. `abortReason` is why it was ended from outside, if it was: only
 * then a shutdown or a lost lock is what ended it, and not an error of that class that a handler came by.
 */
export function decide(
  thrown: unknown,
  job: Attempted,
  contract: AnyJobContract | undefined,
  abortReason?: Error,
  askDelay?: AskDelay,
): Decision {
  if (abortReason instanceof ShutdownError) return { kind: 'hand-back' }
  if (abortReason instanceof LockLostError) return { kind: 'abandon' }
  if (thrown instanceof SnoozeError && abortReason === undefined) return decideSnooze(thrown, job)
  if (isPermanent(thrown) || job.attemptsMade + 1 >= (job.opts.attempts ?? 0)) return { kind: 'fail' }
  const delayMs = retryDelayMs(thrown, job.attemptsMade + 1, contract, askDelay)
  return startsTooLate(job, delayMs, contract) ? { kind: 'fail' } : { kind: 'retry', delayMs }
}

function decideSnooze({ snoozeMs }: SnoozeError, { attemptsStarted = 0, attemptsMade }: Attempted): Decision {
  const starts = attemptsStarted - attemptsMade
  if (starts > MAX_IDLE_STARTS) return { kind: 'fail', error: new SnoozeLimitError(starts) }
  return { kind: 'snooze', delayMs: snoozeMs }
}

function retryDelayMs(
  thrown: unknown,
  attempt: number,
  contract: AnyJobContract | undefined,
  askDelay: AskDelay | undefined,
): number {
  if (thrown instanceof RetryInError) return atLeastOne(thrown.retryMs)
  const backoff = contract?.backoff ?? DEFAULT_BACKOFF
  const ownMs = backoff.type === 'custom' ? askDelay?.(thrown, attempt) : undefined
  return backoffMs(ownMs === undefined ? backoff : { ...backoff, type: 'fixed', delayMs: ownMs }, attempt)
}

function startsTooLate({ timestamp, opts }: Attempted, delayMs: number, contract: AnyJobContract | undefined): boolean {
  if (contract?.retryUntilMs === undefined || timestamp === undefined) return false
  return untilDeadline({ timestamp, opts }, contract.retryUntilMs) < delayMs
}

/** The wait after the given number of failed attempts: by its kind, up to the cap, less what chance takes off. */
export function backoffMs(backoff: Backoff, attemptsMade: number, random: () => number = Math.random): number {
  const full = Math.min(backoff.maxDelayMs, growingMs(backoff, attemptsMade))
  return atLeastOne(full * (1 - backoff.jitter * random()))
}

// A custom one comes here only when its function gave no wait.
function growingMs({ type, delayMs, delaysMs }: Backoff, attemptsMade: number): number {
  if (type === 'fixed') return delayMs
  if (type === 'list') return delaysMs?.[attemptsMade - 1] ?? delaysMs?.at(-1) ?? delayMs
  return delayMs * 2 ** Math.min(attemptsMade - 1, 52)
}

// BullMQ takes a delay of 0 another way, which costs one round trip more.
function atLeastOne(ms: number): number {
  return Math.max(1, Math.round(ms))
}
