// Owns how the options of defineJob are read one by one: each reader gives the value or a fallback, and adds what is wrong
// to a list, so that all problems are told at once.
import { cutText, describeValue } from './describe-value.js'
import { parseDuration } from './duration.js'
import { InvalidOptionError } from './errors.js'
import { suggest } from './suggest.js'

const MAX_NAME_LENGTH = 64

export function readInteger(option: string, value: unknown, fallback: number, max: number, problems: string[]): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
  problems.push(`${option}: expected a whole number from 1 to ${max}, got ${describeValue(value)}`)
  return fallback
}

export function readDuration(
  option: string,
  value: unknown,
  fallbackMs: number,
  range: { readonly minMs: number; readonly maxMs: number },
  problems: string[],
): number {
  if (value === undefined) return fallbackMs
  try {
    return parseDuration(value, { option, ...range })
  } catch (error) {
    if (!(error instanceof InvalidOptionError)) throw error
    problems.push(`${option}: expected ${error.expected}, got ${error.got}`)
    return fallbackMs
  }
}

export function listUnknown(
  options: Record<string, unknown>,
  known: readonly string[],
  where: string,
  problems: string[],
): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = suggest(name, known)
    const advice = nearest === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${where}${nearest}?`
    problems.push(`unknown option ${where}${cutText(name, MAX_NAME_LENGTH)}: ${advice}`)
  }
}

export function asRecord(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return value as Record<string, unknown>
}
