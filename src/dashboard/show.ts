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

/** Text of a stranger as it stands, lines and all: cut, unseen characters but tabs and line ends written out. */
export function showLines(text: string, maxLength: number): string {
  const cut = text.length > maxLength ? text.slice(0, maxLength) : text
  return cut.replace(UNSEEN, (character) =>
    character === '\n' || character === '\t' ? character : writeOut(character),
  )
}

/** `12,345`, or a dash when there is no number. */
export function showNumber(value: number | null): string {
  if (value === null) return NOTHING
  // Most numbers of a page are small; a formatter takes its time.
  return Number.isInteger(value) && Math.abs(value) < 1_000 ? String(value) : NUMBER.format(value)
}

/** `1.24s`, or a dash when there is no time; three figures are enough to compare. */
export function showDuration(ms: number | null): string {
  return ms === null ? NOTHING : formatDuration(ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms))
}

/** `12.4/s`, or a dash when nobody knows. */
export function showRate(perSecond: number | null): string {
  if (perSecond === null) return NOTHING
  if (perSecond === 0) return '0/s'
  const size = Math.abs(perSecond)
  if (size < 0.1) return `${Math.round(perSecond * 600) / 10}/min`
  return `${size < 100 ? Math.round(perSecond * 10) / 10 : NUMBER.format(Math.round(perSecond))}/s`
}

/** `48.2 MB`, or a dash when nobody knows; of 1,000 bytes a KB, as disks and networks count. */
export function showBytes(bytes: number | null): string {
  if (bytes === null) return NOTHING
  const step = Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3))
  const value = bytes / 1_000 ** step
  return `${step === 0 || value >= 100 ? Math.round(value) : Math.round(value * 10) / 10} ${BYTE_UNITS[step]}`
}

const BYTE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

/** How long ago, with the exact time in UTC on hover. */
export function showAgo(atMs: number, nowMs: number): Html {
  return relative(atMs, '', ago(Math.max(0, nowMs - atMs)))
}

/** In how long, or how long ago it was due, with the exact time in UTC on hover. */
export function showNext(atMs: number, nowMs: number): Html {
  return relative(atMs, ' data-next', ago(nowMs - atMs))
}

/** How long it has been since, with the exact time in UTC on hover. */
export function showAge(sinceMs: number, nowMs: number): Html {
  return relative(sinceMs, ' data-age', span(Math.max(0, nowMs - sinceMs)))
}

// The text that changes with the clock alone comes straight after `data-ago`: live.ts looks for it.
function relative(atMs: number, kind: '' | ' data-age' | ' data-next', text: string): Html {
  const exact = showUtc(atMs)
  return html`<time datetime="${exact.replace(' UTC', 'Z').replace(' ', 'T')}" title="${exact}"${kind} data-ago>${text}</time>`
}

/** `2026-11-22 03:04:05.678 UTC`. */
export function showUtc(atMs: number): string {
  const date = new Date(atMs)
  if (Number.isNaN(date.getTime())) return 'unknown time'
  return date.toISOString().replace('T', ' ').replace('Z', ' UTC')
}

function ago(ms: number): string {
  if (Number.isNaN(ms)) return NOTHING
  if (ms <= -SECOND_MS) return `in ${span(-ms)}`
  return ms < SECOND_MS ? 'just now' : `${span(ms)} ago`
}

function span(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s`
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)} h`
  return `${Math.floor(ms / DAY_MS)} d`
}

function writeOut(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
