// How values read on a page: text that a job wrote, numbers, times. assets/live.js keeps the relative times current and
// words them the same way.
import { formatDuration } from '../job/index.js'
import { type Html, html } from './html.js'

// Controls (ANSI sequences among them) and the marks that turn the direction of the text after them.
const UNSEEN = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu
const NUMBER = new Intl.NumberFormat('en-US')
const NOTHING = '–'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Text of a stranger in one line: cut after `maxLength` characters, unseen characters written out as `\u202e`. */
export function showText(text: string, maxLength: number): string {
  const characters = Array.from(text.slice(0, 2 * maxLength))
  const cut = characters.slice(0, maxLength).join('').replace(UNSEEN, writeOut)
  return characters.length > maxLength || text.length > 2 * maxLength ? `${cut}…` : cut
}

/** `12,345`, or a dash when there is no number. */
export function showNumber(value: number | null): string {
  return value === null ? NOTHING : NUMBER.format(value)
}

/** `1.24s`, or a dash when there is no time; three figures are enough to compare. */
export function showDuration(ms: number | null): string {
  return ms === null ? NOTHING : formatDuration(ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms))
}

/** How long ago, with the exact time in UTC on hover. */
export function showAgo(atMs: number, nowMs: number): Html {
  const exact = showUtc(atMs)
  return html`<time datetime="${exact.replace(' UTC', 'Z').replace(' ', 'T')}" title="${exact}" data-ago>${ago(nowMs - atMs)}</time>`
}

/** `2026-11-22 03:04:05.678 UTC`. */
export function showUtc(atMs: number): string {
  const date = new Date(atMs)
  if (Number.isNaN(date.getTime())) return 'unknown time'
  return date.toISOString().replace('T', ' ').replace('Z', ' UTC')
}

function ago(ms: number): string {
  if (Number.isNaN(ms)) return NOTHING
  if (ms < SECOND_MS) return 'just now'
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s ago`
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min ago`
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)} h ago`
  return `${Math.floor(ms / DAY_MS)} d ago`
}

function writeOut(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
