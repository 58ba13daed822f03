// Sessions that were signed out, so that a copy of their cookie opens nothing, at any dashboard of the same Redis: their ids,
// until they would have expired anyway. While Redis is away, those that this process saw.
import { type RedisClient, signedOutKey } from '../../redis/index.js'
import { untilConnected } from '../connection.js'
import { SESSION_MS } from './session.js'

const MAX_ENDED = 10_000
/** How long Redis is not asked again that did not answer: pages that say so must not wait twice. */
const AWAY_MS = 5_000

export class SignedOut {
  readonly #client: RedisClient
  readonly #key: string
  /** When each would have expired. */
  readonly #own = new Map<string, number>()
  #awayUntil = Number.NEGATIVE_INFINITY

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#key = signedOutKey(prefix)
  }

  async has(id: string): Promise<boolean> {
    if (this.#own.has(id)) return true
    if (performance.now() < this.#awayUntil) return false
    try {
      await untilConnected(this.#client)
      return (await this.#client.zscore(this.#key, id)) !== null
    } catch {
      this.#awayUntil = performance.now() + AWAY_MS
      return false
    }
  }

  async add(id: string, expiresAt: number, nowMs: number): Promise<void> {
    for (const [known, until] of this.#own) if (until <= nowMs) this.#own.delete(known)
    const oldest = this.#own.keys().next()
    if (this.#own.size >= MAX_ENDED && !oldest.done) this.#own.delete(oldest.value)
    this.#own.set(id, expiresAt)
    try {
      await untilConnected(this.#client)
      await this.#client
        .pipeline()
        .zadd(this.#key, String(expiresAt), id)
        .zremrangebyscore(this.#key, '-inf', String(nowMs))
        // Those that expire first make room.
        .zremrangebyrank(this.#key, 0, -MAX_ENDED - 1)
        .pexpire(this.#key, SESSION_MS)
        .exec()
    } catch {
      // Redis is away, or its user may only read: the session is over in this process, and its browser forgets it.
    }
  }
}
