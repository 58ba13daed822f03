// Failures of the last day as bars of one hour each, small enough for a row of a table. It says in words what it shows.
import type { ErrorPoint } from '../../ledger/index.js'
import { type Html, html } from '../html.js'
import { showNumber } from '../show.js'

const HOUR_MS = 3_600_000
const HOURS = 24
const BAR = 4
const HEIGHT = 20

/** One value for each of the last hours, the oldest first. */
export function hoursUntil(points: readonly ErrorPoint[], nowMs: number, hours: number): ErrorPoint[] {
  const last = Math.floor(nowMs / HOUR_MS)
  const counts = new Map(points.map(({ at, count }) => [Math.floor(at / HOUR_MS), count]))
  return Array.from({ length: hours }, (_, index) => {
    const hour = last - hours + 1 + index
    return { at: hour * HOUR_MS, count: counts.get(hour) ?? 0 }
  })
}

export function trendBars(points: readonly ErrorPoint[], nowMs: number): Html {
  const hours = hoursUntil(points, nowMs, HOURS)
  const most = Math.max(1, ...hours.map(({ count }) => count))
  const total = hours.reduce((sum, { count }) => sum + count, 0)
  const label = `${showNumber(total)} in the last 24 hours, ${showNumber(hours.at(-1)?.count ?? 0)} in this one`
  return html`<svg class="trend" role="img" aria-label="${label}" width="${HOURS * BAR}" height="${HEIGHT}" viewBox="0 0 ${HOURS * BAR} ${HEIGHT}"><title>${label}</title>${hours.map(
    ({ count }, index) => {
      const height = count === 0 ? 1 : Math.max(2, Math.round((count / most) * HEIGHT))
      return html`<rect x="${index * BAR}" y="${HEIGHT - height}" width="${BAR - 1}" height="${height}"${count === 0 && html` class="none"`}></rect>`
    },
  )}</svg>`
}
