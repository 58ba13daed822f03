// The rules of one enqueue: those of its contract with those of its options, checked together, and put on a job. A job
// without any is sent by BullMQ's own scripts; one with some by src/ledger's add-job.lua, which applies them in its step.
import {
  type AnyJobContract,
  canonicalJson,
  type DroverError,
  type EnqueueRules,
  IdempotencyConflictError,
  InvalidOptionError,
  type MergeRule,
  mergeText,
  parseDuration,
  QueueFullError,
  readRules,
} from '../job/index.js'
import type { AddReply, AddRules, StoredOptions } from '../ledger/index.js'
import type { KeysOfQueue } from '../redis/index.js'
import { type NewJob, newJob } from './bull-queues.js'
import { type CacheUse, cacheAdd, hashOf, planCache } from './cache-plan.js'
import type { EnqueueOptions } from './enqueue-options.js'

/** How long the record of a key without `keyTtl` is kept while its job has not finished. */
const UNFINISHED_KEY_MS = 30 * 86_400_000
const KEY = /^[\w.:@/+=-]{1,256}$/
const KEY_RULE = '1 to 256 characters of A-Z a-z 0-9 _ . : @ / + = -'

export interface JobRules {
  readonly merge: MergeRule | undefined
  readonly maxDepth: number | undefined
  readonly onFull: 'reject' | 'wait'
  readonly tags: readonly string[] | undefined
  readonly isKeyed: boolean
  readonly keyTtlMs: number | undefined
  readonly cache?: CacheUse | undefined
}

/** What a key may be given as: the key itself, or for a bulk a function of each input. */
export type RuleOptions = Omit<EnqueueOptions<never>, 'key'> & { readonly key?: unknown }

/** The rules for one enqueue, undefined without any. @throws InvalidOptionError, UnknownOptionError */
export function planRules(
  contract: AnyJobContract,
  options: RuleOptions | undefined,
  stored: StoredOptions,
): JobRules | undefined {
  const { tags } = stored
  const { key, keyTtl } = options ?? {}
  const { merge, maxDepth, onFull = 'reject' } = mergeRules(contract.rules, options) ?? {}
  if (keyTtl !== undefined && key === undefined) throw new InvalidOptionError('keyTtl', 'a key beside it', keyTtl)
  const isKeyed = key !== undefined
  const cache = planCache(contract, options, stored, merge)
  if (!(isKeyed || merge || maxDepth || tags || cache)) return undefined
  checkTogether(options ?? {}, merge)
  if (merge?.kind === 'debounce' && contract.limit?.order === 'strict') {
    throw new InvalidOptionError(
      'debounce',
      "none beside limit.order 'strict': jobs run as they were enqueued",
      undefined,
    )
  }
  const keyTtlMs = keyTtl === undefined ? undefined : parseDuration(keyTtl, { option: 'keyTtl', minMs: 1_000 })
  return { merge, maxDepth, onFull, tags, isKeyed, keyTtlMs, cache }
}

function mergeRules(own: EnqueueRules | undefined, options: RuleOptions | undefined): EnqueueRules | undefined {
  if (options === undefined) return own
  const { unique, debounce, throttle, maxDepth, onFull } = options
  const kinds = [unique, debounce, throttle]
  if (kinds.every((kind) => kind === undefined) && maxDepth === undefined && onFull === undefined) return own
  const given = readRules({
    unique: unique === false ? undefined : unique,
    debounce: debounce === false ? undefined : debounce,
    throttle: throttle === false ? undefined : throttle,
    maxDepth: maxDepth ?? own?.maxDepth,
    onFull: onFull ?? (own?.maxDepth === undefined ? undefined : own.onFull),
  })
  const merge = given?.merge ?? (kinds.includes(false) ? undefined : own?.merge)
  return { merge, maxDepth: given?.maxDepth, onFull: given?.onFull ?? 'reject' }
}

