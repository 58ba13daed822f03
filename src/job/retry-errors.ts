// Owns the errors around when a job runs again: what a handler throws to be run later without an attempt, and the ends of a
// job that may not run again. `retryIn` is in attempt-errors.ts; the decision is the worker's.
import { cutText } from './describe-value.js'
import { DroverError, type DroverErrorOptions } from './drover-error.js'
import { type Duration, formatDuration, parseDuration } from './duration.js'

/** Less would have a job that only waits keep a worker busy. */
const MIN_SNOOZE_MS = 100
const MAX_LAST_ERROR = 500

/** What `snooze` returns: this attempt does not count, the job runs again after `snoozeMs`. */
export class SnoozeError extends DroverError {
  readonly snoozeMs: number

  constructor(snoozeMs: number, reason?: string, options?: DroverErrorOptions) {
    super('SNOOZE', reason ?? `the handler asked to run again in ${formatDuration(snoozeMs)}`, options)
    this.snoozeMs = snoozeMs
  }
}

/**
 * The error to throw for a run that came too early, such as one that found its file not there yet: the job runs again
 * after that time. No attempt is used, nothing of this one is committed, and it counts neither as failed nor as retried.
 * Throws InvalidOptionError for less than 100 ms or more than 365 days.
 */
export function snooze(duration: Duration, reason?: string, options?: DroverErrorOptions): SnoozeError {
  return new SnoozeError(parseDuration(duration, { option: 'snooze', minMs: MIN_SNOOZE_MS }), reason, options)
}

/** The handler asked for one snooze more than a job may have. The job fails. */
export class SnoozeLimitError extends DroverError {
  readonly starts: number

  constructor(starts: number, options?: DroverErrorOptions) {
    super(
      'SNOOZE_LIMIT',
      `the job was started ${starts} times without a failed attempt, and asked to be run later once more: ` +
        'snooze for longer, or end with an error when what the job waits for does not come',
      options,
    )
    this.starts = starts
  }
}

/** The job's next attempt came after its `retryUntil`: the job fails, its handler did not run again. */
export class RetryUntilPassedError extends DroverError {
  readonly retryUntilMs: number
  /** What the last attempt failed with. */
  readonly lastError: string

  constructor(retryUntilMs: number, lastError: string, options?: DroverErrorOptions) {
    const shown = cutText(lastError, MAX_LAST_ERROR)
    super(
      'RETRY_UNTIL_PASSED',
      `the next attempt could start only after the job's retryUntil of ${formatDuration(retryUntilMs)}; ` +
        `the last one failed with: ${shown}`,
      options,
    )
    this.retryUntilMs = retryUntilMs
    this.lastError = shown
  }
}
