// The ranges of the charts, and which hashes of minutes and hours the steps of each are read from.

export const RANGES = {
  '1h': { step: 'minute', steps: 60, group: 1 },
  '6h': { step: 'minute', steps: 360, group: 5 },
  '24h': { step: 'hour', steps: 24, group: 1 },
  '7d': { step: 'hour', steps: 168, group: 1 },
} as const
export type RangeName = keyof typeof RANGES

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const MINUTES_AN_HOUR = 60
/** An hour this long over has been rolled up, where any worker runs, and stays as it is. */
export const HOUR_SETTLED_MS = 20 * MINUTE_MS

/** The numbers of the steps of a range: all of them, and which hashes of minutes and hours they are read from. */
export interface Steps {
  readonly step: 'minute' | 'hour'
  readonly all: readonly number[]
  /** Newest first, those of the last hour left out. */
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
}

export function stepsOf(range: RangeName, nowMs: number): Steps {
  const { step, steps, group } = RANGES[range]
  const minute = Math.floor(nowMs / MINUTE_MS)
  const firstOfLastHour = minute - MINUTES_AN_HOUR + 1
  if (step === 'minute') {
    const last = minute - (minute % group) + group - 1
    const all = numbers(last - steps + 1, minute)
    return { step, all, minutes: all.filter((at) => at < firstOfLastHour).reverse(), hours: [] }
  }
  const hour = Math.floor(nowMs / HOUR_MS)
  const all = numbers(hour - steps + 1, hour)
  const hours = all.filter((at) => (at + 1) * HOUR_MS + HOUR_SETTLED_MS <= nowMs).reverse()
  const open = all
    .filter((at) => !hours.includes(at))
    .flatMap((at) => numbers(at * MINUTES_AN_HOUR, at * MINUTES_AN_HOUR + 59))
  return { step, all, minutes: open.filter((at) => at < firstOfLastHour).reverse(), hours }
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
