// Owns the errors of handlers that run outside of the worker's own thread: in a thread, in a process, or as a program of
// their own. Errors of any running attempt are in attempt-errors.ts.

import { cutText } from './describe-value.js'
import { DroverError, type DroverErrorOptions } from './drover-error.js'

const MAX_LAST_LINE = 500

/**
 * The thread or process of an isolated handler ended before its handler did: it exited, crashed, was killed, or ran out
 * of memory. `how` says which. Nothing of the attempt was committed, and no other attempt was touched.
 */
export class HandlerExitedError extends DroverError {
  readonly how: string

  constructor(how: string, options?: DroverErrorOptions) {
    super('HANDLER_EXITED', `the isolated handler did not come to its end: ${how}`, options)
    this.how = how
  }
}

/** The program of a `handleCommand` could not be started: it is missing, or may not be run. */
export class CommandNotStartedError extends DroverError {
  readonly command: string

  constructor(command: string, options?: DroverErrorOptions) {
    const reason = options?.cause instanceof Error ? options.cause.message : 'no reason is known'
    super(
      'COMMAND_NOT_STARTED',
      `the handler's program ${JSON.stringify(command)} did not start: ${reason}; install it where the worker runs, or mend its path`,
      options,
    )
    this.command = command
  }
}

/** The program of a `handleCommand` ended with an exit code that is not 0, or by a signal. */
export class CommandFailedError extends DroverError {
  readonly command: string
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  /** The last line it wrote to standard error, cut after 500 characters. */
  readonly lastLine: string

  constructor(command: string, end: { exitCode?: number; signal?: string }, lastLine: string) {
    const how = end.signal === undefined ? `with exit code ${end.exitCode}` : `by ${end.signal}`
    const shown = cutText(lastLine, MAX_LAST_LINE)
    super(
      'COMMAND_FAILED',
      `the handler's program ${JSON.stringify(command)} ended ${how}${shown === '' ? ', and wrote nothing to standard error' : `: ${shown}`}`,
    )
    this.command = command
    this.exitCode = end.exitCode
    this.signal = end.signal
    this.lastLine = shown
  }
}

/** What the program of a `handleCommand` wrote to standard output is not the JSON that was asked for. */
export class CommandOutputError extends DroverError {
  readonly command: string
  readonly reason: string

  constructor(command: string, reason: string, options?: DroverErrorOptions) {
    super(
      'COMMAND_OUTPUT',
      `standard output of the handler's program ${JSON.stringify(command)} cannot be used: ${reason}; log to standard error`,
      options,
    )
    this.command = command
    this.reason = reason
  }
}
