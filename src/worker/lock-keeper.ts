// Keeps the locks of a worker's running attempts, and ends an attempt whose lock is lost. The renewals themselves come
// from a thread (lock-thread/), so that a handler that blocks the event loop starves nobody's lock; it stands in for
// BullMQ's own renewal, which tracks jobs by id alone (so that a zombie run's end stops the renewal of the live run) and
// by the wall clock.
import { url as debuggerUrl } from 'node:inspector'
import type { Logger } from 'pino'
import { CancelledError, LockLostError, throttledLine, throttledLog } from '../job/index.js'
import { MAX_CONCURRENCY } from '../ledger/index.js'
import type { RedisSettings } from '../redis/index.js'
import { createTableMemory, LockTable, monotonicMs } from './lock-table.js'
import type { FromLockThread, LockedQueue, LostLock, ToLockThread } from './lock-thread/messages.js'
import { LockThread } from './lock-thread/thread.js'

/** Often enough that a thread which looks each third of the shortest lock (1 s) sees one each time. */
const BEAT_MS = 100
const SPARE_FACTOR = 4
const MIN_SLOTS = 100

export interface LockKeeperOptions {
  readonly redis: RedisSettings
  /** How long a lock holds without renewal, milliseconds. */
  readonly lockMs: number
  readonly maxBlockedMs: number | undefined
  readonly queues: readonly (LockedQueue & { readonly concurrency: number })[]
  readonly logger: Logger
}

/**
 * Slots of the table for one queue: the concurrency may be raised while the worker runs. Locks beyond are told to the
 * thread by message, which costs more. Memory that is not used is not taken from the system.
 */
function slotsFor(concurrency: number): number {
  return Math.min(MAX_CONCURRENCY, Math.max(MIN_SLOTS, concurrency * SPARE_FACTOR))
}

/** What runs under a lock: an attempt, or a job that waits for its turn. */
export interface LockHolder {
  readonly id: string
  readonly token: string
  /** Milliseconds of performance.now(). */
  readonly startedAt: number
  abort(reason: Error): void
}

interface Held {
  /** BullMQ's object of the job, which is another one for each start. */
  readonly job: object
  holder: LockHolder
  readonly slot: number
  readonly version: number
}

/** The locks of one queue. */
export interface QueueLocks {
  /** Starts to keep a lock. An older run of the same job in this process is ended: its lock is gone. A second call for one start only changes the holder. */
  add(job: object, holder: LockHolder, timeoutMs: number): void
  remove(job: { readonly id?: string | undefined }): void
  readonly holders: LockHolder[]
  readonly size: number
  /** Tells what the tokens of this queue's consumer start with. */
  setOwner(token: string): void
}

export class LockKeeper {
  readonly #table: LockTable
  readonly #thread: LockThread
  readonly #freeSlots: number[]
  readonly #bySlot = new Map<number, Held>()
  readonly #beatTimer: NodeJS.Timeout
  /** What performance.now() lacks to the clock that all threads share. */
  readonly #clockOffset = monotonicMs() - performance.now()
  #extraSlots = 0

  constructor({ redis, lockMs, maxBlockedMs, queues, logger }: LockKeeperOptions) {
    const memory = createTableMemory(queues.reduce((sum, { concurrency }) => sum + slotsFor(concurrency), 0))
    this.#table = new LockTable(memory)
    this.#freeSlots = Array.from({ length: this.#table.slots }, (_, index) => this.#table.slots - 1 - index)
    const locked = queues.map(({ name, bullBase }) => ({ name, bullBase }))
    const logFailed = throttledLog(logger, 'warn', 'locks were not renewed, or cancels not looked for; will retry')
    const logFreed = throttledLine(logger, 'warn', 'the event loop was blocked, the locks were kept')
    // Someone who looks at a breakpoint blocks the loop on purpose.
    const data = { memory, redis, lockMs, maxBlockedMs: debuggerUrl() ? 0 : maxBlockedMs, queues: locked }
    this.#thread = new LockThread(data, logger, {
      onMessage: (message: FromLockThread) => {
        if (message.kind === 'lost') this.#abort(message.locks, (id) => new LockLostError(id))
        if (message.kind === 'cancelled') this.#abort(message.locks, () => new CancelledError())
        if (message.kind === 'failed') logFailed(message.error)
        if (message.kind === 'freed') {
          const { kind: _kind, ...facts } = message
          logFreed(facts)
        }
      },
      onGone: () => {
        for (const { holder } of [...this.#bySlot.values()]) holder.abort(new LockLostError(holder.id))
      },
    })
    this.#beatTimer = setInterval(() => this.#table.beat(), BEAT_MS)
  }

  /** Resolves when the thread can renew locks. */
  ready(): Promise<void> {
    return this.#thread.ready()
  }

  /** The locks of the queue at this place of the list that the keeper was made with. */
  forQueue(queue: number): QueueLocks {
    const held = new Map<string, Held>()
    return {
      add: (job, holder, timeoutMs) => {
        const older = held.get(holder.id)
        if (older?.job === job) {
          older.holder = holder
          return
        }
        held.set(holder.id, this.#hold(queue, job, holder, timeoutMs))
        if (!older) return
        this.#release(older)
        older.holder.abort(new LockLostError(older.holder.id))
      },
      remove: (job) => {
        const id = String(job.id)
        const found = held.get(id)
        if (found?.job !== job) return
        held.delete(id)
        this.#release(found)
      },
      get holders() {
        return Array.from(held.values(), ({ holder }) => holder)
      },
      get size() {
        return held.size
      },
      setOwner: (token) => this.#thread.tell({ kind: 'owner', queue, token }, `owner ${queue}`),
    }
  }

  /** Ends the thread. Locks that are still held run out. */
  async close(): Promise<void> {
    clearInterval(this.#beatTimer)
    await this.#thread.close()
  }

  #hold(queue: number, job: object, holder: LockHolder, timeoutMs: number): Held {
    const { id, token, startedAt } = holder
    const lock = { queue, id, token, startedAt: startedAt + this.#clockOffset, timeoutMs }
    const free = this.#freeSlots.pop()
    const version = free === undefined ? 0 : this.#table.write(free, lock)
    if (free !== undefined && version === 0) this.#freeSlots.push(free)
    const slot = free !== undefined && version !== 0 ? free : this.#tellExtra(lock)
    const held = { job, holder, slot, version }
    this.#bySlot.set(slot, held)
    return held
  }

  #release({ slot }: Held): void {
    this.#bySlot.delete(slot)
    if (slot >= this.#table.slots) {
      this.#thread.tell({ kind: 'release', slot }, `hold ${slot}`)
      return
    }
    this.#table.free(slot)
    this.#freeSlots.push(slot)
  }

  // What does not fit the table goes to the thread as a message, under a slot that the table does not have.
  #tellExtra(lock: Parameters<LockTable['write']>[1]): number {
    const slot = this.#table.slots + this.#extraSlots++
    this.#thread.tell({ kind: 'hold', entry: { ...lock, slot, version: 0 } } satisfies ToLockThread, `hold ${slot}`)
    return slot
  }

  #abort(locks: readonly LostLock[], reason: (id: string) => Error): void {
    for (const { slot, version } of locks) {
      const held = this.#bySlot.get(slot)
      // Another job has the slot by now.
      if (held?.version === version) held.holder.abort(reason(held.holder.id))
    }
  }
}
