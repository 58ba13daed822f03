// All counters of all queues, each with what was added to it lately and where another program reads it. Bounded: a queue of
// very many counters is named and left out.
import { listCounters } from '../../ledger/index.js'
import { queueKeys } from '../../redis/index.js'
import { untilConnected } from '../connection.js'
import { MAX_QUEUES, readQueueNames } from '../overview-data.js'
import { redisCliGet } from '../redis-cli.js'
import type { Shared } from '../shared.js'

/** What GET /counters.json lists. */
export interface CounterRow {
  readonly counter: string
  readonly queue: string
  /** Null when another program wrote something to the key that is not an integer. */
  readonly value: number | null
  /** What jobs and producers added in this minute and the one before, and in the last 60 minutes. */
  readonly lastMinutes: number
  readonly lastHour: number
  readonly key: string
  /** The command that reads it, as it is typed into a shell. */
  readonly command: string
}

export interface CounterList {
  readonly counters: readonly CounterRow[]
  /** Queues of which there are too many counters, and counters beyond the first 500. */
  readonly leftOut: { readonly queues: readonly string[]; readonly counters: number }
}

export const MAX_COUNTERS = 500
const MAX_COUNTERS_OF_QUEUE = 1_000

/** @throws what Redis rejects a read with */
export async function readCounterList(shared: Shared, nowMs: number): Promise<CounterList> {
  const { client, prefix } = shared
  await untilConnected(client)
  const queues = (await readQueueNames(client, prefix)).slice(0, MAX_QUEUES)
  const perQueue = await Promise.all(queues.map((queue) => readQueue(shared, queue, nowMs)))
  const counters = perQueue.flatMap((rows) => rows ?? [])
  return {
    counters: counters.slice(0, MAX_COUNTERS),
    leftOut: {
      queues: queues.filter((_, index) => perQueue[index] === undefined),
      counters: Math.max(0, counters.length - MAX_COUNTERS),
    },
  }
}

async function readQueue(shared: Shared, queue: string, nowMs: number): Promise<CounterRow[] | undefined> {
  const { client, prefix, redis } = shared
  const keys = queueKeys(prefix, queue)
  try {
    if ((await client.scard(keys.counterNames)) > MAX_COUNTERS_OF_QUEUE) return undefined
    const counters = await listCounters(client, keys)
    if (counters.length === 0) return []
    const minutes = await shared.overview.minutesOf(queue, nowMs)
    const added = (name: string, last: number) =>
      minutes.slice(-last).reduce((sum, minute) => sum + (minute.counters.get(name) ?? 0), 0)
    return counters.map(({ name, value }) => {
      const key = keys.counter(name)
      const command = redisCliGet(redis, key)
      return { counter: name, queue, value, lastMinutes: added(name, 2), lastHour: added(name, 60), key, command }
    })
  } catch (error) {
    // A key of another type, which another program wrote, must not hide every other queue.
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return []
    throw error
  }
}
