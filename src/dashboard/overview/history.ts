// What all queues together did over the last hours or days: the series behind the overview's charts. Steps that are over do
// not change, so each is read once, a bounded number of them at a time, the newest first, and its point is made once; the
// last hour comes from last-hour.ts, which reads it anyway.
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
import { SETTLED_AFTER_MS } from '../last-hour.js'
import { HOUR_MS, MINUTE_MS, MINUTES_AN_HOUR, RANGES, type RangeName, type Steps, stepsOf } from './history-steps.js'

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
  /** Steps of a queue that are not read yet; they are being read, and a later look has them. */
  readonly missing: number
}

type LastHourOf = (queue: string) => readonly StatsOfStep[]

/** Hashes that a look waits for, and that are read between two other requests. */
const PIECE = 300
/** Hashes that one look makes be read in all, the rest of them while nobody waits. */
const MOST_READ = 3_000
/** Choices of range and queues whose points are kept. */
const MAX_KEPT = 20

/** The steps of one queue that are over; null for one in which nothing ended. */
interface Settled {
  readonly minutes: Map<number, JobStats | null>
  readonly hours: Map<number, JobStats | null>
}

interface Looked {
  readonly range: RangeName
  readonly queues: readonly string[]
  readonly steps: Steps
  readonly missing: readonly Step[]
  readonly lastHour: LastHourOf
  readonly nowMs: number
}

interface Step {
  readonly queue: string
  readonly kind: 'minutes' | 'hours'
  readonly at: number
}

