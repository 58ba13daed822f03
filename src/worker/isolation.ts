// Owns the options that say where a handler runs: their defaults and ranges. The threads and processes themselves are in
// isolated/.
import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Duration, InvalidOptionError, parseDuration, suggest, UnknownOptionError } from '../job/index.js'
import type { RetryDelay } from './retry-delay.js'

export interface HandleOptions {
  /**
   * Where the handler runs: in a `thread` or a `process` beside the worker, which is ended when the attempt is over and
   * the handler is not. Default: in the worker's own thread, which costs nothing and cannot be ended from outside. A thread
   * starts faster; a process also survives what takes a whole process down, such as a native crash or `process.abort`.
   */
  readonly isolate?: 'thread' | 'process'
  /**
   * The file that exports this handler, as `import.meta.url` or an absolute path: it is imported in the thread or process,
   * so it must start no worker itself. Needed with `isolate`, but not in files that `drover worker` loads by their glob.
   */
  readonly file?: string | URL
  /** How long a handler has to end after its signal aborted, before it is ended by force. Default `1s`, 0 to `60s`. */
  readonly killGrace?: Duration
  /** Most MB of JavaScript heap, 16 to 65,536; one that needs more is ended with HandlerExitedError. Default: Node's own. */
  readonly memoryMb?: number
  /** Needed with `backoff: { type: 'custom' }` of the contract, and only there. It runs in the worker, also with `isolate`. */
  readonly retryDelay?: RetryDelay
}

export interface Isolation {
  readonly isolate: 'thread' | 'process'
  /** Absolute path. */
  readonly file: string | undefined
  readonly killGraceMs: number
  readonly memoryMb: number | undefined
}

const OPTION_NAMES = ['isolate', 'file', 'killGrace', 'memoryMb', 'retryDelay']
const [MIN_MEMORY_MB, MAX_MEMORY_MB] = [16, 65_536]
export const DEFAULT_KILL_GRACE = '1s'
export const MAX_KILL_GRACE_MS = 60_000

/** What `handle` was told about isolation; undefined for a handler of the worker's own thread. */
export function checkHandleOptions(options: HandleOptions): Isolation | undefined {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError('options', 'an object of options for handle', options)
  }
  const { isolate, file, killGrace, memoryMb } = options
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.includes(name)) throw new UnknownOptionError(name, suggest(name, OPTION_NAMES), 'handle')
  }
  if (isolate === undefined) {
    for (const [name, value] of Object.entries(options)) {
      if (value !== undefined && name !== 'retryDelay')
        throw new InvalidOptionError(name, "isolate: 'thread' or 'process' beside it", value)
    }
    return undefined
  }
  if (isolate !== 'thread' && isolate !== 'process') {
    throw new InvalidOptionError('isolate', "'thread' or 'process'", isolate)
  }
  return Object.freeze({
    isolate,
    file: file === undefined ? undefined : readFile(file),
    killGraceMs: readKillGrace(killGrace),
    memoryMb: memoryMb === undefined ? undefined : readMemory(memoryMb),
  })
}

export function readKillGrace(killGrace: Duration = DEFAULT_KILL_GRACE): number {
  return parseDuration(killGrace, { option: 'killGrace', minMs: 0, maxMs: MAX_KILL_GRACE_MS })
}

function readFile(file: unknown): string {
  const text = file instanceof URL ? file.href : file
  if (typeof text === 'string' && isAbsolute(text)) return text
  try {
    return fileURLToPath(text as string)
  } catch (error) {
    throw new InvalidOptionError('file', 'import.meta.url or an absolute path', file, { cause: error })
  }
}

function readMemory(memoryMb: unknown): number {
  const isInRange =
    Number.isSafeInteger(memoryMb) && Number(memoryMb) >= MIN_MEMORY_MB && Number(memoryMb) <= MAX_MEMORY_MB
  if (isInRange) return memoryMb as number
  throw new InvalidOptionError('memoryMb', `a whole number from ${MIN_MEMORY_MB} to ${MAX_MEMORY_MB}`, memoryMb)
}
