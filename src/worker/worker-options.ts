// The options of createWorker: their defaults and ranges, and which handler works which queue.
import type { Logger } from 'pino'
import {
  checkMiddleware,
  type Duration,
  InvalidOptionError,
  isRelease,
  parseDuration,
  RELEASE_RULE,
  suggest,
  UnknownOptionError,
} from '../job/index.js'
import {
  type AutoscaleOptions,
  type AutoscaleRules,
  type InputOpener,
  isSchedule,
  MAX_CONCURRENCY,
  readAutoscaleRules,
  type Schedule,
  type StoringMiddleware,
} from '../ledger/index.js'
import {
  checkPrefix,
  type Durability,
  type DurabilityDemand,
  type RedisSettings,
  readDurability,
} from '../redis/index.js'
import { type Handler, isHandler } from './handle.js'
import type { RunMiddleware } from './run-middleware.js'

export interface WorkerOptions {
  /** Redis URL or settings. Default: `REDIS_URL` or `REDIS_HOST` and its companions, else 127.0.0.1:6379. */
  readonly redis?: string | RedisSettings
  /**
   * The schedules of the queues of these handlers, as `defineSchedule` returned them: kept at the start, and those that an
   * earlier worker's code had set and that are not among them are removed. Default: schedules are left as they are.
   */
  readonly schedules?: readonly Schedule[]
  /** First part of every key. Default `drover`. */
  readonly prefix?: string
  /** What `handle` returned, one per job name. */
  readonly handlers: readonly Handler[]
  /** Which queues to work, with their concurrency. Default: every queue of the handlers, each with `concurrency`. */
  readonly queues?: Readonly<Record<string, number | { readonly concurrency: number }>>
  /** Jobs at once per queue, 1 to 10,000. Default 10. Raising it costs memory, and lets blocking handlers delay more neighbours. */
  readonly concurrency?: number
  /** How long `close` lets running jobs finish before it hands them back. Default `25s`; zero hands them back at once. */
  readonly shutdownTimeout?: Duration
  /**
   * How long a worker may be silent before its jobs are handed out again. Default `3s`, at least 1 s. A thread renews the
   * locks at least each third of it, also while a handler blocks the event loop.
   */
  readonly lockDuration?: Duration
  /** How often lost jobs are looked for. Default `500ms`, at least 100 ms. All workers of a queue share one look. */
  readonly stalledInterval?: Duration
  /**
   * How long the event loop may be blocked before the process is ended with SIGKILL, so that a supervisor starts it again.
   * Default: 60 s beyond the longest timeout of the jobs that run; at least 1 s; zero never ends it.
   */
  readonly maxBlocked?: Duration
  /**
   * Completed jobs BullMQ keeps per queue for the dashboard, the newest; up to 9 more per worker, which removes
   * the rest with its first finish and each tenth after it. Default 100; zero keeps none. Results are kept apart, by `keepResult`.
   */
  readonly keepCompleted?: number
  /** Failed jobs BullMQ keeps per queue for a manual retry, the newest. Default 10,000. */
  readonly keepFailed?: number
  /**
   * Which release of your application this worker is of, as heartbeats and error groups name it: 1 to 64 letters, digits, `_`, `.`, `+` or
   * `-`. Default: DROVER_RELEASE, else none.
   */
  readonly release?: string
  /**
   * What Redis must keep: `standard`, an append-only file; `strict`, one that is on disk before each answer
   * (`appendfsync always`). Default: DROVER_DURABILITY, else `standard`.
   */
  readonly durability?: Durability
  /** True: also start on a Redis that can lose every job. Default: DROVER_ALLOW_VOLATILE, else false. */
  readonly allowVolatile?: boolean
  /** Functions around each attempt, the first outermost: see docs/middleware.md. Default: none, at no cost. */
  readonly middleware?: readonly RunMiddleware[]
  /**
   * Works out each 5 s how many workers there should be for the queues of this one, and tells it in Redis for other programs
   * to read: see docs/operations.md. All workers of a pool take the same. Default: not.
   */
  readonly autoscale?: AutoscaleOptions
  /**
   * Functions around what enters Redis here, as of a producer: each `ctx.enqueue`, and the inputs of `schedules`. Not for
   * isolated handlers, whose `ctx.enqueue` is refused then. Default: none, at no cost.
   */
  readonly enqueueMiddleware?: readonly StoringMiddleware[]
  /** What opens a stored input again, by which a schedule is known not to have changed: see `defineMiddleware`. */
  readonly openInput?: InputOpener
  /** A pino logger. Default: JSON lines on standard output, level `info`. */
  readonly logger?: Logger
}

