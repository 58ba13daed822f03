// When a process that ended by itself is started again, and when its ends are a crash loop.

/** The wait before the first restart; each further one doubles it. */
export const FIRST_WAIT_MS = 500
/** The longest wait between two starts. */
export const MAX_WAIT_MS = 30_000
/** A process that has been ready for so long works: what ends it later is counted from one again. */
export const STEADY_MS = 30_000
/** So many ends in a row, none after a steady time, are a crash loop. A job that takes its workers down is failed after five. */
export const CRASH_LOOP_ENDS = 6

/** Shorter in tests. */
export interface RestartTiming {
  readonly firstWaitMs: number
  readonly maxWaitMs: number
  readonly steadyMs: number
}

const TIMING: RestartTiming = { firstWaitMs: FIRST_WAIT_MS, maxWaitMs: MAX_WAIT_MS, steadyMs: STEADY_MS }

/** One place of a supervisor: how its processes ended so far. */
export class RestartPolicy {
  readonly #timing: RestartTiming
  #ends = 0
  #crashes = 0

  constructor(timing: RestartTiming = TIMING) {
    this.#timing = timing
  }

  /** Ends in a row, this one included, none of them after a steady time. */
  get ends(): number {
    return this.#ends
  }

  /** `readyMs`: how long the process that is there now has been ready. */
  isCrashLoop(readyMs: number): boolean {
    return this.#crashes >= CRASH_LOOP_ENDS && readyMs < this.#timing.steadyMs
  }

  /**
   * Notes that a process ended by itself after it had been ready for so long (0: it never was), and gives the wait before
   * the next start. `isOutside`: what ended it, such as a Redis that is away, is no fault of it, and no crash loop.
   */
  ended(readyMs: number, isOutside = false): number {
    if (readyMs >= this.#timing.steadyMs) this.#ends = this.#crashes = 0
    this.#ends++
    if (!isOutside) this.#crashes++
    return Math.min(this.#timing.firstWaitMs * 2 ** Math.min(this.#ends - 1, 30), this.#timing.maxWaitMs)
  }
}
