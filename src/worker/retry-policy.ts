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
  ShutdownError,
  StartByPassedError,
} from '../job/index.js'

/**
 * `retry`: the attempt failed, another follows after `delayMs`. `fail`: the job fails for good. `hand-back`: not a
 * failed attempt, the job returns to its queue at once. `abandon`: another run owns the job, so nothing is to be done.
 */
export type Decision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'fail' }
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
]

/** Where no contract is at hand (a job without a handler here), retries follow these. */
const DEFAULT_BACKOFF: Backoff = { type: 'exponential', delayMs: 1_000, jitter: 0.5, maxDelayMs: 3_600_000 }

/**
 * What follows from an attempt that ended with `thrown`. `abortReason` is why it was ended from outside, if it was: only
 * then a shutdown or a lost lock is what ended it, and not an error of that class that a handler came by.
 */
export function decide(
  thrown: unknown,
  job: Pick<Job, 'attemptsMade' | 'opts'>,
  contract: AnyJobContract | undefined,
  abortReason?: Error,
): Decision {
  if (abortReason instanceof ShutdownError) return { kind: 'hand-back' }
  if (abortReason instanceof LockLostError) return { kind: 'abandon' }
  const permanent = PERMANENT.some((kind) => thrown instanceof kind)
  if (permanent || job.attemptsMade + 1 >= (job.opts.attempts ?? 0)) return { kind: 'fail' }
  if (thrown instanceof RetryInError) return { kind: 'retry', delayMs: atLeastOne(thrown.retryMs) }
  return { kind: 'retry', delayMs: backoffMs(contract?.backoff ?? DEFAULT_BACKOFF, job.attemptsMade + 1) }
}

/** The wait after the given number of failed attempts: exponential doubles, the cap holds, chance takes its share off. */
export function backoffMs(backoff: Backoff, attemptsMade: number, random: () => number = Math.random): number {
  const growth = backoff.type === 'exponential' ? 2 ** Math.min(attemptsMade - 1, 52) : 1
  const full = Math.min(backoff.maxDelayMs, backoff.delayMs * growth)
  return atLeastOne(full * (1 - backoff.jitter * random()))
}

// BullMQ takes a delay of 0 another way, which costs one round trip more.
function atLeastOne(ms: number): number {
  return Math.max(1, Math.round(ms))
}
