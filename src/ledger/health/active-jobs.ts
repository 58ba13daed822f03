// The jobs of a queue that count as running, looked at one by one: whether somebody holds their lock, and how often they
// lost their worker. The oldest of them, where they are many.
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'

export interface ActiveJobs {
  /** Nobody has held their lock for a minute. */
  readonly lockless: readonly string[]
  /** They lost their worker `OFTEN_STALLED` times or more. */
  readonly oftenStalled: readonly string[]
}

export const OFTEN_STALLED = 3
/** A worker that lost a job's lock is given this long before the job counts as left behind. */
const LOCKLESS_MS = 60_000

export async function readActiveJobs(
  client: RedisClient,
  { bullBase }: KeysOfQueue,
  { most, nowMs }: { readonly most: number; readonly nowMs: number },
): Promise<ActiveJobs> {
  // A job that starts is put at the head.
  const ids = await client.lrange(`${bullBase}active`, -most, -1)
  if (ids.length === 0) return { lockless: [], oftenStalled: [] }
  const pipeline = client.pipeline()
  for (const id of ids) pipeline.exists(`${bullBase}${id}:lock`).hmget(bullBase + id, 'processedOn', 'stc')
  const replies = (await pipeline.exec()) ?? []
  const lockless: string[] = []
  const oftenStalled: string[] = []
  for (const [index, id] of ids.entries()) {
    const hasLock = replies[2 * index]?.[1] === 1
    const [processedOn, stalls] = (replies[2 * index + 1]?.[1] ?? []) as (string | null)[]
    if (!hasLock && nowMs - Number(processedOn ?? 0) > LOCKLESS_MS) lockless.push(id)
    if (Number(stalls ?? 0) >= OFTEN_STALLED) oftenStalled.push(id)
  }
  return { lockless, oftenStalled }
}
