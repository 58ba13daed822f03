// Keeps error storms from flooding the log, and what a connection error carries out of it: one line a second with name,
// message, code and stack. ioredis hangs the failed command on its errors, whose arguments can be a password or an input.
import { type Logger, symbols } from 'pino'
import { serializeError } from '../job/index.js'

const INTERVAL_MS = 1_000
/** What was not heard of for so long is news, and does not wait for its turn. */
const NEWS_AFTER_MS = 10_000

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

/**
 * The same for lines about anything; `describe` makes a line's fields, and is only called for lines that are written. One
 * fault sets off lines of several texts, again and again: all that go to one log share its line a second, by turns.
 */
export function throttledLine<About = object>(
  logger: Logger,
  level: 'warn' | 'error',
  text: string,
  describe: (about: About) => object = (about) => about as object,
): (about: About) => void {
  const storm = stormOf(logger)
  let last: About
  let suppressed = 0
  let heardAtMs = Number.NEGATIVE_INFINITY
  const write = (about: About) => {
    logger[level]({ ...describe(about), ...(suppressed > 0 && { suppressed }) }, text)
    suppressed = 0
  }
  // Without it nobody would hear how many came in the last second of a storm.
  const writeLast = () => {
    suppressed--
    write(last)
  }
  return (about) => {
    const nowMs = performance.now()
    const isNews = nowMs - heardAtMs >= NEWS_AFTER_MS
    heardAtMs = nowMs
    if (suppressed === 0) {
      if (isNews || !storm.isOn) {
        write(about)
        storm.go()
        return
      }
      storm.wait(writeLast)
    }
    suppressed++
    last = about
  }
}

/** The turns of one log: one line each second, as long as some wait. */
class Storm {
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined

  get isOn(): boolean {
    return this.#timer !== undefined
  }

  wait(line: () => void): void {
    this.#waiting.push(line)
  }

  go(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const next = this.#waiting.shift()
      if (!next) return
      next()
      this.go()
    }, INTERVAL_MS).unref()
  }
}

const storms = new WeakMap<object, Storm>()

// A logger and its children write to one stream.
function stormOf(logger: Logger): Storm {
  const log = (logger as unknown as Record<symbol, object | undefined>)[symbols.streamSym] ?? logger
  let storm = storms.get(log)
  if (!storm) {
    storm = new Storm()
    storms.set(log, storm)
  }
  return storm
}
