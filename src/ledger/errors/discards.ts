// Discards of failed jobs: taken out of their queue and kept aside whole, so that an undo brings them back as they were.
import { DiscardNotFoundError } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { discardChunk, type ErrorRoom, restoreChunk } from './error-scripts.js'
import { type CheckedTarget, checkThere, findFailed, showTarget } from './failed-target.js'
import { isReplayId, newActionId } from './replay-record.js'

export interface DiscardRecord {
  readonly id: string
  readonly queue: string
  /** What was asked for, in words. */
  readonly target: string
  readonly by: string
  /** Jobs that were taken out, and how many of these were brought back. */
  readonly count: number
  readonly restored: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** From then on it cannot be undone, and its jobs are gone. */
  readonly undoUntil: number
}

export interface UndoOutcome {
  readonly id: string
  readonly queue: string
  readonly restored: number
  /** Jobs that stay aside as their id has been enqueued again. */
  readonly taken: number
}

const CHUNK = 50

/**
 * Discards the failed jobs that are meant. Killed in between, those so far are discarded and can be brought back.
 * @throws ErrorGroupNotFoundError, NoFailedJobsError, JobNotFoundError, JobStateError: nothing was changed
 */
export async function discardFailed(
  room: ErrorRoom,
  target: CheckedTarget,
  { undoMs, by }: { readonly undoMs: number; readonly by: string },
): Promise<DiscardRecord> {
  const { client, keys, queue, run } = room
  await checkThere(room, target, 'discarded')
  const id = newActionId()
  const at = Date.now()
  const undoUntil = at + undoMs
  const words = showTarget(target)
  await run('the start of a discard', async () => {
    await client.hset(keys.discard(id), { target: words, by, at, undoUntil })
    await client.pexpire(keys.discard(id), undoMs)
    await client.zadd(keys.discards, undoUntil, id)
    await client.zremrangebyscore(keys.discards, '-inf', at)
    const last = (await client.zrevrange(keys.discards, 0, 0, 'WITHSCORES')).flat()
    await client.pexpire(keys.discards, Math.max(undoMs, Number(last[1]) - at))
  })
  // A copy of each chunk, as taking jobs out shortens what is walked over.
  for await (const ids of findFailed(room, target)) {
    for (let from = 0; from < ids.length; from += CHUNK) {
      const leftMs = Math.max(1, undoUntil - Date.now())
      await discardChunk(room, id, ids.slice(from, from + CHUNK), target, leftMs)
    }
  }
  const count = await run('the read of a discard', () => client.hget(keys.discard(id), 'count'))
  return { id, queue, target: words, by, count: Number(count ?? 0), restored: 0, at, undoUntil }
}

/** Brings the jobs of a discard back. Calling it again goes on where it ended. @throws DiscardNotFoundError */
export async function undoDiscard(room: ErrorRoom, id: string): Promise<UndoOutcome> {
  const { queue } = room
  if (!isReplayId(id)) throw new DiscardNotFoundError(id, queue)
  let [restored, taken] = [0, 0]
  for (;;) {
    const chunk = await restoreChunk(room, id, taken, CHUNK)
    if (chunk.seen < 0) throw new DiscardNotFoundError(id, queue)
    restored += chunk.restored
    taken += chunk.taken
    if (chunk.seen < CHUNK) return { id, queue, restored, taken }
  }
}

/** The discards of a queue that can be undone, the newest first; 20 of them at most. */
export async function listDiscards(client: RedisClient, keys: KeysOfQueue, queue: string): Promise<DiscardRecord[]> {
  const ids = await client.zrevrange(keys.discards, 0, 19)
  const found = await Promise.all(ids.map((id) => client.hgetall(keys.discard(id))))
  return found
    .flatMap((fields, index) => {
      if (fields.at === undefined) return []
      const number = (name: string) => Number(fields[name] ?? 0)
      const [count, restored, at, undoUntil] = ['count', 'restored', 'at', 'undoUntil'].map(number) as [
        number,
        number,
        number,
        number,
      ]
      const { target = '', by = '' } = fields
      return [{ id: ids[index] ?? '', queue, target, by, count, restored, at, undoUntil }]
    })
    .sort((left, right) => right.at - left.at)
}
