// The options of a bulk, read and checked before its first input; and the tally of what became of its inputs.

import {
  type AnyJobContract,
  BulkItemError,
  checkWhole,
  type Duration,
  InvalidOptionError,
  parseDuration,
  readText,
  refuseUnknown,
} from '../job/index.js'
import type { StoredOptions } from '../ledger/index.js'
import { type EnqueueOptions, planOptions, SHARED_NAMES } from './enqueue-options.js'
import { checkKey, type JobRules, planRules, type RuleOptions } from './job-rules.js'

/** What became of a bulk's inputs so far. */
export interface BulkProgress {
  /** Jobs that are in Redis, those that were there already included. */
  readonly enqueued: number
  /** How many of them were there already: by their key, or by `unique`, `debounce` or `throttle`. */
  readonly deduplicated: number
  /** Inputs that were refused. */
  readonly failed: number
}

export interface EnqueueBulkOptions<Input = unknown> extends Omit<EnqueueOptions<Input>, 'id' | 'key'> {
  /** Jobs that are under way at once, 1 to 5000. Default 500. A larger chunk holds more inputs in memory. */
  readonly chunkSize?: number | undefined
  /** Called after each chunk with what is in Redis. What it throws ends the bulk. */
  readonly onProgress?: ((progress: BulkProgress) => void) | undefined
  /**
   * The idempotency key of each input: see `EnqueueOptions.key`. A bulk that ended half way can then be given again from
   * its start, and enqueues what is missing.
   */
  readonly key?: ((input: Input, index: number) => string) | undefined
  /** False: `ids` of the answer stays empty, so that memory does not grow with the number of inputs. Default true. */
  readonly keepIds?: boolean | undefined
  /**
   * What a refused input does (it fails the schema, its key conflicts, the queue is full): `stop` (default) ends the bulk
   * with BulkItemError, `skip` leaves it out and tells of it in `failures`.
   */
  readonly onBadItem?: 'stop' | 'skip' | undefined
  /**
   * Spreads the jobs evenly over this time, 1 ms to 365 days, from `delay` or `at` on: the first may start at once, the
   * last a little before the end. Of inputs that do not know their number, such as a stream, say it in `count`. Not with
   * `lifo` or `debounce`.
   */
  readonly spread?: Duration | { readonly over: Duration; readonly count: number } | undefined
}

export interface BulkFailure {
  /** Which input, counted from 0. */
  readonly index: number
  /** Why: InvalidInputError, IdempotencyConflictError, QueueFullError and so on. */
  readonly error: unknown
}

export interface BulkHandle {
  /** Jobs that are in Redis. */
  readonly count: number
  /** Their ids in the order of the inputs, unless `keepIds` is false; the inputs that were refused have none. */
  readonly ids: readonly string[]
  /** How many of them were there already. */
  readonly deduplicated: number
  /** How many inputs were refused; always 0 unless `onBadItem` is `skip`. */
  readonly failed: number
  /** The first 1000 of the refused inputs. */
  readonly failures: readonly BulkFailure[]
}

export interface BulkPlan {
  readonly chunkSize: number
  /** Those that it shares with a single enqueue, for middleware. */
  readonly options: RuleOptions
  readonly rules: JobRules | undefined
  readonly onProgress: EnqueueBulkOptions['onProgress']
  readonly skipsBad: boolean
  readonly keepsIds: boolean
  /** The delay of a job with `at` or `spread` counts from the start of the bulk. */
  readonly fromStart: boolean
  /** What is stored with the job of this index. */
  stored(index: number): StoredOptions
  key(input: unknown, index: number): string | undefined
}

const OPTION_NAMES = ['chunkSize', 'onProgress', 'keepIds', 'onBadItem', 'spread', ...SHARED_NAMES] as const
const DEFAULT_CHUNK_SIZE = 500
const MAX_CHUNK_SIZE = 5_000
const MAX_FAILURES = 1_000
const MAX_COUNT = 1_000_000_000

