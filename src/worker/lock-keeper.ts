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

export class LockKeeper {
  /** Running attempts, by lock token and job id, with the monotonic time their lock surely held. */
  readonly #held = new Map<Attempt, number>()
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
    for (const other of this.#held.keys()) {
      if (other.id === attempt.id) other.abort(new LockLostError(other.id))
    }
    this.#held.set(attempt, attempt.startedAt)
  }

  remove(attempt: Attempt): void {
    this.#held.delete(attempt)
  }

  get attempts(): Iterable<Attempt> {
    return this.#held.keys()
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
    const attempts = [...this.#held.keys()]
    const sentAt = performance.now()
    try {
      const lost = await this.#options.extend(
        attempts.map((attempt) => attempt.id),
        attempts.map((attempt) => attempt.token),
        this.#options.lockMs,
      )
      for (const attempt of attempts) {
        if (lost.includes(attempt.id)) attempt.abort(new LockLostError(attempt.id))
        else if (this.#held.has(attempt)) this.#held.set(attempt, sentAt)
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
    for (const [attempt, heldAt] of this.#held) {
      if (heldAt < expiredBefore) attempt.abort(new LockLostError(attempt.id))
    }
  }
}
