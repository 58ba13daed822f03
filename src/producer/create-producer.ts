// createProducer: what an app enqueues jobs with and reads their results and counters through. One enqueue, from here to
// Redis, is enqueue-options.ts, src/job's encodeInput, send-jobs.ts and redis-gate.ts; with rules, job-rules.ts and
// send-ruled.ts too.
import {
  type AnyJobContract,
  checkMiddleware,
  type Duration,
  encodeInput,
  type InputOf,
  InvalidOptionError,
  isJobContract,
  newJobId,
  parseDuration,
  type ResultOf,
  refuseUnknown,
} from '../job/index.js'
import { withLimit } from '../ledger/index.js'
import {
  checkPrefix,
  DEFAULT_REDIS,
  type Durability,
  type DurabilityDemand,
  parseRedisUrl,
  type RedisSettings,
  readDurability,
  redisSettingsFromEnv,
} from '../redis/index.js'
import type { BulkHandle, EnqueueBulkOptions } from './bulk-options.js'
import { BullQueues, type NewJob, newJob } from './bull-queues.js'
import { sendBulk } from './enqueue-bulk.js'
import { type EnqueueMiddleware, enqueueThrough } from './enqueue-middleware.js'
import { type EnqueueOptions, planOptions } from './enqueue-options.js'
import type { JobHandle } from './job-handle.js'
import { checkKey, type JobParts, type JobRules, newRuledJob, planRules, refusalOf } from './job-rules.js'
import { type BatchEnqueue, ProducerBatches } from './producer-batches.js'
import { ProducerCache } from './producer-cache.js'
import { ProducerCounters } from './producer-counters.js'
import { ProducerErrors } from './producer-errors.js'
import { ProducerFlows } from './producer-flows.js'
import { ProducerJobs } from './producer-jobs.js'
import { ProducerLimits } from './producer-limits.js'
import { ProducerQueues } from './producer-queues.js'
import { ProducerResults } from './producer-results.js'
import { ProducerSchedules } from './producer-schedules.js'
import { RedisGate } from './redis-gate.js'
import { sendJob } from './send-jobs.js'
import { sendRuled } from './send-ruled.js'

export interface ProducerOptions {
  /**
   * Where Redis is, as a URL or as `parseRedisUrl` returns it. Default: `REDIS_URL` or `REDIS_HOST` and its fellows of
   * the environment, else redis://127.0.0.1:6379.
   */
  readonly redis?: string | RedisSettings | undefined
  /** What every key of Drover starts with; the same in producers, workers and dashboard. Default `drover`. */
  readonly prefix?: string | undefined
  /** Longest time for one call while Redis is away or silent, 1 ms to 10 minutes. Default `5s`. */
  readonly timeout?: Duration | undefined
  /**
   * What Redis must keep: `standard`, an append-only file; `strict`, one that is on disk before each answer, and where
   * there are replicas, on one of them before an enqueue resolves. Default: DROVER_DURABILITY, else `standard`.
   */
  readonly durability?: Durability | undefined
  /** True: also enqueue in a Redis that can lose every job. Default: DROVER_ALLOW_VOLATILE, else false. */
  readonly allowVolatile?: boolean | undefined
  /** Functions around each enqueue, also of batches, flows and schedules, the first outermost: see docs/middleware.md. Default: none, at no cost. */
  readonly middleware?: readonly EnqueueMiddleware[] | undefined
}

/** Enqueues jobs. Make one for the whole app, and close it when the app ends. */
export interface Producer extends AsyncDisposable {
  /** Results of jobs, now or when they come. */
  readonly results: ProducerResults
  /** User counters, read and changed from outside of a job. */
  readonly counters: ProducerCounters
  /** Jobs by their tags, and the cancel of one or of all that match. */
  readonly jobs: ProducerJobs
  /** Jobs that failed for good, by their errors: run again in stages, discarded, brought back. */
  readonly errors: ProducerErrors
  /** Queues as they stand, and pausing them or one job name in them. */
  readonly queues: ProducerQueues
  /** Jobs that count as a whole, and what follows them. */
  readonly batches: ProducerBatches
  /** Jobs that wait for others. */
  readonly flows: ProducerFlows
  /** Schedules, which workers fire. */
  readonly schedules: ProducerSchedules
  /** Results that serve equal inputs. */
  readonly cache: ProducerCache
  /** What limits queues, keys and jobs at this moment. */
  readonly limits: ProducerLimits

