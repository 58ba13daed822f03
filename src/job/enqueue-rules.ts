// Owns the rules of a contract or of one enqueue that decide whether an enqueue makes a job at all: which enqueues count
// as one (`unique`, `debounce`, `throttle`), and how many jobs may wait (`maxDepth`). Redis applies them in one step.

import { describeValue, isWellFormed } from './describe-value.js'
import { type Duration, parseDuration } from './duration.js'
import { InvalidOptionError, UnknownOptionError } from './errors.js'
import { suggest } from './suggest.js'

/**
 * What makes two inputs the same: the names of fields of the input, or a function that gives a text of 1 to 1024
 * characters. Default: the whole input.
 */
export type MergeBy<Input> = FieldOf<Input> | readonly FieldOf<Input>[] | ((input: Input) => string)

/** Any name, of which editors offer those of the input's fields. */
export type FieldOf<Input> = (Input extends Input ? keyof Input & string : never) | (string & Record<never, never>)

export interface UniqueOptions<Input = unknown> {
  readonly by?: MergeBy<Input>
  /**
   * `unfinished` (default): no second job until the first has ended. `waiting`: no second job until the first has begun,
   * so that one runs and one waits at most.
   */
  readonly while?: 'waiting' | 'unfinished'
  /** Longest time that one job keeps others out, 1 ms to 365 days. Default: none. */
  readonly ttl?: Duration
}

export interface DebounceOptions<Input = unknown> {
  readonly by?: MergeBy<Input>
  /** The job starts when no enqueue came for so long, with the newest input. 1 ms to 365 days. */
  readonly wait: Duration
}

export interface ThrottleOptions<Input = unknown> {
  readonly by?: MergeBy<Input>
  /** The first enqueue makes a job, further ones none for so long. 1 ms to 365 days. */
  readonly window: Duration
}

/** The three ways to take several enqueues for one; at most one of them. */
export interface MergeOptions<Input = unknown> {
  /** Only one such job at a time: see `UniqueOptions`. */
  readonly unique?: UniqueOptions<Input>
  /** Waits for the enqueues to calm down: see `DebounceOptions`. Not with `delay`, `at` or `lifo`. */
  readonly debounce?: DebounceOptions<Input>
  /** At most one job in a window of time: see `ThrottleOptions`. */
  readonly throttle?: ThrottleOptions<Input>
}

export interface DepthOptions {
  /**
   * Most jobs of the queue that may wait (waiting, prioritized and delayed together, of all its job names), 1 to
   * 1,000,000,000. Default: no limit. It is exact, whoever enqueues at the same time.
   */
  readonly maxDepth?: number
  /** At `maxDepth`: `reject` (default) is QueueFullError at once, `wait` tries for the producer's `timeout` first. */
  readonly onFull?: 'reject' | 'wait'
}

export interface MergeRule {
  readonly kind: 'unique' | 'debounce' | 'throttle'
  readonly by: MergeBy<never> | undefined
  /** Of `unique` only. */
  readonly while: 'waiting' | 'unfinished'
  /** The `ttl`, `wait` or `window`; undefined for a `unique` without a ttl. */
  readonly ms: number | undefined
}

export interface EnqueueRules {
  readonly merge: MergeRule | undefined
  readonly maxDepth: number | undefined
  readonly onFull: 'reject' | 'wait'
}

export const MERGE_NAMES = ['unique', 'debounce', 'throttle'] as const
export const DEPTH_NAMES = ['maxDepth', 'onFull'] as const
const MAX_DEPTH = 1_000_000_000
const TIME_NAME = { unique: 'ttl', debounce: 'wait', throttle: 'window' } as const

