// The members of a handler's context that keep something between its attempts: opened with the first of them that is used,
// so that a job which keeps nothing costs nothing. Their work is steps.ts.
import type { Logger } from 'pino'
import { LockLostError, logThinned, StepRejectedError, serializeError } from '../../job/index.js'
import type { StagedWrite } from '../../ledger/index.js'
import type { JobContext } from '../context.js'
import type { KeptStore } from './kept-store.js'
import { StepPromise } from './step-promise.js'
import { Steps } from './steps.js'

/** What of its attempt the members need. */
export interface KeepingAttempt {
  readonly id: string
  readonly signal: AbortSignal
  readonly abortReason: Error | undefined
  readonly hasEnded: boolean
  readonly room: { readonly logger: Logger }
  describe(): object
  abort(reason: Error): void
  /** The attempt fails with it, also when the handler catches it. */
  refuse(error: Error): void
}

export class KeptContext {
  readonly #attempt: KeepingAttempt
  readonly #steps: Steps
  /** Those that failed and that nobody has waited for so far. */
  readonly #floating = new Set<StepPromise<unknown>>()

  constructor(attempt: KeepingAttempt, store: KeptStore) {
    this.#attempt = attempt
    const over = () => {
      if (attempt.abortReason) return attempt.abortReason
      return attempt.hasEnded ? new StepRejectedError('a step', 'the attempt has ended; await all of them') : undefined
    }
    this.#steps = new Steps({ store, signal: attempt.signal, over })
  }

  readonly step: JobContext['step'] = (name, run) => this.#watched((steps) => steps.step(name, run)) as never
  // A handler need not wait for it: one that the end of the attempt overtakes must not end the process.
  readonly checkpoint: JobContext['checkpoint'] = (state) => {
    const saved = this.#do((steps) => steps.checkpoint(state))
    saved.catch(() => undefined)
    return saved
  }
  readonly checkpointed: JobContext['checkpointed'] = () => this.#watched((steps) => steps.checkpointed()) as never
  readonly once: JobContext['once'] = (key, run, options) =>
    this.#watched((steps) => steps.once(key, run, options)) as never

  /** A step that failed, and that the handler did not wait for. */
  get unawaited(): { readonly failure: unknown } | undefined {
    for (const step of this.#floating) if (!step.isAwaited) return step
    return undefined
  }

  /** The staged writes of the attempt, with those that remove what was kept. */
  withRemoval(writes: readonly StagedWrite[] | undefined, jobKey: string): readonly StagedWrite[] {
    return [...(writes ?? []), ...this.#steps.removal(jobKey)]
  }

  // A rejection that nobody handles would end the worker, with all its jobs: it is this attempt's, or a line of its log.
  #watched<Value>(act: (steps: Steps) => Promise<Value>): Promise<Value> {
    const step: StepPromise<Value> = new StepPromise(this.#do(act), (failure) => {
      if (step.isAwaited) return
      if (!this.#attempt.hasEnded) this.#floating.add(step)
      else this.#logLate(failure)
    })
    return step
  }

  #logLate(failure: unknown): void {
    const logger = this.#attempt.room.logger.child(this.#attempt.describe())
    logThinned(logger, 'warn', { err: serializeError(failure) }, 'a step that nobody awaited failed after its attempt')
  }

  async #do<Value>(act: (steps: Steps) => Promise<Value>): Promise<Value> {
    try {
      return await act(this.#steps)
    } catch (error) {
      if (error instanceof StepRejectedError) this.#attempt.refuse(error)
      if (error instanceof LockLostError && error.jobId === this.#attempt.id) this.#attempt.abort(error)
      throw error
    }
  }
}
