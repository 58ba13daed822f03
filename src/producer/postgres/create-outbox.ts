// createOutbox: enqueues a job as a row in the app's own transaction. A row is checked as a producer checks a job, so that
// what is wrong with it ends the transaction, and its job has its id from then on.
import {
  type AnyJobContract,
  checkMiddleware,
  encodeInput,
  type InputOf,
  InvalidOptionError,
  isJobContract,
  newJobId,
  type ResultOf,
} from '../../job/index.js'
import { textThrough, withLimit } from '../../ledger/index.js'
import { queueKeys } from '../../redis/index.js'
import { newJob } from '../bull-queues.js'
import type { EnqueueMiddleware } from '../enqueue-middleware.js'
import { type EnqueueOptions, planOptions } from '../enqueue-options.js'
import type { JobHandle } from '../job-handle.js'
import { newRuledJob, planRules } from '../job-rules.js'
import { rowValues } from './outbox-row.js'
import { type OutboxOptions, readTable } from './outbox-table.js'
import type { SqlClient } from './sql-client.js'

/**
 * As of `producer.enqueue`, without `key`, `batch` and `cache`: the transaction says whether there is a job. `delay`, `at` and
 * `startBy` count from `add`; `unique`, `debounce`, `throttle` and `maxDepth` are decided when the relay moves the row.
 */
export type OutboxJobOptions<Input = unknown> = Omit<
  EnqueueOptions<Input>,
  'key' | 'keyTtl' | 'batch' | 'onFull' | 'cache'
>

export interface CreateOutboxOptions extends OutboxOptions {
  /** Functions around each `add`, as for `createProducer`: `next()` answers when the row is ready. Default: none. */
  readonly middleware?: readonly EnqueueMiddleware[] | undefined
}

export interface Outbox {
  /**
   * Checks the input against the contract and inserts the job with `client.query(text, values)`: it is enqueued once that
   * transaction has been committed and a relay has moved the row, and never when it was rolled back.
   * @throws as `producer.enqueue` for input and options: nothing was inserted then; and what `client.query` throws
   */
  add<Contract extends AnyJobContract>(
    client: SqlClient,
    contract: Contract,
    input: InputOf<Contract>,
    options?: OutboxJobOptions<InputOf<Contract>>,
  ): Promise<JobHandle<ResultOf<Contract>>>
}

const NOT_HERE = ['key', 'keyTtl', 'batch', 'onFull', 'cache'] as const

/** Holds no connection, and needs no close. @throws InvalidOptionError, UnknownOptionError */
export function createOutbox(options: CreateOutboxOptions = {}): Outbox {
  const { middleware: given, ...ofTable } = options
  const middleware = checkMiddleware(given)
  const { insert } = readTable(ofTable, 'createOutbox')
  return {
    async add(client, contract, input, jobOptions) {
      if (typeof client?.query !== 'function') {
        throw new InvalidOptionError('client', 'a Postgres client with query(text, values), in a transaction', client)
      }
      if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
      const { name, queue } = contract
      const { id, job } = await prepare(contract, input, jobOptions, middleware)
      await client.query(insert, rowValues(queue, job))
      return { id, name, queue }
    },
  }
}

async function prepare(
  contract: AnyJobContract,
  input: unknown,
  given: OutboxJobOptions<never> | undefined,
  middleware: readonly EnqueueMiddleware[] | undefined,
) {
  const options = given as EnqueueOptions<never> | undefined
  const refused = NOT_HERE.find((name) => options?.[name] !== undefined)
  if (refused !== undefined) {
    throw new InvalidOptionError(refused, 'none in an outbox, whose transaction decides', options?.[refused])
  }
  const timestamp = Date.now()
  const stored = withLimit(contract, planOptions(contract, options, timestamp), input)
  const rules = planRules(contract, { ...options, cache: false }, stored)
  const id = options?.id ?? newJobId()
  const text = await encodeInput(contract, input)
  const storedText = await textThrough(middleware, { contract, id, input, options, inputText: text })
  if (rules === undefined) return { id, job: newJob(contract.name, id, storedText, stored, timestamp) }
  // The keys are those of idempotency keys, which there are none of here: the prefix is the relay's.
  const keys = queueKeys('drover', contract.queue)
  return { id, job: newRuledJob({ contract, keys, jobId: id, input, text, storedText, stored, timestamp }, rules) }
}
