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

/** The jobs of a flow cannot be put in an order. Nothing was enqueued. */
export class FlowError extends DroverError {
  readonly expected: string
  readonly got: string
  readonly reason: string

  constructor(expected: string, got: string, reason: string) {
    super('INVALID_FLOW', `flow: expected ${expected}, got ${got.slice(0, 200)}: ${reason}`)
    this.expected = expected
    this.got = got
    this.reason = reason
  }
}

/** A flow without any job. */
export class EmptyFlowError extends DroverError {
  constructor() {
    super('EMPTY_FLOW', 'a flow needs at least one job, got none')
  }
}

/** A handler asked for the result of a job that its own is not after, or whose result is gone. */
export class DependencyError extends DroverError {
  readonly dependency: string
  readonly reason: string

  constructor(dependency: string, reason: string) {
    super('DEPENDENCY', `result of ${dependency}: ${reason}`)
    this.dependency = dependency
    this.reason = reason
  }
}

/** A middleware did not keep to its side's rules: it called `next` twice, or ended without what is needed. */
export class MiddlewareError extends DroverError {
  /** `enqueue` or `run`. */
  readonly side: string
  readonly reason: string

  constructor(side: 'enqueue' | 'run', reason: string) {
    super('MIDDLEWARE', `middleware of ${side}: ${reason}`)
    this.side = side
    this.reason = reason
  }
}
