// What the overview shows, read from Redis: a few bounded reads per queue, none of them a scan. Which queues there are is
// said by the set that workers and producers write. overview-source.ts decides how often this is read.
import { isQueueName } from '../job/index.js'
import {
  type JobStats,
  type JobTotals,
  listCounters,
  type Percentiles,
  percentilesOf,
  type QueueNow,
  readQueueNow,
  readTotals,
} from '../ledger/index.js'
import { describeRedis, queueKeys, queuesKey, type RedisClient, type RedisSettings } from '../redis/index.js'
import type { LastHour } from './last-hour.js'
import { type FinishedId, LATEST_COUNT, type LatestResults, type ResultRow } from './latest-results.js'
import { redisCliGet } from './redis-cli.js'

/** What GET /overview.json answers. Times are milliseconds since 1970, lengths of time milliseconds. */
export interface Overview {
  readonly readAt: number
  readonly prefix: string
  /** The Redis it was read from, without user name and password. */
  readonly redis: string
  readonly queues: readonly QueueRow[]
  readonly jobs: readonly JobRow[]
  readonly counters: readonly CounterRow[]
  /** Jobs that finished last, the latest first: at most 20. */
  readonly results: readonly ResultRow[]
  /** What is not in the lists above because there is too much of it, or because it could not be read. */
  readonly leftOut: LeftOut
}

export interface LeftOut {
  /** Queues beyond the first 100 by name. */
  readonly queues: number
  /** Counters beyond the first 200, and those of queues that have over 1,000. */
  readonly counters: number
  /** Queues of which a key has another type than Drover and BullMQ give it: another program wrote it. */
  readonly unreadable: readonly string[]
}

export interface QueueRow extends Omit<QueueNow, 'finished' | 'counterCount'> {
  readonly queue: string
}

/** What one job name of one queue came to. */
export interface JobRow extends JobTotals {
  readonly job: string
  readonly queue: string
  readonly lastHour: {
    readonly completed: number
    readonly failed: number
    readonly run: Percentiles
    readonly wait: Percentiles
  }
}

export interface CounterRow {
  readonly counter: string
  readonly queue: string
  /** Null when another program wrote something to the key that is not an integer. */
  readonly value: number | null
  readonly key: string
  /** The command that reads it, as it is typed into a shell. */
  readonly command: string
}

export interface OverviewReads {
  readonly client: RedisClient
  readonly prefix: string
  readonly redis: RedisSettings
  readonly nowMs: number
  readonly lastHour: LastHour
  readonly latestResults: LatestResults
}

export const MAX_QUEUES = 100
const MAX_COUNTERS = 200
const MAX_COUNTERS_OF_QUEUE = 1_000

interface QueueReading {
  readonly row: QueueRow
  readonly jobs: readonly JobRow[]
  readonly counters: readonly CounterRow[]
  readonly countersLeftOut: number
  readonly finished: readonly FinishedId[]
}

/** Reads all of it. Rejects when Redis does not answer; a queue that cannot be read is left out and named. */
export async function readOverview(reads: OverviewReads): Promise<Overview> {
  const names = await readQueueNames(reads.client, reads.prefix)
  const shown = names.slice(0, MAX_QUEUES)
  const readings = await Promise.all(shown.map((queue) => readQueue(reads, queue)))
  const readable = readings.filter((reading) => reading !== undefined)
  reads.lastHour.keepOnly(shown)
  const counters = readable.flatMap((reading) => reading.counters)
  return {
    readAt: reads.nowMs,
    prefix: reads.prefix,
    redis: describeRedis(reads.redis),
    queues: readable.map((reading) => reading.row),
    jobs: readable.flatMap((reading) => reading.jobs),
    counters: counters.slice(0, MAX_COUNTERS),
    results: await reads.latestResults.read(
      reads.client,
      readable.flatMap((reading) => reading.finished),
    ),
    leftOut: {
      queues: names.length - shown.length,
      counters:
        Math.max(0, counters.length - MAX_COUNTERS) +
        readable.reduce((sum, reading) => sum + reading.countersLeftOut, 0),
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
    const [{ finished, counterCount, ...counts }, totals, hour] = await Promise.all([
      readQueueNow(client, keys, { latestCount: LATEST_COUNT, nowMs }),
      readTotals(client, keys),
      reads.lastHour.read(client, keys, queue, nowMs),
    ])
    const isTooMany = counterCount > MAX_COUNTERS_OF_QUEUE
    const counters = isTooMany ? [] : await listCounters(client, keys)
    return {
      row: { queue, ...counts },
      jobs: [...totals].map(([job, total]) => jobRow(queue, job, total, hour.get(job))),
      counters: counters.map(({ name, value }) => {
        const key = keys.counter(name)
        return { counter: name, queue, value, key, command: redisCliGet(reads.redis, key) }
      }),
      countersLeftOut: isTooMany ? counterCount : 0,
      finished: finished.map((job) => ({ ...job, keys, queue })),
    }
  } catch (error) {
    // A key of another type, which another program wrote, must not hide every other queue.
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined
    throw error
  }
}

function jobRow(queue: string, job: string, totals: JobTotals, hour: JobStats | undefined): JobRow {
  const lastHour = {
    completed: hour?.completed ?? 0,
    failed: hour?.failed ?? 0,
    run: percentilesOf(hour?.run ?? []),
    wait: percentilesOf(hour?.wait ?? []),
  }
  return { job, queue, ...totals, lastHour }
}
