// Binds a handler that takes many jobs in one call to their contract. How they are gathered is gathering.ts; to the worker
// the outcome is a handler like all others.
import {
  type AnyJobContract,
  checkWhole,
  type Duration,
  formatDuration,
  type HandlerInputOf,
  type HandlerResultOf,
  InvalidOptionError,
  isJobContract,
  parseDuration,
  refuseUnknown,
} from '../../job/index.js'
import { MAX_CONCURRENCY } from '../../ledger/index.js'
import { Attempt } from '../attempt.js'
import type { JobContext } from '../context.js'
import { type Handler, handle } from '../handle.js'
import type { RetryDelay } from '../retry-delay.js'
import { type CallContext, Gathering, type RunCall } from './gathering.js'

export interface BatchOptions {
  /**
   * Most jobs of one call, 1 to 10,000. A job takes a place of its queue's concurrency while it is gathered and while it
   * runs: with less concurrency than `size` no call is ever full, with twice as much the next is gathered while one runs.
   */
  readonly size: number
  /** How long the first job of a call waits for others, 0 to 60 s, less than the contract's timeout. Default `50ms`. */
  readonly wait?: Duration
  /**
   * How jobs run whose earlier attempt failed. `alone`, the default: each in a call of its own, so that a job loses no more
   * than one attempt to its neighbours. `together`: with all others.
   */
  readonly retries?: 'alone' | 'together'
  /** As for `handle`: needed with `backoff: { type: 'custom' }` of the contract, and only there. */
  readonly retryDelay?: RetryDelay
}

/** One job of a call: its input, and its own context, whose signal, effects and counters are of this job alone. */
export interface BatchItem<Contract extends AnyJobContract> {
  readonly input: HandlerInputOf<Contract>
  readonly ctx: JobContext
}

/** What the call has beside its jobs: a signal that aborts once all of them are over. */
export type BatchContext = CallContext

/**
 * An answer for each job, in the order of the jobs: its result, or the error that its attempt fails with. One that is a
 * promise answers for its job when it settles.
 */
export type BatchFunction<Contract extends AnyJobContract> = (
  items: readonly BatchItem<Contract>[],
  call: BatchContext,
) => BatchAnswers<Contract> | Promise<BatchAnswers<Contract>>

export type BatchAnswers<Contract extends AnyJobContract> = readonly (
  | HandlerResultOf<Contract>
  | Error
  | Promise<HandlerResultOf<Contract> | Error>
)[]

const OPTION_NAMES = ['size', 'wait', 'retries', 'retryDelay']
const MAX_WAIT_MS = 60_000

/**
 * Binds a handler to a contract that takes up to `size` jobs in one call. What it throws fails the attempt of each of them.
 * @throws InvalidOptionError, UnknownOptionError
 */
export function handleBatch<Contract extends AnyJobContract>(
  contract: Contract,
  options: BatchOptions,
  run: BatchFunction<Contract>,
): Handler<Contract> {
  if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
  refuseUnknown(options, OPTION_NAMES, 'handleBatch')
  const { size, wait = '50ms', retries = 'alone', retryDelay } = options
  checkWhole('size', size, 1, MAX_CONCURRENCY)
  const waitMs = parseDuration(wait, { option: 'wait', maxMs: MAX_WAIT_MS })
  if (waitMs >= contract.timeoutMs) {
    throw new InvalidOptionError('wait', `less than the job's timeout of ${formatDuration(contract.timeoutMs)}`, wait)
  }
  if (retries !== 'alone' && retries !== 'together') {
    throw new InvalidOptionError('retries', "'alone' or 'together'", retries)
  }
  if (typeof run !== 'function') throw new InvalidOptionError('handler', 'a function', run)
  const rules = { size, waitMs, retriesAlone: retries === 'alone' }
  const gatherings = new WeakMap<object, Gathering>()
  const add = (input: unknown, ctx: JobContext): Promise<unknown> => {
    // Each worker of the process gathers its own jobs.
    const room = ctx instanceof Attempt ? ctx.room : undefined
    let gathering = gatherings.get(room ?? contract)
    if (gathering === undefined) {
      gathering = new Gathering(rules, run as RunCall, (items, call) => {
        const about = { queue: contract.queue, job: contract.name, items }
        room?.leftBehind?.watch(about, call)
      })
      gatherings.set(room ?? contract, gathering)
    }
    return gathering.add(input, ctx)
  }
  return handle(contract, add as Parameters<typeof handle<Contract>>[1], retryDelay === undefined ? {} : { retryDelay })
}