/** What one queue is worked with. */
export interface QueueSettings {
  readonly queue: string
  readonly prefix: string
  readonly handlers: ReadonlyMap<string, Handler>
  readonly concurrency: number
  readonly lockMs: number
  readonly stalledIntervalMs: number
  readonly keepCompleted: number
  readonly keepFailed: number
  readonly release: string | undefined
  readonly middleware: readonly RunMiddleware[] | undefined
  readonly enqueueMiddleware: readonly StoringMiddleware[] | undefined
}

export interface CheckedWorkerOptions {
  readonly prefix: string
  readonly release: string | undefined
  readonly shutdownMs: number
  readonly maxBlockedMs: number | undefined
  readonly demand: DurabilityDemand
  /** By queue, for every queue, when schedules were given. */
  readonly schedules: ReadonlyMap<string, readonly Schedule[]> | undefined
  readonly enqueueMiddleware: readonly StoringMiddleware[] | undefined
  readonly openInput: InputOpener | undefined
  readonly queues: readonly QueueSettings[]
  readonly autoscale: AutoscaleRules | undefined
}

const OPTION_NAMES = [
  'redis',
  'prefix',
  'handlers',
  'schedules',
  'queues',
  'concurrency',
  'shutdownTimeout',
  'lockDuration',
  'stalledInterval',
  'maxBlocked',
  'keepCompleted',
  'keepFailed',
  'release',
  'durability',
  'allowVolatile',
  'middleware',
  'autoscale',
  'enqueueMiddleware',
  'openInput',
  'logger',
]

/** Defaults filled in, handlers sorted by queue. @throws InvalidOptionError or UnknownOptionError at the first bad option. */
export function checkWorkerOptions(options: WorkerOptions): CheckedWorkerOptions {
  requireObject('options', 'an object of options for createWorker', options)
  refuseUnknown(options, OPTION_NAMES)
  const prefix = checkPrefix(options.prefix ?? 'drover')
  const concurrency = checkConcurrency('concurrency', options.concurrency ?? 10)
  const shared = {
    prefix,
    lockMs: parseDuration(options.lockDuration ?? '3s', { option: 'lockDuration', minMs: 1_000, maxMs: 3_600_000 }),
    stalledIntervalMs: parseDuration(options.stalledInterval ?? '500ms', {
      option: 'stalledInterval',
      minMs: 100,
      maxMs: 3_600_000,
    }),
    keepCompleted: whole('keepCompleted', options.keepCompleted ?? 100, 0, 1_000_000),
    keepFailed: whole('keepFailed', options.keepFailed ?? 10_000, 1, 10_000_000),
    release: checkRelease(options.release ?? (process.env.DROVER_RELEASE || undefined)),
    middleware: checkMiddleware(options.middleware),
    enqueueMiddleware: checkMiddleware(options.enqueueMiddleware),
  }
  const byQueue = sortHandlers(options.handlers)
  const wanted = options.queues ?? Object.fromEntries(Array.from(byQueue.keys(), (queue) => [queue, concurrency]))
  requireObject('queues', 'an object of queues', wanted)
  const queues = Object.entries(wanted).map(([queue, value]): QueueSettings => {
    const handlers = byQueue.get(queue)
    if (!handlers)
      throw new InvalidOptionError('queues', `queues that a handler is for: ${[...byQueue.keys()].join(', ')}`, queue)
    const isDetailed = typeof value === 'object' && value !== null
    if (isDetailed) refuseUnknown(value, ['concurrency'], `queues.${queue}`)
    const own = isDetailed ? value.concurrency : value
    return { ...shared, queue, handlers, concurrency: checkConcurrency(`queues.${queue}`, own) }
  })
  if (byQueue.size === 0) throw new InvalidOptionError('handlers', 'at least one handler', options.handlers)
  if (queues.length === 0) throw new InvalidOptionError('queues', 'at least one queue', wanted)
  const shutdownMs = parseDuration(options.shutdownTimeout ?? '25s', {
    option: 'shutdownTimeout',
    minMs: 0,
    maxMs: 3_600_000,
  })
  const maxBlockedMs = options.maxBlocked === undefined ? undefined : checkMaxBlocked(options.maxBlocked)
  return {
    prefix,
    release: shared.release,
    shutdownMs,
    maxBlockedMs,
    demand: readDurability(options),
    schedules: sortSchedules(options.schedules, queues),
    enqueueMiddleware: shared.enqueueMiddleware,
    openInput: options.openInput,
    queues,
    autoscale: options.autoscale === undefined ? undefined : readAutoscaleRules(options.autoscale),
  }
}

