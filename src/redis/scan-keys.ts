// Every key under a prefix, in batches, with what its name says. Reads with SCAN, so that Redis serves others between two
// batches and memory stays bounded; keys that come or go meanwhile may be missed, and one may come twice.
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './clients.js'
import { BULL_RESERVED_IDS } from './key-names.js'
import { queueKeys, queueTag } from './keys.js'

/** What a key of a queue is, and the part of its name that differs. */
export interface NamedKey {
  readonly key: string
  readonly queue: string
  /** `job`: the hash of a job; `lock`: of a job that runs; `bull`: any other key of BullMQ's; `other`: none that we know. */
  readonly kind: 'result' | 'counter' | 'stats' | 'statsHour' | 'job' | 'lock' | 'bull' | 'other'
  /** Id of the job, name of the counter, minute or hour; else what stands behind the queue's tag. */
  readonly name: string
}

export interface KeyBatch {
  /** The server that has these keys: ask it alone for them. */
  readonly node: Redis
  readonly keys: readonly NamedKey[]
}

const SCAN_COUNT = 1_000

/** All keys of all queues under the prefix. */
export async function* scanKeys(client: RedisClient, prefix: string): AsyncGenerator<KeyBatch> {
  const read = nameReader(prefix)
  // Of `{drover:`, what a queue's tag starts with.
  const start = queueTag(prefix, '').slice(0, -1)
  for (const node of client instanceof Cluster ? client.nodes('master') : [client]) {
    let cursor = '0'
    do {
      const [next, found] = await node.scan(cursor, 'MATCH', `${start}*`, 'COUNT', SCAN_COUNT)
      cursor = next
      const keys = found.flatMap((key) => read(key) ?? [])
      if (keys.length > 0) yield { node, keys }
    } while (cursor !== '0')
  }
}

type Reader = (key: string) => NamedKey | undefined

function nameReader(prefix: string): Reader {
  const start = queueTag(prefix, '').slice(0, -1)
  const readers = new Map<string, Reader>()
  return (key) => {
    const end = key.indexOf('}', start.length)
    if (end === -1 || !key.startsWith(start)) return undefined
    const queue = key.slice(start.length, end)
    const reader = readers.get(queue) ?? readerOf(prefix, queue)
    readers.set(queue, reader)
    return reader(key)
  }
}

function readerOf(prefix: string, queue: string): Reader {
  const keys = queueKeys(prefix, queue)
  const kinds: [kind: NamedKey['kind'], start: string, rule: RegExp][] = [
    ['result', keys.result(''), /^.+$/],
    ['counter', keys.counter(''), /^.+$/],
    // Before `stats`: an hour's name begins like that of a minute.
    ['statsHour', keys.statsHour(0).slice(0, -1), /^\d+$/],
    ['stats', keys.stats(0).slice(0, -1), /^\d+$/],
    ['lock', keys.bullBase, /^[^:]+:lock$/],
    ['job', keys.bullBase, /^[^:]+$/],
    ['bull', keys.bullBase, /^/],
  ]
  return (key) => {
    for (const [kind, start, rule] of kinds) {
      if (!key.startsWith(start)) continue
      const name = key.slice(start.length)
      if (rule.test(name)) return { key, queue, kind: ownKind(kind, name), name: name.replace(/:lock$/, '') }
    }
    return { key, queue, kind: 'other', name: key.slice(keys.base.length) }
  }
}

const RESERVED = new Set(BULL_RESERVED_IDS)

// BullMQ's lists and sets stand beside its jobs.
function ownKind(kind: NamedKey['kind'], name: string): NamedKey['kind'] {
  return kind === 'job' && RESERVED.has(name) ? 'bull' : kind
}