function checkTogether({ id, key, delay, at, lifo }: RuleOptions, merge: MergeRule | undefined): void {
  if (key !== undefined && id !== undefined) throw new InvalidOptionError('key', 'only one of id and key', key)
  if (key !== undefined && merge) {
    const expected = `no ${merge.kind} beside it: unique, debounce or throttle as false turns the contract's off`
    throw new InvalidOptionError('key', expected, key)
  }
  if (merge?.kind === 'debounce' && (delay !== undefined || at !== undefined || lifo)) {
    throw new InvalidOptionError('debounce', 'no delay, at or lifo beside it: its wait is the delay', undefined)
  }
}

/** @throws InvalidOptionError */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string' || !KEY.test(key)) throw new InvalidOptionError('key', KEY_RULE, key)
}

export interface JobParts {
  readonly contract: AnyJobContract
  readonly keys: KeysOfQueue
  readonly jobId: string
  /** As the caller gave it, and its JSON. */
  readonly input: unknown
  readonly text: string
  /** What is stored in its place. */
  readonly storedText?: string | undefined
  readonly stored: StoredOptions
  readonly timestamp: number
  readonly key?: string | undefined
}

/** The job with its rules, ready to be sent. @throws InvalidOptionError for what `by` gives of this input */
export function newRuledJob(parts: JobParts, rules: JobRules): NewJob {
  const { contract, jobId, text, timestamp } = parts
  const { merge, maxDepth, tags } = rules
  const ofMerge = merge && mergeOptions(merge, parts)
  const ofKey =
    parts.key === undefined ? rules.cache && cacheAdd(rules.cache, parts) : keyOptions(parts.key, parts, rules)
  const stored = { ...parts.stored, ...ofMerge, ...ofKey?.stored }
  const added: AddRules = {
    key: ofKey?.rule,
    merge: merge && (merge.kind === 'unique' ? merge.while : merge.kind),
    maxDepth,
    tags,
  }
  const ruled = newJob(contract.name, jobId, parts.storedText ?? text, stored, timestamp)
  // Set on the new job itself: another copy of it costs each enqueue.
  const merged = ofMerge && { deduplicationId: ofMerge.deduplication.id }
  return { jobId, job: Object.assign(ruled.job, merged, { rules: added }) }
}

function mergeOptions(
  merge: MergeRule,
  { contract, input, text }: JobParts,
): { delay?: number; deduplication: NonNullable<StoredOptions['deduplication']> } {
  const json: unknown = typeof merge.by === 'function' ? undefined : JSON.parse(canonicalJson(text))
  // A debounce puts this input into the job that waits, which keeps the version it was stored as.
  const version = merge.kind === 'debounce' && contract.version > 1 ? `v${contract.version}:` : ''
  const id = `${contract.name}:${merge.kind}:${version}${hashOf(mergeText(merge, input, json))}`
  // The script frees the id of a debounce when its job is due, so that it needs no ttl; `wait` is the job's delay.
  if (merge.kind === 'debounce') return { delay: merge.ms ?? 1, deduplication: { id, reschedule: true } }
  return { deduplication: merge.ms === undefined ? { id } : { id, ttl: merge.ms } }
}

function keyOptions(
  key: string,
  { contract, keys, text, stored }: JobParts,
  { keyTtlMs }: JobRules,
): { stored: Pick<StoredOptions, 'key' | 'keyTtl'>; rule: NonNullable<AddRules['key']> } {
  const lasts = keyTtlMs === undefined ? 'job' : 'time'
  const ttlMs = keyTtlMs ?? UNFINISHED_KEY_MS + (stored.delay ?? 0)
  return {
    stored: keyTtlMs === undefined ? { key } : { key, keyTtl: keyTtlMs },
    rule: { record: keys.key(`${contract.name}:${key}`), inputHash: hashOf(canonicalJson(text)), ttlMs, lasts },
  }
}

/** The error for a job that the rules kept out, undefined for one that is in the queue. */
export function refusalOf(reply: AddReply, contract: AnyJobContract, { job }: NewJob): DroverError | undefined {
  const { name, queue } = contract
  if (reply.kind === 'full') return new QueueFullError(queue, reply.depth, job.rules?.maxDepth ?? reply.depth)
  if (reply.kind !== 'conflict') return undefined
  return new IdempotencyConflictError(name, (job.opts as StoredOptions).key ?? '', reply.id)
}
