// The worker's JSON log as people read it in the terminal of `drover dev`.
import { formatDuration } from '../../job/index.js'
import type { JobResult } from '../../ledger/index.js'
import type { Output } from '../output.js'

type Paint = Output['paint']

const OWN_FILES = new URL('../..', import.meta.url).href

const LEVELS: Readonly<Record<number, { readonly name: string; readonly style: Parameters<Paint>[0] }>> = {
  10: { name: 'trace', style: 'gray' },
  20: { name: 'debug', style: 'gray' },
  30: { name: 'info', style: 'cyan' },
  40: { name: 'warn', style: 'yellow' },
  50: { name: 'error', style: 'red' },
  60: { name: 'fatal', style: 'red' },
}
/** Shown at the head of the line, or of no use on one's own machine. */
const NOT_LISTED = new Set([
  'level',
  'time',
  'pid',
  'hostname',
  'msg',
  'queue',
  'job',
  'id',
  'attempt',
  'attempts',
  'err',
])

/** One line, with the stack of an error below it. What is not a line of pino, such as console.log writes, stays as it is. */
export function formatLogLine(line: string, paint: Paint): string {
  const record = parseRecord(line)
  if (record === undefined) return line
  const { name, style } = LEVELS[record.level] ?? { name: String(record.level), style: 'white' }
  const head = [paint('gray', clock(record.time)), paint(style, name.padEnd(5)), describeJob(record), record.msg]
  const rest = Object.entries(record).filter(([field]) => !NOT_LISTED.has(field))
  const fields = rest.map(([field, value]) => paint('gray', `${field}=${show(value)}`))
  const text = [...head, ...fields].filter((part) => part !== undefined && part !== '').join(' ')
  return text + describeError(record.err, paint)
}

/** `12:00:01 done  greet c3k9x1 in 12ms → {"text":"Hello"}`, from the message that a commit publishes. */
export function formatDone(result: JobResult, paint: Paint): string {
  const outcome = result.status === 'completed' ? ` ${paint('gray', `→ ${cut(JSON.stringify(result.value))}`)}` : ''
  const word = result.status === 'completed' ? paint('green', 'done ') : paint('red', 'FAIL ')
  const head = `${paint('gray', clock(result.finishedAt))} ${word} ${result.job} ${result.id}`
  return `${head} in ${formatDuration(Math.round(result.runMs))}${outcome}`
}

interface LogRecord extends Readonly<Record<string, unknown>> {
  readonly level: number
  readonly time: number
  readonly msg?: string
  readonly job?: string
  readonly id?: string
  readonly attempt?: number
  readonly err?: { readonly name?: string; readonly type?: string; readonly message?: string; readonly stack?: string }
}

function parseRecord(line: string): LogRecord | undefined {
  if (!line.startsWith('{"level":')) return undefined
  try {
    const record = JSON.parse(line) as LogRecord
    return typeof record.level === 'number' && typeof record.time === 'number' ? record : undefined
  } catch {
    // Some other program's line that begins alike.
    return undefined
  }
}

function clock(time: number): string {
  const date = new Date(time)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}

function describeJob({ job, id, attempt }: LogRecord): string {
  if (job === undefined || id === undefined) return ''
  return `${job} ${id}${attempt === undefined || attempt === 1 ? '' : ` attempt ${attempt}`}:`
}

function describeError(err: LogRecord['err'], paint: Paint): string {
  if (err === undefined) return ''
  const text = err.stack === undefined ? `${err.name ?? err.type ?? 'Error'}: ${err.message ?? ''}` : shorten(err.stack)
  return `\n${paint('gray', text.replace(/^/gm, '    '))}`
}

/** Without what ran the handler: Drover, its packages and Node. */
function shorten(stack: string): string {
  const isOther = (line: string) => /^ +at .*(\/node_modules\/|[( ]node:)/.test(line) || line.includes(OWN_FILES)
  const lines = stack.split('\n')
  const kept = lines.filter((line) => !isOther(line))
  return kept.some((line) => /^ +at /.test(line)) ? kept.join('\n') : stack
}

const MAX_VALUE_LENGTH = 200

function show(value: unknown): string {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(',')
  return cut(typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value))
}

function cut(text: string): string {
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text
}
