// Owns the error of what a handler keeps between its attempts: steps, checkpoints, and functions that run once for a key.
import { cutText } from './describe-value.js'
import { DroverError, type DroverErrorOptions } from './drover-error.js'

/** A step, checkpoint or `ctx.once` that cannot be kept as it is asked for; the attempt fails with it, also when it is caught. */
export class StepRejectedError extends DroverError {
  readonly step: string
  readonly reason: string

  constructor(step: string, reason: string, options?: DroverErrorOptions) {
    const shown = cutText(step, 128)
    super('STEP_REJECTED', `${shown} was refused: ${reason}`, options)
    this.step = shown
    this.reason = reason
  }
}
