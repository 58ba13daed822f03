// Owns the options of defineJob: their defaults, their ranges, and the list of everything wrong with them.

import { type CacheRule, MAX_CACHED_NAME, readCache } from './cache-rule.js'
import { cutText, describeValue } from './describe-value.js'
import { parseDuration } from './duration.js'
import { DEPTH_NAMES, type EnqueueRules, MERGE_NAMES, readRules } from './enqueue-rules.js'
import { ContractError, InvalidOptionError, UnknownOptionError } from './errors.js'
import { type InputVersions, readVersions, VERSION_NAMES } from './input-version.js'
import { isJobName, isQueueName, JOB_NAME_RULE, QUEUE_NAME_RULE } from './names.js'
import { isStandardSchema } from './schema.js'
import { suggest } from './suggest.js'

const DAY_MS = 86_400_000
const MAX_BACKOFF_MS = 30 * DAY_MS
const DEFAULT_MAX_DELAY_MS = 3_600_000
const MAX_JSON_BYTES = 67_108_864
const MAX_NAME_LENGTH = 64

const OPTION_NAMES = [
  'name',
  'queue',
  'input',
  'output',
  'attempts',
  'backoff',
  'timeout',
  'deadline',
  'keepResult',
  'maxInputBytes',
  'maxResultBytes',
  ...VERSION_NAMES,
  ...MERGE_NAMES,
  ...DEPTH_NAMES,
  'cache',
] as const
const BACKOFF_NAMES = ['type', 'delay', 'jitter', 'maxDelay'] as const

/** How long to wait after a failed attempt, defaults filled in. */
export interface Backoff {
  readonly type: 'fixed' | 'exponential'
  readonly delayMs: number
  readonly jitter: number
  readonly maxDelayMs: number
}

/** The options without name and schemas: checked, defaults filled in, durations in milliseconds. */
export interface CheckedOptions extends InputVersions {
  readonly queue: string
  readonly attempts: number
  readonly backoff: Backoff
  readonly timeoutMs: number
  /** Undefined: none. */
  readonly deadlineMs: number | undefined
  readonly keepResultMs: number
  readonly maxInputBytes: number
  readonly maxResultBytes: number
  /** Which enqueues count as one and how many jobs may wait; undefined without such options. */
  readonly rules: EnqueueRules | undefined
  /** For how long a result serves equal inputs; undefined: each input runs. */
  readonly cache: CacheRule | undefined
}

/** The options with their defaults. Throws ContractError with every problem. */
export function checkOptions(given: unknown): CheckedOptions {
  const problems: string[] = []
  const options = asRecord(given)
  if (options === undefined) throw new ContractError([`expected an object of options, got ${describeValue(given)}`])
  listUnknown(options, OPTION_NAMES, '', problems)
  if (!isJobName(options.name)) problems.push(`name: expected ${JOB_NAME_RULE}, got ${describeValue(options.name)}`)
  if (!isQueueName(options.queue))
    problems.push(`queue: expected ${QUEUE_NAME_RULE}, got ${describeValue(options.queue)}`)
  checkSchemaOption('input', options.input, problems)
  if (options.output !== undefined) checkSchemaOption('output', options.output, problems)
  const cache = readCacheOf(options, problems)
  const checked: CheckedOptions = {
    queue: isQueueName(options.queue) ? options.queue : '',
    attempts: readInteger('attempts', options.attempts, 3, 1000, problems),
    backoff: readBackoff(options.backoff, problems),
    timeoutMs: readDuration('timeout', options.timeout, 300_000, { minMs: 1, maxMs: 30 * DAY_MS }, problems),
    deadlineMs:
      options.deadline === undefined
        ? undefined
        : readDuration('deadline', options.deadline, DAY_MS, { minMs: 1, maxMs: 365 * DAY_MS }, problems),
    keepResultMs: readDuration(
      'keepResult',
      options.keepResult,
      Math.max(DAY_MS, cache?.ttlMs ?? 0),
      { minMs: 1000, maxMs: 365 * DAY_MS },
      problems,
    ),
    maxInputBytes: readInteger('maxInputBytes', options.maxInputBytes, 262_144, MAX_JSON_BYTES, problems),
    maxResultBytes: readInteger('maxResultBytes', options.maxResultBytes, 1_048_576, MAX_JSON_BYTES, problems),
    ...readVersions(options.version, options.upcast, problems),
    rules: readRulesOf(options, problems),
    cache,
  }
  if (cache && cache.ttlMs > checked.keepResultMs) {
    problems.push('cache.ttl: expected no longer than keepResult, as a result that is gone serves no input')
  }
  if (problems.length > 0) throw new ContractError(problems, isJobName(options.name) ? options.name : undefined)
  return checked
}

