// The index of tags: which jobs were enqueued with a tag, newest first. add-job.lua writes it with the job; it holds ids
// and times only, and no more than these bounds.
import type { KeysOfQueue, RedisClient } from '../redis/index.js'

/** The newest jobs of a tag that the index knows. */
export const MAX_JOBS_OF_TAG = 10_000
/** The tags used last that the list of tags knows. */
export const MAX_TAGS_OF_QUEUE = 1_000
export const TAG_TTL_MS = 30 * 86_400_000

export interface TaggedJob {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly enqueuedAt: number
}

export interface TaggedPage {
  /** Newest first. */
  readonly jobs: readonly TaggedJob[]
  /** Gives the next page as `after`; undefined on the last one. */
  readonly next: string | undefined
}

/**
 * One page of the jobs with a tag. A job of it may have been removed since, and its result may have expired. `after` is
 * the `next` of the page before: jobs enqueued in between shift nothing.
 */
export async function readTagged(
  client: RedisClient,
  keys: KeysOfQueue,
  tag: string,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<TaggedPage> {
  const [time = '', lastId = ''] = after?.split(':') ?? []
  const max = after === undefined ? '+inf' : time
  const jobs: TaggedJob[] = []
  // Of the jobs of the same millisecond as the last one seen, those up to it are seen too.
  let skipping = after !== undefined
  for (let offset = 0; jobs.length <= limit; offset += limit + 1) {
    const words = await client.zrange(
      keys.tagged(tag),
      max,
      '-inf',
      'BYSCORE',
      'REV',
      'LIMIT',
      offset,
      limit + 1,
      'WITHSCORES',
    )
    for (const { id, enqueuedAt } of pairs(words as unknown)) {
      if (skipping && String(enqueuedAt) === time && id >= lastId) continue
      skipping = skipping && String(enqueuedAt) === time
      jobs.push({ id, enqueuedAt })
    }
    if (words.length < limit + 1) break
  }
  const page = jobs.slice(0, limit)
  const last = page.at(-1)
  return { jobs: page, next: jobs.length > limit && last ? `${last.enqueuedAt}:${last.id}` : undefined }
}

/** The tags of a queue, the one used last first. */
export async function listTags(client: RedisClient, keys: KeysOfQueue): Promise<string[]> {
  return client.zrevrange(keys.tags, 0, -1)
}

// A flat list of words, or a list of pairs from a client that speaks RESP 3.
function pairs(reply: unknown): TaggedJob[] {
  const words = (reply as unknown[]).flat()
  const jobs: TaggedJob[] = []
  for (let at = 0; at < words.length; at += 2) jobs.push({ id: String(words[at]), enqueuedAt: Number(words[at + 1]) })
  return jobs
}
