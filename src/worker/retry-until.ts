// Owns whether a further attempt comes too late: the `retryUntil` of a contract.
import { RetryUntilPassedError } from '../job/index.js'
import { untilDeadline } from './deadline.js'

/** What of BullMQ's job tells whether this is a retry, and when the job was first due. */
interface Retried {
  readonly attemptsMade: number
  /** Of the last attempt; a manual retry removes it. */
  readonly failedReason?: string | undefined
  readonly timestamp: number
  readonly opts: { readonly delay?: number | undefined }
}

/**
 * Call it before an attempt. The first one may be late, and one that a person asked for is wanted now.
 * @throws RetryUntilPassedError
 */
export function checkRetryUntil(job: Retried, retryUntilMs: number): void {
  if (job.attemptsMade === 0 || job.failedReason === undefined) return
  if (untilDeadline(job, retryUntilMs) < 0) throw new RetryUntilPassedError(retryUntilMs, job.failedReason)
}
