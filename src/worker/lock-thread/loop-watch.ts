// Tells whether the main thread's event loop turns, by the beats it leaves in the lock table.

export interface LoopState {
  /** No beat since the last look. */
  readonly isBlocked: boolean
  /** How long there has been none, or had been until now. */
  readonly blockedMs: number
  /** `blocked` once a block is longer than the watch allows, `free` when such a block ends. */
  readonly event: 'blocked' | 'free' | undefined
}

/** A look that comes this many times later than the last one took says that this thread was stopped as well. */
const STOPPED_FACTOR = 2

export class LoopWatch {
  readonly #noticeMs: number
  #beats: number | undefined
  #lookedAt: number | undefined
  #usualMs = Number.POSITIVE_INFINITY
  #blockedMs = 0
  #isNoticed = false

  /** `noticeMs` is how long a block must last to be told of. */
  constructor(noticeMs: number) {
    this.#noticeMs = noticeMs
  }

  /** To be called at even times, with the beats so far and the present time. */
  look(beats: number, nowMs: number): LoopState {
    const sinceMs = nowMs - (this.#lookedAt ?? nowMs)
    const isBlocked = beats === this.#beats
    this.#beats = beats
    this.#lookedAt = nowMs
    if (!isBlocked) return this.#turn()
    this.#blockedMs += this.#spent(sinceMs)
    const isNew = !this.#isNoticed && this.#blockedMs >= this.#noticeMs
    if (isNew) this.#isNoticed = true
    return { isBlocked, blockedMs: this.#blockedMs, event: isNew ? 'blocked' : undefined }
  }

  #turn(): LoopState {
    const state = { isBlocked: false, blockedMs: this.#blockedMs, event: this.#isNoticed ? 'free' : undefined } as const
    this.#blockedMs = 0
    this.#isNoticed = false
    return state
  }

  // A process that was stopped (SIGSTOP, a sleeping machine) had no loop that could turn: that time is nobody's block.
  #spent(sinceMs: number): number {
    if (sinceMs <= 0) return 0
    this.#usualMs = Math.min(this.#usualMs, sinceMs)
    return sinceMs > this.#usualMs * STOPPED_FACTOR ? this.#usualMs : sinceMs
  }
}
