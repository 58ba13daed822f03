// The search of the Results page: by id or idempotency key, by tag, or through the lists that BullMQ keeps by time. Each
// read is bounded, none is a scan; what a search did not look at is told with what it found.

import { readTagged } from '../../ledger/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { queueKeys } from '../../redis/index.js'
import { type JobRef, type JobRow, type RowsRoom, readRows, rowKey, unpack } from './job-rows.js'

export const FINISHED_STATES = ['completed', 'failed'] as const
export const UNFINISHED_STATES = ['active', 'waiting', 'prioritized', 'delayed', 'waiting-children'] as const
export const SEARCH_STATES = ['finished', ...FINISHED_STATES, ...UNFINISHED_STATES] as const
export type SearchState = (typeof SEARCH_STATES)[number]

export interface Search {
  /** Queues to look in. */
  readonly queues: readonly string[]
  readonly job: string | undefined
  readonly state: SearchState
  readonly tag: string | undefined
  /** Milliseconds since 1970: nothing older. */
  readonly sinceMs: number
  /** Goes on behind this row: `rowKey` of the last one. */
  readonly before: string | undefined
}

export interface Found {
  readonly rows: readonly JobRow[]
  /** `before` of the next page. */
  readonly next: string | undefined
  /** How many jobs were looked at for `job`; undefined where the list itself answers. */
  readonly lookedAt: number | undefined
}

export const ROWS_PER_PAGE = 50
/** Jobs of one millisecond that a page reads past at most. */
const MAX_READ_PAST = 5_000
/** Jobs whose names are looked at where no index has them, in all queues together. */
export const MAX_LOOKED_AT = 1_000

/** Jobs of this id, and those that hold it as their idempotency key, in whichever queue. */
export async function findById(
  { client, prefix, redact }: RowsRoom,
  text: string,
  jobsOf: ReadonlyMap<string, readonly string[]>,
): Promise<JobRow[]> {
  const found = await Promise.all(
    [...jobsOf].map(async ([queue, jobs]) => {
      const keys = queueKeys(prefix, queue)
      const look = client
        .pipeline()
        .hexists(keys.bullBase + text, 'timestamp')
        .exists(keys.result(text))
      for (const job of jobs) look.get(keys.key(`${job}:${text}`))
      const [isJob, hasResult, ...records] = await replies(look)
      const ids = records.flatMap((record) => (typeof record === 'string' ? (record.split(' ', 1)[0] ?? []) : []))
      const own = isJob === 1 || hasResult === 1 ? [text] : []
      return [...new Set([...own, ...ids])].map((id): JobRef => ({ queue, id, at: 0 }))
    }),
  )
  return readRows({ client, prefix, redact }, found.flat().slice(0, ROWS_PER_PAGE))
}

export async function findJobs({ client, prefix, redact }: RowsRoom, search: Search): Promise<Found> {
  const isFiltered = search.job !== undefined
  const wanted = isFiltered
    ? Math.max(ROWS_PER_PAGE, Math.floor(MAX_LOOKED_AT / Math.max(1, search.queues.length)))
    : ROWS_PER_PAGE
  const lists = await Promise.all(
    search.queues.map((queue) => readRefs(client, queue, queueKeys(prefix, queue), search, wanted + 1)),
  )
  const refs = lists.flat().sort(byPlace).filter(isBehind(search.before))
  const named = isFiltered ? await onlyNamed(client, prefix, refs.slice(0, MAX_LOOKED_AT), search.job ?? '') : refs
  const page = named.slice(0, ROWS_PER_PAGE)
  const rows = (await readRows({ client, prefix, redact }, page)).filter(
    (row) => search.tag === undefined || isIn(row, search.state),
  )
  const last = page.at(-1)
  return {
    rows,
    next: named.length > ROWS_PER_PAGE && last !== undefined && last.at > 0 ? rowKey(last) : undefined,
    lookedAt: isFiltered ? Math.min(refs.length, MAX_LOOKED_AT) : undefined,
  }
}

function isIn({ state }: JobRow, wanted: SearchState): boolean {
  return wanted === 'finished' || state === wanted
}

// The newest first; of one time, by queue and id, so that a page has one place to go on.
function byPlace(left: JobRef, right: JobRef): number {
  return right.at - left.at || (rowKey(left) < rowKey(right) ? 1 : -1)
}

