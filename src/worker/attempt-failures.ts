// What BullMQ is thrown so that it does its part after an attempt: AttemptFailed for another one, JobFailed for the end.
// The decision between the two is retry-policy.ts.
import { RATE_LIMIT_ERROR, UnrecoverableError } from 'bullmq'
import type { StoredError } from '../job/index.js'

/** The attempt failed; carries the wait until the next one to BullMQ's backoff strategy. */
export class AttemptFailed extends Error {
  readonly retryDelayMs: number
  constructor(error: StoredError, retryDelayMs: number) {
    super(reasonOf(error))
    this.stack = error.stack ?? error.message
    this.retryDelayMs = retryDelayMs
  }
}

/** The job fails, whatever attempts are left. */
export class JobFailed extends UnrecoverableError {
  constructor(error: StoredError) {
    super(reasonOf(error))
    this.stack = error.stack ?? error.message
  }
}

// A job without a reason looks like one that was retried by hand (retry-until.ts).
// BullMQ knows a rate limit by its message alone, and would run such a job again at once and for ever.
function reasonOf({ name, message }: StoredError): string {
  if (message === '') return name
  return message === RATE_LIMIT_ERROR ? `${name}: ${message}` : message
}
