// What `drover doctor` gathers about one queue for the rules of health, src/ledger/health. Unlike the dashboard it comes once,
// so it waits a little for a worker to show itself, and looks at more of the running jobs.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  backlogOf,
  type QueueFacts,
  RECENT_MINUTES,
  readActiveJobs,
  readQueueNow,
  readStats,
  sumStats,
  type WorkerBeat,
  workersOf,
} from '../../ledger/index.js'
import { type KeysOfQueue, queueKeys, type RedisClient } from '../../redis/index.js'

/** A little more than the usual `stalledInterval` of a worker of bare BullMQ that sends no heartbeat. */
const WORKER_LOOK_MS = 6_000
const WORKER_LOOK_EVERY_MS = 50
const ACTIVE_SAMPLE = 1_000
const HOUR_MS = 3_600_000
/** Minutes that are over, from which the rate at which jobs end is taken. */
const RATE_MINUTES = 5

/** Facts of one queue whose keys are of the right types. */
export async function gatherQueue(
  client: RedisClient,
  prefix: string,
  queue: string,
  workers: readonly WorkerBeat[],
): Promise<QueueFacts> {
  const keys = queueKeys(prefix, queue)
  const nowMs = Date.now()
  const [now, active, steps] = await Promise.all([
    readQueueNow(client, keys, { nowMs }),
    readActiveJobs(client, keys, { most: ACTIVE_SAMPLE, nowMs }),
    readStats(client, keys, { sinceMs: nowMs - HOUR_MS, step: 'minute', nowMs }),
  ])
  const isIdle = backlogOf(now) === 0 || workersOf(queue, workers).length > 0
  const isWatched = now.isWatched || (!isIdle && (await isWatchedSoon(client, keys)))
  const over = [...sumStats(steps.slice(-1 - RATE_MINUTES, -1)).values()]
  const ended = over.reduce((sum, { completed, failed }) => sum + completed + failed, 0)
  return {
    queue,
    now: { ...now, isWatched },
    rates: { in: null, out: ended / (RATE_MINUTES * 60) },
    recent: sumStats(steps.slice(-RECENT_MINUTES)),
    hour: sumStats(steps),
    active,
  }
}

/**
 * Every worker looks for lost jobs, by default once in 5 s or more often, and leaves a key that says so. One that does it
 * more rarely (`stalledInterval`) can be missed.
 */
async function isWatchedSoon(client: RedisClient, { bullBase }: KeysOfQueue): Promise<boolean> {
  const deadlineMs = performance.now() + WORKER_LOOK_MS
  for (;;) {
    if ((await client.exists(`${bullBase}stalled-check`)) === 1) return true
    if (performance.now() > deadlineMs) return false
    await sleep(WORKER_LOOK_EVERY_MS)
  }
}
