// Owns durations: reading '500ms', '2s', '5m', '24h', '7d' or a number of milliseconds, and writing them for people.

import { InvalidOptionError } from './errors.js'

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
type Unit = keyof typeof UNIT_MS

const DURATION_PATTERN = /^(\d{1,15})(?:\.(\d{1,6}))?(ms|s|m|h|d)$/
const DEFAULT_MAX_MS = 365 * UNIT_MS.d

/** A length of time: a number of milliseconds, or a number with its unit: `'500ms' | '2s' | '5m' | '24h' | '7d'`. */
export type Duration = number | `${number}${Unit}`

export interface DurationRange {
  /** The option that the value was given for; named in the error. */
  readonly option: string
  /** Default 0. */
  readonly minMs?: number
  /** Default 365 days. */
  readonly maxMs?: number
}

/** The duration in whole milliseconds. Throws InvalidOptionError for anything else, and outside the range. */
export function parseDuration(value: unknown, range: string | DurationRange): number {
  const { option, minMs = 0, maxMs = DEFAULT_MAX_MS } = typeof range === 'string' ? { option: range } : range
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? readText(value) : Number.NaN
  if (Number.isInteger(ms) && ms >= minMs && ms <= maxMs) return ms + 0
  const limits = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
  throw new InvalidOptionError(option, `a duration ${limits}, such as '500ms', '2s', '5m', '24h' or whole ms`, value)
}

function readText(text: string): number {
  const match = DURATION_PATTERN.exec(text)
  if (match === null) return Number.NaN
  const [, whole = '', fraction = '', unit] = match
  const unitMs = UNIT_MS[unit as Unit]
  if (fraction === '') return Number(whole) * unitMs
  // Not in floating point, where 4137.542 hours are 1.9e-6 ms off, and '0.5ms' must not be rounded.
  const scaled = BigInt(whole + fraction) * BigInt(unitMs)
  const scale = BigInt(10 ** fraction.length)
  return scaled % scale === 0n ? Number(scaled / scale) : Number.NaN
}

/** For people: `500ms`, `1.5s`, `20m 34s`, `2h`, `7d`; below a minute up to two decimals, above it the two largest units. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return String(ms)
  if (ms < 0) return `-${formatDuration(-ms)}`
  if (ms < UNIT_MS.s) return `${trim(ms)}ms`
  if (ms < UNIT_MS.m) return `${trim(Math.min(ms / UNIT_MS.s, 59.99))}s`
  const parts: string[] = []
  let rest = Math.floor(ms / UNIT_MS.s) * UNIT_MS.s
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const count = Math.floor(rest / UNIT_MS[unit])
    rest -= count * UNIT_MS[unit]
    if (count > 0) parts.push(`${count}${unit}`)
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.join(' ')
}

function trim(value: number): string {
  return String(Math.round(value * 100) / 100)
}
