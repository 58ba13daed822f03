// What the limits of a queue are at this moment: of a key, of a job, and of the whole queue. Reads only.
import { readFileSync } from 'node:fs'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { fillTemplate } from '../fill-template.js'
import { limitFunctionsLua } from './limit-functions.js'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const readLua = fillTemplate(read('./read-limit.lua'), { LIMITS: limitFunctionsLua })

/** Most ids of jobs that are told of one key. */
const MAX_IDS = 100
/** Keys that are looked at together. */
const KEYS_AT_ONCE = 200

export interface LimitState {
  /** As `limitId` names it: the job name, or nothing where contracts share it, a colon and the key. */
  readonly id: string
  readonly key: string
  /** Undefined where contracts of the queue share the key. */
  readonly job: string | undefined
  /** Most jobs at once; undefined for any number. */
  readonly concurrency: number | undefined
  readonly rate:
    | {
        readonly kind: 'sliding' | 'fixed' | 'bucket'
        readonly limit: number
        readonly windowMs: number
        /** Starts that it lets through at this moment. */
        readonly left: number
      }
    | undefined
  readonly order: 'free' | 'strict'
  readonly weight: number
  /** Jobs with a permit: they run, or are about to, or (strict order) wait for their next attempt. */
  readonly held: number
  /** Jobs in line. */
  readonly parked: number
  /** Why the first in line does not start: its key has all its permits out, its rate, or nothing but a free worker. */
  readonly waitsFor: 'permit' | 'rate' | 'worker' | undefined
  /** With `rate`: when it lets the next job start, ms since 1970. */
  readonly freeAt: number | undefined
}

export interface LimitOfJob extends LimitState {
  /** True when the job has a permit. */
  readonly holds: boolean
  /** Its place in line, 0 for the first; undefined when it is not in line (it runs, is delayed, or has ended). */
  readonly position: number | undefined
  /** Who has the permits, up to 100 ids. */
  readonly holders: readonly string[]
}

export interface LimitCounts {
  /** Keys that have jobs in line or permits out. */
  readonly keys: number
  /** Jobs that have a permit, and jobs in line. */
  readonly held: number
  readonly parked: number
}

/** The state of one limit; undefined when nothing is kept of it: no job of it waits or runs. */
export async function readLimit(client: RedisClient, keys: KeysOfQueue, id: string): Promise<LimitState | undefined> {
  return parseState(id, await evaluate(client, keys, id, ''))
}

/** The limit of a job; undefined for a job without one, or none of that id. */
export async function readLimitOfJob(
  client: RedisClient,
  keys: KeysOfQueue,
  jobId: string,
): Promise<LimitOfJob | undefined> {
  const word = await client.hget(keys.bullBase + jobId, 'drover:limit')
  if (word === null) return undefined
  const id = word.slice(word.indexOf(' ') + 1)
  const reply = await evaluate(client, keys, id, jobId)
  const state = parseState(id, reply)
  if (state === undefined) return undefined
  const [, , , , , holder, position] = reply ?? []
  const holders = await holdersOf(client, keys, id)
  return { ...state, holds: holder === id, position: position === '' ? undefined : Number(position), holders }
}

/** Counts over the whole queue. */
export async function readLimitCounts(client: RedisClient, keys: KeysOfQueue): Promise<LimitCounts> {
  const [held, parked] = await Promise.all([
    client.hlen(keys.limit('held')),
    client.zcard(`${keys.bullBase}waiting-children`),
  ])
  if (held + parked === 0) return { keys: 0, held, parked }
  const ids = new Set<string>()
  for await (const id of idsInUse(client, keys)) ids.add(id)
  return { keys: ids.size, held, parked }
}

/**
 * The limits of a queue that have jobs in line or permits out, those with most jobs in line first. It reads all permits
 * and jobs in line, a part at a time.
 */
export async function listLimits(client: RedisClient, keys: KeysOfQueue, most: number): Promise<LimitState[]> {
  const ids = new Set<string>()
  for await (const id of idsInUse(client, keys)) ids.add(id)
  const states: LimitState[] = []
  const all = [...ids]
  for (let at = 0; at < all.length; at += KEYS_AT_ONCE) {
    const part = all.slice(at, at + KEYS_AT_ONCE)
    const read = await Promise.all(part.map((id) => readLimit(client, keys, id)))
    states.push(...read.filter((state) => state !== undefined))
  }
  return states.sort((a, b) => b.parked - a.parked || b.held - a.held || (a.id < b.id ? -1 : 1)).slice(0, most)
}

async function* idsInUse(client: RedisClient, keys: KeysOfQueue): AsyncGenerator<string> {
  for (let cursor = '0'; ; ) {
    const [next, words] = await client.hscan(keys.limit('held'), cursor, 'COUNT', KEYS_AT_ONCE)
    for (const [index, word] of words.entries()) if (index % 2 === 1) yield word
    cursor = next
    if (cursor === '0') break
  }
  for (let cursor = '0'; ; ) {
    const [next, words] = await client.zscan(`${keys.bullBase}waiting-children`, cursor, 'COUNT', KEYS_AT_ONCE)
    const jobs = words.filter((_, index) => index % 2 === 0)
    const look = client.pipeline()
    for (const job of jobs) look.hget(keys.bullBase + job, 'drover:limit')
    for (const [error, word] of (await look.exec()) ?? []) {
      if (error) throw error
      if (typeof word === 'string') yield word.slice(word.indexOf(' ') + 1)
    }
    cursor = next
    if (cursor === '0') return
  }
}

async function holdersOf(client: RedisClient, keys: KeysOfQueue, id: string): Promise<string[]> {
  const holders: string[] = []
  for (let cursor = '0'; ; ) {
    const [next, words] = await client.hscan(keys.limit('held'), cursor, 'COUNT', KEYS_AT_ONCE)
    for (let at = 0; at < words.length; at += 2) if (words[at + 1] === id) holders.push(words[at] ?? '')
    cursor = next
    if (cursor === '0' || holders.length >= MAX_IDS) return holders.slice(0, MAX_IDS)
  }
}

type Reply = readonly [spec: string, held: string, parked: string, left: string, freeAt: string, ...rest: string[]]

async function evaluate(client: RedisClient, keys: KeysOfQueue, id: string, jobId: string): Promise<Reply | null> {
  const args = [keys.limit('held'), keys.base, keys.bullBase, id, jobId]
  return (await client.eval(readLua, 1, ...args)) as Reply | null
}

const KINDS = { s: 'sliding', f: 'fixed', b: 'bucket' } as const

function parseState(id: string, reply: Reply | null): LimitState | undefined {
  if (reply === null) return undefined
  const [spec, held, parked, left, freeAt] = reply
  const [concurrency, kind = 'n', limit, windowMs, , weight, order] = spec.split(',')
  const at = id.indexOf(':')
  const most = Number(concurrency)
  const isFull = most > 0 && Number(held) >= most
  const waits = freeAt === '' ? 'worker' : 'rate'
  return {
    id,
    key: id.slice(at + 1),
    job: at === 0 ? undefined : id.slice(0, at),
    concurrency: most === 0 ? undefined : most,
    rate:
      kind === 'n'
        ? undefined
        : {
            kind: KINDS[kind as keyof typeof KINDS],
            limit: Number(limit),
            windowMs: Number(windowMs),
            left: Number(left),
          },
    order: order === 's' ? 'strict' : 'free',
    weight: Number(weight),
    held: Number(held),
    parked: Number(parked),
    waitsFor: parked === '0' ? undefined : isFull ? 'permit' : waits,
    freeAt: freeAt === '' ? undefined : Number(freeAt),
  }
}
