// The members of a handler's context that keep something between its attempts: opened with the first of them that is used,
// so that a job which keeps nothing costs nothing. Their work is steps.ts.
import { LockLostError, StepRejectedError } from '../../job/index.js'
import type { StagedWrite } from '../../ledger/index.js'
import type { JobContext } from '../context.js'
import type { KeptStore } from './kept-store.js'
import { Steps } from './steps.js'

/** What of its attempt the members need. */
export interface KeepingAttempt {
  readonly id: string
  readonly signal: AbortSignal
  readonly abortReason: Error | undefined
  readonly hasEnded: boolean
  abort(reason: Error): void
  /** The attempt fails with it, also when the handler catches it. */
  refuse(error: Error): void
}

export class KeptContext {
  readonly #attempt: KeepingAttempt
  readonly #steps: Steps

  constructor(attempt: KeepingAttempt, store: KeptStore) {
    this.#attempt = attempt
    const over = () => {
      if (attempt.abortReason) return attempt.abortReason
      return attempt.hasEnded ? new StepRejectedError('a step', 'the attempt has ended; await all of them') : undefined
    }
    this.#steps = new Steps({ store, signal: attempt.signal, over })
  }

  readonly step: JobContext['step'] = (name, run) => this.#do((steps) => steps.step(name, run)) as never
  // A handler need not wait for it: one that the end of the attempt overtakes must not end the process.
  readonly checkpoint: JobContext['checkpoint'] = (state) => {
    const saved = this.#do((steps) => steps.checkpoint(state))
    saved.catch(() => undefined)
    return saved
  }
  readonly checkpointed: JobContext['checkpointed'] = () => this.#do((steps) => steps.checkpointed()) as never
  readonly once: JobContext['once'] = (key, run, options) => this.#do((steps) => steps.once(key, run, options)) as never

  /** The staged writes of the attempt, with those that remove what was kept. */
  withRemoval(writes: readonly StagedWrite[] | undefined, jobKey: string): readonly StagedWrite[] {
    return [...(writes ?? []), ...this.#steps.removal(jobKey)]
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
