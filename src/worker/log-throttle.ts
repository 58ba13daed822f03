// Keeps an error storm from flooding the log: one line a second, the next one tells how many were left out.

const INTERVAL_MS = 1_000

/** Calls `write` for the first error and then at most once a second; the number left out is in `suppressed`. */
export function throttled(write: (error: unknown, suppressed: number) => void): (error: unknown) => void {
  let quietUntil = 0
  let suppressed = 0
  return (error) => {
    const now = performance.now()
    if (now < quietUntil) {
      suppressed++
      return
    }
    quietUntil = now + INTERVAL_MS
    write(error, suppressed)
    suppressed = 0
  }
}