/** The rules among these options, undefined without any. @throws InvalidOptionError, UnknownOptionError for the first problem */
export function readRules(options: Readonly<Record<string, unknown>>): EnqueueRules | undefined {
  const merge = readMerge(options)
  const { maxDepth, onFull } = options
  if (onFull !== undefined && onFull !== 'reject' && onFull !== 'wait') {
    throw new InvalidOptionError('onFull', "'reject' or 'wait'", onFull)
  }
  if (maxDepth === undefined) {
    if (onFull !== undefined) throw new InvalidOptionError('onFull', 'a maxDepth beside it', onFull)
    return merge && Object.freeze({ merge, maxDepth: undefined, onFull: 'reject' })
  }
  if (typeof maxDepth !== 'number' || !Number.isInteger(maxDepth) || maxDepth < 1 || maxDepth > MAX_DEPTH) {
    throw new InvalidOptionError('maxDepth', `a whole number from 1 to ${MAX_DEPTH}`, maxDepth)
  }
  return Object.freeze({ merge, maxDepth, onFull: onFull ?? 'reject' })
}

function readMerge(options: Readonly<Record<string, unknown>>): MergeRule | undefined {
  const given = MERGE_NAMES.filter((name) => options[name] !== undefined)
  const [kind, other] = given
  if (kind === undefined) return undefined
  if (other !== undefined) throw new InvalidOptionError(other, `only one of ${MERGE_NAMES.join(', ')}`, options[other])
  const value = options[kind]
  const time = TIME_NAME[kind]
  const names = kind === 'unique' ? ['by', 'while', time] : ['by', time]
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(kind, `an object with ${names.join(', ')}`, value)
  }
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw new UnknownOptionError(name, suggest(name, names), kind)
  }
  const { by, while: state = 'unfinished', [time]: duration } = value as Record<string, unknown>
  if (state !== 'waiting' && state !== 'unfinished') {
    throw new InvalidOptionError('unique.while', "'waiting' or 'unfinished'", state)
  }
  checkBy(`${kind}.by`, by)
  const isEndless = kind === 'unique' && duration === undefined
  const ms = isEndless ? undefined : parseDuration(duration, { option: `${kind}.${time}`, minMs: 1 })
  return Object.freeze({ kind, by: by as MergeRule['by'], while: state, ms })
}

/** @throws InvalidOptionError for what is neither undefined, a field, fields nor a function */
export function checkBy(option: string, by: unknown): void {
  if (by === undefined || typeof by === 'function') return
  const fields: readonly unknown[] = Array.isArray(by) ? by : [by]
  if (fields.length > 0 && fields.every((field) => typeof field === 'string' && field !== '')) return
  throw new InvalidOptionError(option, 'the name of a field, a list of names, or a function that gives text', by)
}

const MAX_TEXT = 1_024

/**
 * The text that two inputs share when the rule takes them for the same. `input` is as the caller gave it, `json` what
 * its JSON reads as. @throws InvalidOptionError when the function throws or gives something else than such a text
 */
export function mergeText({ kind, by }: MergeRule, input: unknown, json: unknown): string {
  if (typeof by === 'function') return readText(`${kind}.by`, by as (input: unknown) => unknown, [input])
  return fieldsText(by, json)
}

/** The text of these fields of a JSON value, of the whole value without any; a field that is not there counts as null. */
export function fieldsText(by: string | readonly string[] | undefined, json: unknown): string {
  if (by === undefined) return JSON.stringify(['', json])
  const fields = typeof by === 'string' ? [by] : by
  const object = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {}
  return JSON.stringify(fields.map((name) => [name, Object.hasOwn(object, name) ? object[name] : null]))
}

/** What a function of the caller's gives for an input. @throws InvalidOptionError, its cause what the function threw */
export function readText<Words extends readonly unknown[]>(
  option: string,
  read: (...words: Words) => unknown,
  words: Words,
): string {
  const expected = `a function that gives a text of 1 to ${MAX_TEXT} characters`
  let text: unknown
  try {
    text = read(...words)
  } catch (cause) {
    throw new InvalidOptionError(option, `${expected}, not one that throws`, describeValue(cause), { cause })
  }
  if (typeof text !== 'string' || text === '' || text.length > MAX_TEXT)
    throw new InvalidOptionError(option, expected, text)
  // As half an emoji that a slice left.
  if (!isWellFormed(text)) throw new InvalidOptionError(option, expected, 'a text with a lone surrogate')
  return text
}
