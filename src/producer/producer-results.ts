// producer.results: results by handle, now or when they come.
import {
  type Duration,
  InvalidOptionError,
  type JsonValue,
  parseDuration,
  refuseUnknown,
  type StoredError,
} from '../job/index.js'
import {
  type CompletedResult,
  deleteResult,
  type FailedResult,
  type JobResult,
  ResultWaiter,
  readResult,
  resultExists,
} from '../ledger/index.js'
import { createSubscriberClient, queueKeys, type RedisSettings } from '../redis/index.js'
import { checkReference, type JobReference } from './job-handle.js'
import type { RedisGate } from './redis-gate.js'

/** How an awaited job ended. `record` is the whole result record, with its times. */
export type JobOutcome<Result = JsonValue> =
  | { readonly ok: true; readonly value: Result; readonly record: CompletedResult<Result> }
  | { readonly ok: false; readonly error: StoredError; readonly record: FailedResult }

export interface WaitForResultOptions {
  /** Longest time to wait, 1 ms to 24 h. Default `60s`. */
  readonly timeout?: Duration | undefined
  /** Ends the wait with the signal's reason; the job goes on. */
  readonly signal?: AbortSignal | undefined
}

const DEFAULT_WAIT_MS = 60_000
const MAX_WAIT_MS = 86_400_000

export interface ProducerResultsOptions {
  readonly gate: RedisGate
  readonly prefix: string
  readonly settings: RedisSettings
}

/** Results of jobs, by handle or `{ queue, id }`. Reads are repeated while Redis is away, up to the producer's timeout. */
export class ProducerResults {
  readonly #gate: RedisGate
  readonly #prefix: string
  readonly #waiter: ResultWaiter

  constructor({ gate, prefix, settings }: ProducerResultsOptions) {
    this.#gate = gate
    this.#prefix = prefix
    this.#waiter = new ResultWaiter({
      prefix,
      reader: gate.client,
      openSubscriber: (onError) => createSubscriberClient(settings, { onError }),
    })
  }

  /** The result record, or null: not finished, unknown, removed or past its `keepResult`. */
  async get<Result = JsonValue>(job: JobReference<Result>): Promise<JobResult<Result> | null> {
    checkReference(job)
    const read = () => readResult(this.#gate.client, queueKeys(this.#prefix, job.queue), job.id)
    return (await this.#gate.run('the read of a result', read)) as JobResult<Result> | null
  }

  async exists(job: JobReference<unknown>): Promise<boolean> {
    checkReference(job)
    const read = () => resultExists(this.#gate.client, queueKeys(this.#prefix, job.queue), job.id)
    return this.#gate.run('the look for a result', read)
  }

  /** Deletes the result and tells whether there was one. The job itself and what it counted stay. */
  async delete(job: JobReference<unknown>): Promise<boolean> {
    checkReference(job)
    const remove = () => deleteResult(this.#gate.client, queueKeys(this.#prefix, job.queue), job.id)
    return this.#gate.run('the removal of a result', remove)
  }

  /**
   * Waits for the job to finish, and answers at once when it has. Goes on over a lost connection.
   * @throws ResultNotFoundError when no result is there and none can come; ResultWaitTimeoutError when the job does not
   *   finish in time, RedisUnavailableError when Redis is away at that moment; RedisAuthError; ClosedError
   */
  async wait<Result = JsonValue>(
    job: JobReference<Result>,
    options: WaitForResultOptions = {},
  ): Promise<JobOutcome<Result>> {
    checkReference(job)
    refuseUnknown(options, ['timeout', 'signal'], 'results.wait')
    const { timeout = DEFAULT_WAIT_MS, signal } = options
    const timeoutMs = parseDuration(timeout, { option: 'timeout', minMs: 1, maxMs: MAX_WAIT_MS })
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new InvalidOptionError('signal', 'an AbortSignal', signal)
    }
    const record = (await this.#waiter.wait(job, { timeoutMs, signal })) as JobResult<Result>
    if (record.status === 'failed') return { ok: false, error: record.error, record }
    return { ok: true, value: record.value, record }
  }

  /** Ends every wait with ClosedError. */
  close(): void {
    this.#waiter.close()
  }
}
