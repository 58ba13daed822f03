// How one queue stands right now: jobs per state, since when the oldest runnable one waits, the ids of those that finished
// last. BullMQ's own keys, named as BullMQ 6 names them, read in two round trips, by commands that do not grow with the
// queue.
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { HELD_FIELD, HELD_SINCE_MS, parseHeld } from '../held/held-field.js'
import { readTogether } from '../read-together.js'

export interface QueueNow {
  readonly isPaused: boolean
  readonly waiting: number
  readonly prioritized: number
  /** Without those that are held. */
  readonly delayed: number
  /** Jobs of paused names that were put aside: BullMQ has them among the delayed ones, at a time that never comes. */
  readonly held: number
  /** The job names that are paused, sorted. */
  readonly heldNames: readonly string[]
  readonly active: number
  readonly waitingChildren: number
  /** Finished jobs that BullMQ still keeps, not all that ever finished. */
  readonly completed: number
  readonly failed: number
  /**
   * Since when the oldest job that could run waits to: milliseconds since 1970, by its producer's clock. A delayed job
   * counts from the end of its delay. Null when none waits; jobs that wait for another attempt are left out.
   */
  readonly oldestSince: number | null
  /** The schedules that tick next, the first one first: their names, and when, in milliseconds since 1970. */
  readonly nextSchedules: readonly { readonly name: string; readonly at: number }[]
  /** `bullmq:<version>` of who opened the queue last, as BullMQ's own record says. */
  readonly bullVersion: string | null
  /** Whether a worker, Drover's or another of BullMQ, looked for stalled jobs within its `stalledInterval`. */
  readonly isWatched: boolean
  readonly counterCount: number
  /** The jobs that completed or failed last, `latestCount` of each. */
  readonly finished: readonly { readonly id: string; readonly status: 'completed' | 'failed'; readonly at: number }[]
}

/** Jobs looked at from the end of the waiting list, so that one or two that wait for another attempt hide no older one. */
const OLDEST_SAMPLE = 3
/** Schedules that are named. */
const NEXT_SCHEDULES = 5
/** BullMQ's score of a delayed job: its time in ms times this, plus a counter. */
const DELAYED_SCORE = 4_096

/** @throws what Redis answers for a key of another type than BullMQ and Drover give it, WRONGTYPE */
export async function readQueueNow(
  client: RedisClient,
  keys: KeysOfQueue,
  { latestCount = 0, nowMs = Date.now() }: { readonly latestCount?: number; readonly nowMs?: number } = {},
): Promise<QueueNow> {
  const key = (name: string) => keys.bullBase + name
  const values = await readTogether(client, [
    ['hmget', key('meta'), 'paused', 'version', HELD_FIELD],
    ['llen', key('wait')],
    // Where BullMQ before 6 kept the waiting jobs of a paused queue.
    ['llen', key('paused')],
    ['zcard', key('prioritized')],
    ['zcard', key('delayed')],
    ['llen', key('active')],
    ['zcard', key('waiting-children')],
    ['zcard', key('completed')],
    ['zcard', key('failed')],
    ['scard', keys.counterNames],
    ['exists', key('stalled-check')],
    // Workers take from the end of the list, and the lowest score first.
    ['lrange', key('wait'), -OLDEST_SAMPLE, -1],
    ['zrange', key('prioritized'), 0, 0],
    ['zrange', key('delayed'), 0, 0, 'WITHSCORES'],
    ['zrange', keys.schedules, 0, NEXT_SCHEDULES - 1, 'WITHSCORES'],
    ['zcount', key('delayed'), HELD_SINCE_MS * DELAYED_SCORE, '+inf'],
    ...(latestCount > 0
      ? [
          ['zrevrange', key('completed'), 0, latestCount - 1, 'WITHSCORES'] as const,
          ['zrevrange', key('failed'), 0, latestCount - 1, 'WITHSCORES'] as const,
        ]
      : []),
  ])
  const count = (index: number) => Number(values[index])
  const texts = (index: number) => (values[index] ?? []) as readonly string[]
  const [paused = null, bullVersion = null, heldNames = null] = values[0] as readonly (string | null)[]
  const dueSince = Math.floor(Number(texts(13)[1] ?? Number.POSITIVE_INFINITY) / DELAYED_SCORE)
  const waitingSince = await readWaitingSince(client, keys, [...texts(11), ...texts(12)])
  return {
    isPaused: paused !== null,
    bullVersion,
    waiting: count(1) + count(2),
    prioritized: count(3),
    delayed: count(4) - count(15),
    held: count(15),
    heldNames: parseHeld(heldNames),
    active: count(5),
    waitingChildren: count(6),
    completed: count(7),
    failed: count(8),
    counterCount: count(9),
    isWatched: count(10) === 1,
    oldestSince: oldestOf([...waitingSince, ...(dueSince <= nowMs ? [dueSince] : [])]),
    nextSchedules: schedulesOf(texts(14)),
    finished: [...idsWithTimes(texts(16), 'completed'), ...idsWithTimes(texts(17), 'failed')],
  }
}

/** Jobs of the queue that some worker still has to run; those that run now, and those of paused names, left out. */
export function backlogOf({ waiting, prioritized, delayed }: QueueNow): number {
  return waiting + prioritized + delayed
}

async function readWaitingSince(client: RedisClient, keys: KeysOfQueue, ids: readonly string[]): Promise<number[]> {
  if (ids.length === 0) return []
  const reads = ids.map((id) => ['hmget', keys.bullBase + id, 'timestamp', 'opts', 'atm', 'processedOn'] as const)
  return (await readTogether(client, reads)).flatMap((value) => {
    const [timestamp, options, attemptsMade, processedOn] = value as readonly (string | null)[]
    // What waits for another attempt came back at a time that is not written down.
    if (!timestamp || Number(attemptsMade ?? 0) > 0) return []
    const since = Math.max(Number(timestamp) + delayOf(options ?? ''), Number(processedOn ?? 0))
    return Number.isFinite(since) ? [since] : []
  })
}

function delayOf(options: string): number {
  try {
    const { delay } = (JSON.parse(options) ?? {}) as { delay?: unknown }
    return typeof delay === 'number' ? delay : 0
  } catch {
    // Written by another program: its attempts fail and say so, its age counts from the enqueue.
    return 0
  }
}

function oldestOf(times: readonly number[]): number | null {
  return times.length === 0 ? null : Math.min(...times)
}

// A paused schedule has the score +inf.
function schedulesOf(flat: readonly string[]): QueueNow['nextSchedules'] {
  const schedules = Array.from({ length: flat.length / 2 }, (_, index) => {
    return { name: flat[2 * index] ?? '', at: Number(flat[2 * index + 1]) }
  })
  return schedules.filter(({ at }) => Number.isFinite(at))
}

// Redis answers a flat list: id, score, id, score; the score is when the job finished.
function idsWithTimes(flat: readonly string[], status: 'completed' | 'failed'): QueueNow['finished'] {
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    id: flat[2 * index] ?? '',
    status,
    at: Number(flat[2 * index + 1]),
  }))
}
