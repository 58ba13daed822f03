// A schedule as it is kept in Redis, and which of its due ticks give jobs.
import { newestTicks, nextTick, type ScheduleTimes } from '../../job/index.js'

/** What becomes of ticks at which no worker was there: none runs, the newest, or all up to the limit. */
export type MissedTicks = 'skip' | 'one' | 'all'
/** What a tick does while the schedule's last job is unfinished: another job, none, or one when that is finished. */
export type Overlap = 'allow' | 'skip' | 'queue'

/** What a schedule does, kept as JSON. */
export interface ScheduleSpec {
  readonly job: string
  readonly times: ScheduleTimes
  /** The input as JSON text, checked against the contract when the schedule was set. */
  readonly input: string
  /** The options stored with each job, in BullMQ's shape. */
  readonly options: Readonly<Record<string, unknown>>
  readonly missed: MissedTicks
  /** Most missed ticks that run, with `all`. */
  readonly missedLimit: number
  readonly overlap: Overlap
}

export interface ScheduleRecord {
  readonly name: string
  readonly spec: ScheduleSpec
  /** `code` when a worker's own definitions set it and may remove it; `api` when a person or a program did. */
  readonly origin: 'code' | 'api'
  readonly paused: boolean
  /** Milliseconds since 1970 of the next tick; undefined while it is paused. */
  readonly nextAt: number | undefined
  /** The id of the newest job, and its tick in milliseconds since 1970. */
  readonly lastId: string | undefined
  readonly lastAt: number | undefined
  /** Jobs enqueued so far; ticks skipped for overlap; ticks passed over as missed. */
  readonly fired: number
  readonly skipped: number
  readonly passed: number
}

/** A tick this much in the past was missed: workers look each second, and a restart takes a few. */
export const MISSED_AFTER_MS = 60_000
/** Most ticks of one schedule that are looked at, and that give jobs, at once. */
export const MAX_MISSED = 1_000

export interface DuePlan {
  /** The ticks that give jobs, oldest first, ms since 1970. */
  readonly ticks: readonly number[]
  /** How many of the ticks looked at are passed over. */
  readonly passed: number
  readonly nextAt: number
}

/** Which ticks from `dueAt` to `nowMs` give jobs, and when the schedule is due again. */
export function planDue(spec: ScheduleSpec, dueAt: number, nowMs: number): DuePlan {
  const ticks = newestTicks(spec.times, dueAt, nowMs, MAX_MISSED)
  const missed = ticks.filter((tick) => tick < nowMs - MISSED_AFTER_MS)
  const onTime = ticks.slice(missed.length)
  const keep = spec.missed === 'skip' ? 0 : spec.missed === 'one' ? 1 : spec.missedLimit
  const wanted = [...(keep === 0 ? [] : missed.slice(-keep)), ...onTime]
  const chosen = spec.overlap === 'allow' ? wanted : wanted.slice(-1)
  return { ticks: chosen, passed: ticks.length - chosen.length, nextAt: nextTick(spec.times, nowMs) }
}

/** The id of a tick's job: the same whoever fires it. */
export function tickJobId(name: string, tickMs: number): string {
  return `${name}.${tickMs}`
}
