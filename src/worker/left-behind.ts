// Handlers that still run when their attempt is over, as they ignore its signal: told in the log and counted. They keep
// no place of the worker, and nothing of them is committed.
import type { Logger } from 'pino'
import { logThinned } from '../job/index.js'

/** How long a handler may take to end after its signal aborted, before it counts as ignoring it. */
export const IGNORED_AFTER_MS = 1_000

export class LeftBehind {
  readonly #logger: Logger
  #running = 0
  #total = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Those that run now. */
  get running(): number {
    return this.#running
  }

  /** `about` names the attempt; `handler` is what it still does. */
  watch(about: object, handler: PromiseLike<unknown>): void {
    const abortedAt = performance.now()
    let isTold = false
    const timer = setTimeout(() => {
      isTold = true
      this.#running++
      this.#total++
      const counts = { running: this.#running, total: this.#total }
      const text = 'the handler ignores its signal: it runs on, and nothing of it counts'
      logThinned(this.#logger, 'warn', { ...about, ...counts }, text)
    }, IGNORED_AFTER_MS).unref()
    const ended = () => {
      clearTimeout(timer)
      if (!isTold) return
      this.#running--
      const afterMs = Math.round(performance.now() - abortedAt)
      logThinned(this.#logger, 'warn', { ...about, afterMs }, 'the handler that ignored its signal has ended')
    }
    handler.then(ended, ended)
  }
}
