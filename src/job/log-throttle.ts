// Keeps error storms from flooding the log, and what a connection error carries out of it: one line a second with name,
// message, code and stack. ioredis hangs the failed command on its errors, whose arguments can be a password or an input.
import type { Logger } from 'pino'
import { serializeError } from './stored-error.js'

const INTERVAL_MS = 1_000
/** What was not heard of for so long is news, and does not wait for its turn. */
const NEWS_AFTER_MS = 10_000
/** News that come at once; after them one in `NEWS_AFTER_MS`: a thousand causes are no thousand lines. */
const MAX_NEWS = 10
/** Kinds that one log tells apart; those beyond share a line. */
const MAX_KINDS = 32

type Level = 'warn' | 'error'
type Fields = Readonly<Record<string, unknown>>

/** Logs the first error at once, then the last one of each second; a line's `suppressed` counts those left out before it. */
export function throttledLog(
  logger: Logger,
  level: Level,
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
  level: Level,
  text: string,
  describe: (about: About) => object = (about) => about as object,
): (about: About) => void {
  const line = new Line<About>(stormOf(logger), (about, left) => logger[level]({ ...describe(about), ...left }, text))
  return (about) => line.hear(about)
}

/**
 * The same for one of many lines about jobs or requests, of which each `kind` is told apart: by default by the fields
 * `queue` and `job` and by the code of `err`, else its name. At the level `debug` every line is written.
 */
export function logThinned(logger: Logger, level: Level, fields: Fields, text: string, kind = kindOf(fields)): void {
  if (logger.isLevelEnabled?.('debug')) logger[level](fields, text)
  // Turns and timers are for lines that somebody reads.
  else if (logger.isLevelEnabled?.(level) !== false)
    stormOf(logger).lineOf(`${text}\0${kind}`).hear({ logger, level, fields, text })
}

function kindOf({ queue, job, err }: Fields): string {
  const { code, name } = (err ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  return [queue, job, code ?? name].join('\0')
}

/** Writes at once what still waits for its turn: for a log whose process or worker ends. */
export function flushThrottled(logger: Logger): void {
  stormOf(logger).flush()
}

interface Thinned {
  readonly logger: Logger
  readonly level: Level
  readonly fields: Fields
  readonly text: string
}

/** Lines that stand for one another: the first is written at once, then the last of them when it is their turn. */
class Line<About> {
  readonly #storm: Storm
  readonly #write: (about: About, left: { readonly suppressed?: number }) => void
  #last: About | undefined
  #waiting = 0
  #heardAtMs = Number.NEGATIVE_INFINITY

  constructor(storm: Storm, write: (about: About, left: { readonly suppressed?: number }) => void) {
    this.#storm = storm
    this.#write = write
  }

  hear(about: About): void {
    const nowMs = performance.now()
    const isNews = this.isOldAt(nowMs)
    this.#heardAtMs = nowMs
    if (this.#waiting === 0) {
      if (this.#storm.mayWrite(isNews, nowMs)) {
        this.#write(about, {})
        this.#storm.go()
        return
      }
      this.#storm.wait(this)
    }
    this.#waiting++
    this.#last = about
  }

  // Without it nobody would hear how many came in the last second of a storm.
  writeLast(): void {
    const suppressed = this.#waiting - 1
    const last = this.#last as About
    this.#waiting = 0
    this.#last = undefined
    this.#write(last, suppressed > 0 ? { suppressed } : {})
  }

  /** True when it was not heard of for long, and nothing of it waits. */
  isOldAt(nowMs: number): boolean {
    return this.#waiting === 0 && nowMs - this.#heardAtMs >= NEWS_AFTER_MS
  }
}

/** The turns of one log: one line each second, as long as some wait. */
class Storm {
  readonly #kinds = new Map<string, Line<Thinned>>()
  readonly #others = this.#newLine({ severalKinds: true })
  #waiting: { writeLast(): void }[] = []
  #timer: NodeJS.Timeout | undefined
  #goneMs = 0
  #news = MAX_NEWS
  #newsAtMs = 0

  /** Whether a line need not wait for its turn. */
  mayWrite(isNews: boolean, nowMs: number): boolean {
    if (this.#timer === undefined) return true
    if (!isNews) return false
    this.#news = Math.min(MAX_NEWS, this.#news + (nowMs - this.#newsAtMs) / NEWS_AFTER_MS)
    this.#newsAtMs = nowMs
    if (this.#news < 1) return false
    this.#news--
    return true
  }

  wait(line: { writeLast(): void }): void {
    this.#waiting.push(line)
  }

  /** A line was written: the next one has its turn a second later. */
  go(): void {
    if (this.#timer !== undefined) return
    this.#goneMs = performance.now()
    this.#wake(INTERVAL_MS)
  }

  #wake(afterMs: number): void {
    this.#timer = setTimeout(() => {
      // After a blocked turn of the event loop Node counts from the start of that turn.
      const leftMs = INTERVAL_MS - (performance.now() - this.#goneMs)
      if (leftMs > 0) return this.#wake(Math.ceil(leftMs))
      this.#timer = undefined
      const next = this.#waiting.shift()
      if (!next) return
      next.writeLast()
      this.go()
    }, afterMs).unref()
  }

  flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const line of waiting) line.writeLast()
  }

  lineOf(kind: string): Line<Thinned> {
    let line = this.#kinds.get(kind)
    if (line !== undefined) return line
    if (this.#kinds.size >= MAX_KINDS) this.#forgetOld()
    if (this.#kinds.size >= MAX_KINDS) return this.#others
    line = this.#newLine({})
    this.#kinds.set(kind, line)
    return line
  }

  #forgetOld(): void {
    const nowMs = performance.now()
    for (const [kind, line] of this.#kinds) if (line.isOldAt(nowMs)) this.#kinds.delete(kind)
  }

  #newLine(more: Fields): Line<Thinned> {
    return new Line(this, ({ logger, level, fields, text }, left) =>
      logger[level]({ ...fields, ...left, ...more }, text),
    )
  }
}

const storms = new WeakMap<object, Storm>()

// A logger and its children write to one stream. It hangs on a symbol of pino's own, of which there may be several copies.
function stormOf(logger: Logger): Storm {
  const known = storms.get(logger)
  if (known) return known
  const log = streamOf(logger) ?? logger
  const storm = storms.get(log) ?? new Storm()
  storms.set(log, storm)
  storms.set(logger, storm)
  return storm
}

function streamOf(logger: object): object | undefined {
  for (let part: object | null = logger; part !== null; part = Object.getPrototypeOf(part) as object | null) {
    const symbol = Object.getOwnPropertySymbols(part).find(({ description }) => description === 'pino.stream')
    if (symbol !== undefined) return (part as Record<symbol, object | undefined>)[symbol]
  }
  return undefined
}
