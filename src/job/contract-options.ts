// Owns the options of defineJob: their defaults, their ranges, and the list of everything wrong with them.

import { type Backoff, readBackoff } from './backoff.js'
import { type CacheRule, MAX_CACHED_NAME, readCache } from './cache-rule.js'
import { describeValue } from './describe-value.js'
import { DEPTH_NAMES, type EnqueueRules, MERGE_NAMES, readRules } from './enqueue-rules.js'
import { ContractError, InvalidOptionError, UnknownOptionError } from './errors.js'
import { type InputVersions, readVersions, VERSION_NAMES } from './input-version.js'
import { type JobLimit, readLimit } from './limit-options.js'
import { isJobName, isQueueName, JOB_NAME_RULE, QUEUE_NAME_RULE } from './names.js'
import { asRecord, listUnknown, readDuration, readInteger } from './option-problems.js'
import { isStandardSchema } from './schema.js'

const DAY_MS = 86_400_000
const DEFAULT_ATTEMPTS = 3
const MAX_ATTEMPTS = 1_000
const MAX_JSON_BYTES = 67_108_864

const OPTION_NAMES = [
  'name',
  'queue',
  'input',
  'output',
  'attempts',
  'backoff',
  'retryUntil',
  'timeout',
  'deadline',
  'keepResult',
  'maxInputBytes',
  'maxResultBytes',
  ...VERSION_NAMES,
  ...MERGE_NAMES,
  ...DEPTH_NAMES,
  'cache',
  'limit',
] as const

/** The options without name and schemas: checked, defaults filled in, durations in milliseconds. */
export interface CheckedOptions extends InputVersions {
  readonly queue: string
  readonly attempts: number
  readonly backoff: Backoff
  /** From when a job was first due to the latest start of a retry. Undefined: no limit. */
  readonly retryUntilMs?: number
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
  /** Undefined: none. */
  readonly limit: JobLimit | undefined
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
    // Who says for how long to retry need not say how often too.
    attempts: readInteger(
      'attempts',
      options.attempts,
      options.retryUntil === undefined ? DEFAULT_ATTEMPTS : MAX_ATTEMPTS,
      MAX_ATTEMPTS,
      problems,
    ),
    backoff: readBackoff(options.backoff, problems),
    ...(options.retryUntil !== undefined && { retryUntilMs: readRetryUntil(options.retryUntil, problems) }),
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
    limit: noting(problems, () => readLimit(options.limit)),
  }
  if (checked.limit?.order === 'strict' && checked.rules?.merge?.kind === 'debounce') {
    problems.push("debounce: expected none beside limit.order 'strict', as it would change the order")
  }
  if (cache && cache.ttlMs > checked.keepResultMs) {
    problems.push('cache.ttl: expected no longer than keepResult, as a result that is gone serves no input')
  }
  if (problems.length > 0) throw new ContractError(problems, isJobName(options.name) ? options.name : undefined)
  return checked
}

function readRetryUntil(value: unknown, problems: string[]): number {
  return readDuration('retryUntil', value, DAY_MS, { minMs: 1, maxMs: 365 * DAY_MS }, problems)
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

function checkSchemaOption(option: string, value: unknown, problems: string[]): void {
  if (isStandardSchema(value)) return
  const expected = 'a Standard Schema, such as one of zod, valibot or arktype'
  problems.push(`${option}: expected ${expected}, got ${describeValue(value)}`)
}
