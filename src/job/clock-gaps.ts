// Ticks of a fixed hour that a day leaves out, as its clocks are put forward. cron-parser gives those inside of a day an
// hour later and loses the others: at midnight, as in Santiago or Cairo, and where clocks are put forward by half an hour.
import { CronExpressionParser } from 'cron-parser'

const DAY_MS = 86_400_000
/** No clock is put forward by more in our days, so that a gap that began before may still have ticks. */
const MAX_GAP_MS = 3 * 3_600_000
const formats = new Map<string, Intl.DateTimeFormat>()

interface Gap {
  /** When the clocks are put forward, what they show then and what they show right after, as milliseconds. */
  readonly atMs: number
  readonly wallMs: number
  readonly wallEndMs: number
}

/** The ticks from `fromMs` to `toMs`, both included, that the clock shows at no time: each as late as the clock would have shown it. */
export function* ticksInGaps(
  { cron, timezone }: { readonly cron: string; readonly timezone: string },
  fromMs: number,
  toMs: number,
): Generator<number, undefined> {
  if (timezone === 'UTC' || !hasFixedHour(cron)) return
  for (const { atMs, wallMs, wallEndMs } of gapsBetween(timezone, fromMs - MAX_GAP_MS, toMs)) {
    const behindMs = wallMs - atMs
    // From `fromMs` and one by one: there may be one for each second.
    const walls = CronExpressionParser.parse(cron, {
      tz: 'UTC',
      currentDate: new Date(Math.max(wallMs, fromMs + behindMs) - 1),
    })
    const lastMs = Math.min(wallEndMs - 1, toMs + behindMs)
    for (let wall = walls.next().getTime(); wall <= lastMs; wall = walls.next().getTime()) yield wall - behindMs
  }
}

/** What ticks each hour ticks in the next one, too. */
function hasFixedHour(cron: string): boolean {
  if (cron.startsWith('@')) return cron !== '@hourly' && cron !== '@minutely'
  return !/^\*(\/1)?$/.test(cron.split(' ').at(-4) ?? '')
}

function* gapsBetween(timezone: string, fromMs: number, toMs: number): Generator<Gap> {
  for (let low = fromMs; low < toMs; low += DAY_MS) {
    const before = offsetMs(timezone, low)
    let high = Math.min(low + DAY_MS, toMs)
    const after = offsetMs(timezone, high)
    if (after <= before) continue
    for (let start = low; high - start > 1; ) {
      const middle = Math.floor((start + high) / 2)
      if (offsetMs(timezone, middle) === before) start = middle
      else high = middle
    }
    yield { atMs: high, wallMs: high + before, wallEndMs: high + after }
  }
}

/** How much the clocks of the zone are before those of UTC at that time. */
function offsetMs(timezone: string, atMs: number): number {
  let format = formats.get(timezone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en', { timeZone: timezone, timeZoneName: 'longOffset', year: 'numeric' })
    formats.set(timezone, format)
  }
  const text = format.format(atMs)
  const [, sign, hours = 0, minutes = 0, seconds = 0] = /([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) ?? []
  const ms = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000
  return sign === '-' ? -ms : ms
}
