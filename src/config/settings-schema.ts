// Which values each setting takes, from a flag, the environment or drover.config.ts alike, and what they become.
// A schema's messages are worded to follow "expected". settings-table.ts says what the settings mean.
import { availableParallelism } from 'node:os'
import { z } from 'zod'
import {
  formatDuration,
  isQueueName,
  isRelease,
  parseDuration,
  QUEUE_NAME_RULE,
  RELEASE_RULE,
  RedisUrlError,
} from '../job/index.js'
import {
  checkPrefix,
  DURABILITIES,
  PREFIX_RULE,
  parseRedisUrl,
  REDIS_URL_FORMS,
  type RedisSettings,
} from '../redis/index.js'
import { LOG_FORMATS, LOG_LEVELS, type SettingName } from './settings.js'

const MAX_CONCURRENCY = 10_000
const MAX_PROCESSES = 256
const MAX_WORKERS = 10_000
const MIN_MEMORY_BYTES = 64 * 1_024 ** 2
const MAX_MEMORY_BYTES = 1_024 ** 4
const HOUR_MS = 3_600_000

/** One schema per setting. */
export const SETTING_SCHEMAS = {
  redis: redis(),
  prefix: z.string({ error: PREFIX_RULE }).refine(isPrefix, { error: PREFIX_RULE }),
  jobs: globs(),
  queues: queues(),
  concurrency: wholeNumber(1, MAX_CONCURRENCY),
  shutdownTimeout: duration(0, HOUR_MS, '25s'),
  processes: processes(),
  maxMemory: memory(),
  maxJobs: wholeNumber(1, 999_999_999),
  release: release(),
  waitTarget: duration(1_000, 24 * HOUR_MS, '30s'),
  minWorkers: wholeNumber(0, MAX_WORKERS),
  maxWorkers: wholeNumber(1, MAX_WORKERS),
  scaleDown: duration(0, HOUR_MS, '5m'),
  healthPort: wholeNumber(0, 65_535),
  healthHost: oneLine('a host name or address'),
  host: oneLine('a host name or address'),
  port: wholeNumber(0, 65_535),
  basePath: path(),
  token: oneLine('text without spaces around it'),
  logLevel: z.enum(LOG_LEVELS, { error: `one of ${LOG_LEVELS.join(', ')}` }),
  logFormat: z.enum(LOG_FORMATS, { error: `one of ${LOG_FORMATS.join(', ')}` }),
  dataDir: oneLine('a directory'),
  timeout: duration(1, HOUR_MS, '5s'),
  durability: z.enum(DURABILITIES, { error: `one of ${DURABILITIES.join(', ')}` }),
  allowVolatile: yesOrNo(),
} satisfies Record<SettingName, z.ZodType>

/** What each setting is when nobody gives it, written as drover.config.ts would; a setting that is missing has none. */
export const SETTING_DEFAULTS = {
  prefix: 'drover',
  jobs: 'jobs/**/*.{ts,mts,js,mjs}',
  concurrency: 10,
  shutdownTimeout: '25s',
  processes: 1,
  healthHost: '127.0.0.1',
  host: '127.0.0.1',
  port: 3768,
  basePath: '/',
  logLevel: 'info',
  logFormat: 'json',
  dataDir: '.drover',
  timeout: '5s',
  durability: 'standard',
  allowVolatile: false,
} as const satisfies Partial<Record<SettingName, unknown>>

function wholeNumber(minimum: number, maximum: number, error = `a whole number from ${minimum} to ${maximum}`) {
  const digits = z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
  return z.union([z.number(), digits], { error }).pipe(z.int({ error }).min(minimum, { error }).max(maximum, { error }))
}

function processes() {
  const error = `a whole number from 1 to ${MAX_PROCESSES}, or auto for one per core`
  const auto = z.literal('auto').transform(() => Math.min(availableParallelism(), MAX_PROCESSES))
  return z.union([auto, wholeNumber(1, MAX_PROCESSES, error)], { error })
}

// Less would have each process replaced for what Node itself takes.
function memory() {
  const error = 'a size of memory from 64mb to 1024gb, such as 512mb or 2gb, or a number of bytes'
  const text = z
    .string()
    .regex(/^\d{1,15}(?:kb|mb|gb)?$/i)
    .transform(
      (size) => Number.parseInt(size, 10) * 1_024 ** (1 + ['kb', 'mb', 'gb'].indexOf(size.slice(-2).toLowerCase())),
    )
  return z
    .union([z.number(), text], { error })
    .pipe(z.int({ error }).min(MIN_MEMORY_BYTES, { error }).max(MAX_MEMORY_BYTES, { error }))
}

