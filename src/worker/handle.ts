// Binds a handler to its contract: what a job file exports and a worker runs.
import type { AnyJobContract, HandlerInputOf, HandlerResultOf } from '../job/index.js'
import { InvalidOptionError, isJobContract } from '../job/index.js'
import type { JobContext } from './context.js'

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
}

/** Binds a handler to a contract. @throws InvalidOptionError when one of the two is not what it should be. */
export function handle<Contract extends AnyJobContract>(
  contract: Contract,
  run: HandlerFunction<Contract>,
): Handler<Contract> {
  if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
  if (typeof run !== 'function') throw new InvalidOptionError('handler', 'a function', run)
  const handler = { contract, run: run as Handler['run'] }
  Object.defineProperty(handler, HANDLER_BRAND, { value: true })
  return Object.freeze(handler)
}

/** True for what `handle` returned, also from another copy of this package. */
export function isHandler(value: unknown): value is Handler {
  return typeof value === 'object' && value !== null && (value as { [HANDLER_BRAND]?: unknown })[HANDLER_BRAND] === true
}
