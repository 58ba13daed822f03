// Owns the checks that options of many functions share: unknown names, whole numbers, points in time.
import { InvalidOptionError, UnknownOptionError } from './errors.js'
import { suggest } from './suggest.js'

const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/

/** @throws UnknownOptionError for the first option that is not in `known`, InvalidOptionError when it is no object */
export function refuseUnknown(options: unknown, known: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidOptionError('options', `an object of options for ${where}`, options)
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new UnknownOptionError(name, suggest(name, known), where)
  }
}

/** @throws InvalidOptionError */
export function checkWhole(option: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new InvalidOptionError(option, `a whole number from ${min} to ${max}`, value)
}

/** Milliseconds since 1970 of a Date, such a number, or ISO 8601 text with its zone; NaN for anything else. */
export function readTimeMs(value: unknown): number {
  if (value instanceof Date) return value.getTime()
  if (typeof value === 'number') return value
  return isIsoTime(value) ? Date.parse(value) : Number.NaN
}

/** True for ISO 8601 text with a time and its zone. */
export function isIsoTime(value: unknown): value is string {
  return typeof value === 'string' && ISO_TIME.test(value)
}
