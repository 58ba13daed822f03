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

/** A signal ended the command before it was done. `done` says what holds then. */
export class InterruptedError extends DroverError {
  readonly signal: string
  readonly done: string

  constructor(signal: string, done: string) {
    super('INTERRUPTED', `interrupted by ${signal}: ${done}`)
    this.signal = signal
    this.done = done
  }
}
