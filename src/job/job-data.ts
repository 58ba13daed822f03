// Owns the way of input and result through their schema and limits: what is stored is the JSON the caller gave, what the
// handler gets is the schema's reading of it, what is kept of its result is the output schema's reading of that.
// Each function answers at once when the schema does, else with a promise, and throws or rejects alike.

import type { AnyJobContract, HandlerInputOf } from './define-job.js'
import { InvalidInputError, InvalidResultError } from './errors.js'
import { upcastInput } from './input-version.js'
import { decodeJson, encodeJson, encodeJsonNoting } from './json.js'
import { type CheckOutcome, checkSchema } from './schema.js'

/**
 * The JSON to store for an input. The schema sees what the worker will see: where a Date or another `toJSON` turned
 * into something else, its JSON. Throws NotJsonError, TooLargeError or InvalidInputError; nothing was sent then.
 */
export function encodeInput(contract: AnyJobContract, input: unknown): string | Promise<string> {
  const { text, converted } = encodeJsonNoting(input, { maxBytes: contract.maxInputBytes, what: 'input' })
  const outcome = checkSchema(contract.input, converted ? decodeJson(text) : input)
  const finish = (checked: CheckOutcome<unknown>): string => {
    acceptInput(contract, checked)
    return text
  }
  return outcome instanceof Promise ? outcome.then(finish) : finish(outcome)
}

/**
 * What the handler gets for a stored input that was already read from JSON; `version` is what it was stored as. Throws
 * InvalidInputError, InputVersionError.
 */
export function parseInput<Contract extends AnyJobContract>(
  contract: Contract,
  stored: unknown,
  version: number = contract.version,
): HandlerInputOf<Contract> | Promise<HandlerInputOf<Contract>> {
  const current = version === contract.version ? stored : upcastInput(contract, stored, version)
  const outcome = checkSchema(contract.input, current)
  const finish = (checked: CheckOutcome<unknown>) => acceptInput(contract, checked) as HandlerInputOf<Contract>
  return outcome instanceof Promise ? outcome.then(finish) : finish(outcome)
}

/** The JSON to store for what a handler returned; `null` for undefined. Throws InvalidResultError, NotJsonError or TooLargeError. */
export function encodeResult(contract: AnyJobContract, returned: unknown): string | Promise<string> {
  const limits = { maxBytes: contract.maxResultBytes, what: 'result' } as const
  if (contract.output === undefined) return encodeJson(returned, limits)
  const outcome = checkSchema(contract.output, returned)
  const finish = (checked: CheckOutcome<unknown>): string => {
    if (checked.ok) return encodeJson(checked.value, limits)
    throw new InvalidResultError(contract.name, checked.issues, checked)
  }
  return outcome instanceof Promise ? outcome.then(finish) : finish(outcome)
}

function acceptInput(contract: AnyJobContract, checked: CheckOutcome<unknown>): unknown {
  if (checked.ok) return checked.value
  throw new InvalidInputError(contract.name, checked.issues, checked)
}
