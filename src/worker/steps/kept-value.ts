// What may be kept between attempts, and how it is written: names, JSON that reads back as what it was, and its size.
import {
  decodeJson,
  encodeJsonNoting,
  InvalidOptionError,
  NotJsonError,
  StepRejectedError,
  TooLargeError,
} from '../../job/index.js'

/** Most bytes of JSON of one step or checkpoint. */
export const MAX_KEPT_BYTES = 262_144
const MAX_NAME_LENGTH = 128
/** Control characters and lone surrogates. */
const ODD = /[\p{Cc}\p{Cs}]/u

/** @throws InvalidOptionError */
export function checkKeptName(option: string, name: unknown): string {
  const isName = typeof name === 'string' && name !== '' && name.length <= MAX_NAME_LENGTH && !ODD.test(name)
  if (isName) return name
  throw new InvalidOptionError(
    option,
    `a text of 1 to ${MAX_NAME_LENGTH} characters, none of them a control character`,
    name,
  )
}

/**
 * The value as it is kept: JSON, and nothing at all for undefined. So a later run has what this one has.
 * @throws StepRejectedError; `what` names the step in it
 */
export function encodeKept(what: string, value: unknown): string {
  if (value === undefined) return ''
  try {
    const { text, converted } = encodeJsonNoting(value, { maxBytes: MAX_KEPT_BYTES, what: 'result' })
    if (!converted) return text
  } catch (error) {
    if (error instanceof TooLargeError) {
      const advice = 'store it elsewhere and keep a reference'
      throw new StepRejectedError(what, `it takes more than ${MAX_KEPT_BYTES} bytes as JSON: ${advice}`, {
        cause: error,
      })
    }
    if (!(error instanceof NotJsonError)) throw error
    throw new StepRejectedError(what, `it is not JSON: ${error.path} is ${error.what}`, { cause: error })
  }
  throw new StepRejectedError(what, 'as JSON it reads back as another value, as a Date does: give plain data')
}

export function decodeKept(text: string): unknown {
  return text === '' ? undefined : decodeJson(text)
}
