// producer.batches: jobs of one queue that count as a whole, and the jobs that follow when they have ended. Members are
// counted by the commits that end them: src/ledger/batches.
import {
  type AnyJobContract,
  ClosedError,
  checkWhole,
  encodeInput,
  type InputOf,
  InvalidOptionError,
  isJobContract,
  newJobId,
  type ResultOf,
  refuseUnknown,
} from '../job/index.js'
import {
  type BatchEvent,
  type BatchRecord,
  type BatchRoom,
  closeBatch,
  createBatch,
  findOther,
  listBatches,
  newStoredJob,
  planQueueing,
  readBatch,
  type StagedJob,
  type StoringMiddleware,
  textThrough,
  withLimit,
} from '../ledger/index.js'
import { checkJobId, checkQueueName, queueKeys } from '../redis/index.js'
import type { BulkHandle, EnqueueBulkOptions } from './bulk-options.js'
import type { BullQueues } from './bull-queues.js'
import type { EnqueueOptions } from './enqueue-options.js'
import type { JobHandle } from './job-handle.js'
import type { RedisGate } from './redis-gate.js'

/** A job that follows a batch. Its id is `<batch>.<event>`, such as `import-7.success`. */
export interface BatchFollower<Contract extends AnyJobContract = AnyJobContract> {
  readonly job: Contract
  readonly input: InputOf<Contract>
}

export interface OpenBatchOptions<
  Success extends AnyJobContract = AnyJobContract,
  Complete extends AnyJobContract = AnyJobContract,
  Death extends AnyJobContract = AnyJobContract,
> {
  /** As a job id. Default: a random one. Opening one that is there goes on with it, after a crash, say. */
  readonly id?: string | undefined
  /** Enqueued when all members have completed, also when it took manual retries. */
  readonly onSuccess?: BatchFollower<Success> | undefined
  /** Enqueued when all members have ended, completed or failed for good. */
  readonly onComplete?: BatchFollower<Complete> | undefined
  /** Enqueued when the first member has failed for good. */
  readonly onDeath?: BatchFollower<Death> | undefined
  /** A batch of the same queue that this one is a member of; it counts there when all of this one has ended. */
  readonly parent?: Batch | undefined
}

const OPEN_NAMES = ['id', 'onSuccess', 'onComplete', 'onDeath', 'parent']
const EVENTS: Readonly<Record<string, BatchEvent>> = { onSuccess: 'success', onComplete: 'complete', onDeath: 'death' }
const MAX_LIST = 1_000
/** Members that one round trip looks at. */
const READ_AT_ONCE = 500

/** What a batch enqueues through. */
export interface BatchEnqueue {
  enqueue(contract: AnyJobContract, input: unknown, options: object): Promise<JobHandle<never>>
  enqueueBulk(contract: AnyJobContract, inputs: never, options: object): Promise<BulkHandle>
}

/** Opens and reads batches. Calls are repeated while Redis is away, up to the producer's timeout. */
export class ProducerBatches {
  readonly #gate: RedisGate
  readonly #prefix: string
  readonly #queues: BullQueues
  readonly #enqueue: BatchEnqueue
  readonly #middleware: readonly StoringMiddleware[] | undefined

  constructor(
    gate: RedisGate,
    prefix: string,
    queues: BullQueues,
    enqueue: BatchEnqueue,
    middleware?: readonly StoringMiddleware[],
  ) {
    this.#middleware = middleware
    this.#gate = gate
    this.#prefix = prefix
    this.#queues = queues
    this.#enqueue = enqueue
  }

