// How one queue stands right now: jobs per state, and the ids of those that finished last. BullMQ's own keys, named as
// BullMQ 6 names them, read in one round trip.
import type { KeysOfQueue, RedisClient } from '../redis/index.js'

export interface QueueState {
  readonly isPaused: boolean
  readonly waiting: number
  readonly prioritized: number
  readonly delayed: number
  readonly active: number
  readonly waitingChildren: number
  /** Finished jobs that BullMQ still keeps, not all that ever finished. */
  readonly completed: number
  readonly failed: number
  readonly counterCount: number
  /** The jobs that completed or failed last, `latestCount` of each. */
  readonly finished: readonly { readonly id: string; readonly status: 'completed' | 'failed'; readonly at: number }[]
}

export async function readQueueState(client: RedisClient, keys: KeysOfQueue, latestCount: number): Promise<QueueState> {
  const key = (name: string) => keys.bullBase + name
  const replies = await client
    .pipeline()
    .hexists(key('meta'), 'paused')
    .llen(key('wait'))
    // Where BullMQ before 6 kept the waiting jobs of a paused queue.
    .llen(key('paused'))
    .zcard(key('prioritized'))
    .zcard(key('delayed'))
    .llen(key('active'))
    .zcard(key('waiting-children'))
    .zcard(key('completed'))
    .zcard(key('failed'))
    .scard(keys.counterNames)
    .zrevrange(key('completed'), 0, latestCount - 1, 'WITHSCORES')
    .zrevrange(key('failed'), 0, latestCount - 1, 'WITHSCORES')
    .exec()
  const values = (replies ?? []).map(([error, value]) => {
    if (error) throw error
    return value
  })
  const count = (index: number) => Number(values[index])
  return {
    isPaused: count(0) === 1,
    waiting: count(1) + count(2),
    prioritized: count(3),
    delayed: count(4),
    active: count(5),
    waitingChildren: count(6),
    completed: count(7),
    failed: count(8),
    counterCount: count(9),
    finished: [...idsWithTimes(values[10], 'completed'), ...idsWithTimes(values[11], 'failed')],
  }
}

// Redis answers a flat list: id, score, id, score; the score is when the job finished.
function idsWithTimes(reply: unknown, status: 'completed' | 'failed'): QueueState['finished'] {
  const flat = reply as readonly string[]
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    id: flat[2 * index] ?? '',
    status,
    at: Number(flat[2 * index + 1]),
  }))
}
