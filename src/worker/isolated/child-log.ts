// `ctx.log` of an isolated handler: each line goes to the worker as JSON, which logs it as one of its own. At most so many
// are on their way; what a handler logs beyond that is counted and dropped, so that no flood fills the worker's memory.
import { type Logger, pino } from 'pino'
import type { LogLevel } from './messages.js'

/** Lines on their way before more are dropped. */
export const MAX_UNANSWERED_LINES = 1_000
/** Every so many lines the worker answers that it has taken them. */
export const ANSWER_EVERY = 100
const MAX_LINE_CHARACTERS = 65_536
const [LEVEL, TEXT] = ['drover:level', 'drover:text']

export interface LogLine {
  readonly level: LogLevel
  /** Undefined when it is text alone. */
  readonly fields: object | undefined
  readonly text: string | undefined
}

export interface ChildLog {
  readonly logger: Logger
  /** The worker has taken so many more lines. */
  answered(lines: number): void
}

export function createChildLog(debug: boolean, post: (line: string, answer: boolean) => void): ChildLog {
  let posted = 0
  let unanswered = 0
  let dropped = 0
  const send = (line: string) => {
    posted++
    unanswered++
    post(line, posted % ANSWER_EVERY === 0)
  }
  const write = (line: string) => {
    if (unanswered >= MAX_UNANSWERED_LINES) dropped++
    else
      send(line.length > MAX_LINE_CHARACTERS ? warning({ characters: line.length }, 'a log line was too long') : line)
  }
  const level = debug ? 'debug' : 'info'
  const format = { level, base: null, timestamp: false, messageKey: TEXT, formatters: { level: named } }
  const logger: Logger = pino(format, { write })
  // The worker names the attempt on each line.
  logger.child = (() => logger) as unknown as Logger['child']
  return {
    logger,
    answered: (lines) => {
      unanswered -= lines
      if (dropped === 0) return
      send(warning({ dropped }, 'lines of the log were dropped, they came too fast'))
      dropped = 0
    },
  }
}

/** A posted line as the worker's logger takes it; undefined for what is none. */
export function readLogLine(line: string): LogLine | undefined {
  try {
    const { [LEVEL]: level, [TEXT]: text, ...fields } = JSON.parse(line) as Record<string, unknown>
    if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error') return undefined
    const isText = typeof text === 'string'
    return {
      level,
      fields: isText && Object.keys(fields).length === 0 ? undefined : fields,
      text: isText ? text : undefined,
    }
  } catch {
    return undefined
  }
}

function named(label: string): object {
  return { [LEVEL]: label }
}

function warning(fields: object, text: string): string {
  return JSON.stringify({ ...named('warn'), ...fields, [TEXT]: text })
}
