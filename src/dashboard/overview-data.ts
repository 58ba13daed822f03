// What the overview shows, read from Redis: a few bounded reads per queue, none of them a scan. Which queues there are is
// said by the set that workers and producers write. overview-source.ts decides how often this is read.
import { isQueueName } from '../job/index.js'
import {
  drainSeconds,
  type Finding,
  type JobStats,
  type JobTotals,
  judgeHealth,
  type Percentiles,
  percentilesOf,
  problemsOf,
  type QueueFacts,
  type QueueNow,
  type QueueRates,
  RECENT_MINUTES,
  type Release,
  readQueueNow,
  readTotals,
  readWorkers,
  sumOfStep,
  sumStats,
  type WorkerBeat,
  workersOf,
} from '../ledger/index.js'
import {
  describeRedis,
  queueKeys,
  queuesKey,
  type RedisClient,
  type RedisSettings,
  type ServerInfo,
} from '../redis/index.js'
import type { LastHour } from './last-hour.js'
import type { FinishedId, LatestResults, ResultRow } from './latest-results.js'
import { endRate, type Rates } from './overview/rates.js'
import { type NextSchedule, type SlowFacts, type SlowFactsSource, scheduleName } from './overview/slow-facts.js'

/** What GET /overview.json answers. Times are milliseconds since 1970, lengths of time milliseconds. */
export interface Overview {
  readonly readAt: number
  readonly prefix: string
  /** The Redis it was read from, without user name and password. */
  readonly redis: string
  /** What somebody has to act on now, by the rules of docs/operations.md, the worst first. */
  readonly problems: readonly Finding[]
  /** What the rules say about the settings of Redis that can wait. */
  readonly advice: readonly Finding[]
  readonly queues: readonly QueueRow[]
  readonly jobs: readonly JobRow[]
  readonly workers: readonly WorkerBeat[]
  readonly server: ServerRow
  /** The schedules that tick next, over all queues: at most 10. */
  readonly schedules: readonly ScheduleRow[]
  /** When each release of workers was first seen, the oldest first. */
  readonly releases: readonly Release[]
  /** Jobs that finished last, the latest first: at most 20. */
  readonly results: readonly ResultRow[]
  /** What is not in the lists above because there is too much of it, or because it could not be read. */
  readonly leftOut: LeftOut
}

export interface LeftOut {
  /** Queues beyond the first 100 by name. */
  readonly queues: number
  /** Queues of which a key has another type than Drover and BullMQ give it: another program wrote it. */
  readonly unreadable: readonly string[]
}

export interface QueueRow extends Omit<QueueNow, 'finished' | 'counterCount' | 'nextSchedules'> {
  readonly queue: string
  /** Jobs per second that come in and that end; `in` is null until the queue was watched for a few seconds. */
  readonly rates: QueueRates
  /** Seconds until nothing waits, at these rates; null when it does not get less. */
  readonly drainSeconds: number | null
  /** Workers of the queue, and of all of them together the jobs that run and those that could at once. */
  readonly workers: number
  readonly running: number
  readonly concurrency: number
  readonly lastHour: LastHourRow
}

/** What one job name of one queue came to. */
export interface JobRow extends JobTotals {
  readonly job: string
  readonly queue: string
  readonly lastHour: LastHourRow
}

export interface LastHourRow {
  readonly completed: number
  readonly failed: number
  readonly run: Percentiles
  readonly wait: Percentiles
}

export interface ServerRow extends ServerInfo {
  readonly roundTripMs: number
}

export interface ScheduleRow extends NextSchedule {
  readonly job: string | null
}

export interface OverviewReads {
  readonly client: RedisClient
  readonly prefix: string
  readonly redis: RedisSettings
  readonly nowMs: number
  readonly lastHour: LastHour
  readonly latestResults: LatestResults
  readonly rates: Rates
  readonly slowFacts: SlowFactsSource
}

export const MAX_QUEUES = 100
const MAX_SCHEDULES = 10

interface QueueReading {
  readonly queue: string
  readonly now: QueueNow
  readonly totals: ReadonlyMap<string, JobTotals>
  readonly hour: ReadonlyMap<string, JobStats>
  readonly recent: ReadonlyMap<string, JobStats>
  readonly rates: QueueRates
  readonly finished: readonly FinishedId[]
}

