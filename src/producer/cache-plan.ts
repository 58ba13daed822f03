// The result cache of one enqueue: whether it goes by it, and the record that add-job.lua looks in. The option of the
// contract is src/job's cache-rule.ts; what ends a job writes the record's time (src/ledger's commit.lua).
import { hash } from 'node:crypto'
import {
  type AnyJobContract,
  type CacheRule,
  cacheText,
  canonicalJson,
  formatDuration,
  InvalidOptionError,
  type MergeRule,
} from '../job/index.js'
import type { AddRules, StoredOptions } from '../ledger/index.js'
import type { KeysOfQueue } from '../redis/index.js'

/** How the result cache is used: `refresh` runs the job anew, and its result takes the place of the stored one. */
export interface CacheUse {
  readonly rule: CacheRule
  readonly lasts: 'cache' | 'refresh'
}

interface CacheOptionsOfEnqueue {
  readonly cache?: false | 'refresh' | undefined
  readonly id?: string | undefined
  readonly key?: unknown
  readonly batch?: string | undefined
}

/** For how long the record of a job is kept that has not ended, beside its delay. */
const UNFINISHED_MS = 30 * 86_400_000

/** Undefined where the enqueue goes past the cache: by `cache: false`, or as it names its own job. @throws InvalidOptionError */
export function planCache(
  { cache: rule }: AnyJobContract,
  options: CacheOptionsOfEnqueue | undefined,
  stored: StoredOptions,
  merge: MergeRule | undefined,
): CacheUse | undefined {
  if (rule === undefined && options?.cache === undefined) return undefined
  const { cache, id, key, batch } = options ?? {}
  if (cache !== undefined && cache !== false && cache !== 'refresh') {
    throw new InvalidOptionError('cache', "false or 'refresh'", cache)
  }
  const own = [id, key, batch, merge].some((each) => each !== undefined)
  if (cache === 'refresh' && (rule === undefined || own)) {
    const expected = 'a contract with cache, and no id, key, batch, unique, debounce or throttle beside it'
    throw new InvalidOptionError('cache', expected, cache)
  }
  if (rule === undefined || cache === false || own) return undefined
  const { keepResult } = stored
  if (keepResult !== undefined && keepResult < rule.ttlMs) {
    const expected = `${formatDuration(rule.ttlMs)} or longer, as the contract's cache lasts so long; or cache: false`
    throw new InvalidOptionError('keepResult', expected, formatDuration(keepResult))
  }
  return { rule, lasts: cache ?? 'cache' }
}

/** What is stored with the job, and the record by which it is found. */
export function cacheAdd(
  { rule, lasts }: CacheUse,
  parts: {
    readonly contract: AnyJobContract
    readonly keys: KeysOfQueue
    readonly input: unknown
    readonly text: string
    readonly stored: StoredOptions
  },
): { readonly stored: Pick<StoredOptions, 'cache' | 'cacheTtl'>; readonly rule: NonNullable<AddRules['key']> } {
  const { contract, keys, stored } = parts
  const hash = cacheHash(contract.version, rule, parts)
  const ttlMs = UNFINISHED_MS + (stored.delay ?? 0)
  return {
    stored: { cache: hash, cacheTtl: rule.ttlMs },
    rule: { record: keys.cache(`${contract.name}:${hash}`), inputHash: '', ttlMs, lasts },
  }
}

/** Results of one version of the contract serve no other: what a handler makes of an input may have changed with it. */
export function cacheHash(
  version: number,
  rule: CacheRule,
  { input, text }: { readonly input: unknown; readonly text: string },
): string {
  return hashOf(`${version} ${cacheText(rule, input, () => JSON.parse(canonicalJson(text)))}`)
}

export function hashOf(text: string): string {
  return hash('sha256', text, 'base64url')
}
