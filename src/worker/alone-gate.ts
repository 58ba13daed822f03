// Lets a job run alone in its process: it waits until no other attempt runs, and none begins while it does. All queues and
// workers of a process share one gate, since a crash takes all of them down.

interface Waiting {
  readonly isAlone: boolean
  readonly start: () => void
}

export class AloneGate {
  #running = 0
  #isAlone = false
  #waiting: Waiting[] = []

  /** Counts an attempt in at once; false when it has to wait for its turn, with `enter`. */
  tryEnter(): boolean {
    if (this.#isAlone || this.#waiting.length > 0) return false
    this.#running++
    return true
  }

  /**
   * Waits for a turn, first come first served, and counts the attempt in. `onCancel` is given the means to leave the line:
   * then this never resolves.
   */
  enter(isAlone: boolean, onCancel: (cancel: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const waiting = { isAlone, start: resolve }
      this.#waiting.push(waiting)
      onCancel(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting)
        this.#letIn()
      })
      this.#letIn()
    })
  }

  /** Counts an attempt out. */
  leave(): void {
    this.#running--
    this.#isAlone = false
    if (this.#waiting.length > 0) this.#letIn()
  }

  #letIn(): void {
    while (!this.#isAlone) {
      const next = this.#waiting[0]
      if (!next || (next.isAlone && this.#running > 0)) return
      this.#waiting.shift()
      this.#running++
      this.#isAlone = next.isAlone
      next.start()
    }
  }
}

/** The gate of this process. */
export const processGate = new AloneGate()
