// Notices a queue that nobody reads any more although Redis is there: BullMQ's loop awaits one reply after the other, and
// one that never comes leaves a worker that looks alive and takes nothing (as in BullMQ's issues 4479 and 4585).

/** So long nothing may be heard of a fetch. A blocking read takes 5 s at most, and a silent socket is given up after 8 s. */
export const SILENT_MS = 15_000

const TICK_MS = 1_000
/** So often it must have been told of without a fetch in between, for the worker to say that it is stuck. */
const STUCK_STRIKES = 3

export interface FetchWatchOptions {
  /** How many fetches were answered so far, whatever the answer. */
  readonly fetches: () => number
  /** True while the queue's worker has no room for another job, and so asks for none. */
  readonly isFull: () => boolean
  /** Asks Redis whether it is there, over a connection of its own. */
  readonly pingRedis: () => Promise<boolean>
  readonly onStuck: () => void
  /** How often it looks. Default 1 s. */
  readonly tickMs?: number
}

export class FetchWatch {
  readonly #options: FetchWatchOptions
  #timer: NodeJS.Timeout | undefined
  readonly #silentTicks: number
  #fetches = -1
  #silent = 0
  #strikes = 0
  #isClosed = false

  constructor(options: FetchWatchOptions) {
    this.#options = options
    this.#silentTicks = Math.ceil(SILENT_MS / (options.tickMs ?? TICK_MS))
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), this.#options.tickMs ?? TICK_MS)
  }

  /** It was told of so often in a row, and nothing was heard of a fetch in between. */
  get isStuck(): boolean {
    return this.#strikes >= STUCK_STRIKES
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
  }

  // Ticks are counted, not time: a blocked event loop is one tick, and no silence of Redis.
  async #look(): Promise<void> {
    const fetches = this.#options.fetches()
    // A consumer that was built anew counts from zero, which is not to be heard of.
    if (fetches > this.#fetches) this.#strikes = 0
    const isQuiet = fetches === this.#fetches && !this.#options.isFull()
    this.#fetches = fetches
    this.#silent = isQuiet ? this.#silent + 1 : 0
    if (this.#silent < this.#silentTicks) return
    this.#silent = 0
    const isThere = await this.#options.pingRedis()
    if (!isThere || this.#isClosed || this.#options.fetches() !== fetches) return
    this.#strikes++
    this.#options.onStuck()
  }
}
