// The shape in which a job is stored, for those who enqueue without BullMQ's `Queue`, which would encode an input twice.
import type { JobJson } from 'bullmq'

/**
 * A job in the shape of BullMQ's `Job.asJSON`; `input` is JSON text already. The id stays out of the options, where
 * BullMQ's `Queue` leaves a copy: jobs of one contract then store the same options text, which a worker parses once.
 */
export function newStoredJob(
  name: string,
  id: string,
  input: string,
  options: Readonly<Record<string, unknown>>,
  timestamp: number,
): JobJson {
  return {
    id,
    name,
    data: input,
    opts: options,
    progress: 0,
    attemptsMade: 0,
    attemptsStarted: 0,
    stalledCounter: 0,
    timestamp,
    failedReason: '',
    returnvalue: 'null',
  }
}
