// What the end of a job writes beside its result, by what is stored with it: its idempotency key and its cached result end
// with their time, its batches count it. As staged writes of commit.lua.
import type { KeysOfQueue } from '../redis/index.js'

/** What a job keeps of its life beyond BullMQ's own options. */
export interface StoredLife {
  readonly keepResult?: number
  readonly key?: string
  readonly keyTtl?: number
  readonly cache?: string
  readonly cacheTtl?: number
  readonly batch?: string
  readonly countsIn?: readonly string[]
}

/** Adds the writes of one job's end to its words for commit.lua. */
export function pushEndingWrites(
  words: unknown[],
  keys: KeysOfQueue,
  job: string,
  { key, keyTtl, cache, cacheTtl = 0, batch, countsIn }: StoredLife,
  { status, keepResultMs }: { readonly status: 'completed' | 'failed'; readonly keepResultMs: number },
): void {
  if (key !== undefined && keyTtl === undefined) {
    // The key of an enqueue ends with the result of its job.
    words.push(3, 'EXPIRE', keys.key(`${job}:${key}`), Math.max(1, Math.ceil(keepResultMs / 1000)))
  }
  if (cache !== undefined) words.push(3, 'CACHE', keys.cache(`${job}:${cache}`), status === 'completed' ? cacheTtl : 0)
  if (batch !== undefined) words.push(2, 'BATCH', keys.batch(batch))
  for (const flow of countsIn ?? []) words.push(2, 'BATCH', flow)
}
