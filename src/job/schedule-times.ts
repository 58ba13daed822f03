// Owns when a schedule ticks: cron with seconds and a time zone, or every so many milliseconds. Times are milliseconds
// since 1970. Cron is read by cron-parser; only forwards, as backwards it loses ticks where clocks are put forward.
import { CronExpressionParser } from 'cron-parser'
import { ticksInGaps } from './clock-gaps.js'
import { InvalidOptionError } from './errors.js'

/** When a schedule ticks. */
export type ScheduleTimes =
  | { readonly kind: 'cron'; readonly cron: string; readonly timezone: string }
  | { readonly kind: 'every'; readonly everyMs: number }

const CRON_FIELDS = /^\S+(?: \S+){4,5}$/
const CRON_MACRO = /^@(?:yearly|monthly|weekly|daily|hourly|minutely)$/
const FIRST_WINDOW_MS = 60_000

/**
 * Cron of five fields, or six with seconds first, in an IANA time zone. Where clocks are put forward, a tick of a fixed
 * hour that is left out comes as much later (clock-gaps.ts); where they are put back, a tick of a fixed hour comes once, in the first of the
 * two, and an hourly one in both.
 * @throws InvalidOptionError for `cron` or `timezone`
 */
export function cronTimes(cron: unknown, timezone: unknown = 'UTC'): ScheduleTimes {
  if (typeof timezone !== 'string' || !isTimezone(timezone)) {
    throw new InvalidOptionError('timezone', 'an IANA time zone such as Europe/Berlin', timezone)
  }
  const expected = 'five cron fields, or six with seconds first, such as "30 2 * * 1-5", or @daily'
  if (typeof cron !== 'string') throw new InvalidOptionError('cron', expected, cron)
  const text = cron.trim().replace(/\s+/g, ' ')
  // H means a random time to cron-parser, which would be another one in each process.
  const isKnown = (CRON_FIELDS.test(text) && !/(^|[\s,])H/i.test(text)) || CRON_MACRO.test(text)
  if (!isKnown) throw new InvalidOptionError('cron', expected, cron)
  const times: ScheduleTimes = { kind: 'cron', cron: text, timezone }
  try {
    nextTick(times, 0)
  } catch (error) {
    // Its words name the field, or say that no day is ever meant: 31 February has the right form.
    const reason = error instanceof Error ? ` (${error.message.slice(0, 100)})` : ''
    throw new InvalidOptionError('cron', `${expected}${reason}`, cron, { cause: error })
  }
  return times
}

/** The first tick after `afterMs`. Every-N ticks at whole multiples since 1970, so all processes agree on them. */
export function nextTick(times: ScheduleTimes, afterMs: number): number {
  if (times.kind === 'every') return (Math.floor(afterMs / times.everyMs) + 1) * times.everyMs
  const tick = expressionFrom(times, afterMs).next().getTime()
  return ticksInGaps(times, afterMs + 1, tick - 1).next().value ?? tick
}

/** The next ticks after `afterMs`, `count` of them. */
export function nextTicks(times: ScheduleTimes, afterMs: number, count: number): number[] {
  const ticks: number[] = []
  for (let at = afterMs; ticks.length < count; ) {
    at = nextTick(times, at)
    ticks.push(at)
  }
  return ticks
}

/**
 * The newest ticks from `fromMs` to `toMs`, both included, `limit` at most, oldest first. The work is bounded by the
 * limit, however long ago `fromMs` is.
 */
export function newestTicks(times: ScheduleTimes, fromMs: number, toMs: number, limit: number): number[] {
  for (let windowMs = FIRST_WINDOW_MS; ; windowMs *= 2) {
    const startMs = Math.max(fromMs, toMs - windowMs)
    const ticks = ticksBetween(times, startMs, toMs)
    if (ticks.length >= limit || startMs === fromMs) return ticks.slice(-limit)
  }
}

function ticksBetween(times: ScheduleTimes, fromMs: number, toMs: number): number[] {
  const ticks: number[] = []
  if (times.kind === 'every') {
    for (let at = nextTick(times, fromMs - 1); at <= toMs; at += times.everyMs) ticks.push(at)
    return ticks
  }
  const expression = expressionFrom(times, fromMs - 1)
  for (let at = expression.next().getTime(); at <= toMs; at = expression.next().getTime()) ticks.push(at)
  const late = [...ticksInGaps(times, fromMs, toMs)]
  return late.length === 0 ? ticks : [...new Set([...ticks, ...late])].sort((a, b) => a - b)
}

function expressionFrom({ cron, timezone }: Extract<ScheduleTimes, { kind: 'cron' }>, afterMs: number) {
  return CronExpressionParser.parse(cron, { tz: timezone, currentDate: new Date(afterMs) })
}

function isTimezone(name: string): boolean {
  try {
    return name !== '' && new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