function checkMaxBlocked(duration: Duration): number {
  const range = { option: 'maxBlocked', minMs: 0, maxMs: 86_400_000 }
  const ms = parseDuration(duration, range)
  // Below a second every large garbage collection would end the process.
  return ms === 0 ? 0 : parseDuration(duration, { ...range, minMs: 1_000 })
}

function sortHandlers(handlers: readonly Handler[]): Map<string, Map<string, Handler>> {
  if (!Array.isArray(handlers)) throw new InvalidOptionError('handlers', 'an array of what handle() returned', handlers)
  const byQueue = new Map<string, Map<string, Handler>>()
  for (const [index, handler] of handlers.entries()) {
    if (!isHandler(handler)) throw new InvalidOptionError(`handlers[${index}]`, 'what handle() returned', handler)
    const { queue, name } = handler.contract
    const sameQueue = byQueue.get(queue) ?? new Map<string, Handler>()
    if (sameQueue.has(name))
      throw new InvalidOptionError('handlers', 'one handler per job name and queue', `two for ${name}`)
    if (handler.isolation && handler.isolation.file === undefined)
      throw new InvalidOptionError(
        `handlers[${index}].file`,
        `the file of isolated job ${name}: import.meta.url`,
        undefined,
      )
    byQueue.set(queue, sameQueue.set(name, handler))
  }
  return byQueue
}

function sortSchedules(
  schedules: readonly Schedule[] | undefined,
  queues: readonly QueueSettings[],
): CheckedWorkerOptions['schedules'] {
  if (schedules === undefined) return undefined
  if (!Array.isArray(schedules)) throw new InvalidOptionError('schedules', 'an array of schedules', schedules)
  const byQueue = new Map<string, Schedule[]>(queues.map(({ queue }) => [queue, []]))
  for (const [index, schedule] of schedules.entries()) {
    if (!isSchedule(schedule)) {
      throw new InvalidOptionError(`schedules[${index}]`, 'what defineSchedule() returned', schedule)
    }
    const same = byQueue.get(schedule.contract.queue)
    if (same?.some(({ name }) => name === schedule.name)) {
      throw new InvalidOptionError('schedules', 'one schedule per name and queue', `two named ${schedule.name}`)
    }
    // Those of queues that this worker leaves alone are another worker's.
    same?.push(schedule)
  }
  return byQueue
}

function requireObject(option: string, expected: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(option, expected, value)
  }
}

function refuseUnknown(options: object, known: readonly string[], where?: string): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new UnknownOptionError(name, suggest(name, known), where)
  }
}

/** @throws InvalidOptionError unless it is a whole number from 1 to 10,000 */
export function checkConcurrency(option: string, value: unknown): number {
  return whole(option, value, 1, MAX_CONCURRENCY)
}

function whole(option: string, value: unknown, minimum: number, maximum: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum)
    return value as number
  throw new InvalidOptionError(option, `a whole number from ${minimum} to ${maximum}`, value)
}

function checkRelease(release: unknown): string | undefined {
  if (release === undefined || isRelease(release)) return release
  throw new InvalidOptionError('release', RELEASE_RULE, release)
}
