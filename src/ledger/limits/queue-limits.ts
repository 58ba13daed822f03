// The limits of a whole queue, over all its workers: BullMQ's own, which it reads with each job that it hands out.
import { checkWhole, type Duration, InvalidOptionError, parseDuration, refuseUnknown } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'

export const MAX_QUEUE_CONCURRENCY = 100_000
const MAX_RATE = 1_000_000
const MAX_WINDOW_MS = 30 * 86_400_000

export interface QueueLimits {
  /** Most jobs of the queue that run at once, 1 to 100,000; undefined for any number. */
  readonly concurrency: number | undefined
  /** Most starts in a window, which begins with the first of them; undefined for any number. */
  readonly rate: { readonly limit: number; readonly windowMs: number } | undefined
}

export interface QueueLimitChanges {
  /** `null` takes the limit away; what is left out stays as it is. */
  readonly concurrency?: number | null | undefined
  readonly rate?: { readonly limit: number; readonly window: Duration } | null | undefined
}

/** Sets what is given; jobs that run are left to end. @throws InvalidOptionError, UnknownOptionError: nothing was changed */
export async function setQueueLimits(
  client: RedisClient,
  keys: KeysOfQueue,
  changes: QueueLimitChanges,
): Promise<QueueLimits> {
  refuseUnknown(changes, ['concurrency', 'rate'], 'limits.setQueue')
  const { concurrency, rate } = changes
  const meta = `${keys.bullBase}meta`
  const write = client.multi()
  if (concurrency === null) write.hdel(meta, 'concurrency')
  else if (concurrency !== undefined) {
    checkWhole('concurrency', concurrency, 1, MAX_QUEUE_CONCURRENCY)
    write.hset(meta, 'concurrency', concurrency)
  }
  if (rate === null) write.hdel(meta, 'max', 'duration')
  else if (rate !== undefined) {
    if (typeof rate !== 'object') throw new InvalidOptionError('rate', 'an object with limit, window', rate)
    refuseUnknown(rate, ['limit', 'window'], 'rate')
    checkWhole('rate.limit', rate.limit, 1, MAX_RATE)
    const windowMs = parseDuration(rate.window, { option: 'rate.window', minMs: 1, maxMs: MAX_WINDOW_MS })
    write.hset(meta, 'max', rate.limit, 'duration', windowMs)
  }
  // Workers that found the queue full look again.
  write.zadd(`${keys.bullBase}marker`, 0, '0')
  const replies = await write.exec()
  for (const [error] of replies ?? []) if (error) throw error
  return readQueueLimits(client, keys)
}

export async function readQueueLimits(client: RedisClient, keys: KeysOfQueue): Promise<QueueLimits> {
  const [concurrency, max, duration] = await client.hmget(`${keys.bullBase}meta`, 'concurrency', 'max', 'duration')
  return {
    concurrency: concurrency ? Number(concurrency) : undefined,
    rate: max ? { limit: Number(max), windowMs: Number(duration) } : undefined,
  }
}
