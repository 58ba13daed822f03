// Owns how long a job has over all its attempts: the `deadline` of its contract.
import { JobDeadlineError } from '../job/index.js'

/** What of BullMQ's job tells when it was first due. */
interface Due {
  readonly timestamp: number
  readonly opts: { readonly delay?: number | undefined }
}

/** Milliseconds left, by this machine's clock and the producer's; zero or less when the deadline has passed. */
export function untilDeadline({ timestamp, opts }: Due, deadlineMs: number): number {
  return timestamp + (opts.delay ?? 0) + deadlineMs - Date.now()
}

/** Call it before an attempt. @throws JobDeadlineError */
export function checkDeadline(job: Due, deadlineMs: number): void {
  if (untilDeadline(job, deadlineMs) <= 0) throw new JobDeadlineError(deadlineMs)
}
