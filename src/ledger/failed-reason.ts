// What the reasons mean that BullMQ fails a job with by itself, without a handler that threw.
import { CancelledError, JobCrashedError, type StoredError } from '../job/index.js'

/** The reason that workers of plain BullMQ on the same queue leave with a job that stalled too often for them. */
const STALLED_REASON = 'job stalled more than allowable limit'

/**
 * The reason that a cancel leaves with a job that runs, in BullMQ's field of failures to come: its worker aborts it, and
 * no later run starts.
 */
export const CANCELLED_REASON = new CancelledError().message

/** The error of a job that failed with this reason. */
export function errorOfReason(message: string): StoredError {
  if (message === STALLED_REASON) return { name: JobCrashedError.name, code: 'JOB_CRASHED', message }
  if (message === CANCELLED_REASON) return { name: CancelledError.name, code: 'CANCELLED', message }
  return { name: 'Error', message }
}
