// producer.counters: user counters by queue and name, from outside of a job.
import { type Duration, InvalidOptionError, parseDuration, readTimeMs, refuseUnknown } from '../job/index.js'
import {
  type CounterPoint,
  type CounterValue,
  counterExists,
  deleteCounter,
  incrCounter,
  listCounters,
  readCounter,
  readCounterSeries,
} from '../ledger/index.js'
import { checkCounterName, checkQueueName, type KeysOfQueue, queueKeys } from '../redis/index.js'
import type { RedisGate } from './redis-gate.js'

export interface ReadCounterOptions {
  /** Start of the series: a Date, milliseconds since 1970, ISO 8601 with its zone, or how long ago (`'2h'`). Default `'1h'`. */
  readonly since?: Date | number | string | undefined
  /** Step of the series. Minutes reach back 48 hours, hours 90 days. Default `minute`. */
  readonly by?: 'minute' | 'hour' | undefined
}

const AGO = /^[\d.]+(ms|s|m|h|d)$/

/** Counters of a queue. Reads are repeated while Redis is away, up to the producer's timeout; `incr` is sent once. */
export class ProducerCounters {
  readonly #gate: RedisGate
  readonly #prefix: string

  constructor(gate: RedisGate, prefix: string) {
    this.#gate = gate
    this.#prefix = prefix
  }

  /** The counter's value, 0 when it does not exist; beyond 2^53 the nearest number. @throws CounterNotIntegerError */
  async get(queue: string, name: string): Promise<number> {
    const keys = this.#keys(queue, name)
    return this.#gate.run('the read of a counter', () => readCounter(this.#gate.client, keys, name))
  }

  /**
   * Adds a whole number, which may be negative, and gives the new value; the counter is created at 0 first if need be.
   * After RedisUnavailableError the sum may or may not have been made: unlike an enqueue, repeating it can count twice.
   * @throws CounterNotIntegerError, CounterOverflowError; the counter is then unchanged
   */
  async incr(queue: string, name: string, by = 1): Promise<number> {
    const keys = this.#keys(queue, name)
    return this.#gate.runOnce('the change of a counter', () => incrCounter(this.#gate.client, keys, name, by))
  }

  async exists(queue: string, name: string): Promise<boolean> {
    const keys = this.#keys(queue, name)
    return this.#gate.run('the look for a counter', () => counterExists(this.#gate.client, keys, name))
  }

  /** Deletes the counter and tells whether it existed; it reads as 0 from then on. Its history stays. */
  async delete(queue: string, name: string): Promise<boolean> {
    const keys = this.#keys(queue, name)
    return this.#gate.run('the removal of a counter', () => deleteCounter(this.#gate.client, keys, name))
  }

  /** The queue's counters, names sorted: those that jobs or producers changed and that exist. */
  async list(queue: string): Promise<CounterValue[]> {
    checkQueueName(queue)
    const keys = queueKeys(this.#prefix, queue)
    return this.#gate.run('the list of counters', () => listCounters(this.#gate.client, keys))
  }

  /**
   * What jobs and producers added per minute or hour, oldest first, quiet ones as 0; the last step is still running.
   * @throws InvalidOptionError when the series would start in the future, or earlier than its history is kept
   */
  async read(queue: string, name: string, options: ReadCounterOptions = {}): Promise<CounterPoint[]> {
    const keys = this.#keys(queue, name)
    refuseUnknown(options, ['since', 'by'], 'counters.read')
    const { since = '1h', by = 'minute' } = options
    if (by !== 'minute' && by !== 'hour') throw new InvalidOptionError('by', "'minute' or 'hour'", by)
    const sinceMs = readSinceMs(since)
    const read = () => readCounterSeries(this.#gate.client, keys, name, { sinceMs, by })
    return this.#gate.run('the read of a series', read)
  }

  #keys(queue: string, name: string): KeysOfQueue {
    checkQueueName(queue)
    checkCounterName(name)
    return queueKeys(this.#prefix, queue)
  }
}

function readSinceMs(since: Date | number | string): number {
  if (typeof since === 'string' && AGO.test(since)) return Date.now() - parseDuration(since as Duration, 'since')
  const sinceMs = readTimeMs(since)
  if (Number.isFinite(sinceMs)) return sinceMs
  const expected = "a Date, milliseconds since 1970, ISO 8601 with its zone, or how long ago ('2h')"
  throw new InvalidOptionError('since', expected, since)
}
