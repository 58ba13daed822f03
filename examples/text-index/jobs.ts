// The contracts of this example and the names of the Redis keys its jobs write. Safe to import anywhere: no handler here.
import { defineJob, queueTag } from 'drover'
import { z } from 'zod'

export const QUEUE = 'text-index'

/** Largest file that is indexed, in bytes: a worker holds the files of its running jobs in memory. */
export const MAX_FILE_BYTES = 10_000_000

/**
 * Different words whose counts one job writes. A job may stage 1,000 writes, and each word is one; a file with more
 * words leaves the rest of them to `text.words` jobs.
 */
export const WORDS_PER_JOB = 900

const file = { root: z.string().min(1), path: z.string().min(1) }

/** One file, `path` being relative to `root`: its hash, its size, and the counts of its words. */
export const indexFile = defineJob({
  name: 'text.index',
  queue: QUEUE,
  input: z.object(file),
  output: z.object({
    path: z.string(),
    sha256: z.string().length(64),
    bytes: z.int().min(0),
    lines: z.int().min(0),
    words: z.int().min(0),
    /** How many jobs it takes to count the words of this file, this one included. */
    wordParts: z.int().min(1),
  }),
})

/** The words of part 2 and later of a file with more than WORDS_PER_JOB different ones. */
export const countMoreWords = defineJob({
  name: 'text.words',
  queue: QUEUE,
  input: z.object({ ...file, sha256: z.string().length(64), part: z.int().min(2) }),
  output: z.object({ distinctWords: z.int().min(1) }),
})

/** The keys that jobs write with `ctx.effects`. All carry the queue's tag, so that they also work on a Redis Cluster. */
export function textIndexKeys(prefix: string) {
  const tag = queueTag(prefix, QUEUE)
  return {
    /** Sorted set: how often each word occurs. */
    topWords: `${tag}:top-words`,
    /** Set of the extensions seen. */
    extensions: `${tag}:extensions`,
    /** Hash of bytes per extension. */
    bytesByExtension: `${tag}:bytes-by-extension`,
    /** List of the 20 files indexed last, the newest first. */
    latestFiles: `${tag}:latest-files`,
    /** List of the files whose words take more than one job, as input of `text.words` with `parts` for `part`. */
    largeFiles: `${tag}:large-files`,
    /** Hash that Drover keeps: `<job name>:completed` and `:failed`. */
    totals: `${tag}:totals`,
    counter: (name: string) => `${tag}:counter:${name}`,
    result: (id: string) => `${tag}:result:${id}`,
  }
}
