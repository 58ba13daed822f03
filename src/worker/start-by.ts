// Owns whether a job comes too late to be begun: the `startBy` of its enqueue.
import { StartByPassedError } from '../job/index.js'

/** What of BullMQ's job tells whether it is late. */
interface Beginning {
  readonly id?: string | undefined
  readonly opts: object
  readonly timestamp: number
  readonly attemptsStarted: number
}

/**
 * Call it before a job's handler. Only its first run can be late: one that was retried, handed back or lost its worker
 * had begun, and one that a person retries is wanted now.
 * @throws StartByPassedError
 */
export function checkStartBy({ id, opts, timestamp, attemptsStarted }: Beginning): void {
  // Milliseconds from the job's timestamp; another program may have put anything there.
  const { startBy } = opts as { readonly startBy?: unknown }
  if (typeof startBy !== 'number' || attemptsStarted > 1) return
  if (Date.now() > timestamp + startBy) throw new StartByPassedError(String(id), timestamp + startBy)
}
