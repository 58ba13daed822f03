// Owns the errors of enqueueing that are not about one value given: what Redis knows already, what is full, what is late.

import { DroverError } from './drover-error.js'

/** The idempotency key was used before, with another input. Nothing was enqueued; `jobId` is the job of that time. */
export class IdempotencyConflictError extends DroverError {
  readonly job: string
  readonly key: string
  readonly jobId: string

  constructor(job: string, key: string, jobId: string) {
    super(
      'IDEMPOTENCY_CONFLICT',
      `key ${JSON.stringify(key)} of job ${job} was used with another input, by job ${jobId}: ` +
        'give the input of that time, or another key',
    )
    this.job = job
    this.key = key
    this.jobId = jobId
  }
}

/** The queue holds as many jobs as `maxDepth` allows. Nothing was enqueued. */
export class QueueFullError extends DroverError {
  readonly queue: string
  readonly depth: number
  readonly maxDepth: number

  constructor(queue: string, depth: number, maxDepth: number) {
    super(
      'QUEUE_FULL',
      `queue ${queue} holds ${depth} jobs that wait, its maxDepth is ${maxDepth}: ` +
        'enqueue later or more slowly, start more workers, or raise maxDepth',
    )
    this.queue = queue
    this.depth = depth
    this.maxDepth = maxDepth
  }
}

/** The job did not begin by the time that its enqueue named, so it failed and its handler never ran. */
export class StartByPassedError extends DroverError {
  readonly jobId: string
  /** Milliseconds since 1970. */
  readonly startBy: number

  constructor(jobId: string, startBy: number) {
    const time = new Date(startBy).toISOString()
    super('START_BY_PASSED', `job ${jobId} was to begin by ${time}: start more workers, or allow more time`)
    this.jobId = jobId
    this.startBy = startBy
  }
}
