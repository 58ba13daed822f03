// What each job did in the last 60 minutes. Minutes that are over do not change, so they are read once and kept; a refresh
// then reads two or three hashes per queue and not sixty.
import { type JobStats, readStats, type StatsOfStep, sumStats } from '../ledger/index.js'
import type { KeysOfQueue, RedisClient } from '../redis/index.js'

const MINUTE_MS = 60_000
const MINUTES = 60
/** A worker whose clock is behind still counts into a minute that is over here. */
const SETTLED_AFTER_MS = 2 * MINUTE_MS

export class LastHour {
  readonly #minutesOf = new Map<string, readonly StatsOfStep[]>()

  /** Sums by job name over this minute and the 59 before it. */
  async read(client: RedisClient, keys: KeysOfQueue, queue: string, nowMs: number): Promise<Map<string, JobStats>> {
    const firstAt = (Math.floor(nowMs / MINUTE_MS) - MINUTES + 1) * MINUTE_MS
    const known = this.#minutesOf.get(queue) ?? []
    const settled = known.filter(({ at }) => at >= firstAt && at + MINUTE_MS + SETTLED_AFTER_MS <= nowMs)
    const last = settled.at(-1)
    const sinceMs = last === undefined ? firstAt : last.at + MINUTE_MS
    const minutes = [...settled, ...(await readStats(client, keys, { sinceMs, step: 'minute', nowMs }))]
    this.#minutesOf.set(queue, minutes)
    return sumStats(minutes)
  }

  /** The minutes read last, oldest first. */
  minutesOf(queue: string): readonly StatsOfStep[] {
    return this.#minutesOf.get(queue) ?? []
  }

  /** Forgets every other queue. */
  keepOnly(queues: readonly string[]): void {
    for (const queue of this.#minutesOf.keys()) if (!queues.includes(queue)) this.#minutesOf.delete(queue)
  }
}
