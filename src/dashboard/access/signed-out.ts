// Sessions that were signed out, so that a copy of their cookie opens nothing, at any dashboard of the same Redis: their ids,
// until they would have expired anyway, for each token apart. While Redis is away, those that this process saw.
import { type RedisClient, signedOutKey } from '../../redis/index.js'
import { untilConnected } from '../connection.js'
import { SESSION_MS, type Session } from './session.js'

/**
 * Most that are kept of one token, those that expire last. Where so many are kept, each session of the token that expires no
 * later than they do counts as signed out: whoever signs out often ends others of the same token early, and revives none.
 */
export const MAX_ENDED = 1_000
/** How long Redis is not asked again that did not answer: pages that say so must not wait twice. */
const AWAY_MS = 5_000

export class SignedOut {
  readonly #client: RedisClient
  readonly #prefix: string
  /** By token. */
  readonly #own = new Map<string, EndedHere>()
  #awayUntil = Number.NEGATIVE_INFINITY

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
  }

  async has(session: Session): Promise<boolean> {
    if (this.#own.get(session.tokenId)?.has(session)) return true
    if (performance.now() < this.#awayUntil) return false
    try {
      await untilConnected(this.#client)
      const key = signedOutKey(this.#prefix, session.tokenId)
      const [found, count, first] = await Promise.all([
        this.#client.zscore(key, session.id),
        this.#client.zcard(key),
        this.#client.zrange(key, '0', '0', 'WITHSCORES') as Promise<unknown[]>,
      ])
      return found !== null || (count >= MAX_ENDED && session.expiresAt <= Number(first.flat()[1]))
    } catch {
      this.#awayUntil = performance.now() + AWAY_MS
      return false
    }
  }

  /** Only for a session whose signature is right: so there are no more tokens than were ever given out. */
  async add(session: Session, nowMs: number): Promise<void> {
    const own = this.#own.get(session.tokenId) ?? new EndedHere()
    this.#own.set(session.tokenId, own)
    own.add(session, nowMs)
    const key = signedOutKey(this.#prefix, session.tokenId)
    try {
      await untilConnected(this.#client)
      await this.#client
        .pipeline()
        .zadd(key, String(session.expiresAt), session.id)
        .zremrangebyscore(key, '-inf', String(nowMs))
        .zremrangebyrank(key, 0, -MAX_ENDED - 1)
        .pexpire(key, SESSION_MS)
        .exec()
    } catch {
      // Redis is away, or its user may only read: the session is over in this process, and its browser forgets it.
    }
  }
}

/** The same of one token, of this process. */
class EndedHere {
  /** When each would have expired. */
  readonly #ended = new Map<string, number>()
  #allUntil = Number.NEGATIVE_INFINITY

  has({ id, expiresAt }: Session): boolean {
    return this.#ended.has(id) || expiresAt <= this.#allUntil
  }

  add({ id, expiresAt }: Session, nowMs: number): void {
    for (const [known, until] of this.#ended) if (until <= nowMs) this.#ended.delete(known)
    this.#ended.set(id, expiresAt)
    if (this.#ended.size <= MAX_ENDED) return
    const [[first, until] = ['', 0]] = [...this.#ended].sort(([, one], [, other]) => one - other)
    this.#ended.delete(first)
    this.#allUntil = Math.max(this.#allUntil, until)
  }
}
