// Reads what `drover verify` compares: totals, counters, set sizes and permits before and after one scan of all keys. A number that
// is the same in both held all the while, so that counts of a queue at work are compared too, by the range they moved in.
import type { Redis as Client } from 'ioredis'
import { isQueueName } from '../../job/index.js'
import { auditLimits, type LimitAudit } from '../../ledger/index.js'
import { contractKey, type NamedKey, queueKeys, queuesKey, type RedisClient, scanKeys } from '../../redis/index.js'
import { Tally } from './tally.js'

/** What a queue says of itself at one moment. */
export interface Claims {
  /** By `<job>:completed | failed | retried | snoozed`. */
  readonly totals: ReadonlyMap<string, number>
  /** User counters by name; one that holds no whole number is left out, `drover doctor` names it. */
  readonly counters: ReadonlyMap<string, bigint>
  /** How many jobs each of BullMQ's lists and sets holds. */
  readonly sizes: Readonly<Record<string, number>>
  readonly limits: LimitAudit
}

export interface QueueEvidence {
  readonly queue: string
  readonly before: Claims
  readonly after: Claims
  readonly kept: Tally
}

export interface Gathered {
  readonly queues: readonly QueueEvidence[]
  /** When the first worker named the version of these keys, ms since 1970; undefined where that was not noted. */
  readonly sinceMs: number | undefined
  /** Redis's time before the scan. */
  readonly startedMs: number
}

const LISTS = ['wait', 'paused', 'active'] as const
const SETS = ['delayed', 'prioritized', 'completed', 'failed', 'waiting-children'] as const
const INTEGER = /^-?\d{1,19}$/
const COUNT = /^\d{1,15}$/
/** Counters read at once, and at most in all. */
const CHUNK = 500
export const MAX_COUNTERS = 100_000

export async function gather(client: RedisClient, prefix: string, only: string | undefined): Promise<Gathered> {
  const startedMs = Number((await client.time())[0]) * 1_000
  const since = await client.hget(contractKey(prefix), 'since')
  const listed = (await client.smembers(queuesKey(prefix))).filter(isQueueName)
  const wanted = only === undefined ? listed : [only]
  const before = new Map<string, Claims>()
  for (const queue of wanted) before.set(queue, await readClaims(client, prefix, queue))
  const tallies = await scanRecords(client, prefix, only)
  const queues: QueueEvidence[] = []
  for (const queue of [...new Set([...wanted, ...tallies.keys()])].sort()) {
    const after = await readClaims(client, prefix, queue)
    // Known to nobody but the scan: then nothing is known of its start, and its end stands for it.
    queues.push({ queue, before: before.get(queue) ?? after, after, kept: tallies.get(queue) ?? new Tally() })
  }
  return { queues, sinceMs: since === null || !COUNT.test(since) ? undefined : Number(since), startedMs }
}

async function readClaims(client: RedisClient, prefix: string, queue: string): Promise<Claims> {
  const keys = queueKeys(prefix, queue)
  const fields = Object.entries(await client.hgetall(keys.totals)).filter(([, text]) => COUNT.test(text))
  const [lists, sets] = await Promise.all([
    Promise.all(LISTS.map((name) => client.llen(keys.bullBase + name))),
    Promise.all(SETS.map((name) => client.zcard(keys.bullBase + name))),
  ])
  const sizes = [...LISTS.map((name, at) => [name, lists[at]]), ...SETS.map((name, at) => [name, sets[at]])]
  const counters = new Map<string, bigint>()
  const names = (await client.smembers(keys.counterNames)).slice(0, MAX_COUNTERS)
  for (let at = 0; at < names.length; at += CHUNK) {
    const chunk = names.slice(at, at + CHUNK)
    const texts = await client.mget(chunk.map((name) => keys.counter(name)))
    for (const [index, name] of chunk.entries()) {
      const text = texts[index] ?? '0'
      if (INTEGER.test(text)) counters.set(name, BigInt(text))
    }
  }
  return {
    totals: new Map(fields.map(([field, text]) => [field, Number(text)])),
    counters,
    sizes: Object.fromEntries(sizes) as Record<string, number>,
    limits: await auditLimits(client, keys),
  }
}

async function scanRecords(client: RedisClient, prefix: string, only: string | undefined): Promise<Map<string, Tally>> {
  const tallies = new Map<string, Tally>()
  const tallyOf = (queue: string) => {
    const tally = tallies.get(queue) ?? new Tally()
    tallies.set(queue, tally)
    return tally
  }
  for await (const { node, keys } of scanKeys(client, prefix)) {
    const wanted = keys.filter(({ queue }) => (only === undefined ? isQueueName(queue) : queue === only))
    const fresh = wanted.filter(({ queue, key }) => tallyOf(queue).isNew(key))
    for (const { queue, kind } of fresh) if (kind === 'job') tallyOf(queue).jobCount++
    await addStats(node, fresh, tallyOf)
    await addResults(node, fresh, tallyOf)
  }
  return tallies
}

type TallyOf = (queue: string) => Tally

async function addStats(node: Client, keys: readonly NamedKey[], tallyOf: TallyOf): Promise<void> {
  const wanted = keys.filter(({ kind }) => kind === 'stats' || kind === 'statsHour')
  const replies = await askAll(node, wanted, (pipeline, key) => pipeline.hgetall(key))
  for (const [index, { queue, kind, name }] of wanted.entries()) {
    const fields = replies[index]
    if (typeof fields !== 'object' || fields === null || (kind !== 'stats' && kind !== 'statsHour')) continue
    tallyOf(queue).addStats(kind, Number(name), fields as Record<string, string>)
  }
}

async function addResults(node: Client, keys: readonly NamedKey[], tallyOf: TallyOf): Promise<void> {
  const results = keys.filter(({ kind }) => kind === 'result')
  for (let at = 0; at < results.length; at += CHUNK) {
    const chunk = results.slice(at, at + CHUNK)
    const texts = await askAll(node, chunk, (pipeline, key) => pipeline.get(key))
    for (const [index, { queue }] of chunk.entries()) {
      const text = texts[index]
      if (typeof text === 'string') tallyOf(queue).addResult(text)
    }
  }
}

type Pipeline = ReturnType<Client['pipeline']>

/** The replies; undefined where a key is of another type, which `drover doctor` names. */
async function askAll(
  node: Client,
  keys: readonly NamedKey[],
  command: (pipeline: Pipeline, key: string) => Pipeline,
): Promise<unknown[]> {
  if (keys.length === 0) return []
  const pipeline = node.pipeline()
  for (const { key } of keys) command(pipeline, key)
  return ((await pipeline.exec()) ?? []).map(([error, reply]) => (error ? undefined : reply))
}
