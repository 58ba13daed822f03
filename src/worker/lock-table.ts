// The running attempts of one worker in memory that two threads share: the main thread writes them, the lock thread reads
// them while the main thread may be blocked. Costs no message and no promise per job.

const INT_BYTES = 4
const FLOAT_BYTES = 8
/** Header: the beats of the main thread, and how many slots were ever in use. */
const BEATS = 0
const SLOTS_USED = 1
const HEADER_BYTES = 16
/** A slot: version, queue, length of the id, length of id and token; then two floats, then id and token as text. */
const VERSION = 0
const QUEUE = 1
const ID_LENGTH = 2
const TEXT_LENGTH = 3
const FLOATS_AT = 16
const TEXT_AT = 32
const TEXT_BYTES = 512
const SLOT_BYTES = TEXT_AT + TEXT_BYTES

/** What the lock thread must know of a running attempt. */
export interface HeldLock {
  /** The place of its queue in the worker's list of queues. */
  readonly queue: number
  readonly id: string
  readonly token: string
  /** When the attempt started, milliseconds of `monotonicMs`. */
  readonly startedAt: number
  readonly timeoutMs: number
}

/** A held lock as it stands in the table. `version` differs each time the slot is written. */
export interface TableEntry extends HeldLock {
  readonly slot: number
  readonly version: number
}

/** Milliseconds of a clock that all threads of a process share and that nobody sets; performance.now() begins anew in each thread. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export function createTableMemory(slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + slots * SLOT_BYTES)
}

export class LockTable {
  readonly slots: number
  readonly #ints: Int32Array
  readonly #floats: Float64Array
  readonly #bytes: Buffer

  constructor(memory: SharedArrayBuffer) {
    this.slots = (memory.byteLength - HEADER_BYTES) / SLOT_BYTES
    this.#ints = new Int32Array(memory)
    this.#floats = new Float64Array(memory)
    this.#bytes = Buffer.from(memory)
  }

  /** Says that the main thread's event loop turns. */
  beat(): void {
    Atomics.add(this.#ints, BEATS, 1)
  }

  get beats(): number {
    return Atomics.load(this.#ints, BEATS)
  }

  /**
   * Writes a free slot and gives its version. Gives 0 when the id does not fit (more than 512 characters with the token,
   * or not ASCII, as only another producer's job can have): then nothing is held.
   */
  write(slot: number, { queue, id, token, startedAt, timeoutMs }: HeldLock): number {
    const at = HEADER_BYTES + slot * SLOT_BYTES
    const ints = at / INT_BYTES
    const text = id + token
    if (text.length >= TEXT_BYTES) return 0
    // An odd version says that the slot is being written.
    const version = Atomics.add(this.#ints, ints + VERSION, 1) + 2
    const isWritten = this.#bytes.write(text, at + TEXT_AT, TEXT_BYTES, 'utf8') === text.length
    this.#ints[ints + QUEUE] = queue
    this.#ints[ints + ID_LENGTH] = id.length
    const floats = (at + FLOATS_AT) / FLOAT_BYTES
    this.#floats[floats] = startedAt
    this.#floats[floats + 1] = timeoutMs
    Atomics.store(this.#ints, ints + TEXT_LENGTH, isWritten ? text.length : 0)
    Atomics.add(this.#ints, ints + VERSION, 1)
    if (slot >= (this.#ints[SLOTS_USED] as number)) Atomics.store(this.#ints, SLOTS_USED, slot + 1)
    return isWritten ? version : 0
  }

  free(slot: number): void {
    Atomics.store(this.#ints, (HEADER_BYTES + slot * SLOT_BYTES) / INT_BYTES + TEXT_LENGTH, 0)
  }

  /** The slots in use. One that is being written right now is left out; its lock is fresh. */
  read(): TableEntry[] {
    const entries: TableEntry[] = []
    const used = Atomics.load(this.#ints, SLOTS_USED)
    for (let slot = 0; slot < used; slot++) {
      const entry = this.#readSlot(slot)
      if (entry) entries.push(entry)
    }
    return entries
  }

  #readSlot(slot: number): TableEntry | undefined {
    const at = HEADER_BYTES + slot * SLOT_BYTES
    const ints = at / INT_BYTES
    const version = Atomics.load(this.#ints, ints + VERSION)
    const length = Atomics.load(this.#ints, ints + TEXT_LENGTH)
    if (version % 2 !== 0 || length === 0) return undefined
    const text = this.#bytes.toString('latin1', at + TEXT_AT, at + TEXT_AT + length)
    const idLength = this.#ints[ints + ID_LENGTH] as number
    const floats = (at + FLOATS_AT) / FLOAT_BYTES
    const entry = {
      slot,
      version,
      queue: this.#ints[ints + QUEUE] as number,
      id: text.slice(0, idLength),
      token: text.slice(idLength),
      startedAt: this.#floats[floats] as number,
      timeoutMs: this.#floats[floats + 1] as number,
    }
    // Written anew meanwhile: what was read may be half of each.
    return Atomics.load(this.#ints, ints + VERSION) === version ? entry : undefined
  }
}