/** Reads all of it. Rejects when Redis does not answer; a queue that cannot be read is left out and named. */
export async function readOverview(reads: OverviewReads): Promise<Overview> {
  const { client, prefix, nowMs } = reads
  const [names, workers] = await Promise.all([
    readQueueNames(client, prefix),
    readWorkers(client, prefix, { isReadOnly: true }),
  ])
  const shown = names.slice(0, MAX_QUEUES)
  const readings = await Promise.all(shown.map((queue) => readQueue(reads, queue)))
  const readable = readings.filter((reading) => reading !== undefined)
  reads.lastHour.keepOnly(shown)
  reads.rates.keepOnly(shown)
  const schedules = nextOf(readable)
  const [slow, results] = await Promise.all([
    reads.slowFacts.read(
      readable.map(({ queue }) => queue),
      schedules,
      nowMs,
    ),
    reads.latestResults.read(
      client,
      readable.flatMap((reading) => reading.finished),
    ),
  ])
  const findings = judgeHealth({
    nowMs,
    server: slow.server,
    workers,
    queues: readable.map((reading) => factsOf(reading, slow)),
  })
  const problems = problemsOf(findings)
  return {
    readAt: nowMs,
    prefix,
    redis: describeRedis(reads.redis),
    problems,
    advice: findings.filter((finding) => finding.level === 'warning' && !problems.includes(finding)),
    queues: readable.map((reading) => queueRow(reading, workers)),
    jobs: readable.flatMap(({ queue, totals, hour }) =>
      [...totals].map(([job, total]) => ({ job, queue, ...total, lastHour: lastHourRow(hour.get(job)) })),
    ),
    workers,
    server: { ...slow.server.info, roundTripMs: slow.server.roundTripMs ?? 0 },
    schedules: schedules.map((each) => ({ ...each, job: slow.jobOfSchedule.get(scheduleName(each)) ?? null })),
    releases: slow.releases,
    results,
    leftOut: {
      queues: names.length - shown.length,
      unreadable: shown.filter((_queue, index) => readings[index] === undefined),
    },
  }
}

/** The names of all queues that a worker or a producer has used, sorted. */
export async function readQueueNames(client: RedisClient, prefix: string): Promise<string[]> {
  return (await client.smembers(queuesKey(prefix))).filter(isQueueName).sort()
}

async function readQueue(reads: OverviewReads, queue: string): Promise<QueueReading | undefined> {
  const { client, prefix, nowMs } = reads
  const keys = queueKeys(prefix, queue)
  try {
    const [now, totals, hour] = await Promise.all([
      readQueueNow(client, keys, { latestCount: 1, nowMs }),
      readTotals(client, keys),
      reads.lastHour.read(client, keys, queue, nowMs),
    ])
    const minutes = reads.lastHour.minutesOf(queue)
    const ended = [...totals.values()].reduce((sum, { completed, failed }) => sum + completed + failed, 0)
    const unfinished = now.waiting + now.prioritized + now.delayed + now.held + now.active + now.waitingChildren
    return {
      queue,
      now,
      totals,
      hour,
      recent: sumStats(minutes.slice(-RECENT_MINUTES)),
      rates: reads.rates.add(queue, { atMs: nowMs, unfinished, ended }) ?? { in: null, out: endRate(minutes) },
      finished: now.finished.map((job) => ({ ...job, keys, queue })),
    }
  } catch (error) {
    // A key of another type, which another program wrote, must not hide every other queue.
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined
    throw error
  }
}

function factsOf({ queue, now, hour, recent, rates }: QueueReading, slow: SlowFacts): QueueFacts {
  return { queue, now, hour, recent, rates, active: slow.active.get(queue) }
}

function queueRow({ queue, now, hour, rates }: QueueReading, workers: readonly WorkerBeat[]): QueueRow {
  const { finished: _finished, counterCount: _count, nextSchedules: _schedules, ...counts } = now
  const own = workersOf(queue, workers)
  const loads = own.flatMap(({ queues }) => queues.filter((each) => each.queue === queue))
  return {
    queue,
    ...counts,
    rates,
    drainSeconds: drainSeconds(now.waiting + now.prioritized, rates),
    workers: own.length,
    // Workers said it up to five seconds ago: some of those jobs may have ended since.
    running: Math.min(
      now.active,
      loads.reduce((total, { running }) => total + running, 0),
    ),
    concurrency: loads.reduce((total, { concurrency }) => total + concurrency, 0),
    lastHour: lastHourRow(sumOfStep({ jobs: hour })),
  }
}

function lastHourRow(stats: JobStats | null | undefined): LastHourRow {
  return {
    completed: stats?.completed ?? 0,
    failed: stats?.failed ?? 0,
    run: percentilesOf(stats?.run ?? []),
    wait: percentilesOf(stats?.wait ?? []),
  }
}

function nextOf(readings: readonly QueueReading[]): NextSchedule[] {
  const all = readings.flatMap(({ queue, now }) => now.nextSchedules.map((schedule) => ({ queue, ...schedule })))
  return all.sort((left, right) => left.at - right.at).slice(0, MAX_SCHEDULES)
}
