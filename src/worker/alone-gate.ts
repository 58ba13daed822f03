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
   * Gets into line: `turn` resolves when the attempt is counted in, first come first served. `cancel` leaves the line, or
   * counts the attempt out again when its turn had come.
   */
  enter(isAlone: boolean): { readonly turn: Promise<void>; readonly cancel: () => void } {
    let start: () => void = () => undefined
    const turn = new Promise<void>((resolve) => {
      start = resolve
    })
    const waiting = { isAlone, start }
    this.#waiting.push(waiting)
    this.#letIn()
    const cancel = () => {
      if (!this.#waiting.includes(waiting)) return this.leave()
      this.#waiting = this.#waiting.filter((other) => other !== waiting)
      this.#letIn()
    }
    return { turn, cancel }
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
