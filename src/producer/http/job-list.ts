// The jobs of a queue that are in one state, page by page: those that run next first, finished ones newest first.
import type { Redis } from 'ioredis'
import { InvalidOptionError } from '../../job/index.js'
import type { BullQueue } from '../bull-queues.js'
import type { RedisGate } from '../redis-gate.js'
import { type JobView, readViews } from './job-view.js'
import { readCursor, writeCursor } from './query.js'

/** BullMQ's key of each state, what it is, and whether its last item comes first. */
const PLACES = {
  waiting: { key: 'wait', kind: 'list', lastFirst: true },
  active: { key: 'active', kind: 'list', lastFirst: true },
  prioritized: { key: 'prioritized', kind: 'zset', lastFirst: false },
  delayed: { key: 'delayed', kind: 'zset', lastFirst: false },
  'waiting-children': { key: 'waiting-children', kind: 'zset', lastFirst: false },
  completed: { key: 'completed', kind: 'zset', lastFirst: true },
  failed: { key: 'failed', kind: 'zset', lastFirst: true },
} as const

export type ListState = keyof typeof PLACES
export const LIST_STATES = Object.keys(PLACES) as readonly ListState[]

export function isListState(value: unknown): value is ListState {
  return typeof value === 'string' && Object.hasOwn(PLACES, value)
}

export interface JobPage {
  readonly jobs: readonly JobView[]
  /** The `cursor` of the next page; null when this is the last. */
  readonly next: string | null
}

/**
 * One page. A cursor names the last job of the page before and its place: sorted states go on behind that job wherever
 * it is now; in `waiting` and `active`, jobs that moved meanwhile can come twice or not at all.
 */
export async function listJobs(
  gate: RedisGate,
  queue: BullQueue,
  { state, limit, cursor }: { readonly state: ListState; readonly limit: number; readonly cursor: string | undefined },
): Promise<JobPage> {
  const from = cursor === undefined ? undefined : readPlace(cursor)
  return gate.run('the list of jobs', async () => {
    const start = await startOf(queue, state, from)
    // One more than asked for tells whether there is a next page.
    const ids = await idsFrom(queue, state, start, limit + 1)
    const page = ids.slice(0, limit)
    const last = page.at(-1)
    const hasNext = ids.length > limit && last !== undefined
    const jobs = await readViews(queue, page, state)
    return { jobs, next: hasNext ? writeCursor(`${start + page.length} ${last}`) : null }
  })
}

interface Place {
  readonly rank: number
  readonly id: string
}

function readPlace(cursor: string): Place {
  const [, rank, id] = /^(\d{1,12}) (\S{1,256})$/.exec(readCursor(cursor)) ?? []
  if (rank === undefined || id === undefined) {
    throw new InvalidOptionError('cursor', 'the `next` of the page before', cursor)
  }
  return { rank: Number(rank), id }
}

async function startOf({ client, keys }: BullQueue, state: ListState, from: Place | undefined): Promise<number> {
  if (from === undefined) return 0
  const { key, kind, lastFirst } = PLACES[state]
  if (kind === 'list') return from.rank
  const where = keys.bullBase + key
  const rank = await (lastFirst ? client.zrevrank(where, from.id) : client.zrank(where, from.id))
  return rank === null ? from.rank : rank + 1
}

async function idsFrom({ client, keys }: BullQueue, state: ListState, start: number, count: number): Promise<string[]> {
  const { key, kind, lastFirst } = PLACES[state]
  const where = keys.bullBase + key
  const end = start + count - 1
  const redis = client as Redis
  if (kind === 'zset') return lastFirst ? redis.zrevrange(where, start, end) : redis.zrange(where, start, String(end))
  // BullMQ adds on the left and takes from the right.
  return (await redis.lrange(where, -end - 1, -start - 1)).reverse()
}
