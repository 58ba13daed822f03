// Stats by the hour, as bull-board's history asks for them: thousands of hashes at a time. An hour that has been over for a
// while does not change, so it is read once; the one that goes on is made of the minutes that last-hour.ts has.
import { type JobStats, readHours, type StatsOfStep, sumOfStep, sumStats } from '../../ledger/index.js'
import { queueKeys, type RedisClient } from '../../redis/index.js'
import { HOUR_MS, HOUR_SETTLED_MS, MINUTE_MS } from '../overview/history-steps.js'

export interface HourReads {
  readonly client: RedisClient
  readonly prefix: string
  /** The minutes of the last hour of a queue. */
  readonly minutesOf: (queue: string, nowMs: number) => Promise<readonly StatsOfStep[]>
}

/** Beyond so many hours, over all queues, all are forgotten: twice what one answer reads at most. */
const MAX_KEPT = 20_000

export class BoardHours {
  readonly #reads: HourReads
  readonly #settled = new Map<string, Map<number, JobStats | null>>()
  #kept = 0
  #readAtMs = 0
  /** One read after the other: the page asks for several series over the same hours at once. */
  #turn: Promise<void> = Promise.resolve()

  constructor(reads: HourReads) {
    this.#reads = reads
  }

  /** By queue, the stats of each hour; null for one in which nothing ended. */
  async read(queues: readonly string[], hours: readonly number[], nowMs: number): Promise<(JobStats | null)[][]> {
    const settled = hours.filter((hour) => (hour + 1) * HOUR_MS + HOUR_SETTLED_MS <= nowMs)
    const open = hours.filter((hour) => !settled.includes(hour))
    const reading = this.#turn.then(() => this.#readSettled(queues, settled, nowMs))
    this.#turn = reading.catch(() => undefined)
    await reading
    const kept = queues.map((queue) => this.#settled.get(queue))
    const found: (JobStats | null)[][] = []
    for (const [index, queue] of queues.entries()) {
      const ofOpen = await this.#readOpen(queue, open, nowMs)
      const known = kept[index]
      found.push(hours.map((hour) => known?.get(hour) ?? ofOpen.get(hour) ?? null))
    }
    return found
  }

  // Queue by queue: what other pages ask for goes between.
  async #readSettled(queues: readonly string[], hours: readonly number[], nowMs: number): Promise<void> {
    // What was read before the clock was set back may have been read before it was over.
    if (this.#kept > MAX_KEPT || nowMs < this.#readAtMs - MINUTE_MS) {
      this.#settled.clear()
      this.#kept = 0
    }
    this.#readAtMs = nowMs
    for (const queue of queues) {
      const known = this.#settled.get(queue) ?? new Map<number, JobStats | null>()
      this.#settled.set(queue, known)
      const missing = hours.filter((hour) => !known.has(hour))
      if (missing.length === 0) continue
      const { client, prefix } = this.#reads
      const stats = await readHours(client, queueKeys(prefix, queue), missing, nowMs)
      for (const [index, hour] of missing.entries()) known.set(hour, stats[index] ?? null)
      this.#kept += missing.length
    }
  }

  async #readOpen(queue: string, open: readonly number[], nowMs: number): Promise<Map<number, JobStats | null>> {
    const { client, prefix, minutesOf } = this.#reads
    const current = Math.floor(nowMs / HOUR_MS)
    const found = new Map<number, JobStats | null>()
    // The hour before is open for a while: workers with late clocks, and commits that Redis was away for.
    const before = open.filter((hour) => hour !== current)
    if (before.length > 0) {
      const stats = await readHours(client, queueKeys(prefix, queue), before, nowMs)
      for (const [index, hour] of before.entries()) found.set(hour, stats[index] ?? null)
    }
    if (open.includes(current)) {
      const minutes = (await minutesOf(queue, nowMs)).filter(({ at }) => at >= current * HOUR_MS)
      found.set(current, sumOfStep({ jobs: sumStats(minutes) }))
    }
    return found
  }
}
