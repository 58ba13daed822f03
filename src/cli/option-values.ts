// Values of options that several verbs take, read from their text.
import { InvalidOptionError, parseDuration } from '../job/index.js'

export const DEFAULT_WAIT = '60s'
const DAY_MS = 86_400_000

/** The milliseconds of --wait, undefined without it. @throws InvalidOptionError */
export function readWaitMs(value: unknown): number | undefined {
  if (value === undefined) return undefined
  return parseDuration(value === true ? DEFAULT_WAIT : value, { option: '--wait', minMs: 1, maxMs: DAY_MS })
}

/** A whole number from 0, undefined when the option was not given. @throws InvalidOptionError */
export function readWhole(option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && /^\d{1,15}$/.test(value)) return Number(value)
  throw new InvalidOptionError(option, 'a whole number', value)
}
