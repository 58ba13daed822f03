// Owns the errors of a running attempt: those a handler throws to steer its retry, the reasons its signal aborts with,
// and what reading a result back can answer. The retry decision itself is the worker's.

import { cutText } from './describe-value.js'
import { DroverError, type DroverErrorOptions } from './drover-error.js'
import { type Duration, formatDuration, parseDuration } from './duration.js'

/** Throw it in a handler when no retry can help: the job fails now, whatever attempts are left. */
export class PermanentError extends DroverError {
  constructor(message: string, options?: DroverErrorOptions) {
    super('PERMANENT', message, options)
  }
}

/** What `retryIn` returns: this attempt failed, the next one starts after `retryMs` instead of the backoff. */
export class RetryInError extends DroverError {
  readonly retryMs: number

  constructor(retryMs: number, reason?: string, options?: DroverErrorOptions) {
    super('RETRY_IN', reason ?? `the handler asked for a retry in ${formatDuration(retryMs)}`, options)
    this.retryMs = retryMs
  }
}

/**
 * The error to throw for a retry after a time the handler knows, such as a `Retry-After` header:
 * `throw retryIn('30s', 'rate limited')`. It uses up an attempt; after the last one the job fails.
 * Throws InvalidOptionError for less than 0 or more than 365 days.
 */
export function retryIn(duration: Duration, reason?: string, options?: DroverErrorOptions): RetryInError {
  return new RetryInError(parseDuration(duration, { option: 'retryIn' }), reason, options)
}

/** The attempt ran longer than the job's `timeout`; its signal was aborted with this. */
export class JobTimeoutError extends DroverError {
  readonly timeoutMs: number

  constructor(timeoutMs: number, options?: DroverErrorOptions) {
    super(
      'JOB_TIMEOUT',
      `the attempt did not end within ${formatDuration(timeoutMs)}: raise the job's timeout, or do less in one job`,
      options,
    )
    this.timeoutMs = timeoutMs
  }
}

/** The job took its worker process down too often, so it failed without another run. */
export class JobCrashedError extends DroverError {
  /** Runs that ended with their process, the ones alone included. */
  readonly crashes: number
  /** How many of them the job ran alone, so that no neighbour can have been the cause. */
  readonly alone: number

  constructor(crashes: number, alone: number, options?: DroverErrorOptions) {
    super(
      'JOB_CRASHED',
      `the worker process ended ${crashes} times while it ran the job, ${alone} times while it ran nothing else: ` +
        'find the cause in its log or the log of its supervisor, then retry the job by hand',
      options,
    )
    this.crashes = crashes
    this.alone = alone
  }
}

/** The job's `deadline` passed, over all attempts; a running one was ended with this. No further one follows. */
export class JobDeadlineError extends DroverError {
  readonly deadlineMs: number

  constructor(deadlineMs: number, options?: DroverErrorOptions) {
    super(
      'JOB_DEADLINE',
      `the job did not complete within ${formatDuration(deadlineMs)} of when it was due: raise its deadline, or see what kept it waiting`,
      options,
    )
    this.deadlineMs = deadlineMs
  }
}

/** This worker no longer holds the job's lock; another may run the job now. Nothing of this attempt is committed. */
export class LockLostError extends DroverError {
  readonly jobId: string

  constructor(jobId: string, options?: DroverErrorOptions) {
    super('LOCK_LOST', `the lock of job ${jobId} was lost: another worker may run it, this attempt is void`, options)
    this.jobId = jobId
  }
}

/** The worker shuts down and its deadline passed; the job went back to its queue, not as a failed attempt. */
export class ShutdownError extends DroverError {
  constructor(message = 'the worker shuts down: the job goes back to its queue', options?: DroverErrorOptions) {
    super('SHUTDOWN', message, options)
  }
}

/** A person or the app cancelled the job. */
export class CancelledError extends DroverError {
  readonly reason: string | undefined

  constructor(reason?: string, options?: DroverErrorOptions) {
    super('CANCELLED', reason === undefined ? 'the job was cancelled' : `the job was cancelled: ${reason}`, options)
    this.reason = reason
  }
}

/** A staged write that Redis would refuse; the attempt fails and nothing of it is written. */
export class EffectRejectedError extends DroverError {
  readonly command: string
  readonly key: string
  readonly reason: string

  constructor(command: string, key: string, reason: string, options?: DroverErrorOptions) {
    const shown = cutText(key, 200)
    super('EFFECT_REJECTED', `the staged ${command} on key ${JSON.stringify(shown)} was refused: ${reason}`, options)
    this.command = command
    this.key = shown
    this.reason = reason
  }
}

/**
 * A stored input is of a version that this build has no way from: its contract has no `upcast` for it, or one that threw
 * (`cause`). The job fails without a further attempt.
 */
export class InputVersionError extends DroverError {
  readonly job: string
  readonly version: number
  /** The contract's own. */
  readonly known: number
  readonly reason: string

  constructor(job: string, version: number, known: number, reason: string, options?: DroverErrorOptions) {
    const advice = 'drover check shows all such jobs'
    super(
      'INPUT_VERSION',
      `the input of job ${job} is of version ${version}, the contract of version ${known}: ${reason}; ${advice}`,
      options,
    )
    this.job = job
    this.version = version
    this.known = known
    this.reason = reason
  }
}

/** One attempt staged more than a job may. `what` says of what: `writes`, `bytes`, `counters`. */
export class EffectLimitError extends DroverError {
  readonly what: string
  readonly count: number
  readonly limit: number

  constructor(what: string, count: number, limit: number) {
    super('EFFECT_LIMIT', `the attempt staged ${count} ${what}, a job may stage ${limit}: split the job`)
    this.what = what
    this.count = count
    this.limit = limit
  }
}

/** There is no result of this id: the job is unknown, was removed, or its result has expired. */
export class ResultNotFoundError extends DroverError {
  readonly id: string
  readonly queue: string

  constructor(id: string, queue: string) {
    super(
      'RESULT_NOT_FOUND',
      `no result for job ${id} in queue ${queue}: it never existed, was removed, or is older than its keepResult`,
    )
    this.id = id
    this.queue = queue
  }
}

/** The job did not finish within the time to wait; it goes on, and a later wait can still see it finish. */
export class ResultWaitTimeoutError extends DroverError {
  readonly id: string
  readonly queue: string
  readonly timeoutMs: number

  constructor(id: string, queue: string, timeoutMs: number) {
    super(
      'RESULT_WAIT_TIMEOUT',
      `job ${id} in queue ${queue} did not finish within ${formatDuration(timeoutMs)}: it goes on, wait again or longer`,
    )
    this.id = id
    this.queue = queue
    this.timeoutMs = timeoutMs
  }
}
