// One way of a connection through the fault proxy: bytes from one socket to the other, held back or slowed as it is told.
// Holds little: a source is paused when more than HELD_BYTES wait.
import type { Socket } from 'node:net'

/** `open` passes on at once, `shut` holds everything. */
export type Pace = 'open' | 'shut' | { readonly bytesPerSecond: number; readonly delayMs: number }

interface Held {
  readonly bytes: Buffer
  /** By `performance.now()`. */
  readonly dueMs: number
}

const HELD_BYTES = 256 * 1024
// A slow lane sends its share of this long at a time.
const SLICE_MS = 20

export class FaultLane {
  readonly #from: Socket
  readonly #to: Socket
  #pace: Pace = 'open'
  #held: Held[] = []
  #heldBytes = 0
  #timer: NodeJS.Timeout | undefined
  #nextMs = 0
  #onEmpty: (() => void) | undefined

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
    to.on('drain', () => this.#read())
  }

  setPace(pace: Pace): void {
    this.#pace = pace
    this.#nextMs = 0
    this.#flow()
  }

  push(bytes: Buffer): void {
    const delayMs = typeof this.#pace === 'object' ? this.#pace.delayMs : 0
    this.#held.push({ bytes, dueMs: performance.now() + delayMs })
    this.#heldBytes += bytes.length
    this.#flow()
  }

  /** Nothing more comes: ends the other socket, and calls back, when all that is held has gone through. */
  end(onEmpty: () => void): void {
    this.#onEmpty = onEmpty
    this.#flow()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#held = []
    this.#heldBytes = 0
    this.#onEmpty = undefined
  }

  #flow(): void {
    clearTimeout(this.#timer)
    while (this.#pace !== 'shut' && this.#held.length > 0) {
      const waitMs = this.#waitMs()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#flow(), waitMs)
        break
      }
      this.#writeNext()
    }
    if (this.#onEmpty && this.#pace !== 'shut' && this.#held.length === 0) {
      this.#to.destroySoon()
      this.#onEmpty()
    } else this.#read()
  }

  #waitMs(): number {
    if (typeof this.#pace !== 'object') return 0
    return Math.ceil(Math.max(this.#held[0]?.dueMs ?? 0, this.#nextMs) - performance.now())
  }

  #writeNext(): void {
    const next = this.#held.shift()
    if (next === undefined) return
    const perSecond = typeof this.#pace === 'object' ? this.#pace.bytesPerSecond : Number.POSITIVE_INFINITY
    const size = Math.min(next.bytes.length, Math.max(1, Math.floor((perSecond * SLICE_MS) / 1_000)))
    if (size < next.bytes.length) this.#held.unshift({ ...next, bytes: next.bytes.subarray(size) })
    this.#heldBytes -= size
    this.#nextMs = performance.now() + (size * 1_000) / perSecond
    if (!this.#to.destroyed) this.#to.write(next.bytes.subarray(0, size))
  }

  #read(): void {
    if (this.#heldBytes > HELD_BYTES || this.#to.writableNeedDrain) this.#from.pause()
    else this.#from.resume()
  }
}
