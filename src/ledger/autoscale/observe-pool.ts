// What a pool has to do, read from Redis: what waits and comes due, what runs and ended, how long it runs, and which
// workers serve it. A few commands for each queue, none of which grows with it.
import { queueKeys, type RedisClient } from '../../redis/index.js'
import { BUCKET_BOUNDS_MS } from '../buckets.js'
import { readWorkers, type WorkerBeat } from '../fleet.js'
import { readQueueNow } from '../health/queue-now.js'
import { readStats, sumStats } from '../stats.js'
import { readTotals } from '../totals.js'
import type { PoolLoad, QueueLoad } from './desired-workers.js'

/** Runs of so many minutes say how long a run takes. */
const RECENT_MS = 10 * 60_000
/** What a run is taken for, ms, before one has ended or is known to have lasted longer. */
const UNKNOWN_RUN_MS = 1_000
/** Jobs at once of a worker, where none is there to tell: the default of the worker. */
const UNKNOWN_CONCURRENCY = 10
/** BullMQ's score of a delayed job: its time in ms times this, plus a counter. */
const DELAYED_SCORE = 4_096

export async function observePool(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
  { waitTargetMs, nowMs = Date.now() }: { readonly waitTargetMs: number; readonly nowMs?: number },
): Promise<PoolLoad> {
  const workers = (await readWorkers(client, prefix, { isReadOnly: true })).filter((worker) => {
    return worker.state !== 'close' && worker.queues.some(({ queue }) => queues.includes(queue))
  })
  const loads = await Promise.all(
    queues.map((queue) => observeQueue(client, prefix, queue, { workers, waitTargetMs, nowMs })),
  )
  return { at: nowMs, workers: workers.length, queues: loads }
}

interface Around {
  readonly workers: readonly WorkerBeat[]
  readonly waitTargetMs: number
  readonly nowMs: number
}

async function observeQueue(
  client: RedisClient,
  prefix: string,
  queue: string,
  { workers, waitTargetMs, nowMs }: Around,
): Promise<QueueLoad> {
  const keys = queueKeys(prefix, queue)
  const [now, due, totals, steps] = await Promise.all([
    readQueueNow(client, keys, { nowMs }),
    client.zcount(`${keys.bullBase}delayed`, '-inf', (nowMs + waitTargetMs) * DELAYED_SCORE),
    readTotals(client, keys),
    readStats(client, keys, { sinceMs: nowMs - RECENT_MS, step: 'minute', nowMs }),
  ])
  let ended = 0
  for (const { completed, failed, retried, snoozed = 0 } of totals.values())
    ended += completed + failed + retried + snoozed
  const runs = [...sumStats(steps).values()].map(({ run }) => run)
  return {
    queue,
    concurrency: concurrencyOf(workers, queue),
    // More workers do not empty a queue that is paused.
    backlog: now.isPaused ? 0 : now.waiting + now.prioritized,
    due: now.isPaused ? 0 : due,
    active: now.active,
    ended,
    runMs: meanMs(runs) ?? Math.max(UNKNOWN_RUN_MS, ageOfRunning(workers, queue, nowMs)),
  }
}

function concurrencyOf(workers: readonly WorkerBeat[], queue: string): number {
  const own = workers.flatMap(({ queues }) => queues.filter((each) => each.queue === queue))
  return own.length === 0
    ? UNKNOWN_CONCURRENCY
    : own.reduce((sum, { concurrency }) => sum + concurrency, 0) / own.length
}

/** Mean of histograms, each observation taken for the middle of its bucket; undefined without any. */
export function meanMs(histograms: readonly (readonly number[])[]): number | undefined {
  let [count, sum] = [0, 0]
  for (const [bucket, observed] of histograms.flatMap((counts) => [...counts.entries()])) {
    const lower = BUCKET_BOUNDS_MS[bucket - 1] ?? 0
    count += observed
    sum += observed * ((lower + (BUCKET_BOUNDS_MS[bucket] ?? lower)) / 2)
  }
  return count === 0 ? undefined : sum / count
}

// Jobs that run for the first time have no other number yet.
function ageOfRunning(workers: readonly WorkerBeat[], queue: string, nowMs: number): number {
  const ages = workers.flatMap(({ jobs }) =>
    jobs.filter((job) => job.queue === queue).map(({ startedAt }) => nowMs - startedAt),
  )
  return ages.length === 0 ? 0 : ages.reduce((sum, age) => sum + Math.max(0, age), 0) / ages.length
}
