// Owns the errors of a batch handler: answers that do not fit the jobs it was given, and a throw that no job can be blamed for.
import { DroverError } from './drover-error.js'

/** What a batch handler returned is no list with one answer for each of its jobs; the attempt of each fails with it. */
export class BatchAnswerError extends DroverError {
  readonly items: number
  readonly got: string

  constructor(items: number, got: string) {
    super(
      'BATCH_ANSWER',
      `the batch handler was given ${items} jobs and answered with ${got}: return a list of ${items} answers in the same order, ` +
        'each a result or an Error',
    )
    this.items = items
    this.got = got
  }
}

/**
 * A call of several jobs threw an error that would fail a job for good, such as a PermanentError: it is an ordinary failed
 * attempt of each, as it cannot be known which of them it is about. `cause` is what was thrown.
 */
export class BatchCallError extends DroverError {
  readonly items: number

  constructor(items: number, cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause)
    super('BATCH_CALL', `the call of ${items} jobs failed as a whole: ${message}`, { cause })
    this.items = items
  }
}
