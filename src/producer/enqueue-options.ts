// The options of one enqueue, checked and turned into what is stored with the job. Those that any enqueue takes are read
// in src/ledger's stored-job.ts, those that decide whether there is a job at all in job-rules.ts.
import {
  type AnyJobContract,
  type DebounceOptions,
  type DepthOptions,
  type Duration,
  InvalidOptionError,
  refuseUnknown,
  type ThrottleOptions,
  type UniqueOptions,
} from '../job/index.js'
import { planQueueing, type QueueingOptions, type StoredOptions } from '../ledger/index.js'
import { checkJobId } from '../redis/index.js'

/** `Input` is the contract's; only the functions among the options see it. */
export interface EnqueueOptions<Input = unknown> extends QueueingOptions {
  /**
   * The job's id: 1 to 128 characters of A-Z a-z 0-9 _ . -, not a whole number. Default: a random one of 20 characters.
   * An id that the queue still knows enqueues nothing; the job that is there stays as it is.
   */
  readonly id?: string | undefined
  /**
   * Idempotency key: 1 to 256 characters of A-Z a-z 0-9 _ . : @ / + = -. A second enqueue of this job with the same key
   * and an equal input gives the first one's job; with another input it throws IdempotencyConflictError. It holds as long
   * as that job is unfinished (at most 30 days from when it may start) or its result exists. Not with `id`, `unique`,
   * `debounce` or `throttle`.
   */
  readonly key?: string | undefined
  /** Holds the key for this time from the enqueue instead, whatever becomes of the job: 1 s to 365 days. Only with `key`. */
  readonly keyTtl?: Duration | undefined
  /** In place of the contract's `unique`, `debounce` or `throttle`; `false` goes without. At most one of the three. */
  readonly unique?: UniqueOptions<Input> | false | undefined
  readonly debounce?: DebounceOptions<Input> | false | undefined
  readonly throttle?: ThrottleOptions<Input> | false | undefined
  /**
   * For a contract with `cache`: `false` runs the job and leaves the stored result as it is, `refresh` runs it and puts its
   * result in that one's place. An enqueue with `id`, `key` or `batch` names its own job and goes past the cache.
   */
  readonly cache?: false | 'refresh' | undefined
  /** In place of the contract's. */
  readonly maxDepth?: DepthOptions['maxDepth'] | undefined
  readonly onFull?: DepthOptions['onFull'] | undefined
  /**
   * Up to 10 tags by which `producer.jobs.byTag` finds the job, each of 1 to 64 characters of A-Z a-z 0-9 _ . : @ / + = -.
   * Redis keeps the newest 10,000 jobs of a tag, for 30 days.
   */
  readonly tags?: readonly string[] | undefined
  /** Id of the batch that the job is a member of: given by `Batch.enqueue`, which counts it. */
  readonly batch?: string | undefined
}

/** The options that a bulk shares with a single enqueue. */
export const SHARED_NAMES = [
  'delay',
  'at',
  'priority',
  'attempts',
  'lifo',
  'key',
  'keyTtl',
  'unique',
  'debounce',
  'throttle',
  'maxDepth',
  'onFull',
  'cache',
  'startBy',
  'keepResult',
  'tags',
  'batch',
] as const
const NAMES = ['id', ...SHARED_NAMES] as const
const MAX_TAGS = 10
const TAG = /^[\w.:@/+=-]{1,64}$/
const TAG_RULE = '1 to 64 characters of A-Z a-z 0-9 _ . : @ / + = -'

/** @throws UnknownOptionError, InvalidOptionError, InvalidJobIdError */
export function planOptions(
  contract: AnyJobContract,
  options: EnqueueOptions<never> | undefined,
  nowMs: number,
): StoredOptions {
  if (options === undefined) return planQueueing(contract, undefined, nowMs)
  refuseUnknown(options, NAMES, 'enqueue')
  if (options.id !== undefined) checkJobId(options.id)
  const stored = planQueueing(contract, options, nowMs)
  const { tags, batch } = options
  if (batch !== undefined) checkJobId(batch)
  if (tags === undefined && batch === undefined) return stored
  return { ...stored, ...(tags === undefined ? {} : readTags(tags)), ...(batch === undefined ? {} : { batch }) }
}

function readTags(tags: unknown): { tags?: readonly string[] } {
  const isTag = (tag: unknown) => typeof tag === 'string' && TAG.test(tag)
  if (!Array.isArray(tags) || tags.length > MAX_TAGS || !tags.every(isTag)) {
    const got = Array.isArray(tags) ? (tags.find((tag) => !isTag(tag)) ?? `${tags.length} tags`) : tags
    throw new InvalidOptionError('tags', `up to ${MAX_TAGS} texts of ${TAG_RULE}`, got)
  }
  return tags.length === 0 ? {} : { tags: [...new Set(tags as string[])] }
}

/** @throws InvalidOptionError */
export function checkTag(tag: unknown): void {
  if (typeof tag !== 'string' || !TAG.test(tag)) throw new InvalidOptionError('tag', `a text of ${TAG_RULE}`, tag)
}