  /**
   * Checks the input against the contract and puts the job in its queue. Once it resolves, the job is in Redis.
   * @throws InvalidInputError, NotJsonError, TooLargeError for the input; UnknownOptionError, InvalidOptionError,
   *   InvalidJobIdError for the options; IdempotencyConflictError for a key; QueueFullError for `maxDepth`; RedisAuthError, RedisFullError, RedisNotDurableError, RedisRefusedError,
   *   ClosedError. Nothing was enqueued then.
   * @throws RedisUnavailableError after `timeout`: the job may have been enqueued or not. Its `jobId` given as `id`,
   *   or the same `key`, makes a repeated enqueue safe. Where Redis has been away for as long already, it comes at once.
   */
  enqueue<Contract extends AnyJobContract>(
    contract: Contract,
    input: InputOf<Contract>,
    options?: EnqueueOptions<InputOf<Contract>>,
  ): Promise<JobHandle<ResultOf<Contract>>>

  /**
   * Enqueues one job per input. Inputs are read, checked and sent in chunks; a chunk is sent when all of it was checked.
   * The ids of all jobs are kept for the answer, about 50 bytes each; nothing else grows with the number of inputs.
   * @throws BulkItemError for an input that is refused: it says which one, why, and how many were enqueued; none with
   *   `onBadItem: 'skip'`
   * @throws EmptyBulkError without any input; RedisUnavailableError, whose operation says how many were enqueued before;
   *   what the iterable throws; else as `enqueue`
   */
  enqueueBulk<Contract extends AnyJobContract>(
    contract: Contract,
    inputs: Iterable<InputOf<Contract>> | AsyncIterable<InputOf<Contract>>,
    options?: EnqueueBulkOptions<InputOf<Contract>>,
  ): Promise<BulkHandle>

  /**
   * Waits for the calls under way, at most their timeout, ends waits for results with ClosedError, and closes the
   * connections. Every later call throws ClosedError.
   */
  close(): Promise<void>
}

const OPTION_NAMES = ['redis', 'prefix', 'timeout', 'durability', 'allowVolatile', 'middleware'] as const
const DEFAULT_TIMEOUT_MS = 5_000
const MAX_TIMEOUT_MS = 600_000

/**
 * A producer. It connects by itself and never waits for Redis here: the first call does, up to its timeout.
 * @throws UnknownOptionError, InvalidOptionError, InvalidPrefixError, RedisUrlError; ConfigError for the environment
 */
export function createProducer(options: ProducerOptions = {}): Producer {
  return openProducer(options, false)
}

/** `createProducer` for a server: enqueues of requests that arrive together are sent together. */
export function createServerProducer(options: ProducerOptions): Producer {
  return openProducer(options, true)
}

function openProducer(options: ProducerOptions, gathersTurns: boolean): Producer {
  refuseUnknown(options, OPTION_NAMES, 'createProducer')
  const prefix = checkPrefix(options.prefix ?? 'drover')
  const timeout = options.timeout ?? DEFAULT_TIMEOUT_MS
  const timeoutMs = parseDuration(timeout, { option: 'timeout', minMs: 1, maxMs: MAX_TIMEOUT_MS })
  return new OpenProducer({
    settings: readSettings(options.redis),
    prefix,
    timeoutMs,
    demand: readDurability(options),
    middleware: checkMiddleware(options.middleware),
    gathersTurns,
  })
}

interface OpenProducerOptions {
  readonly settings: RedisSettings
  readonly prefix: string
  readonly timeoutMs: number
  readonly demand: DurabilityDemand
  readonly middleware: readonly EnqueueMiddleware[] | undefined
  readonly gathersTurns: boolean
}

class OpenProducer implements Producer {
  readonly results: ProducerResults
  readonly counters: ProducerCounters
  readonly jobs: ProducerJobs
  readonly errors: ProducerErrors
  readonly queues: ProducerQueues
  readonly batches: ProducerBatches
  readonly flows: ProducerFlows
  readonly schedules: ProducerSchedules
  readonly cache: ProducerCache
  readonly limits: ProducerLimits
  readonly #gate: RedisGate
  readonly #queues: BullQueues
  readonly #middleware: readonly EnqueueMiddleware[] | undefined

