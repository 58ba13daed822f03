// Binds a handler to its contract: what a job file exports and a worker runs. Where it runs is read in isolation.ts.
import type { AnyJobContract, HandlerInputOf, HandlerResultOf } from '../job/index.js'
import { InvalidOptionError, isJobContract } from '../job/index.js'
import type { JobContext } from './context.js'
import { checkHandleOptions, type HandleOptions, type Isolation } from './isolation.js'
import { checkRetryDelay, type RetryDelay } from './retry-delay.js'

const HANDLER_BRAND = Symbol.for('drover.handler')

/** The function that does one job: takes the parsed input and the attempt's context, returns the result. */
export type HandlerFunction<Contract extends AnyJobContract> = (
  input: HandlerInputOf<Contract>,
  ctx: JobContext,
) => HandlerResultOf<Contract> | Promise<HandlerResultOf<Contract>>

/** A contract with its handler. */
export interface Handler<Contract extends AnyJobContract = AnyJobContract> {
  readonly contract: Contract
  readonly run: (input: unknown, ctx: JobContext) => unknown
  /** Where it runs, when that is not the worker's own thread. */
  readonly isolation?: Isolation | undefined
  readonly retryDelay?: RetryDelay | undefined
}

/**
 * Binds a handler to a contract. The options say where it runs, and hold what is code: a contract is data, which producers import.
 * @throws InvalidOptionError, UnknownOptionError when a part is not what it should be
 */
export function handle<Contract extends AnyJobContract>(
  contract: Contract,
  run: HandlerFunction<Contract>,
  options: HandleOptions = {},
): Handler<Contract> {
  if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
  if (typeof run !== 'function') throw new InvalidOptionError('handler', 'a function', run)
  const isolation = checkHandleOptions(options)
  const retryDelay = checkRetryDelay(contract, options.retryDelay)
  return brand({ contract, run: run as Handler['run'], isolation, ...(retryDelay && { retryDelay }) })
}

/**
 * The handler, with the file that it is exported by: an isolated one is loaded from there in its thread or process. For
 * those who import job files. A handler that runs in the worker, or names its file itself, comes back as it is.
 */
export function locateHandler(handler: Handler, file: string): Handler {
  const { isolation } = handler
  if (isolation === undefined || isolation.file !== undefined) return handler
  return brand({ ...handler, isolation: { ...isolation, file } })
}

/** True for what `handle` returned, also from another copy of this package. */
export function isHandler(value: unknown): value is Handler {
  return typeof value === 'object' && value !== null && (value as { [HANDLER_BRAND]?: unknown })[HANDLER_BRAND] === true
}

function brand<Contract extends AnyJobContract>(handler: Handler<Contract>): Handler<Contract> {
  Object.defineProperty(handler, HANDLER_BRAND, { value: true })
  return Object.freeze(handler)
}