/** @throws UnknownOptionError, InvalidOptionError */
export function planBulk(
  contract: AnyJobContract,
  inputs: unknown,
  options: EnqueueBulkOptions<never>,
  nowMs: number,
): BulkPlan {
  refuseUnknown(options, OPTION_NAMES, 'enqueueBulk')
  const {
    chunkSize = DEFAULT_CHUNK_SIZE,
    onProgress,
    keepIds = true,
    onBadItem = 'stop',
    spread,
    key,
    ...shared
  } = options
  checkWhole('chunkSize', chunkSize, 1, MAX_CHUNK_SIZE)
  checkFunction('onProgress', onProgress)
  checkFunction('key', key)
  if (typeof keepIds !== 'boolean') throw new InvalidOptionError('keepIds', 'true or false', keepIds)
  if (onBadItem !== 'stop' && onBadItem !== 'skip')
    throw new InvalidOptionError('onBadItem', "'stop' or 'skip'", onBadItem)
  const plain = planOptions(contract, shared, nowMs)
  const rules = planRules(contract, { ...shared, key }, plain)
  if (spread !== undefined && contract.limit?.order === 'strict') {
    throw new InvalidOptionError('spread', "none beside limit.order 'strict': jobs run as they were enqueued", spread)
  }
  const step = spread === undefined ? undefined : readSpread(spread, inputs, plain, rules)
  return {
    chunkSize,
    options: shared,
    rules,
    onProgress,
    skipsBad: onBadItem === 'skip',
    keepsIds: keepIds,
    fromStart: options.at !== undefined || step !== undefined,
    stored: step === undefined ? () => plain : (index) => delayed(plain, step(index)),
    key: (input, index) => key && readKey(key, input, index),
  }
}

function readKey(key: (input: never, index: number) => string, input: unknown, index: number): string {
  const text = readText('key', key, [input as never, index])
  checkKey(text)
  return text
}

function delayed(plain: StoredOptions, addedMs: number): StoredOptions {
  const delay = (plain.delay ?? 0) + addedMs
  return delay > 0 ? { ...plain, delay } : plain
}

/** How much later the job of an index starts. */
function readSpread(
  spread: NonNullable<EnqueueBulkOptions['spread']>,
  inputs: unknown,
  { delay = 0, startBy, lifo }: StoredOptions,
  rules: JobRules | undefined,
): (index: number) => number {
  const isObject = typeof spread === 'object' && spread !== null
  if (isObject) refuseUnknown(spread, ['over', 'count'], 'spread')
  const overMs = parseDuration(isObject ? spread.over : spread, { option: 'spread', minMs: 1 })
  const { length, size } = inputs as { readonly length?: unknown; readonly size?: unknown }
  const count = isObject ? spread.count : (length ?? size)
  if (!isObject && typeof count !== 'number') {
    throw new InvalidOptionError('spread', '{ over, count }, as these inputs do not tell their number', spread)
  }
  checkWhole('spread.count', count as number, isObject ? 1 : 0, MAX_COUNT)
  if (lifo || rules?.merge?.kind === 'debounce') {
    throw new InvalidOptionError('spread', 'no lifo or debounce beside it', spread)
  }
  if (startBy !== undefined && startBy <= delay + overMs) {
    throw new InvalidOptionError('startBy', 'a time after the end of the spread', startBy)
  }
  const last = Math.max(1, count as number)
  return (index) => Math.floor((Math.min(index, last) * overMs) / last)
}

function checkFunction(option: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return
  throw new InvalidOptionError(option, 'a function', value)
}

/** Counts what became of the inputs, which it is told of in their order, chunk by chunk. */
export class BulkTally {
  readonly #ids: string[] = []
  readonly #failures: BulkFailure[] = []
  readonly #keepsIds: boolean
  #enqueued = 0
  #deduplicated = 0
  #failed = 0

  constructor(keepsIds: boolean) {
    this.#keepsIds = keepsIds
  }

  accept(id: string, isNew: boolean): void {
    this.#enqueued++
    if (this.#keepsIds) this.#ids.push(id)
    if (!isNew) this.#deduplicated++
  }

  refuse(index: number, error: unknown): void {
    this.#failed++
    if (this.#failures.length < MAX_FAILURES) this.#failures.push({ index, error })
  }

  /** The error that ends a bulk with this input. */
  endOf(index: number, error: unknown): BulkItemError {
    return new BulkItemError(index, this.#enqueued, error)
  }

  get progress(): BulkProgress {
    return { enqueued: this.#enqueued, deduplicated: this.#deduplicated, failed: this.#failed }
  }

  get handle(): BulkHandle {
    const failures = this.#failures.sort((a, b) => a.index - b.index)
    return { count: this.#enqueued, ids: this.#ids, deduplicated: this.#deduplicated, failed: this.#failed, failures }
  }
}
