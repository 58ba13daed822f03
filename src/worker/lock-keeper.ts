// Keeps the locks of running attempts, and ends an attempt whose lock is lost. It stands in for BullMQ's own renewal,
// which tracks jobs by id alone (so that a zombie run's end stops the renewal of the live run) and by the wall clock.
import { LockLostError } from '../job/index.js'
import type { Attempt } from './attempt.js'

export interface LockKeeperOptions {
  /** How long a lock holds without renewal, milliseconds. */
  readonly lockMs: number
  /** Renews locks; resolves with the ids of those that are lost. */
  readonly extend: (ids: string[], tokens: string[], lockMs: number) => Promise<string[]>
  readonly onError: (error: unknown) => void
}

/** A running attempt, and the monotonic time at which its lock was last known to hold. */
interface Held {
  readonly attempt: Attempt
  heldAt: number
}

export class LockKeeper {
  /** By job id: one job runs once in a process. */
  readonly #held = new Map<string, Held>()
  readonly #options: LockKeeperOptions
  readonly #timer: NodeJS.Timeout
  #renewing = false

  constructor(options: LockKeeperOptions) {
    this.#options = options
    // Three tries fit one lock, so that one late or failed renewal loses nothing.
    this.#timer = setInterval(() => void this.#renew(), options.lockMs / 3)
  }

  /** Starts to keep an attempt's lock. An older run of the same job in this process is ended: its lock is gone. */
  add(attempt: Attempt): void {
    const older = this.#held.get(attempt.id)
    this.#held.set(attempt.id, { attempt, heldAt: attempt.startedAt })
    older?.attempt.abort(new LockLostError(attempt.id))
  }

  remove(attempt: Attempt): void {
    if (this.#held.get(attempt.id)?.attempt === attempt) this.#held.delete(attempt.id)
  }

  get attempts(): Attempt[] {
    return Array.from(this.#held.values(), ({ attempt }) => attempt)
  }

  get size(): number {
    return this.#held.size
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #renew(): Promise<void> {
    this.#dropExpired()
    if (this.#renewing || this.#held.size === 0) return
    this.#renewing = true
    const renewed = [...this.#held.values()]
    const sentAt = performance.now()
    try {
      const lost = await this.#options.extend(
        renewed.map(({ attempt }) => attempt.id),
        renewed.map(({ attempt }) => attempt.token),
        this.#options.lockMs,
      )
      for (const held of renewed) {
        if (lost.includes(held.attempt.id)) held.attempt.abort(new LockLostError(held.attempt.id))
        else held.heldAt = sentAt
      }
    } catch (error) {
      this.#options.onError(error)
    } finally {
      this.#renewing = false
    }
  }

  // Redis cannot be asked while it is away, but it does not keep a lock longer than agreed either.
  #dropExpired(): void {
    const expiredBefore = performance.now() - this.#options.lockMs
    for (const { attempt, heldAt } of this.#held.values()) {
      if (heldAt < expiredBefore) attempt.abort(new LockLostError(attempt.id))
    }
  }
}
