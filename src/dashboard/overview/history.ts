// What all queues together did over the last hours or days: the series behind the overview's charts. Steps that are over do
// not change, so each is read once, a bounded number of them at a time, the newest first; the last hour comes from
// last-hour.ts, which reads it anyway.
import {
  type JobStats,
  type Percentiles,
  percentilesOf,
  readHours,
  readMinutes,
  type StatsOfStep,
  sumOfStep,
} from '../../ledger/index.js'
import { queueKeys, type RedisClient } from '../../redis/index.js'

export const RANGES = {
  '1h': { step: 'minute', steps: 60, group: 1 },
  '6h': { step: 'minute', steps: 360, group: 5 },
  '24h': { step: 'hour', steps: 24, group: 1 },
  '7d': { step: 'hour', steps: 168, group: 1 },
} as const
export type RangeName = keyof typeof RANGES

/** One point of the charts: what ended from `at` on, for `stepMs`. */
export interface HistoryPoint {
  readonly at: number
  readonly completed: number
  readonly failed: number
  readonly run: Percentiles
  readonly wait: Percentiles
}

export interface History {
  readonly range: RangeName
  readonly stepMs: number
  /** Oldest first, the last is still going on. */
  readonly points: readonly HistoryPoint[]
  /** Steps of a queue that are not read yet; the next look reads more of them. */
  readonly missing: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const LAST_HOUR = 60
/** An hour this long over has been rolled up, where any worker runs, and stays as it is. */
const HOUR_SETTLED_MS = 20 * MINUTE_MS
/** Hashes of steps read in one go: what a first look may cost. */
const MOST_READ = 3_000

/** The steps of one queue that are over; null for one in which nothing ended. */
interface Settled {
  readonly minutes: Map<number, JobStats | null>
  readonly hours: Map<number, JobStats | null>
}

export class HistorySource {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #settled = new Map<string, Settled>()
  #reading: Promise<void> = Promise.resolve()

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
  }

