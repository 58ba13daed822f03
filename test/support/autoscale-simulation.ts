// A pool of workers over simulated time: jobs arrive as a pattern says, workers are started and closed as they are wanted,
// and each job's wait is measured. It knows nothing of the formula; one job is one event, in order of arrival.
import type { Pattern } from './autoscale-patterns.js'
import { createRandom, type Random } from './random.js'

export interface Seen {
  readonly at: number
  readonly workers: number
  readonly backlog: number
  readonly active: number
  readonly ended: number
  /** Mean of the attempts that ended in the last ten minutes, else how long those that run have been at it; undefined without any. */
  readonly runMs: number | undefined
}

export interface Simulated {
  readonly p50: number
  readonly p95: number
  readonly longest: number
  /** 95th percentile of the jobs that arrived after the outage; of all where there was none. */
  readonly p95After: number
  readonly jobs: number
  readonly workerHours: number
  readonly most: number
  /** How often the number of workers went the other way than before. */
  readonly turns: number
}

const TICK_MS = 100
const MINUTE_MS = 60_000
const RECENT_MS = 10 * MINUTE_MS

/** `decide` is asked each `everyMs` how many workers there should be; a new one is ready `startMs` later. */
export function simulate(
  pattern: Pattern,
  decide: (seen: Seen) => number,
  { everyMs = 15_000, startMs = 10_000, workers = 1 } = {},
): Simulated {
  const random = createRandom(7)
  const waiting: number[] = []
  const waits: number[] = []
  /** Ends of running jobs, by the second they fall in. */
  const ends = new Map<number, number[]>()
  const afterOutage: number[] = []
  const recent: [at: number, runMs: number][] = []
  let [oldest, recentSum, startSum] = [0, 0, 0]
  const starting: number[] = []
  let [head, active, ended, ready, workerMs, most, turns, direction] = [0, 0, 0, workers, 0, workers, 0, 0]
  const lastMs = pattern.perMinute.length * MINUTE_MS
  for (let now = 0; now < lastMs || head < waiting.length || active > 0; now += TICK_MS) {
    const minute = Math.floor(now / MINUTE_MS)
    const isOut = pattern.outage !== undefined && minute >= pattern.outage[0] && minute < pattern.outage[1]
    while ((starting[0] ?? Number.POSITIVE_INFINITY) <= now) ready += starting.shift() === undefined ? 0 : 1
    for (const runMs of ends.get(now) ?? []) {
      active--
      ended++
      recent.push([now, runMs])
      recentSum += runMs
      startSum -= now - runMs
    }
    ends.delete(now)
    arrive(waiting, pattern, now, random)
    while (!isOut && active < ready * pattern.concurrency && head < waiting.length) {
      const arrivedAt = waiting[head++] ?? now
      waits.push(now - arrivedAt)
      if (arrivedAt >= (pattern.outage?.[1] ?? 0) * MINUTE_MS) afterOutage.push(now - arrivedAt)
      startSum += now
      const endAt = now + Math.max(1, Math.round(spread(pattern.runMs, random) / TICK_MS)) * TICK_MS
      const others = ends.get(endAt)
      if (others) others.push(endAt - now)
      else ends.set(endAt, [endAt - now])
      active++
    }
    workerMs += (ready + starting.length) * TICK_MS
    if (now % everyMs !== 0) continue
    while ((recent[oldest]?.[0] ?? now) < now - RECENT_MS) recentSum -= recent[oldest++]?.[1] ?? 0
    const seen = recent.length - oldest
    const runMs = seen > 0 ? recentSum / seen : active > 0 ? Math.max(1_000, now - startSum / active) : undefined
    const present = ready + starting.length
    const wanted = decide({ at: now, workers: present, backlog: waiting.length - head, active, ended, runMs })
    if (wanted !== present) {
      const way = Math.sign(wanted - present)
      if (direction !== 0 && way !== direction) turns++
      direction = way
    }
    for (let count = present; count < wanted; count++) starting.push(now + startMs)
    for (let count = present; count > wanted; count--) if (starting.pop() === undefined) ready--
    most = Math.max(most, wanted)
  }
  return {
    p50: percentile(waits, 0.5),
    p95: percentile(waits, 0.95),
    longest: percentile(waits, 1),
    p95After: percentile(afterOutage, 0.95),
    jobs: waits.length,
    workerHours: workerMs / 3_600_000,
    most,
    turns,
  }
}

function percentile(values: number[], share: number): number {
  values.sort((a, b) => a - b)
  return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? 0
}

/** Exponentially around the mean. */
function spread(meanMs: number, random: Random): number {
  return -Math.log((random.below(1e9) + 1) / 1e9) * meanMs
}

/** The jobs of one tick: those of its minute, spread evenly. */
function arrive(waiting: number[], pattern: Pattern, now: number, random: Random): void {
  const jobs = pattern.perMinute[Math.floor(now / MINUTE_MS)] ?? 0
  const mean = jobs / (MINUTE_MS / TICK_MS)
  let count = Math.floor(mean)
  if (random.chance(mean - count)) count++
  for (let job = 0; job < count; job++) waiting.push(now)
}
