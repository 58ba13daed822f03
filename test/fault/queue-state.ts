// All that Redis has of one queue, read as plain data, with no code of Drover but the names of its keys.
import type { Cluster, Redis } from 'ioredis'
import { type KeysOfQueue, queueKeys } from '../../src/redis/index.js'

export const STATES = [
  'wait',
  'paused',
  'active',
  'prioritized',
  'delayed',
  'waiting-children',
  'completed',
  'failed',
] as const
export type State = (typeof STATES)[number]

export interface QueueState {
  /** The ids of each state, as often as they are listed. */
  readonly ids: Readonly<Record<State, readonly string[]>>
  /** Ids that a job's own hash is there for. */
  readonly hashes: ReadonlySet<string>
  /** The result record of each id, or null where its text is none. */
  readonly results: ReadonlyMap<string, ResultFacts | null>
  readonly counters: Readonly<Record<string, string | null>>
  readonly totals: Readonly<Record<string, number>>
  /** Completed and failed over all minutes of the stats. */
  readonly stats: { readonly completed: number; readonly failed: number }
  /** How often each id's effect was applied. */
  readonly hits: Readonly<Record<string, string>>
  /** Keys of this Redis that carry neither the queue's tag nor the bare prefix. */
  readonly strays: readonly string[]
}

export interface ResultFacts {
  readonly id: string
  readonly status: string
  readonly attempts: number
}

export type Client = Redis | Cluster
const CHUNK = 500
/** The key of the effect that each completed job of a fault run has. */
export const hitsKey = (queue: string): string => `{drover:${queue}}:fault:hits`

/** Reads the queue. `ownKeys` are further keys that may stand outside of its tag. */
export async function readQueue(redis: Client, queue: string, ownKeys: readonly string[] = []): Promise<QueueState> {
  const keys = queueKeys('drover', queue)
  const names = await allKeys(redis)
  const ids = Object.fromEntries(
    await Promise.all(STATES.map(async (state) => [state, await readState(redis, keys, state)] as const)),
  ) as Record<State, string[]>
  return {
    ids,
    hashes: new Set(await jobHashes(redis, keys, names)),
    results: await readResults(redis, keys, names),
    counters: await readCounters(redis, keys, names),
    totals: numbers(await redis.hgetall(keys.totals)),
    stats: await readStats(redis, keys, names),
    hits: await redis.hgetall(hitsKey(queue)),
    strays: names.filter((name) => !/^\{drover:[^}]+\}:|^drover:[a-z]/.test(name) && !ownKeys.includes(name)),
  }
}

async function allKeys(redis: Client): Promise<string[]> {
  const nodes = 'nodes' in redis ? (redis as Cluster).nodes('master') : [redis as Redis]
  const names: string[] = []
  for (const node of nodes) {
    for await (const chunk of node.scanStream({ count: 1_000 })) names.push(...(chunk as string[]))
  }
  return [...new Set(names)]
}

async function readState(redis: Client, keys: KeysOfQueue, state: State): Promise<string[]> {
  const key = keys.bullBase + state
  const type = await redis.type(key)
  if (type === 'zset') return redis.zrange(key, '0', '-1')
  // BullMQ's marker stands in the list of a queue that it has just touched, and is no job.
  if (type === 'list') return (await redis.lrange(key, 0, -1)).filter((id) => !id.startsWith('0:'))
  return []
}

async function jobHashes(redis: Client, keys: KeysOfQueue, names: readonly string[]): Promise<string[]> {
  const candidates = names.filter((name) => name.startsWith(keys.bullBase))
  const own = candidates.map((name) => name.slice(keys.bullBase.length)).filter((id) => !id.includes(':'))
  const types = await inChunks(own, (chunk) =>
    Promise.all(chunk.map((id) => redis.hexists(keys.bullBase + id, 'name').catch(() => 0))),
  )
  return own.filter((_, index) => types[index] === 1)
}

async function readResults(redis: Client, keys: KeysOfQueue, names: readonly string[]) {
  const base = keys.result('')
  const ids = names.filter((name) => name.startsWith(base)).map((name) => name.slice(base.length))
  const texts = await inChunks(ids, (chunk) => redis.mget(chunk.map((id) => keys.result(id))))
  return new Map(ids.map((id, index) => [id, parse(texts[index])] as const))
}

function parse(text: string | null | undefined): ResultFacts | null {
  try {
    const { id, status, attempts } = JSON.parse(text ?? 'null') as ResultFacts
    return { id, status, attempts }
  } catch {
    // No record: the checker names the key.
    return null
  }
}

async function readCounters(redis: Client, keys: KeysOfQueue, names: readonly string[]) {
  const base = keys.counter('')
  const counters = names.filter((name) => name.startsWith(base)).map((name) => name.slice(base.length))
  const values = await Promise.all(counters.map((name) => redis.get(keys.counter(name))))
  return Object.fromEntries(counters.map((name, index) => [name, values[index] ?? null]))
}

async function readStats(redis: Client, keys: KeysOfQueue, names: readonly string[]) {
  const sums = { completed: 0, failed: 0 }
  const minutes = names.filter((name) => /:stats:\d+$/.test(name) && name.startsWith(keys.base))
  for (const minute of minutes) {
    for (const [field, count] of Object.entries(await redis.hgetall(minute))) {
      const letter = field.startsWith('#') ? '' : field.split('|')[1]
      if (letter === 'c') sums.completed += Number(count)
      if (letter === 'f') sums.failed += Number(count)
    }
  }
  return sums
}

const numbers = (hash: Record<string, string>) =>
  Object.fromEntries(Object.entries(hash).map(([field, count]) => [field, Number(count)]))

async function inChunks<Item, Answer>(
  items: readonly Item[],
  ask: (chunk: Item[]) => Promise<Answer[]>,
): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let at = 0; at < items.length; at += CHUNK) answers.push(...(await ask(items.slice(at, at + CHUNK))))
  return answers
}
