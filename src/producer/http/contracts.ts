// The contracts that jobs are enqueued by over HTTP, found by job name; and what a body asks to enqueue.
import {
  type AnyJobContract,
  InvalidOptionError,
  isJobContract,
  type JsonValue,
  suggest,
  UnknownJobError,
} from '../../job/index.js'
import { type Access, allowsJob } from '../../ledger/index.js'
import type { EnqueueOptions } from '../enqueue-options.js'
import { readFields } from './read-fields.js'

export interface EnqueueRequest {
  readonly contract: AnyJobContract
  readonly input: JsonValue
  readonly options: EnqueueOptions | undefined
}

const FIELDS = ['job', 'queue', 'input', 'options'] as const

export class Contracts {
  readonly all: readonly AnyJobContract[]
  readonly #byName = new Map<string, AnyJobContract[]>()

  /** @throws InvalidOptionError for what is no contract, and for two contracts of one job name in one queue */
  constructor(contracts: readonly AnyJobContract[]) {
    if (!Array.isArray(contracts)) throw new InvalidOptionError('contracts', 'an array of contracts', contracts)
    for (const contract of new Set(contracts)) {
      if (!isJobContract(contract)) throw new InvalidOptionError('contracts', 'what defineJob returned', contract)
      const { name, queue } = contract
      const known = this.#byName.get(name) ?? []
      if (known.some((other) => other.queue === queue)) {
        throw new InvalidOptionError('contracts', 'one contract for each job of a queue', `two for ${queue} ${name}`)
      }
      this.#byName.set(name, [...known, contract])
    }
    this.all = [...this.#byName.values()].flat()
  }

  /** The largest input that any of them takes. */
  get maxInputBytes(): number {
    return Math.max(0, ...this.all.map((contract) => contract.maxInputBytes))
  }

  /**
   * What a body `{ job, queue?, input, options? }` asks for. A job that the token is not for is as unknown as one that
   * does not exist.
   * @throws InvalidOptionError, UnknownOptionError, UnknownJobError
   */
  readRequest(body: JsonValue, access: Access): EnqueueRequest {
    const { job, queue, input, options } = readFields(body, FIELDS)
    if (typeof job !== 'string') throw new InvalidOptionError('job', 'the name of a job', job)
    if (queue !== undefined && typeof queue !== 'string') throw new InvalidOptionError('queue', 'a queue name', queue)
    if (input === undefined) throw new InvalidOptionError('input', "the job's input, any JSON", input)
    return { contract: this.#find(job, queue, access), input, options: options as EnqueueOptions | undefined }
  }

  /** The contract of this job name. @throws InvalidOptionError, UnknownJobError */
  find(job: unknown, queue: unknown, access: Access): AnyJobContract {
    if (typeof job !== 'string') throw new InvalidOptionError('job', 'the name of a job', job)
    if (queue !== undefined && typeof queue !== 'string') throw new InvalidOptionError('queue', 'a queue name', queue)
    return this.#find(job, queue, access)
  }

  #find(job: string, queue: string | undefined, access: Access): AnyJobContract {
    const allowed = this.all.filter((contract) => allowsJob(access, contract.name, contract.queue))
    const named = allowed.filter(({ name }) => name === job)
    const [first, second] = queue === undefined ? named : named.filter((contract) => contract.queue === queue)
    if (first === undefined) {
      const names = allowed.map(({ name }) => name)
      throw named.length > 0 ? unknownQueue(named, queue) : new UnknownJobError(job, suggest(job, names))
    }
    if (second !== undefined) throw unknownQueue(named, queue)
    return first
  }
}

function unknownQueue(named: readonly AnyJobContract[], queue: string | undefined): InvalidOptionError {
  const queues = named.map((contract) => contract.queue).join(', ')
  return new InvalidOptionError('queue', `one of the queues that the job is defined for (${queues})`, queue)
}
