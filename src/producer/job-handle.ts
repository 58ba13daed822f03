// What names an enqueued job, and what its result is read by.
import { InvalidJobIdError, InvalidOptionError, type JsonValue } from '../job/index.js'
import { checkQueueName } from '../redis/index.js'

declare const resultType: unique symbol

/** A job by its queue and id. `Result` is the type of its result; a plain `{ queue, id }` stands for any JSON. */
export interface JobReference<Result = JsonValue> {
  readonly id: string
  readonly queue: string
  /** Never there: it only lets a handle carry the type of its job's result. */
  readonly [resultType]?: Result
}

/** What `enqueue` answers: plain data, which may be stored as JSON and read back in another process. */
export interface JobHandle<Result = JsonValue> extends JobReference<Result> {
  /** The job's name. */
  readonly name: string
  /** True when the enqueue made no job, because this one was there: by `key`, `unique`, `debounce`, `throttle` or `cache`. */
  readonly deduplicated?: boolean
  /** True when this job has completed, and its stored result serves by the contract's `cache`: it stays a minute at least. */
  readonly cached?: boolean
}

/** @throws InvalidOptionError, InvalidQueueNameError, InvalidJobIdError */
export function checkReference(job: JobReference<unknown>): void {
  if (typeof job !== 'object' || job === null) {
    throw new InvalidOptionError('job', 'what enqueue answered, or { queue, id }', job)
  }
  checkQueueName(job.queue)
  // Not checkJobId: jobs of other programs on BullMQ may have ids that enqueue does not take.
  if (typeof job.id !== 'string' || job.id === '') throw new InvalidJobIdError(job.id, 'a string that is not empty')
}
