// One queue as `drover queues`, `drover top` and the API show it: jobs by state, what is paused, how long the oldest has
// waited, and how fast jobs end.
import type { KeysOfQueue, RedisClient } from '../redis/index.js'
import { type QueueNow, readQueueNow } from './health/queue-now.js'
import { type HeldName, readHeldNames } from './held/held-names.js'
import { readStats, sumStats } from './stats.js'
import { readEachQueue, type UnreadableQueue } from './wrong-types.js'

/** Whole minutes before this one that the rates are of. */
export const RATE_MINUTES = 5
const MINUTE_MS = 60_000

export interface QueueView {
  readonly queue: string
  readonly isPaused: boolean
  /** Job names that are paused, with the jobs put aside for that. */
  readonly pausedJobs: readonly HeldName[]
  readonly waiting: number
  readonly prioritized: number
  /** Without those that were put aside. */
  readonly delayed: number
  readonly active: number
  readonly waitingChildren: number
  /** Finished jobs that BullMQ still keeps. */
  readonly completed: number
  readonly failed: number
  /** How long the oldest job that could run has waited, milliseconds; null when none waits. */
  readonly oldestWaitMs: number | null
  /** Per minute, over the last `RATE_MINUTES`. */
  readonly perMinute: { readonly completed: number; readonly failed: number; readonly retried: number }
}

export interface QueueViews {
  readonly views: readonly QueueView[]
  readonly unreadable: readonly UnreadableQueue[]
}

/** Several queues: one that another program wrote a key of hides no other. */
export async function readQueueViews(
  client: RedisClient,
  keysOf: (queue: string) => KeysOfQueue,
  queues: readonly string[],
  nowMs = Date.now(),
): Promise<QueueViews> {
  const read = (queue: string) => readQueueView(client, keysOf(queue), queue, nowMs)
  const { values, unreadable } = await readEachQueue(client, keysOf, queues, read)
  return { views: values, unreadable }
}

/** @throws what Redis answers for a key of another type than BullMQ and Drover give it, WRONGTYPE */
export async function readQueueView(
  client: RedisClient,
  keys: KeysOfQueue,
  queue: string,
  nowMs = Date.now(),
): Promise<QueueView> {
  const [now, pausedJobs, perMinute] = await Promise.all([
    readQueueNow(client, keys, { nowMs }),
    readHeldNames(client, keys),
    readRates(client, keys, nowMs),
  ])
  const { isPaused, waiting, prioritized, delayed, active, waitingChildren, completed, failed } = now
  return {
    queue,
    isPaused,
    pausedJobs,
    waiting,
    prioritized,
    delayed,
    active,
    waitingChildren,
    completed,
    failed,
    oldestWaitMs: oldestWaitOf(now, nowMs),
    perMinute,
  }
}

/** Jobs that ended a minute, over the last whole minutes. */
export async function readRates(
  client: RedisClient,
  keys: KeysOfQueue,
  nowMs: number,
): Promise<QueueView['perMinute']> {
  const thisMinute = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS
  const span = { sinceMs: thisMinute - RATE_MINUTES * MINUTE_MS, step: 'minute', nowMs: thisMinute - 1 } as const
  const sums = { completed: 0, failed: 0, retried: 0 }
  for (const { completed, failed, retried } of sumStats(await readStats(client, keys, span)).values()) {
    sums.completed += completed
    sums.failed += failed
    sums.retried += retried
  }
  const rate = (count: number) => count / RATE_MINUTES
  return { completed: rate(sums.completed), failed: rate(sums.failed), retried: rate(sums.retried) }
}

function oldestWaitOf({ oldestSince }: QueueNow, nowMs: number): number | null {
  return oldestSince === null ? null : Math.max(0, nowMs - oldestSince)
}
