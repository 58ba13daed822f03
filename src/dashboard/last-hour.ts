// What each job did in the last 60 minutes. Minutes that are over do not change, so they are read once and kept; a refresh
// then reads three or four hashes per queue and not sixty.
import { type JobStats, readStats, type StatsOfStep, sumStats } from '../ledger/index.js'
import type { KeysOfQueue, RedisClient } from '../redis/index.js'

const MINUTE_MS = 60_000
const MINUTES = 60
/** A worker whose clock is behind still counts into a minute that is over here. */
export const SETTLED_AFTER_MS = 2 * MINUTE_MS

interface Hour {
  readonly readAtMs: number
  readonly minutes: readonly StatsOfStep[]
  /** The minutes that are over, and their sum: made again only when there is another one. */
  readonly settled: readonly StatsOfStep[]
  readonly sum: ReadonlyMap<string, JobStats>
}

export class LastHour {
  readonly #hourOf = new Map<string, Hour>()
  readonly #reading = new Map<string, Promise<Map<string, JobStats>>>()

  /** Sums by job name over this minute and the 59 before it. Who asks while they are being read gets the same. */
  async read(client: RedisClient, keys: KeysOfQueue, queue: string, nowMs: number): Promise<Map<string, JobStats>> {
    const reading = this.#reading.get(queue) ?? this.#readNow(client, keys, queue, nowMs)
    this.#reading.set(queue, reading)
    try {
      return await reading
    } finally {
      if (this.#reading.get(queue) === reading) this.#reading.delete(queue)
    }
  }

  /** The minutes read last, oldest first. */
  minutesOf(queue: string): readonly StatsOfStep[] {
    return this.#hourOf.get(queue)?.minutes ?? []
  }

  async #readNow(client: RedisClient, keys: KeysOfQueue, queue: string, nowMs: number): Promise<Map<string, JobStats>> {
    const firstAt = (Math.floor(nowMs / MINUTE_MS) - MINUTES + 1) * MINUTE_MS
    const known = this.#hourOf.get(queue)
    // Over when it was read, not only by now: what was read half-way would stay so.
    const settledAtMs = Math.min(known?.readAtMs ?? nowMs, nowMs)
    const settled = (known?.minutes ?? []).filter(({ at }) => at >= firstAt && isOver(at, settledAtMs))
    const last = settled.at(-1)
    const sinceMs = last === undefined ? firstAt : last.at + MINUTE_MS
    const open = await readStats(client, keys, { sinceMs, step: 'minute', nowMs })
    const isSame = known && known.settled.length === settled.length && known.settled[0] === settled[0]
    const sum = isSame ? known.sum : sumStats(settled)
    this.#hourOf.set(queue, { readAtMs: nowMs, minutes: [...settled, ...open], settled, sum })
    return sumStats([{ jobs: sum }, ...open])
  }

  /** Forgets every other queue. */
  keepOnly(queues: readonly string[]): void {
    for (const queue of this.#hourOf.keys()) if (!queues.includes(queue)) this.#hourOf.delete(queue)
  }
}

function isOver(at: number, nowMs: number): boolean {
  return at + MINUTE_MS + SETTLED_AFTER_MS <= nowMs
}