  /**
   * The series over these queues. `lastHour` gives the minutes of a queue that last-hour.ts has.
   * @throws what Redis rejects a read with
   */
  async read(
    range: RangeName,
    queues: readonly string[],
    lastHour: (queue: string) => readonly StatsOfStep[],
    nowMs: number,
  ): Promise<History> {
    const steps = stepsOf(range, nowMs)
    // One after the other: two ranges looked at together would read the same steps twice.
    const reading = this.#reading.catch(() => undefined).then(() => this.#readMissing(queues, steps, nowMs))
    this.#reading = reading
    await reading
    const { group, step } = RANGES[range]
    const unit = step === 'minute' ? MINUTE_MS : HOUR_MS
    const points = new Map<number, JobStats[]>()
    for (const at of steps.all) points.set(at - (at % group), points.get(at - (at % group)) ?? [])
    for (const queue of queues) {
      for (const [at, stats] of this.#statsOf(queue, steps, lastHour(queue))) points.get(at - (at % group))?.push(stats)
    }
    return {
      range,
      stepMs: unit * group,
      points: [...points].map(([at, stats]) => pointOf(at * unit, stats)),
      missing: queues.reduce((sum, queue) => sum + this.#missingOf(queue, steps).length, 0),
    }
  }

  /** Forgets every other queue. */
  keepOnly(queues: readonly string[]): void {
    for (const queue of this.#settled.keys()) if (!queues.includes(queue)) this.#settled.delete(queue)
  }

  async #readMissing(queues: readonly string[], steps: Steps, nowMs: number): Promise<void> {
    let room = MOST_READ
    await Promise.all(
      queues.map(async (queue) => {
        const missing = this.#missingOf(queue, steps).slice(
          0,
          Math.max(0, Math.min(room, Math.ceil(MOST_READ / queues.length))),
        )
        room -= missing.length
        const keys = queueKeys(this.#prefix, queue)
        const settled = this.#settledOf(queue)
        const minutes = missing.filter(({ kind }) => kind === 'minutes').map(({ at }) => at)
        const hours = missing.filter(({ kind }) => kind === 'hours').map(({ at }) => at)
        const [ofMinutes, ofHours] = await Promise.all([
          readMinutes(this.#client, keys, minutes),
          readHours(this.#client, keys, hours, nowMs),
        ])
        for (const [index, at] of minutes.entries()) settled.minutes.set(at, ofMinutes[index] ?? null)
        for (const [index, at] of hours.entries()) settled.hours.set(at, ofHours[index] ?? null)
        forget(settled, steps)
      }),
    )
  }

  #missingOf(queue: string, { minutes, hours }: Steps): { kind: 'minutes' | 'hours'; at: number }[] {
    const settled = this.#settledOf(queue)
    return [
      ...minutes.filter((at) => !settled.minutes.has(at)).map((at) => ({ kind: 'minutes', at }) as const),
      ...hours.filter((at) => !settled.hours.has(at)).map((at) => ({ kind: 'hours', at }) as const),
    ]
  }

  /** The stats of each step of the range, by its number; several where an hour is still made of minutes. */
  #statsOf(queue: string, steps: Steps, lastHour: readonly StatsOfStep[]): [at: number, stats: JobStats][] {
    const { minutes, hours } = this.#settledOf(queue)
    const perStep = steps.step === 'minute' ? 1 : LAST_HOUR
    const found: [number, JobStats][] = []
    const firstOfLastHour = Math.floor((lastHour[0]?.at ?? 0) / MINUTE_MS)
    for (const at of steps.minutes) {
      const stats = at < firstOfLastHour || lastHour.length === 0 ? minutes.get(at) : undefined
      if (stats) found.push([Math.floor(at / perStep), stats])
    }
    for (const step of lastHour) {
      const stats = sumOfStep(step)
      const at = Math.floor(step.at / MINUTE_MS / perStep)
      // An hour that is over and rolled up has its minutes in it.
      if (stats && !steps.hours.includes(at)) found.push([at, stats])
    }
    for (const at of steps.hours) {
      const stats = hours.get(at)
      if (stats) found.push([at, stats])
    }
    return found
  }

  #settledOf(queue: string): Settled {
    const known = this.#settled.get(queue)
    if (known) return known
    const settled: Settled = { minutes: new Map(), hours: new Map() }
    this.#settled.set(queue, settled)
    return settled
  }
}

/** The numbers of the steps of a range: all of them, and which hashes of minutes and hours they are read from. */
interface Steps {
  readonly step: 'minute' | 'hour'
  readonly all: readonly number[]
  /** Newest first, those of the last hour left out. */
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
}

function stepsOf(range: RangeName, nowMs: number): Steps {
  const { step, steps, group } = RANGES[range]
  const minute = Math.floor(nowMs / MINUTE_MS)
  const firstOfLastHour = minute - LAST_HOUR + 1
  if (step === 'minute') {
    const last = minute - (minute % group) + group - 1
    const all = numbers(last - steps + 1, minute)
    return { step, all, minutes: all.filter((at) => at < firstOfLastHour).reverse(), hours: [] }
  }
  const hour = Math.floor(nowMs / HOUR_MS)
  const all = numbers(hour - steps + 1, hour)
  const hours = all.filter((at) => (at + 1) * HOUR_MS + HOUR_SETTLED_MS <= nowMs).reverse()
  const open = all.filter((at) => !hours.includes(at)).flatMap((at) => numbers(at * LAST_HOUR, at * LAST_HOUR + 59))
  return { step, all, minutes: open.filter((at) => at < firstOfLastHour).reverse(), hours }
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

// A step leaves all ranges some time after it was read.
function forget({ minutes, hours }: Settled, { all, step }: Steps): void {
  const last = all.at(-1) ?? 0
  const lastHour = step === 'hour' ? last : Math.floor(last / LAST_HOUR)
  for (const at of minutes.keys())
    if (at < (lastHour + 1) * LAST_HOUR - RANGES['6h'].steps - LAST_HOUR) minutes.delete(at)
  for (const at of hours.keys()) if (at <= lastHour - RANGES['7d'].steps) hours.delete(at)
}

function pointOf(at: number, stats: readonly JobStats[]): HistoryPoint {
  const run: number[] = []
  const wait: number[] = []
  let completed = 0
  let failed = 0
  for (const each of stats) {
    completed += each.completed
    failed += each.failed
    for (const [bucket, count] of each.run.entries()) run[bucket] = (run[bucket] ?? 0) + count
    for (const [bucket, count] of each.wait.entries()) wait[bucket] = (wait[bucket] ?? 0) + count
  }
  return { at, completed, failed, run: percentilesOf(run), wait: percentilesOf(wait) }
}
