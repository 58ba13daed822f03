// Owns the errors of the `drover` command itself: how it was called, what it was asked about, and a signal that ended it.

import { DroverError, type DroverErrorOptions } from './drover-error.js'

/** The command line cannot be run as it is; nothing was done. The message says what is wrong and what to write instead. */
export class UsageError extends DroverError {
  constructor(problem: string, options?: DroverErrorOptions) {
    super('USAGE', problem, options)
  }
}

/** No producer or worker has used this queue under this prefix. `suggestion` is the nearest one that has been used. */
export class QueueNotFoundError extends DroverError {
  readonly queue: string
  readonly prefix: string
  readonly suggestion: string | undefined

  constructor(queue: string, prefix: string, suggestion?: string) {
    const advice = suggestion === undefined ? 'check its name, the prefix and the Redis' : `did you mean ${suggestion}?`
    super('QUEUE_NOT_FOUND', `no job was ever in queue ${queue} under the prefix ${prefix}: ${advice}`)
    this.queue = queue
    this.prefix = prefix
    this.suggestion = suggestion
  }
}

/** No schedule of that name is kept for the queue. */
export class ScheduleNotFoundError extends DroverError {
  readonly schedule: string
  readonly queue: string

  constructor(schedule: string, queue: string) {
    super('SCHEDULE_NOT_FOUND', `queue ${queue} has no schedule ${schedule}: drover schedules lists them`)
    this.schedule = schedule
    this.queue = queue
  }
}

/** The job is there and has no result yet. */
export class JobNotFinishedError extends DroverError {
  readonly id: string
  readonly queue: string

  constructor(id: string, queue: string) {
    super('JOB_NOT_FINISHED', `job ${id} in queue ${queue} has not finished yet: wait for it with --wait`)
    this.id = id
    this.queue = queue
  }
}

/** A signal ended the command before it was done. `done` says what holds then. */
export class InterruptedError extends DroverError {
  readonly signal: NodeJS.Signals
  readonly done: string

  constructor(signal: NodeJS.Signals, done: string) {
    super('INTERRUPTED', `interrupted by ${signal}: ${done}`)
    this.signal = signal
    this.done = done
  }
}
