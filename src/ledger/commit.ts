// What one attempt leaves to be committed, and its wire form: the job's words for commit.lua after BullMQ's own nine.
import type { StoredError } from '../job/index.js'
import { bucketOf } from './buckets.js'
import { committedJson } from './committed.js'
import type { StagedWrite } from './effects.js'
import type { StagedJob } from './staged-job.js'

/** How an attempt ended for good: its result, and what it staged when it completed. */
export type Outcome = CompletedOutcome | FailedOutcome

export interface CompletedOutcome {
  readonly status: 'completed'
  /** The result as JSON text. */
  readonly valueJson: string
  /** Whole numbers to add to user counters, by name. */
  readonly counters?: ReadonlyMap<string, number> | undefined
  readonly effects?: readonly StagedWrite[] | undefined
  /** Jobs that enter their queues with the commit. */
  readonly jobs?: readonly StagedJob[] | undefined
  readonly keepResultMs: number
  /** How long the handler ran, in milliseconds of a monotonic clock. */
  readonly runMs: number
}

export interface FailedOutcome {
  readonly status: 'failed'
  readonly error: StoredError
  readonly keepResultMs: number
  readonly runMs: number
}

/** The fields of a job's record that its commit needs. */
export interface FinishingJob {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly attemptsMade: number
  readonly timestamp: number
  readonly processedOn: number
  readonly delayMs: number
}

/** The version of the result record, its field `v`. */
export const RESULT_VERSION = 1

/** How many of the arguments that BullMQ builds for a finish are keys; the rest are in `finishWords`. */
const BULLMQ_KEYS = 14

/** The first eight words of one job for commit.lua. */
export type FinishWords = readonly [
  id: string,
  finishedAt: number,
  token: string,
  packed: string,
  value: unknown,
  status: 'completed' | 'failed',
  fetches: unknown,
  fields: unknown,
]

/** Those of a finish as BullMQ's own arguments have it. */
export function finishWords(bullmqArgs: readonly unknown[], token: string): FinishWords {
  const [id, finishedAt, , value, status, fetches, , packed, fields] = bullmqArgs.slice(BULLMQ_KEYS)
  // As text, a byte a character: a command without a buffer among its words takes the client half the time to write.
  const options = (packed as Buffer).toString('latin1')
  return [String(id), finishedAt as number, token, options, value, status as 'completed', fetches, fields]
}

/** The words of one job for commit.lua, from its ninth on; `jobs` are the writes that enqueue the outcome's jobs. */
export function commitWords(
  job: FinishingJob,
  outcome: Outcome,
  finishedAt: number,
  jobs: readonly StagedWrite[] = [],
): (string | number | Buffer)[] {
  const waitMs = Math.max(0, job.processedOn - job.timestamp - job.delayMs)
  const letter = outcome.status === 'completed' ? 'c' : 'f'
  // A retried job waited for its backoff too, so only first attempts tell how long the queue lets jobs wait.
  const waitBucket = job.attemptsMade === 0 ? bucketOf(waitMs) : '-'
  const args: (string | number | Buffer)[] = [
    resultRecord(job, outcome, finishedAt, waitMs),
    Math.max(1, Math.ceil(outcome.keepResultMs / 1000)),
    `${job.name}:${outcome.status}`,
    Math.floor(finishedAt / 60_000),
    `${job.name}|${letter}|${bucketOf(outcome.runMs)}|${waitBucket}`,
  ]
  if (outcome.status === 'failed' || !(outcome.counters || outcome.effects || outcome.jobs)) {
    args.push(0)
    return args
  }
  args.push(outcome.counters?.size ?? 0)
  for (const [name, delta] of outcome.counters ?? []) args.push(name, delta)
  for (const words of outcome.effects ?? []) args.push(words.length, ...words)
  for (const words of jobs) args.push(words.length, ...words)
  return args
}

/** The text of the result key; its shape is documented in docs/redis-keys.md and read back by results.ts. */
function resultRecord(job: FinishingJob, outcome: Outcome, finishedAt: number, waitMs: number): string {
  const ending =
    outcome.status === 'completed' ? `"value":${outcome.valueJson}` : `"error":${JSON.stringify(outcome.error)}`
  return (
    `{"v":${RESULT_VERSION},"id":${JSON.stringify(job.id)},"job":${JSON.stringify(job.name)},"queue":"${job.queue}",` +
    `"status":"${outcome.status}",${ending},"attempts":${job.attemptsMade + 1},"enqueuedAt":${job.timestamp},` +
    `"startedAt":${job.processedOn},"finishedAt":${finishedAt},"runMs":${Math.round(outcome.runMs)},"waitMs":${waitMs}` +
    (outcome.status === 'completed' && (outcome.counters || outcome.effects || outcome.jobs)
      ? `,"committed":${committedJson(outcome)}}`
      : '}')
  )
}