export class HistorySource {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #settled = new Map<string, Settled>()
  /** Points of steps that are over in all queues, by range and queues; the choice asked for last is the last. */
  readonly #points = new Map<string, Map<number, HistoryPoint>>()
  /** One read after the other: two ranges looked at together would read the same steps twice. */
  #turn: Promise<void> = Promise.resolve()
  #isReadingOn = false

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
  }

  /**
   * The series over these queues. `lastHour` gives the minutes of a queue that last-hour.ts has.
   * @throws what Redis rejects a read with
   */
  async read(range: RangeName, queues: readonly string[], lastHour: LastHourOf, nowMs: number): Promise<History> {
    const steps = stepsOf(range, nowMs)
    if (this.#missingOf(queues, steps, 1).length > 0) await this.#readPiece(queues, steps, nowMs)
    const missing = this.#missingOf(queues, steps)
    const points = this.#pointsOf({ range, queues, steps, missing, lastHour, nowMs })
    if (missing.length > 0) void this.#readOn(queues, steps, nowMs)
    const { group, step } = RANGES[range]
    return { range, stepMs: (step === 'minute' ? MINUTE_MS : HOUR_MS) * group, points, missing: missing.length }
  }

  /** Forgets every other queue. */
  keepOnly(queues: readonly string[]): void {
    for (const queue of this.#settled.keys()) if (!queues.includes(queue)) this.#settled.delete(queue)
  }

  // A first look at a long time over many queues needs thousands of hashes: nobody waits for all of them.
  async #readOn(queues: readonly string[], steps: Steps, nowMs: number): Promise<void> {
    if (this.#isReadingOn) return
    this.#isReadingOn = true
    try {
      for (let read = PIECE; read < MOST_READ && this.#missingOf(queues, steps, 1).length > 0; read += PIECE) {
        await this.#readPiece(queues, steps, nowMs)
      }
    } catch {
      // Redis went away: the next look meets it and says so.
    } finally {
      this.#isReadingOn = false
    }
  }

  #readPiece(queues: readonly string[], steps: Steps, nowMs: number): Promise<void> {
    const read = () => this.#readSteps(this.#missingOf(queues, steps, PIECE), steps, nowMs)
    const reading = this.#turn.then(read)
    this.#turn = reading.catch(() => undefined)
    return reading
  }

  async #readSteps(missing: readonly Step[], steps: Steps, nowMs: number): Promise<void> {
    const queues = new Set(missing.map(({ queue }) => queue))
    await Promise.all(
      [...queues].map(async (queue) => {
        const ofQueue = missing.filter((step) => step.queue === queue)
        const keys = queueKeys(this.#prefix, queue)
        const settled = this.#settledOf(queue)
        const minutes = ofQueue.filter(({ kind }) => kind === 'minutes').map(({ at }) => at)
        const hours = ofQueue.filter(({ kind }) => kind === 'hours').map(({ at }) => at)
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

  /** The steps that are not read yet, at most so many of them: the newest of all queues first. */
  #missingOf(queues: readonly string[], steps: Steps, most = Number.POSITIVE_INFINITY): Step[] {
    const settled = queues.map((queue) => [queue, this.#settledOf(queue)] as const)
    const missing: Step[] = []
    for (const kind of ['minutes', 'hours'] as const) {
      for (const at of steps[kind]) {
        for (const [queue, known] of settled) {
          if (missing.length >= most) return missing
          if (!known[kind].has(at)) missing.push({ queue, kind, at })
        }
      }
    }
    return missing
  }

  #pointsOf({ range, queues, steps, missing, lastHour, nowMs }: Looked): HistoryPoint[] {
    const { group } = RANGES[range]
    const kept = this.#keptFor(`${range} ${queues.join(' ')}`)
    const starts = [...new Set(steps.all.map((at) => at - (at % group)))]
    const open = starts.filter((start) => !kept.has(start))
    const stats = new Map<number, JobStats[]>(open.map((start) => [start, []]))
    const isOpen = (at: number) => stats.has(at - (at % group))
    for (const queue of queues) {
      for (const [at, each] of this.#statsOf(queue, steps, lastHour(queue), isOpen)) {
        stats.get(at - (at % group))?.push(each)
      }
    }
    const unread = new Set(missing.map(({ kind, at }) => startOf(kind, at, steps, group)))
    const unit = steps.step === 'minute' ? MINUTE_MS : HOUR_MS
    const points = starts.map((start) => kept.get(start) ?? pointOf(start * unit, stats.get(start) ?? []))
    for (const [index, start] of starts.entries()) {
      const point = points[index]
      if (point && !unread.has(start) && isOver(start, steps, group, nowMs)) kept.set(start, point)
    }
    for (const start of kept.keys()) if (start < (starts[0] ?? 0)) kept.delete(start)
    return points
  }

  #keptFor(choice: string): Map<number, HistoryPoint> {
    const kept = this.#points.get(choice) ?? new Map<number, HistoryPoint>()
    this.#points.delete(choice)
    this.#points.set(choice, kept)
    const oldest = this.#points.keys().next()
    if (this.#points.size > MAX_KEPT && !oldest.done) this.#points.delete(oldest.value)
    return kept
  }

  /** The stats of each wanted step of the range, by its number; several where an hour is still made of minutes. */
  #statsOf(
    queue: string,
    steps: Steps,
    lastHour: readonly StatsOfStep[],
    isWanted: (at: number) => boolean,
  ): [at: number, stats: JobStats][] {
    const { minutes, hours } = this.#settledOf(queue)
    const perStep = steps.step === 'minute' ? 1 : MINUTES_AN_HOUR
    const found: [number, JobStats][] = []
    const add = (at: number, stats: JobStats | null | undefined) => stats && found.push([at, stats])
    const firstOfLastHour = Math.floor((lastHour[0]?.at ?? 0) / MINUTE_MS)
    for (const minute of steps.minutes) {
      const at = Math.floor(minute / perStep)
      if ((minute < firstOfLastHour || lastHour.length === 0) && isWanted(at)) add(at, minutes.get(minute))
    }
    for (const step of lastHour) {
      const at = Math.floor(step.at / MINUTE_MS / perStep)
      // An hour that is over and rolled up has its minutes in it.
      if (!steps.hours.includes(at) && isWanted(at)) add(at, sumOnce(step))
    }
    for (const at of steps.hours) if (isWanted(at)) add(at, hours.get(at))
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

/** The point that a hash of a minute or an hour belongs to. */
function startOf(kind: 'minutes' | 'hours', at: number, { step }: Steps, group: number): number {
  if (kind === 'hours') return at
  return step === 'hour' ? Math.floor(at / MINUTES_AN_HOUR) : at - (at % group)
}

/** True when no worker counts into the point any more. */
function isOver(start: number, { step, hours }: Steps, group: number, nowMs: number): boolean {
  return step === 'hour' ? hours.includes(start) : (start + group) * MINUTE_MS + SETTLED_AFTER_MS <= nowMs
}

// A minute that last-hour.ts keeps is the same object from one look to the next.
const sums = new WeakMap<StatsOfStep, JobStats | null>()

function sumOnce(step: StatsOfStep): JobStats | null {
  const known = sums.get(step)
  if (known !== undefined) return known
  const sum = sumOfStep(step)
  sums.set(step, sum)
  return sum
}

// A step leaves all ranges some time after it was read.
function forget({ minutes, hours }: Settled, { all, step }: Steps): void {
  const last = all.at(-1) ?? 0
  const lastHour = step === 'hour' ? last : Math.floor(last / MINUTES_AN_HOUR)
  const firstMinute = (lastHour + 1) * MINUTES_AN_HOUR - RANGES['6h'].steps - MINUTES_AN_HOUR
  for (const at of minutes.keys()) if (at < firstMinute) minutes.delete(at)
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
    for (let bucket = 0; bucket < each.run.length; bucket++) {
      run[bucket] = (run[bucket] ?? 0) + (each.run[bucket] ?? 0)
      wait[bucket] = (wait[bucket] ?? 0) + (each.wait[bucket] ?? 0)
    }
  }
  return { at, completed, failed, run: percentilesOf(run), wait: percentilesOf(wait) }
}
