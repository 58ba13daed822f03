// producer.limits: what limits a queue, a key or a job at this moment, and the limits of whole queues.
import {
  type AnyJobContract,
  checkWhole,
  InvalidJobIdError,
  InvalidOptionError,
  isJobContract,
  limitId,
} from '../job/index.js'
import {
  type LimitCounts,
  type LimitOfJob,
  type LimitState,
  listLimits,
  type QueueLimitChanges,
  type QueueLimits,
  readLimit,
  readLimitCounts,
  readLimitOfJob,
  readQueueLimits,
  setQueueLimits,
} from '../ledger/index.js'
import { checkQueueName, type KeysOfQueue, queueKeys } from '../redis/index.js'
import type { JobReference } from './job-handle.js'
import type { RedisGate } from './redis-gate.js'

const ANY_ID = /^[A-Za-z0-9_.:-]{1,160}$/
const MAX_LISTED = 1_000

/** Reads are repeated while Redis is away, up to the producer's timeout. */
export class ProducerLimits {
  readonly #gate: RedisGate
  readonly #prefix: string

  constructor(gate: RedisGate, prefix: string) {
    this.#gate = gate
    this.#prefix = prefix
  }

  /**
   * The state of one key of a contract: who waits and runs, and what the rate lets through. Undefined while no job of the
   * key waits or runs and no start of it counts. `key` is left out for a contract whose limit has none.
   * @throws InvalidOptionError
   */
  async get(contract: AnyJobContract, key = ''): Promise<LimitState | undefined> {
    if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
    const { name, queue, limit } = contract
    if (limit === undefined) throw new InvalidOptionError('contract', 'one with a limit', name)
    if (typeof key !== 'string') throw new InvalidOptionError('key', 'a text', key)
    return this.#read(queue, (keys) => readLimit(this.#gate.client, keys, limitId(name, limit, key)))
  }

  /** The limit of a job with its place in line; undefined for a job without one, or none of that id. @throws InvalidJobIdError, InvalidQueueNameError */
  async ofJob({ queue, id }: Pick<JobReference, 'queue' | 'id'>): Promise<LimitOfJob | undefined> {
    if (typeof id !== 'string' || !ANY_ID.test(id)) throw new InvalidJobIdError(id)
    return this.#read(queue, (keys) => readLimitOfJob(this.#gate.client, keys, id))
  }

  /** The keys of a queue that have jobs in line or running, those with most in line first. @throws InvalidQueueNameError */
  async list(queue: string, most = 100): Promise<LimitState[]> {
    checkWhole('most', most, 1, MAX_LISTED)
    return this.#read(queue, (keys) => listLimits(this.#gate.client, keys, most))
  }

  /** How many keys of a queue have jobs in line or running, and how many jobs. @throws InvalidQueueNameError */
  async counts(queue: string): Promise<LimitCounts> {
    return this.#read(queue, (keys) => readLimitCounts(this.#gate.client, keys))
  }

  /** The limits of a whole queue. @throws InvalidQueueNameError */
  async getQueue(queue: string): Promise<QueueLimits> {
    return this.#read(queue, (keys) => readQueueLimits(this.#gate.client, keys))
  }

  /**
   * Sets the limits of a whole queue, for all its workers and from now on: `concurrency`, the most jobs that run at once,
   * and `rate`, the most starts in a window that begins with the first of them. `null` takes one away.
   * @throws InvalidOptionError, UnknownOptionError, InvalidQueueNameError: nothing was changed
   */
  async setQueue(queue: string, changes: QueueLimitChanges): Promise<QueueLimits> {
    return this.#read(queue, (keys) => setQueueLimits(this.#gate.client, keys, changes))
  }

  #read<Value>(queue: string, read: (keys: KeysOfQueue) => Promise<Value>): Promise<Value> {
    const keys = queueKeys(this.#prefix, checkQueueName(queue))
    return this.#gate.run('the look at limits', () => read(keys))
  }
}
