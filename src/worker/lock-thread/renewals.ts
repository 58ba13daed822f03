// Renews locks round by round, and tells whose jobs were cancelled and which are lost: gone in Redis, another worker's, or
// not renewed for as long as a lock holds, by a clock that nobody sets. Rounds between two renewals only look for cancels.
import { CancelledError } from '../../job/index.js'
import { monotonicMs, type TableEntry } from '../lock-table.js'
import type { LockedQueue, LostLock } from './messages.js'

/** Most locks in one call: others wait for Redis while it runs. */
const MAX_PER_CALL = 500
/** A cancel aborts a running job within a second: that leaves the answer, the word to the main thread and its abort 200 ms. */
const LOOK_MS = 800
/** So many tries fit one lock: one that fails loses nothing, nor, of a lock beyond 2.4 s, one that hangs for its whole timeout. */
const TRIES = 3
/** In place of the time that a lock holds: extend-locks.lua renews nothing. */
const LOOK_ONLY = 0
/** What a cancel leaves in the hash of a job that runs (src/ledger/failed-reason.ts). */
const CANCELLED_REASON = new CancelledError().message

export interface RenewalsOptions {
  readonly onLost: (locks: readonly LostLock[]) => void
  /** Told each round of those that run and were cancelled. */
  readonly onCancelled: (locks: readonly LostLock[]) => void
  readonly onError: (error: unknown) => void
}

interface Known {
  readonly version: number
  /** When the lock was last known to hold. */
  heldAt: number
  isLost: boolean
}

/** How long after one round the next is due. */
export function roundMs(lockMs: number): number {
  return Math.min(lockMs / TRIES, LOOK_MS)
}

/** Runs extend-locks.lua with its keys and arguments. */
export type ExtendLocks = (...args: (string | number)[]) => Promise<number[]>

export class Renewals {
  readonly #extend: ExtendLocks
  readonly #queues: readonly LockedQueue[]
  readonly #lockMs: number
  readonly #options: RenewalsOptions
  /** What the tokens of each queue's consumer start with. */
  readonly #owners: string[] = []
  readonly #underWay = new Set<number>()
  /** When the locks of each queue were last renewed. By the clock, as rounds that come late would add up. */
  readonly #renewedAt: number[]
  /** By slot. */
  #known = new Map<number, Known>()

  constructor(extend: ExtendLocks, queues: readonly LockedQueue[], lockMs: number, options: RenewalsOptions) {
    this.#extend = extend
    this.#queues = queues
    this.#lockMs = lockMs
    this.#options = options
    this.#renewedAt = queues.map(() => monotonicMs())
  }

  setOwner(queue: number, token: string): void {
    this.#owners[queue] = token
  }

  /**
   * Sends the renewals of all entries, or looks whose jobs were cancelled until renewals are due, and tells of those that
   * ran out. While the worker is blocked, jobs it has been given and does not know of yet are renewed too.
   */
  round(entries: readonly TableEntry[], isBlocked: boolean): void {
    const now = monotonicMs()
    const known = new Map<number, Known>()
    const expired: LostLock[] = []
    const byQueue: TableEntry[][] = this.#queues.map(() => [])
    for (const entry of entries) {
      const before = this.#known.get(entry.slot)
      const { version, startedAt } = entry
      const state = before?.version === version ? before : { version, heldAt: startedAt, isLost: false }
      known.set(entry.slot, state)
      if (state.isLost) continue
      // Redis cannot be asked while it is away, but it does not keep a lock longer than agreed either.
      state.isLost = now - state.heldAt > this.#lockMs
      if (state.isLost) expired.push({ slot: entry.slot, version })
      else byQueue[entry.queue]?.push(entry)
    }
    this.#known = known
    if (expired.length > 0) this.#options.onLost(expired)
    for (const [queue, held] of byQueue.entries()) {
      if (this.#underWay.has(queue)) continue
      // With the round that is nearest to the time; with locks as short as the default of 3 s that is each one.
      const renews = now - (this.#renewedAt[queue] ?? 0) >= this.#lockMs / TRIES - LOOK_MS / 2
      if (renews) this.#renewedAt[queue] = now
      if (held.length > 0 || (renews && isBlocked)) void this.#ask(queue, held, renews, isBlocked)
    }
  }

  async #ask(queue: number, held: readonly TableEntry[], renews: boolean, isBlocked: boolean): Promise<void> {
    this.#underWay.add(queue)
    try {
      for (let at = 0; at < Math.max(1, held.length); at += MAX_PER_CALL) {
        const isFirst = at === 0
        await this.#send(queue, held.slice(at, at + MAX_PER_CALL), renews, renews && isBlocked && isFirst)
      }
    } catch (error) {
      // With locks of an hour, the time of the next renewal would be many minutes away.
      if (renews) this.#renewedAt[queue] = Number.NEGATIVE_INFINITY
      this.#options.onError(error)
    } finally {
      this.#underWay.delete(queue)
    }
  }

  async #send(queue: number, held: readonly TableEntry[], renews: boolean, withUnknown: boolean): Promise<void> {
    const { bullBase } = this.#queues[queue] as LockedQueue
    const sentAt = monotonicMs()
    const words = held.flatMap(({ id, token }) => [id, token])
    const owner = withUnknown ? (this.#owners[queue] ?? '') : ''
    const keys = [`${bullBase}stalled`, `${bullBase}active`]
    const lockMs = renews ? this.#lockMs : LOOK_ONLY
    const places = new Set(await this.#extend(...keys, bullBase, lockMs, owner, CANCELLED_REASON, ...words))
    const lost: LostLock[] = []
    const cancelled: LostLock[] = []
    for (const [place, { slot, version }] of held.entries()) {
      const state = this.#known.get(slot)
      if (state?.version !== version) continue
      if (places.has(-1 - place)) cancelled.push({ slot, version })
      if (!renews) continue
      if (!places.has(place)) state.heldAt = sentAt
      else if (!state.isLost) {
        state.isLost = true
        lost.push({ slot, version })
      }
    }
    if (lost.length > 0) this.#options.onLost(lost)
    if (cancelled.length > 0) this.#options.onCancelled(cancelled)
  }
}