  /**
   * Opens a batch of jobs of one queue. Redis keeps it for 30 days.
   * @throws InvalidOptionError, UnknownOptionError, InvalidJobIdError, InvalidInputError, NotJsonError, TooLargeError
   */
  async open<Success extends AnyJobContract, Complete extends AnyJobContract, Death extends AnyJobContract>(
    queue: string,
    options: OpenBatchOptions<Success, Complete, Death> = {},
  ): Promise<Batch> {
    refuseUnknown(options, OPEN_NAMES, 'batches.open')
    const { id = newJobId(), parent } = options
    checkQueueName(queue)
    checkJobId(id)
    if (parent !== undefined && !(parent instanceof Batch && parent.queue === queue)) {
      throw new InvalidOptionError('parent', `an open batch of queue ${queue}`, parent)
    }
    const jobs: Partial<Record<BatchEvent, StagedJob>> = {}
    for (const [name, event] of Object.entries(EVENTS)) {
      const follower = options[name as 'onSuccess' | 'onComplete' | 'onDeath']
      if (follower !== undefined) jobs[event] = await this.#follower(name, `${id}.${event}`, follower)
    }
    parent?.countNested(id)
    const room = this.#room(queue)
    await this.#gate.run('the opening of a batch', () => createBatch(room, { id, jobs, parent: parent?.id }))
    return new Batch({ id, queue }, this.#enqueue, {
      close: (total) => this.#gate.run('the closing of a batch', () => closeBatch(room, id, total)),
      findOther: async (ids) => {
        let other: string | undefined
        for (let at = 0; at < ids.length && other === undefined; at += READ_AT_ONCE) {
          const some = ids.slice(at, at + READ_AT_ONCE)
          other = await this.#gate.run('the read of members', () => findOther(room, id, some))
        }
        return other
      },
    })
  }

  /** The batch as its members have left it; undefined when it is not there, or no longer. */
  async get(queue: string, id: string): Promise<BatchRecord | undefined> {
    const keys = queueKeys(this.#prefix, checkQueueName(queue))
    checkJobId(id)
    return this.#gate.run('the read of a batch', () => readBatch(this.#gate.client, keys, id))
  }

  /** The newest batches of the queue, newest first; 1 to 1000 of them, by default 100. */
  async list(queue: string, limit = 100): Promise<BatchRecord[]> {
    const keys = queueKeys(this.#prefix, checkQueueName(queue))
    checkWhole('limit', limit, 1, MAX_LIST)
    return this.#gate.run('the list of batches', () => listBatches(this.#gate.client, keys, limit))
  }

  #room(queue: string): BatchRoom {
    const { backend, keys } = this.#queues.get(queue)
    return { client: this.#gate.client, backend, prefix: this.#prefix, keys }
  }

  async #follower(option: string, jobId: string, follower: BatchFollower): Promise<StagedJob> {
    refuseUnknown(follower, ['job', 'input'], option)
    const { job: contract, input } = follower
    if (!isJobContract(contract)) throw new InvalidOptionError(`${option}.job`, 'what defineJob returned', contract)
    checkJobId(jobId)
    const now = Date.now()
    const inputText = await encodeInput(contract, input)
    const text = await textThrough(this.#middleware, { contract, id: jobId, input, inputText })
    this.#queues.get(contract.queue).list()
    const stored = withLimit(contract, planQueueing(contract, undefined, now), input)
    const job = newStoredJob(contract.name, jobId, text, stored, now)
    return { queue: contract.queue, jobId, job }
  }
}

interface BatchCalls {
  close(total: number): Promise<'closed' | 'missing' | 'other'>
  /** The first of these jobs that is there and no member of the batch. */
  findOther(ids: readonly string[]): Promise<string | undefined>
}

/**
 * An open batch. Add its members, then close it: it ends with its last member, once it is closed. Jobs that are under way
 * meanwhile count, too.
 */
export class Batch {
  readonly id: string
  readonly queue: string
  readonly #enqueue: BatchEnqueue
  readonly #calls: BatchCalls
  readonly #nested = new Set<string>()
  /** Those of a key or an id, which may be given twice. */
  readonly #named = new Set<string>()
  #members = 0
  #isClosed = false

  constructor(
    { id, queue }: { readonly id: string; readonly queue: string },
    enqueue: BatchEnqueue,
    calls: BatchCalls,
  ) {
    this.id = id
    this.queue = queue
    this.#enqueue = enqueue
    this.#calls = calls
  }

  /**
   * As `producer.enqueue`, as a member. A job that is a member by its `id` or `key` already counts once.
   * @throws InvalidOptionError for the `id` or `key` of a job that is not a member, as the batch would wait for it for ever
   */
  async enqueue<Contract extends AnyJobContract>(
    contract: Contract,
    input: InputOf<Contract>,
    options: EnqueueOptions<InputOf<Contract>> = {},
  ): Promise<JobHandle<ResultOf<Contract>>> {
    this.#check(contract)
    const job = await this.#enqueue.enqueue(contract, input, { ...options, ...this.#membership })
    if (options.id === undefined && options.key === undefined) this.#members++
    else await this.#addNamed([job.id], job.deduplicated === true || options.id !== undefined)
    return job
  }

  /**
   * As `producer.enqueueBulk`, each as a member. A bulk that threw is given again with keys, from its start. With
   * `keepIds: false` no two of its inputs may have the same key.
   * @throws InvalidOptionError, all jobs being enqueued, for a key of a job that is not a member, unless `keepIds` is false
   */
  async enqueueBulk<Contract extends AnyJobContract>(
    contract: Contract,
    inputs: Iterable<InputOf<Contract>> | AsyncIterable<InputOf<Contract>>,
    options: EnqueueBulkOptions<InputOf<Contract>> = {},
  ): Promise<BulkHandle> {
    this.#check(contract)
    const bulk = await this.#enqueue.enqueueBulk(contract, inputs as never, { ...options, ...this.#membership })
    if (options.key === undefined || bulk.ids.length === 0) this.#members += bulk.count
    else await this.#addNamed(bulk.ids, bulk.deduplicated > 0)
    return bulk
  }

  /** Says that all members have been added. @throws InvalidOptionError when it is gone, or was closed with another number */
  async close(): Promise<void> {
    this.#isClosed = true
    const total = this.#members + this.#named.size + this.#nested.size
    const outcome = await this.#calls.close(total)
    if (outcome === 'missing') throw new InvalidOptionError('batch', 'one that Redis still keeps', this.id)
    if (outcome === 'other') throw new InvalidOptionError('batch', 'as many members as it was closed with', total)
  }

  /** Counts a batch that is a member, once. */
  countNested(id: string): void {
    if (this.#isClosed) throw new ClosedError(`batch ${this.id}`)
    this.#nested.add(id)
  }

  async #addNamed(ids: readonly string[], mayBeOthers: boolean): Promise<void> {
    const other = mayBeOthers ? await this.#calls.findOther(ids) : undefined
    if (other !== undefined)
      throw new InvalidOptionError('key', `a key or id of no job outside of batch ${this.id}`, other)
    for (const id of ids) this.#named.add(id)
  }

  // What merges enqueues would make one job of two members.
  get #membership() {
    return { batch: this.id, unique: false, debounce: false, throttle: false } as const
  }

  #check(contract: AnyJobContract): void {
    if (this.#isClosed) throw new ClosedError(`batch ${this.id}`)
    if (isJobContract(contract) && contract.queue !== this.queue) {
      throw new InvalidOptionError('contract', `a job of queue ${this.queue}, as the batch is of it`, contract.queue)
    }
  }
}
