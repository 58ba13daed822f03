// Keeps an error storm from flooding the log, and what a connection error carries out of it: one line a second with name,
// message, code and stack. ioredis hangs the failed command on its errors, whose arguments can be a password or an input.
import type { Logger } from 'pino'
import { serializeError } from '../job/index.js'

const INTERVAL_MS = 1_000

/** Logs the first error at once, then the last one of each second; a line's `suppressed` counts those left out before it. */
export function throttledLog(
  logger: Logger,
  level: 'warn' | 'error',
  text: string,
  fields: object = {},
): (error: unknown) => void {
  const log = throttledLine<() => object>(logger, level, text, (describe) => ({ ...fields, ...describe() }))
  return (error) => log(() => ({ err: serializeError(error) }))
}

/** The same for lines about anything; `describe` makes a line's fields, and is only called for lines that are written. */
export function throttledLine<About = object>(
  logger: Logger,
  level: 'warn' | 'error',
  text: string,
  describe: (about: About) => object = (about) => about as object,
): (about: About) => void {
  let timer: NodeJS.Timeout | undefined
  let last: About
  let suppressed = 0
  const write = (about: About) => {
    logger[level]({ ...describe(about), ...(suppressed > 0 && { suppressed }) }, text)
    suppressed = 0
    timer = setTimeout(writeLast, INTERVAL_MS).unref()
  }
  // Without it nobody would hear how many came in the last second of a storm.
  const writeLast = () => {
    timer = undefined
    if (suppressed === 0) return
    suppressed--
    write(last)
  }
  return (about) => {
    if (!timer) return write(about)
    suppressed++
    last = about
  }
}