  constructor({ settings, prefix, timeoutMs, demand, middleware, gathersTurns }: OpenProducerOptions) {
    this.#middleware = middleware
    this.#gate = new RedisGate(settings, timeoutMs, demand, gathersTurns)
    this.#queues = new BullQueues(this.#gate.client, prefix)
    this.results = new ProducerResults({ gate: this.#gate, prefix, settings })
    this.counters = new ProducerCounters(this.#gate, prefix)
    this.jobs = new ProducerJobs(this.#gate, prefix, this.#queues)
    this.errors = new ProducerErrors(this.#gate, prefix, this.#queues)
    this.queues = new ProducerQueues(this.#gate, prefix, this.#queues)
    this.batches = new ProducerBatches(
      this.#gate,
      prefix,
      this.#queues,
      this as unknown as BatchEnqueue,
      this.#middleware,
    )
    this.flows = new ProducerFlows(this.#gate, prefix, this.#queues, this.#middleware)
    this.schedules = new ProducerSchedules(this.#gate, prefix, this.#queues, this.#middleware)
    this.limits = new ProducerLimits(this.#gate, prefix)
    this.cache = new ProducerCache(this.#gate, prefix)
  }

  async enqueue<Contract extends AnyJobContract>(
    contract: Contract,
    input: InputOf<Contract>,
    options?: EnqueueOptions<InputOf<Contract>>,
  ): Promise<JobHandle<ResultOf<Contract>>> {
    const startedMs = performance.now()
    this.#gate.checkOpen()
    checkContract(contract)
    const timestamp = Date.now()
    const plan = planOptions(contract, options, timestamp)
    const rules = planRules(contract, options as EnqueueOptions<never>, plan)
    if (options?.key !== undefined) checkKey(options.key)
    const jobId = options?.id ?? newJobId()
    const encoded = encodeInput(contract, input)
    const text = typeof encoded === 'string' ? encoded : await encoded
    const { keys } = this.#queues.get(contract.queue)
    const stored = withLimit(contract, plan, input)
    const parts = { contract, keys, jobId, input, text, stored, timestamp, key: options?.key }
    if (this.#middleware === undefined) return this.#send(parts, rules, startedMs)
    const call = { contract, id: jobId, input, options: options ?? {}, inputText: text }
    const send = (storedText: string) => this.#send({ ...parts, storedText }, rules, startedMs)
    return enqueueThrough(this.#middleware, call, send) as Promise<JobHandle<never>>
  }

  async #send(parts: JobParts, rules: JobRules | undefined, startedMs: number): Promise<JobHandle<never>> {
    const { contract, jobId, text, storedText = text, stored, timestamp } = parts
    if (rules !== undefined) return this.#sendRuled(contract, newRuledJob(parts, rules), rules, startedMs)
    const { name, queue } = contract
    const job = newJob(name, jobId, storedText, stored, timestamp)
    await sendJob(this.#gate, this.#queues.get(queue), job, {
      operation: `the enqueue of job ${name}`,
      startedMs,
      jobId,
    })
    return { id: jobId, name, queue }
  }

  async #sendRuled(
    contract: AnyJobContract,
    job: NewJob,
    rules: JobRules,
    startedMs: number,
  ): Promise<JobHandle<never>> {
    const { name, queue } = contract
    const { jobId } = job
    const call = { operation: `the enqueue of job ${name}`, startedMs, jobId }
    const [reply] = await sendRuled(this.#gate, this.#queues.get(queue), [job], call, rules)
    const refusal = reply && refusalOf(reply, contract, job)
    if (refusal) throw refusal
    if (reply?.kind === 'known') return { id: reply.id, name, queue, deduplicated: true }
    if (reply?.kind === 'cached') return { id: reply.id, name, queue, deduplicated: true, cached: true }
    return { id: jobId, name, queue }
  }

  async enqueueBulk<Contract extends AnyJobContract>(
    contract: Contract,
    inputs: Iterable<InputOf<Contract>> | AsyncIterable<InputOf<Contract>>,
    options: EnqueueBulkOptions<InputOf<Contract>> = {},
  ): Promise<BulkHandle> {
    this.#gate.checkOpen()
    checkContract(contract)
    const room = { gate: this.#gate, queue: this.#queues.get(contract.queue), middleware: this.#middleware }
    return sendBulk(room, contract, inputs, options)
  }

  async close(): Promise<void> {
    this.results.close()
    await this.#gate.close()
    await this.#queues.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function checkContract(contract: unknown): void {
  if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
}

export function readSettings(redis: string | RedisSettings | undefined): RedisSettings {
  if (redis === undefined) return redisSettingsFromEnv(process.env) ?? DEFAULT_REDIS
  if (typeof redis === 'string') return parseRedisUrl(redis)
  const kind: unknown = typeof redis === 'object' && redis !== null ? redis.kind : undefined
  if (kind === 'single' || kind === 'sentinel' || kind === 'cluster') return redis
  throw new InvalidOptionError('redis', 'a Redis URL, or what parseRedisUrl returned', redis)
}
