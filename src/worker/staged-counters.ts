// What an attempt adds to user counters: checked and summed by name as it is given, and only collected, until the commit
// adds it. A count that could not be taken is not lost in a handler's catch: the attempt fails with it.
import { EffectLimitError, EffectRejectedError, InvalidOptionError } from '../job/index.js'
import { checkCounterName, type KeysOfQueue } from '../redis/index.js'
import type { StagedCounter } from './context.js'

const MAX_COUNTERS = 1_000

export class StagedCounters {
  readonly #keys: KeysOfQueue
  #sums: Map<string, number> | undefined
  #closed = false
  #rejection: Error | undefined

  constructor(keys: KeysOfQueue) {
    this.#keys = keys
  }

  open(name: string): StagedCounter {
    this.#orFail(() => checkCounterName(name))
    return { add: (delta = 1) => this.#orFail(() => this.#add(name, delta)) }
  }

  /** The sums, for the commit; undefined when nothing was added. @throws the first count that was refused */
  close(): ReadonlyMap<string, number> | undefined {
    this.#closed = true
    if (this.#rejection) throw this.#rejection
    return this.#sums
  }

  seal(): void {
    this.#closed = true
  }

  #add(name: string, delta: number): void {
    if (this.#closed) {
      const reason = 'the attempt has ended; count before the handler returns'
      throw new EffectRejectedError('INCRBY', this.#keys.counter(name), reason)
    }
    if (!Number.isSafeInteger(delta)) throw new InvalidOptionError(`counter ${name}`, 'a whole number', delta)
    this.#sums ??= new Map()
    const sum = (this.#sums.get(name) ?? 0) + delta
    if (!Number.isSafeInteger(sum)) throw new InvalidOptionError(`counter ${name}`, 'a sum within 2^53', sum)
    this.#sums.set(name, sum)
    if (this.#sums.size > MAX_COUNTERS) throw new EffectLimitError('counters', this.#sums.size, MAX_COUNTERS)
  }

  #orFail(stage: () => unknown): void {
    try {
      stage()
    } catch (error) {
      this.#rejection ??= error as Error
      throw error
    }
  }
}
