// How long something has gone on, in a few characters.
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `0s`, `42s`, `3m 12s`, `5h 7m`, `12d 3h`. */
export function showAge(ms: number): string {
  const whole = Math.max(0, ms)
  if (whole < MINUTE) return `${Math.floor(whole / SECOND)}s`
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${Math.floor((whole % MINUTE) / SECOND)}s`
  if (whole < DAY) return `${Math.floor(whole / HOUR)}h ${Math.floor((whole % HOUR) / MINUTE)}m`
  return `${Math.floor(whole / DAY)}d ${Math.floor((whole % DAY) / HOUR)}h`
}
