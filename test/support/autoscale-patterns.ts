// Arrivals for the simulation of autoscaling: jobs a minute of each pattern, and how long they run. Two were recorded, of
// the kinds that a timetable and chance make (recorded-arrivals.json says where, scripts/record-arrivals.mjs how); the
// others are made up, each for one thing that can go wrong.
import { readFileSync } from 'node:fs'

export interface Pattern {
  readonly name: string
  /** Jobs that arrive in each minute. */
  readonly perMinute: readonly number[]
  /** Mean run time; runs are spread exponentially. */
  readonly runMs: number
  /** Jobs that one worker runs at once. */
  readonly concurrency: number
  readonly waitTargetMs: number
  readonly maxWorkers: number
  /** Minutes in which no worker runs anything, as its Redis or what it calls is away: from, until. */
  readonly outage?: readonly [number, number]
}

const repeat = (count: number, value: number) => new Array<number>(count).fill(value)

/** A working day by its hours, a share of the busiest. */
const DAY = [18, 12, 9, 7, 6, 8, 15, 29, 48, 66, 79, 88, 93, 90, 87, 85, 88, 92, 97, 100, 94, 76, 51, 31] as const

export const STEADY: Pattern = {
  name: 'steady',
  perMinute: repeat(180, 300),
  runMs: 2_000,
  concurrency: 2,
  waitTargetMs: 30_000,
  maxWorkers: 40,
}

/** A day in six hours: each of its hours is a quarter of one. */
export const DAILY_WAVE: Pattern = {
  name: 'daily wave',
  perMinute: DAY.flatMap((share) => repeat(15, share * 6)),
  runMs: 2_000,
  concurrency: 2,
  waitTargetMs: 30_000,
  maxWorkers: 60,
}

/** A newsletter at 20 and at 100 minutes: twelve times the usual for three minutes. */
export const BURST: Pattern = {
  name: 'burst',
  perMinute: Array.from({ length: 180 }, (_, minute) => {
    return (minute >= 20 && minute < 23) || (minute >= 100 && minute < 103) ? 1_200 : 100
  }),
  runMs: 2_000,
  concurrency: 2,
  waitTargetMs: 60_000,
  maxWorkers: 60,
}

export const BULK: Pattern = {
  name: 'bulk of 100k',
  perMinute: Array.from({ length: 150 }, (_, minute) => (minute === 30 ? 100_000 : 60)),
  runMs: 200,
  concurrency: 10,
  waitTargetMs: 300_000,
  maxWorkers: 40,
}

export const SLOW: Pattern = {
  name: 'slow jobs',
  perMinute: Array.from({ length: 360 }, (_, minute) => (minute % 10 === 0 ? 4 : 1)),
  runMs: 600_000,
  concurrency: 1,
  waitTargetMs: 300_000,
  maxWorkers: 60,
}

export const OUTAGE: Pattern = {
  name: 'outage, then backlog',
  perMinute: repeat(180, 300),
  runMs: 2_000,
  concurrency: 2,
  waitTargetMs: 120_000,
  maxWorkers: 60,
  outage: [60, 80],
}

interface Recorded {
  readonly source: string
  readonly perMinute: readonly number[]
}

const recorded = JSON.parse(readFileSync(new URL('./recorded-arrivals.json', import.meta.url), 'utf8')) as Readonly<
  Record<'flights' | 'earthquakes', Recorded>
>

/** A day: an empty night, and from morning to evening ten to twenty times the usual at each fifth minute. */
export const FLIGHTS: Pattern = {
  name: 'recorded flights of a day',
  perMinute: recorded.flights.perMinute,
  runMs: 10_000,
  concurrency: 2,
  waitTargetMs: 60_000,
  maxWorkers: 60,
}

export const EARTHQUAKES: Pattern = {
  name: 'recorded earthquakes of a week',
  perMinute: recorded.earthquakes.perMinute,
  runMs: 20_000,
  concurrency: 1,
  waitTargetMs: 30_000,
  maxWorkers: 40,
}

export const PATTERNS: readonly Pattern[] = [STEADY, DAILY_WAVE, BURST, BULK, SLOW, OUTAGE, FLIGHTS, EARTHQUAKES]