// The two kinds of rules apart, so that each tells of its own problem.
function readRulesOf(options: Record<string, unknown>, problems: string[]): EnqueueRules | undefined {
  const read = (names: readonly string[]) =>
    noting(problems, () => readRules(Object.fromEntries(names.map((name) => [name, options[name]]))))
  const merge = read(MERGE_NAMES)
  const depth = read(DEPTH_NAMES)
  return merge && depth ? Object.freeze({ ...depth, merge: merge.merge }) : (merge ?? depth)
}

function readCacheOf(options: Record<string, unknown>, problems: string[]): CacheRule | undefined {
  const cache = noting(problems, () => readCache(options.cache))
  if (cache === undefined) return undefined
  const merge = MERGE_NAMES.find((name) => options[name] !== undefined)
  if (merge !== undefined) problems.push(`cache: expected no ${merge} beside it, as equal inputs share one run already`)
  if (isJobName(options.name) && options.name.length > MAX_CACHED_NAME) {
    problems.push(
      `cache: expected a job name of at most ${MAX_CACHED_NAME} characters, as its counters have it in theirs`,
    )
  }
  return cache
}

function noting<Value>(problems: string[], read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof InvalidOptionError) {
      problems.push(`${error.option}: expected ${error.expected}, got ${error.got}`)
    } else if (error instanceof UnknownOptionError) problems.push(error.message)
    else throw error
    return undefined
  }
}

function readBackoff(given: unknown, problems: string[]): Backoff {
  const options = asRecord(given === undefined ? {} : given)
  if (options === undefined) problems.push(`backoff: expected an object of options, got ${describeValue(given)}`)
  const { type = 'exponential', delay, jitter = 0.5, maxDelay } = options ?? {}
  listUnknown(options ?? {}, BACKOFF_NAMES, 'backoff.', problems)
  if (type !== 'fixed' && type !== 'exponential') {
    problems.push(`backoff.type: expected 'fixed' or 'exponential', got ${describeValue(type)}`)
  }
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1)) {
    problems.push(`backoff.jitter: expected a number from 0 to 1, got ${describeValue(jitter)}`)
  }
  const delayMs = readDuration('backoff.delay', delay, 1000, { minMs: 0, maxMs: MAX_BACKOFF_MS }, problems)
  const defaultMs = Math.max(DEFAULT_MAX_DELAY_MS, delayMs)
  const range = { minMs: delayMs, maxMs: MAX_BACKOFF_MS }
  const maxDelayMs = readDuration('backoff.maxDelay', maxDelay, defaultMs, range, problems)
  return Object.freeze({ type: type as Backoff['type'], delayMs, jitter: jitter as number, maxDelayMs })
}

function readInteger(option: string, value: unknown, fallback: number, max: number, problems: string[]): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
  problems.push(`${option}: expected a whole number from 1 to ${max}, got ${describeValue(value)}`)
  return fallback
}

function readDuration(
  option: string,
  value: unknown,
  fallbackMs: number,
  range: { readonly minMs: number; readonly maxMs: number },
  problems: string[],
): number {
  if (value === undefined) return fallbackMs
  try {
    return parseDuration(value, { option, ...range })
  } catch (error) {
    if (!(error instanceof InvalidOptionError)) throw error
    problems.push(`${option}: expected ${error.expected}, got ${error.got}`)
    return fallbackMs
  }
}

function checkSchemaOption(option: string, value: unknown, problems: string[]): void {
  if (isStandardSchema(value)) return
  const expected = 'a Standard Schema, such as one of zod, valibot or arktype'
  problems.push(`${option}: expected ${expected}, got ${describeValue(value)}`)
}

function listUnknown(
  options: Record<string, unknown>,
  known: readonly string[],
  where: string,
  problems: string[],
): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = suggest(name, known)
    const advice = nearest === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${where}${nearest}?`
    problems.push(`unknown option ${where}${cutText(name, MAX_NAME_LENGTH)}: ${advice}`)
  }
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return value as Record<string, unknown>
}
