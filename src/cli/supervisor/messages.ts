// What a worker process and its supervisor tell each other over the IPC channel that ends when either does.
import type { HealthQuestion, WorkerHealth } from '../../worker/index.js'

export type ToSupervisor =
  /** It takes jobs. `signals` are those, apart from the ones that end it, that it acts on. */
  | { readonly kind: 'ready'; readonly signals: readonly NodeJS.Signals[] }
  /** It has reached a limit and asks to be replaced; it goes on meanwhile. */
  | { readonly kind: 'recycle'; readonly why: 'memory' | 'jobs'; readonly rssBytes: number; readonly handled: number }
  /** It was told from outside to close, and is not to be replaced. */
  | { readonly kind: 'leaving' }
  /** The answer to the question of this number. */
  | { readonly kind: 'health'; readonly id: number; readonly health: WorkerHealth }

export interface ToProcess {
  readonly kind: 'health'
  readonly id: number
  readonly question: HealthQuestion
}

/** Signals that a worker may act on without ending; which ones it does, it says itself. */
export const STEERING_SIGNALS = ['SIGTSTP', 'SIGCONT', 'SIGTTIN', 'SIGTTOU'] as const

/** Tells the supervisor, and resolves when the words have left this process. */
export function tellSupervisor(message: ToSupervisor): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    // A supervisor that is gone hears nothing, and then followParent ends this process.
    else process.send(message, undefined, undefined, () => resolve())
  })
}
