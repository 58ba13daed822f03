// producer.cache: what the result caches of jobs did, and taking results out of them. What is looked up and kept is
// decided by add-job.lua and commit.lua.
import {
  type AnyJobContract,
  encodeInput,
  type InputOf,
  InvalidOptionError,
  isJobContract,
  isJobName,
  JOB_NAME_RULE,
  refuseUnknown,
} from '../job/index.js'
import { readCounter } from '../ledger/index.js'
import { checkQueueName, type KeysOfQueue, queueKeys } from '../redis/index.js'
import { cacheHash } from './cache-plan.js'
import type { RedisGate } from './redis-gate.js'

/** A job by its name; a contract is one. */
export interface CachedJob {
  readonly queue: string
  readonly name: string
}

export interface CacheStats {
  /** Enqueues that got the stored result. */
  readonly hits: number
  /** Enqueues that shared the run of a job that had not ended. */
  readonly shared: number
  /** Enqueues that made a job. */
  readonly misses: number
}

/** Which result: that of this input, or where `cache.key` is a function, that of the text which it gives. */
export type CachedInput<Contract extends AnyJobContract> =
  | { readonly input: InputOf<Contract> }
  | { readonly key: string }

/** The result caches of contracts with `cache`. Calls are repeated while Redis is away, up to the producer's timeout. */
export class ProducerCache {
  readonly #gate: RedisGate
  readonly #prefix: string

  constructor(gate: RedisGate, prefix: string) {
    this.#gate = gate
    this.#prefix = prefix
  }

  /**
   * Lets the next equal input run anew; a job that has not ended goes on, and its result serves nobody after it. Tells
   * whether there was something: after a lost reply it may say no.
   * @throws InvalidOptionError, UnknownOptionError, InvalidInputError, NotJsonError, TooLargeError
   */
  async invalidate<Contract extends AnyJobContract>(
    contract: Contract,
    which: CachedInput<Contract>,
  ): Promise<boolean> {
    if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
    const record = queueKeys(this.#prefix, contract.queue).cache(`${contract.name}:${await hashOfOne(contract, which)}`)
    return this.#gate.run('the change of a cache', async () => (await this.#gate.client.del(record)) === 1)
  }

  /** As `invalidate`, for all inputs and versions of the job, at once however many there are. */
  async clear(job: CachedJob): Promise<void> {
    const keys = this.#keys(job)
    await this.#gate.run('the change of a cache', () => this.#gate.client.hincrby(keys.caches, job.name, 1))
  }

  /** The job's counters `cache:<job>:hits` and its fellows, which `producer.counters` reads over time. */
  async stats(job: CachedJob): Promise<CacheStats> {
    const keys = this.#keys(job)
    const read = (what: string) =>
      this.#gate.run('the read of a counter', () => readCounter(this.#gate.client, keys, `cache:${job.name}:${what}`))
    const [hits, shared, misses] = await Promise.all([read('hits'), read('shared'), read('misses')])
    return { hits, shared, misses }
  }

  #keys({ queue, name }: CachedJob): KeysOfQueue {
    checkQueueName(queue)
    if (!isJobName(name)) throw new InvalidOptionError('job', JOB_NAME_RULE, name)
    return queueKeys(this.#prefix, queue)
  }
}

async function hashOfOne(contract: AnyJobContract, which: unknown): Promise<string> {
  const { cache, version } = contract
  if (cache === undefined) throw new InvalidOptionError('contract', 'one with cache', contract.name)
  if (typeof which !== 'object' || which === null) throw new InvalidOptionError('which', '{ input } or { key }', which)
  refuseUnknown(which, ['input', 'key'], 'cache.invalidate')
  const { input, key } = which as { readonly input?: unknown; readonly key?: unknown }
  if ((input === undefined) === (key === undefined)) throw new InvalidOptionError('which', 'either input or key', which)
  if (key === undefined) return cacheHash(version, cache, { input, text: await encodeInput(contract, input) })
  if (typeof cache.key !== 'function') {
    throw new InvalidOptionError('key', 'the input instead, as cache.key of this contract is no function', key)
  }
  // As the contract's own function would give it, so that it is held to the same rule.
  return cacheHash(version, { ...cache, key: () => key as string }, { input: undefined, text: 'null' })
}
