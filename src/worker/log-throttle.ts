// Keeps an error storm from flooding the log, and what a connection error carries out of it: one line a second with name,
// message, code and stack. ioredis hangs the failed command on its errors, whose arguments can be a password or an input.
import type { Logger } from 'pino'
import { serializeError } from '../job/index.js'

const INTERVAL_MS = 1_000

/** Logs the first error at once and then at most one a second; a line's `suppressed` counts those left out before it. */
export function throttledLog(
  logger: Logger,
  level: 'warn' | 'error',
  text: string,
  fields: object = {},
): (error: unknown) => void {
  let quietUntil = 0
  let suppressed = 0
  return (error) => {
    const now = performance.now()
    if (now < quietUntil) {
      suppressed++
      return
    }
    quietUntil = now + INTERVAL_MS
    logger[level]({ ...fields, err: serializeError(error), ...(suppressed > 0 && { suppressed }) }, text)
    suppressed = 0
  }
}
