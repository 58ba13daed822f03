// Owns the option `cache` of a contract: for how long an equal input gets the stored result without a run, and what makes
// two inputs equal. Redis decides in the step that would add the job.

import { type Duration, parseDuration } from './duration.js'
import { checkBy, fieldsText, type MergeBy, readText } from './enqueue-rules.js'
import { InvalidOptionError, UnknownOptionError } from './errors.js'
import { suggest } from './suggest.js'

export interface CacheOptions<Input = unknown> {
  /** How long a result serves equal inputs, from the end of its job: 1 s to 365 days. Not longer than `keepResult`. */
  readonly ttl: Duration
  /**
   * What makes two inputs the same: the names of fields of the input, or a function that gives a text of 1 to 1024
   * characters, the same one whenever it is asked for the same input. Default: the whole input.
   */
  readonly key?: MergeBy<Input>
}

/** A checked `cache`. */
export interface CacheRule {
  readonly ttlMs: number
  readonly key: MergeBy<never> | undefined
}

/** With `cache:` before and `:misses` behind, the job's name is part of a counter's: at most 128 characters in all. */
export const MAX_CACHED_NAME = 115
const NAMES = ['ttl', 'key']

/** @throws InvalidOptionError, UnknownOptionError */
export function readCache(value: unknown): CacheRule | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidOptionError('cache', `an object with ${NAMES.join(', ')}`, value)
  }
  for (const name of Object.keys(value)) {
    if (!NAMES.includes(name)) throw new UnknownOptionError(name, suggest(name, NAMES), 'cache')
  }
  const { ttl, key } = value as Record<string, unknown>
  checkBy('cache.key', key)
  return Object.freeze({
    ttlMs: parseDuration(ttl, { option: 'cache.ttl', minMs: 1_000 }),
    key: key as CacheRule['key'],
  })
}

/**
 * The text that equal inputs share. `input` is as the caller gave it, `json` what its JSON reads as.
 * @throws InvalidOptionError when the function throws or gives something else than such a text
 */
export function cacheText({ key }: CacheRule, input: unknown, json: () => unknown): string {
  if (typeof key !== 'function') return fieldsText(key, json())
  return readText('cache.key', key as (input: unknown) => unknown, [input])
}
