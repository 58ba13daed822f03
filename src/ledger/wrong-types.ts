// Keys of a queue that another program wrote with a type of its own: found for who has to name them. Where one is, Redis
// refuses what Drover and BullMQ ask of it.
import type { KeysOfQueue, RedisClient } from '../redis/index.js'

export interface WrongKey {
  readonly key: string
  /** What it is for. */
  readonly what: string
  /** What it is, and what it should be, in the words of TYPE. */
  readonly type: string
  readonly expected: string
}

export interface ExpectedKey {
  readonly key: string
  readonly type: string
  readonly what: string
}

const BULL_TYPES = {
  meta: 'hash',
  wait: 'list',
  paused: 'list',
  active: 'list',
  delayed: 'zset',
  prioritized: 'zset',
  'waiting-children': 'zset',
  completed: 'zset',
  failed: 'zset',
}

/** Those of the keys that there are once a queue. */
export function findWrongKeysOf(client: RedisClient, keys: KeysOfQueue): Promise<WrongKey[]> {
  const own = [
    { key: keys.totals, type: 'hash', what: 'the totals' },
    { key: keys.counterNames, type: 'set', what: 'the list of counters' },
    { key: keys.schedules, type: 'zset', what: 'the list of schedules' },
    { key: keys.outboxes, type: 'hash', what: 'the list of outboxes' },
    { key: keys.limit('held'), type: 'hash', what: 'the permits that are out' },
    { key: keys.limit('state'), type: 'hash', what: 'the state of all limits' },
    { key: keys.limit('ready'), type: 'zset', what: 'the limits whose turn it is' },
    { key: keys.limit('due'), type: 'zset', what: 'the limits whose turn comes' },
  ]
  const bull = Object.entries(BULL_TYPES).map(([name, type]) => {
    return { key: keys.bullBase + name, type, what: "BullMQ's own" }
  })
  return findWrongKeys(client, [...own, ...bull])
}

export async function findWrongKeys(client: RedisClient, expected: readonly ExpectedKey[]): Promise<WrongKey[]> {
  const types = await Promise.all(expected.map(({ key }) => client.type(key)))
  return expected.flatMap(({ key, type, what }, index) => {
    const found = types[index] ?? 'none'
    return found === type || found === 'none' ? [] : [{ key, what, type: found, expected: type }]
  })
}

/** A sentence about one of them. */
export function describeWrongKey({ key, what, type, expected }: WrongKey): string {
  return `${key} (${what}) is a ${type} and not a ${expected}: another program wrote it`
}

/** A sentence about each. */
export function describeWrongKeys(wrong: readonly WrongKey[]): string {
  return wrong.length === 0 ? 'a key of it has another type: drover doctor' : wrong.map(describeWrongKey).join('; ')
}

/** A queue that cannot be read, as a key of it has another type. */
export interface UnreadableQueue {
  readonly queue: string
  /** Why: a sentence for each key. */
  readonly problem: string
}

export interface QueuesRead<Value> {
  readonly values: readonly Value[]
  readonly unreadable: readonly UnreadableQueue[]
}

/** Reads something of each queue: one that another program wrote a key of hides no other. */
export async function readEachQueue<Value>(
  client: RedisClient,
  keysOf: (queue: string) => KeysOfQueue,
  queues: readonly string[],
  read: (queue: string) => Promise<Value>,
): Promise<QueuesRead<Value>> {
  const outcomes = await Promise.all(
    queues.map(async (queue) => {
      try {
        return await read(queue).then((value) => ({ value }))
      } catch (error) {
        if (!isWrongType(error)) throw error
        return { queue, problem: describeWrongKeys(await findWrongKeysOf(client, keysOf(queue))) }
      }
    }),
  )
  return {
    values: outcomes.flatMap((each) => ('value' in each ? [each.value] : [])),
    unreadable: outcomes.flatMap((each) => ('problem' in each ? [each] : [])),
  }
}

/** True for the answer of Redis to a command that is not for a key of this type. */
export function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('WRONGTYPE')
}