function isBehind(before: string | undefined): (ref: JobRef) => boolean {
  if (before === undefined) return () => true
  const at = Number(before.split('.', 1)[0])
  return (ref) => ref.at < at || (ref.at === at && rowKey(ref) < before)
}

async function readRefs(
  client: RedisClient,
  queue: string,
  keys: KeysOfQueue,
  { state, tag, sinceMs, before }: Search,
  count: number,
): Promise<JobRef[]> {
  if (tag !== undefined) {
    const { jobs } = await readTagged(client, keys, tag, { limit: count, after: afterIn(queue, before) })
    return jobs
      .filter(({ enqueuedAt }) => enqueuedAt >= sinceMs)
      .map(({ id, enqueuedAt }) => ({ queue, id, at: enqueuedAt }))
  }
  const key = (name: string) => keys.bullBase + name
  if (state === 'finished' || state === 'completed' || state === 'failed') {
    const sets = state === 'finished' ? FINISHED_STATES : [state]
    const read = (set: string) => readSet(client, queue, key(set), { sinceMs, before, count })
    return (await Promise.all(sets.map(read))).flat()
  }
  const look = client.pipeline()
  // Those that run next, first; BullMQ adds to its lists on the left and takes from the right.
  if (state === 'active' || state === 'waiting') look.lrange(key(state === 'active' ? 'active' : 'wait'), -count, -1)
  else look.zrange(key(state), 0, String(count - 1))
  const ids = (await replies(look))[0] as string[]
  const next = state === 'active' || state === 'waiting' ? ids.reverse() : ids
  // By their place in place of a time, which these lists do not have.
  return next.map((id, index) => ({ queue, id, at: -index }))
}

/** Where a queue's list of a tag goes on behind `before`, which may be a row of another queue. */
function afterIn(queue: string, before: string | undefined): string | undefined {
  const [, at = '', of = '', id = ''] = /^(\d+)\.([^/]*)\/(.*)$/.exec(before ?? '') ?? []
  if (at === '') return undefined
  if (queue === of) return `${at}:${id}`
  return queue < of ? `${Number(at) + 1}:` : `${at}:`
}

/** The newest of a sorted set behind `before`. Many jobs may have ended in its millisecond: those are read past. */
async function readSet(
  client: RedisClient,
  queue: string,
  key: string,
  { sinceMs, before, count }: { readonly sinceMs: number; readonly before: string | undefined; readonly count: number },
): Promise<JobRef[]> {
  const max = before === undefined ? '+inf' : (before.split('.', 1)[0] ?? '')
  const found: JobRef[] = []
  for (let read = 0; found.length < count && read < MAX_READ_PAST; read += count) {
    const reply = await client.zrevrangebyscore(key, max, String(sinceMs), 'WITHSCORES', 'LIMIT', read, count)
    found.push(...pairs(queue, reply).filter(isBehind(before)))
    if (reply.length < 2 * count) break
  }
  return found.slice(0, count)
}

async function onlyNamed(client: RedisClient, prefix: string, refs: readonly JobRef[], job: string): Promise<JobRef[]> {
  const names = await Promise.all(
    groupsOf(refs).map(async ([queue, group]) => {
      const { bullBase } = queueKeys(prefix, queue)
      const look = client.pipeline()
      for (const { id } of group) look.hget(bullBase + id, 'name')
      const found = await replies(look)
      return group.filter((_ref, index) => found[index] === job)
    }),
  )
  return names.flat().sort(byPlace)
}

function groupsOf(refs: readonly JobRef[]): [string, JobRef[]][] {
  const groups = new Map<string, JobRef[]>()
  for (const ref of refs) {
    const group = groups.get(ref.queue)
    if (group === undefined) groups.set(ref.queue, [ref])
    else group.push(ref)
  }
  return [...groups]
}

function pairs(queue: string, reply: unknown): JobRef[] {
  const flat = reply as readonly string[]
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    queue,
    id: flat[2 * index] ?? '',
    at: Number(flat[2 * index + 1]),
  }))
}

function replies(pipeline: { exec(): Promise<[Error | null, unknown][] | null> }): Promise<unknown[]> {
  return pipeline.exec().then(unpack)
}
