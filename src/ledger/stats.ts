// What each job of a queue did per minute or hour: how often it completed, failed and was retried, and how its run and
// wait times spread. The fields are written by commit.lua and count-retried.lua.
import type { KeysOfQueue, RedisClient } from '../redis/index.js'
import { BUCKET_BOUNDS_MS, percentile } from './buckets.js'
import {
  HOUR_MS,
  HOURS_WITH_MINUTES,
  MINUTES_AN_HOUR,
  minutesOf,
  readAll,
  readStatsHashes,
  type StatsSpan,
} from './stats-hashes.js'

const WHOLE = /^-?\d{1,19}$/

export interface JobStats {
  completed: number
  /** Jobs that failed for good. */
  failed: number
  /** Attempts that failed and were followed by another. */
  retried: number
  /** Runs that ended with a snooze; only there when there was one. */
  snoozed?: number
  /** Finished jobs per bucket of the last attempt's run time; the bounds are BUCKET_BOUNDS_MS. */
  readonly run: number[]
  /** Finished jobs per bucket of the time they waited to start; jobs that were retried are not in it. */
  readonly wait: number[]
}

export interface StatsOfStep {
  /** When the minute or hour starts, milliseconds since 1970. */
  readonly at: number
  readonly jobs: ReadonlyMap<string, JobStats>
  /** What was added to user counters, by name: the nearest number, beyond 2^53. */
  readonly counters: ReadonlyMap<string, number>
}

