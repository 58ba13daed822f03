// The threads or processes of one job file and one queue: each runs one attempt at a time and is kept for the next. There
// are never more than attempts at once, beside those that are being ended.
import type { CompletedOutcome } from '../../ledger/index.js'
import type { Isolation } from '../isolation.js'
import { IsolatedChild, type IsolatedRun } from './child.js'
import type { Setup } from './messages.js'

/** How long a child without work is kept; the last one stays, so that the next attempt does not wait for a start. */
const IDLE_MS = 30_000

export class ChildPool {
  readonly #isolation: Isolation
  readonly #setup: Setup
  readonly #onLost: (error: Error) => void
  readonly #children = new Set<IsolatedChild>()
  /** With the timers that end them; the newest is taken first, so that the others grow old. */
  readonly #idle = new Map<IsolatedChild, NodeJS.Timeout>()
  #isClosed = false

  /** `onLost` is told when a child ends that no attempt runs in. */
  constructor(isolation: Isolation, setup: Setup, onLost: (error: Error) => void) {
    this.#isolation = isolation
    this.#setup = setup
    this.#onLost = onLost
  }

  /** Starts a child ahead of the next attempt, unless there is one. */
  warm(): void {
    if (this.#children.size === 0) this.#start()
  }

  run(run: IsolatedRun): Promise<CompletedOutcome> {
    return this.#take().run(run)
  }

  /** Resolves when all children are gone: idle ones end at once, the others within their grace. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#idle.values()) clearTimeout(timer)
    this.#idle.clear()
    await Promise.all(Array.from(this.#children, (child) => child.end()))
  }

  kill(): void {
    this.#isClosed = true
    for (const timer of this.#idle.values()) clearTimeout(timer)
    for (const child of this.#children) child.kill()
  }

  #take(): IsolatedChild {
    const newest = [...this.#idle.keys()].at(-1)
    if (newest === undefined) return this.#start()
    clearTimeout(this.#idle.get(newest))
    this.#idle.delete(newest)
    return newest
  }

  #start(): IsolatedChild {
    const child = new IsolatedChild(this.#isolation, this.#setup, {
      onIdle: (idle) => this.#keep(idle),
      onGone: (gone, error) => this.#forget(gone, error),
    })
    this.#children.add(child)
    return child
  }

  #keep(child: IsolatedChild): void {
    if (this.#isClosed) return void child.end()
    this.#idle.set(child, setTimeout(() => this.#retire(child), IDLE_MS).unref())
  }

  #retire(child: IsolatedChild): void {
    if (this.#idle.size === 1) return
    this.#idle.delete(child)
    void child.end()
  }

  #forget(child: IsolatedChild, error: Error | undefined): void {
    this.#children.delete(child)
    clearTimeout(this.#idle.get(child))
    this.#idle.delete(child)
    if (error !== undefined) this.#onLost(error)
    // So the next attempt does not wait for a start; one that never ran would be lost the same way, over and over.
    if (child.hasRun && !this.#isClosed) this.warm()
  }
}