function release() {
  return z.string({ error: RELEASE_RULE }).refine(isRelease, { error: RELEASE_RULE })
}

function yesOrNo() {
  const error = 'true or false (1, 0, yes and no will do)'
  const word = z.enum(['1', 'true', 'yes', '0', 'false', 'no']).transform((text) => /^[1ty]/.test(text))
  return z.union([z.boolean(), word], { error })
}

function oneLine(error: string) {
  return z.string({ error }).regex(/^[^\s\p{Cc}](?:[^\p{Cc}]*[^\s\p{Cc}])?$/u, { error })
}

function duration(minMs: number, maxMs: number, example: string) {
  return z.unknown().transform((value, context): number => {
    try {
      return parseDuration(value, { option: 'duration', minMs, maxMs })
    } catch {
      const range = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
      const message = `a duration with its unit, such as ${example}, ${range}`
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    }
  })
}

function path() {
  const error = 'a path such as / or /admin/jobs'
  return z
    .string({ error })
    .regex(/^(\/[A-Za-z0-9._~-]+)*\/?$/, { error })
    .transform((text) => (text.endsWith('/') ? text.slice(0, -1) : text) || '/')
}

function globs() {
  const error = 'a glob or a list of globs'
  // A comma inside braces belongs to its glob: jobs/*.{ts,js}
  const list = z.string().transform((text) => text.split(/,(?![^{]*\})/).map((glob) => glob.trim()))
  return z
    .union([list, z.array(z.string())], { error })
    .pipe(z.array(z.string().min(1, { error: 'a glob' })).min(1, { error }))
}

function queues() {
  const jobs = wholeNumber(1, MAX_CONCURRENCY)
  const options = z.union(
    [
      jobs.transform((concurrency) => ({ concurrency })),
      z.strictObject({ concurrency: jobs.optional() }, { error: '{ concurrency } and nothing else' }),
    ],
    { error: `a concurrency from 1 to ${MAX_CONCURRENCY}, as a number or { concurrency }` },
  )
  const name = z.string().refine(isQueueName, { error: QUEUE_NAME_RULE })
  const error = 'queues with their concurrency, such as media:8,mail or { media: 8 }'
  return z.preprocess(
    (value, context) => {
      if (typeof value !== 'string' && !Array.isArray(value)) return value
      const entries = readQueueList(Array.isArray(value) ? value.join(',') : value)
      const named = Object.fromEntries(entries)
      if (Object.keys(named).length < entries.length) {
        context.addIssue({ code: 'custom', message: 'each queue once' })
      }
      return named
    },
    z.record(name, options, { error }),
  )
}

// `media:8,mail`: a queue without a number takes the general concurrency.
function readQueueList(text: string): [name: string, options: object][] {
  return text.split(',').map((item) => {
    const colon = item.indexOf(':')
    if (colon === -1) return [item.trim(), {}]
    return [item.slice(0, colon).trim(), { concurrency: item.slice(colon + 1).trim() }]
  })
}

function redis() {
  const port = wholeNumber(1, 65_535)
  const db = wholeNumber(0, 999_999_999)
  const host = z.string({ error: 'a host name' })
  const masterName = z.string({ error: 'the name of the master' })
  const error = 'at least one host and port'
  const addresses = z.array(z.looseObject({ host, port }), { error }).min(1, { error })
  // The parsed form is for config files that build it themselves, with files for TLS for example.
  const settings = z.discriminatedUnion(
    'kind',
    [
      z.looseObject({ kind: z.literal('single'), host, port, db }),
      z.looseObject({ kind: z.literal('sentinel'), sentinels: addresses, masterName, db }),
      z.looseObject({ kind: z.literal('cluster'), nodes: addresses }),
    ],
    { error: `a Redis URL (${REDIS_URL_FORMS}) or what parseRedisUrl gives for one` },
  )
  const read = z.preprocess((value, context) => (typeof value === 'string' ? readUrl(value, context) : value), settings)
  return read.transform((value): RedisSettings => value)
}

function readUrl(url: string, context: z.RefinementCtx): RedisSettings {
  try {
    return parseRedisUrl(url)
  } catch (error) {
    if (!(error instanceof RedisUrlError)) throw error
    context.addIssue({ code: 'custom', message: `a usable Redis URL: ${error.problem}` })
    return z.NEVER
  }
}

function isPrefix(text: string): boolean {
  try {
    return checkPrefix(text) === text
  } catch {
    return false
  }
}