/** A histogram in three numbers, in milliseconds; null without observations. */
export interface Percentiles {
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

/**
 * The stats of every minute or hour since `sinceMs`, oldest first, quiet ones included.
 * @throws InvalidOptionError when the span starts in the future, or earlier than stats are kept
 */
export async function readStats(client: RedisClient, keys: KeysOfQueue, span: StatsSpan): Promise<StatsOfStep[]> {
  const steps = await readStatsHashes<Record<string, string>>(client, keys, span, ['hgetall'])
  return steps.map(({ at, replies }) => {
    const jobs = new Map<string, JobStats>()
    // An hour's minutes may add up to more than a number can add exactly.
    const sums = new Map<string, bigint>()
    for (const fields of replies) addFields((job) => statsOf(jobs, job), fields, sums)
    return { at, jobs, counters: new Map([...sums].map(([name, sum]) => [name, Number(sum)])) }
  })
}

/** All jobs of each of these minutes together, by whole minutes since 1970; null for one in which nothing ended. */
export async function readMinutes(
  client: RedisClient,
  keys: KeysOfQueue,
  minutes: readonly number[],
): Promise<(JobStats | null)[]> {
  const hashes = await readAll<Record<string, string>>(
    client,
    minutes.map((minute) => [keys.stats(minute), ['hgetall']]),
  )
  return minutes.map((_, index) => sumOfHashes([hashes[index] ?? {}]))
}

/**
 * All jobs of each of these hours together, by whole hours since 1970; null for one in which nothing ended. An hour that no
 * worker has rolled up is read from its minutes, where those are still there.
 */
export async function readHours(
  client: RedisClient,
  keys: KeysOfQueue,
  hours: readonly number[],
  nowMs: number,
): Promise<(JobStats | null)[]> {
  const hashes = await readAll<Record<string, string>>(
    client,
    hours.map((hour) => [keys.statsHour(hour), ['hgetall']]),
  )
  const sums = hours.map((_, index) => sumOfHashes([hashes[index] ?? {}]))
  const firstWithMinutes = Math.floor(nowMs / HOUR_MS) - HOURS_WITH_MINUTES
  const missing = hours.filter((hour, index) => hour >= firstWithMinutes && sums[index] === null)
  // One command an hour says whether any of its minutes is there: most often none is, as nothing happened.
  const counts = await readAll<number>(
    client,
    missing.map((hour) => [keys.stats(hour * MINUTES_AN_HOUR), ['exists', ...minutesOf(keys, hour).slice(1)]]),
  )
  for (const [index, hour] of missing.entries()) {
    if (!counts[index]) continue
    const minutes = await readAll<Record<string, string>>(
      client,
      minutesOf(keys, hour).map((key) => [key, ['hgetall']]),
    )
    sums[hours.indexOf(hour)] = sumOfHashes(minutes)
  }
  return sums
}

/** All jobs of a step together; null when nothing ended in it. */
export function sumOfStep({ jobs }: Pick<StatsOfStep, 'jobs'>): JobStats | null {
  const sum = newStats()
  for (const stats of jobs.values()) addStats(sum, stats)
  return jobs.size === 0 ? null : sum
}

function sumOfHashes(hashes: readonly Readonly<Record<string, string>>[]): JobStats | null {
  let sum: JobStats | null = null
  const sumOfAll = () => {
    sum ??= newStats()
    return sum
  }
  for (const fields of hashes) addFields(sumOfAll, fields)
  return sum
}

/** One sum per job over all steps. */
export function sumStats(steps: readonly Pick<StatsOfStep, 'jobs'>[]): Map<string, JobStats> {
  const sums = new Map<string, JobStats>()
  for (const { jobs } of steps) {
    for (const [job, stats] of jobs) {
      addStats(statsOf(sums, job), stats)
    }
  }
  return sums
}

/** Percentiles of a histogram such as `JobStats.run`. */
export function percentilesOf(counts: readonly number[]): Percentiles {
  return { p50: percentile(counts, 0.5), p95: percentile(counts, 0.95), p99: percentile(counts, 0.99) }
}

function addFields(
  statsOfJob: (job: string) => JobStats,
  fields: Readonly<Record<string, string>>,
  counters?: Map<string, bigint>,
): void {
  for (const name of Object.keys(fields)) {
    const { kind, job, run, wait } = readField(name)
    const text = fields[name] ?? ''
    if (kind === 'counter' && counters) addCounter(counters, job, text)
    if (kind === 'counter' || kind === 'other') continue
    const stats = statsOfJob(job)
    const count = Number(text)
    if (kind === 's') stats.snoozed = (stats.snoozed ?? 0) + count
    if (kind === 'r') stats.retried += count
    if (kind === 's' || kind === 'r') continue
    if (kind === 'c') stats.completed += count
    else stats.failed += count
    addTo(stats.run, run, count)
    addTo(stats.wait, wait, count)
  }
}

/** What the name of a field says; of a counter, `job` is the counter's name. */
interface Field {
  readonly kind: 'c' | 'f' | 'r' | 's' | 'counter' | 'other'
  readonly job: string
  readonly run: number
  readonly wait: number
}

const MAX_FIELDS = 10_000
// The same few names are in every hash of a job: a look at a day reads some hundred thousand of them.
const fieldsByName = new Map<string, Field>()

function readField(name: string): Field {
  const known = fieldsByName.get(name)
  if (known !== undefined) return known
  if (fieldsByName.size >= MAX_FIELDS) fieldsByName.clear()
  const field = parseField(name)
  fieldsByName.set(name, field)
  return field
}

// Neither job names nor counter names hold a "|", so a field of a job splits at it, and one of a counter does not:
// <job>|c|<run>|<wait>, <job>|f|<run>|<wait>, <job>|r, <job>|s. The wait of a retried job is "-", which is no bucket.
// #<counter>|<job>, and #<counter> for what no job added.
function parseField(name: string): Field {
  const [first = '', kind, run = '', wait = ''] = name.split('|')
  if (name.startsWith('#')) return { kind: 'counter', job: first.slice(1), run: Number.NaN, wait: Number.NaN }
  const isKnown = kind === 'c' || kind === 'f' || kind === 'r' || kind === 's'
  return { kind: isKnown ? kind : 'other', job: first, run: Number(run), wait: Number(wait) }
}

function addCounter(counters: Map<string, bigint>, name: string, text: string): void {
  if (!WHOLE.test(text)) return
  counters.set(name, (counters.get(name) ?? 0n) + BigInt(text))
}

function statsOf(jobs: Map<string, JobStats>, job: string): JobStats {
  let stats = jobs.get(job)
  if (!stats) {
    stats = newStats()
    jobs.set(job, stats)
  }
  return stats
}

function newStats(): JobStats {
  return { completed: 0, failed: 0, retried: 0, run: emptyHistogram(), wait: emptyHistogram() }
}

function addStats(sum: JobStats, stats: JobStats): void {
  sum.completed += stats.completed
  sum.failed += stats.failed
  sum.retried += stats.retried
  if (stats.snoozed !== undefined) sum.snoozed = (sum.snoozed ?? 0) + stats.snoozed
  for (let bucket = 0; bucket < stats.run.length; bucket++) addTo(sum.run, bucket, stats.run[bucket] ?? 0)
  for (let bucket = 0; bucket < stats.wait.length; bucket++) addTo(sum.wait, bucket, stats.wait[bucket] ?? 0)
}

function emptyHistogram(): number[] {
  return new Array<number>(BUCKET_BOUNDS_MS.length + 1).fill(0)
}

function addTo(counts: number[], bucket: number, count: number): void {
  const before = counts[bucket]
  if (before !== undefined) counts[bucket] = before + count
}
