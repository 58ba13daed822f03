// The jobs a handler enqueues: checked as they are given and only collected. They enter their queues with the commit.
import {
  type AnyJobContract,
  EffectLimitError,
  EffectRejectedError,
  encodeInput,
  type InputOf,
  InvalidOptionError,
  isJobContract,
  newJobId,
  refuseUnknown,
} from '../job/index.js'
import {
  type CompletedOutcome,
  newStoredJob,
  planQueueing,
  type QueueingOptions,
  type StagedJob,
  type StoringMiddleware,
  textThrough,
  withLimit,
} from '../ledger/index.js'
import { checkJobId } from '../redis/index.js'

/** Most jobs of one attempt, and the most characters of all their inputs: each takes Redis about 60 us in the commit. */
export const MAX_STAGED_JOBS = 100
export const MAX_STAGED_CHARACTERS = 1_048_576

const OPTIONS = ['id', 'delay', 'at', 'priority', 'attempts', 'lifo', 'startBy', 'keepResult']

export interface FollowUpOptions extends QueueingOptions {
  /** The job's id, as for a producer. Default: a random one. A job that is there with this id stays as it is. */
  readonly id?: string | undefined
}

/** A job that will be in its queue once the attempt has been committed. */
export interface FollowUp {
  readonly id: string
  readonly name: string
  readonly queue: string
}

export interface StagingRoom {
  readonly queue: string
  readonly enqueueMiddleware?: readonly StoringMiddleware[] | undefined
}

export class StagedJobs {
  readonly #room: StagingRoom
  readonly #jobs: StagedJob[] = []
  #characters = 0
  #pending = 0
  #closed = false
  #rejection: Error | undefined

  constructor(room: StagingRoom) {
    this.#room = room
  }

  /** Resolves when the job is staged; what is refused fails the attempt too, also when the handler swallows it. */
  async stage<Contract extends AnyJobContract>(
    contract: Contract,
    input: InputOf<Contract>,
    options: FollowUpOptions = {},
  ): Promise<FollowUp> {
    this.#pending++
    try {
      const timestamp = Date.now()
      if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
      const { name, queue } = contract
      this.#checkOpen(queue)
      refuseUnknown(options, OPTIONS, 'ctx.enqueue')
      if (options.id !== undefined) checkJobId(options.id)
      const jobId = options.id ?? newJobId()
      const stored = withLimit(contract, planQueueing(contract, options, timestamp), input)
      const encoded = encodeInput(contract, input)
      const inputText = typeof encoded === 'string' ? encoded : await encoded
      const { enqueueMiddleware } = this.#room
      const text =
        enqueueMiddleware === undefined
          ? inputText
          : await textThrough(enqueueMiddleware, { contract, id: jobId, input, options, inputText })
      this.#checkOpen(queue)
      this.#add({ queue, jobId, job: newStoredJob(name, jobId, text, stored, timestamp) }, text.length)
      return { id: jobId, name, queue }
    } catch (error) {
      this.#rejection ??= error as Error
      throw error
    } finally {
      this.#pending--
    }
  }

  /** What was staged, for the commit. @throws the first refusal, or when a job is still being checked */
  close(): readonly StagedJob[] {
    if (this.#pending > 0) {
      this.#rejection ??= new EffectRejectedError('ENQUEUE', this.#room.queue, 'ctx.enqueue was not awaited')
    }
    this.#closed = true
    if (this.#rejection) throw this.#rejection
    return this.#jobs
  }

  seal(): void {
    this.#closed = true
  }

  #add(job: StagedJob, characters: number): void {
    this.#characters += characters
    this.#jobs.push(job)
    if (this.#jobs.length > MAX_STAGED_JOBS) {
      throw new EffectLimitError('enqueued jobs', this.#jobs.length, MAX_STAGED_JOBS)
    }
    if (this.#characters > MAX_STAGED_CHARACTERS) {
      throw new EffectLimitError('characters of enqueued inputs', this.#characters, MAX_STAGED_CHARACTERS)
    }
  }

  #checkOpen(queue: string): void {
    if (this.#closed) {
      throw new EffectRejectedError('ENQUEUE', queue, 'the attempt has ended; enqueue before the handler returns')
    }
  }
}

/** Of an isolated handler: the middleware is in the worker, and what did not pass it must not be stored. @throws EffectRejectedError */
export function refuseFollowUps(outcome: CompletedOutcome): CompletedOutcome {
  const [job] = outcome.jobs ?? []
  if (job === undefined) return outcome
  const reason = 'an isolated handler cannot enqueue where the worker has enqueueMiddleware: it would not pass it'
  throw new EffectRejectedError('ENQUEUE', job.queue, reason)
}
