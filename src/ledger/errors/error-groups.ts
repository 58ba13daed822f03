// The error groups of a queue, read back. record-error.lua writes them with the commit that fails a job; docs/redis-keys.md
// has their fields.
import { readFileSync } from 'node:fs'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'

const countMembersLua = readFileSync(new URL('./count-members.lua', import.meta.url), 'utf8')

/** Groups of more failed jobs are told by how many are listed. */
const MOST_COUNTED = 1_000
const HOURS = 168
const MINUTES = 60
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

export interface ErrorPoint {
  /** Start of the hour or minute, milliseconds since 1970. */
  readonly at: number
  /** Jobs that failed in it. */
  readonly count: number
}

/** Failures of one cause: of one job, with the same error name, message (what differs masked) and topmost own frame. */
export interface ErrorGroup {
  readonly queue: string
  /** 16 hexadecimal digits, or `other` for what is beyond the most groups of a queue. */
  readonly id: string
  /** Name of the job; empty for `other`, as the three below it. */
  readonly job: string
  readonly name: string
  /** The message with what differs masked, as in `order <number> not found`. */
  readonly message: string
  /** Function and file of the topmost frame that is not of a package; empty where the stack has none. */
  readonly frame: string
  /** How often a job failed for good with it. */
  readonly count: number
  /** How many of those jobs are still failed: not retried, discarded or removed since. */
  readonly failed: number
  /** Milliseconds since 1970, by the workers' clocks. */
  readonly firstAt: number
  readonly lastAt: number
  /** Failures by the release that workers were started with, the most first; 20 of them at most. */
  readonly releases: readonly { readonly release: string; readonly count: number }[]
  /** The hours of the last 7 days with failures, the oldest first. */
  readonly hours: readonly ErrorPoint[]
  /** The minutes of the last hour with failures, the oldest first. */
  readonly minutes: readonly ErrorPoint[]
}

export interface ErrorGroupFilter {
  /** Only of this job. */
  readonly job?: string | undefined
  /** Only those seen at or after this time, milliseconds since 1970. */
  readonly sinceMs?: number | undefined
}

/** Ids of the groups of a queue, the one seen last first, with that time. There are 201 at most. */
export async function listErrorIds(
  client: RedisClient,
  keys: KeysOfQueue,
  { job, sinceMs }: ErrorGroupFilter = {},
): Promise<{ id: string; lastAt: number }[]> {
  const words = await client.zrange(keys.errors, '+inf', String(sinceMs ?? '-inf'), 'BYSCORE', 'REV', 'WITHSCORES')
  const flat = (words as unknown[]).flat()
  const found: { id: string; lastAt: number }[] = []
  for (let at = 0; at < flat.length; at += 2) found.push({ id: String(flat[at]), lastAt: Number(flat[at + 1]) })
  if (job === undefined) return found
  const jobs = await Promise.all(found.map(({ id }) => client.hget(keys.error(id), 'job')))
  return found.filter((_, index) => jobs[index] === job)
}

/** The group, or null when there is none of that id, or none any more. */
export async function readErrorGroup(
  client: RedisClient,
  keys: KeysOfQueue,
  queue: string,
  id: string,
  nowMs: number = Date.now(),
): Promise<ErrorGroup | null> {
  const [fields, failed] = await Promise.all([client.hgetall(keys.error(id)), countFailed(client, keys, id)])
  if (fields.count === undefined) return null
  const text = (name: string) => fields[name] ?? ''
  return {
    queue,
    id,
    job: text('job'),
    name: text('name'),
    message: text('message'),
    frame: text('frame'),
    count: Number(fields.count),
    failed,
    firstAt: Number(fields.firstAt ?? 0),
    lastAt: Number(fields.lastAt ?? 0),
    releases: releasesOf(fields),
    hours: pointsOf(fields, 'h', HOURS, HOUR_MS, nowMs),
    minutes: pointsOf(fields, 'm', MINUTES, MINUTE_MS, nowMs),
  }
}

async function countFailed(client: RedisClient, keys: KeysOfQueue, id: string): Promise<number> {
  return Number(await client.eval(countMembersLua, 2, keys.errorJobs(id), `${keys.bullBase}failed`, MOST_COUNTED))
}

function releasesOf(fields: Readonly<Record<string, string>>): { release: string; count: number }[] {
  return Object.entries(fields)
    .filter(([name]) => name.startsWith('release:'))
    .map(([name, count]) => ({ release: name.slice('release:'.length), count: Number(count) }))
    .sort((left, right) => right.count - left.count)
}

// Each slot holds the number of its hour or minute; one that was not used since holds an older one.
function pointsOf(
  fields: Readonly<Record<string, string>>,
  letter: 'h' | 'm',
  slots: number,
  stepMs: number,
  nowMs: number,
): ErrorPoint[] {
  const oldest = Math.floor(nowMs / stepMs) - slots
  const points: ErrorPoint[] = []
  for (let slot = 0; slot < slots; slot++) {
    const [number, count] = (fields[letter + slot] ?? '').split(':')
    if (count !== undefined && Number(number) > oldest)
      points.push({ at: Number(number) * stepMs, count: Number(count) })
  }
  return points.sort((left, right) => left.at - right.at)
}

export interface ErrorGroupPage {
  /** The one seen last first. */
  readonly groups: readonly ErrorGroup[]
  /** Gives the next page as `after`; undefined on the last one. */
  readonly next: string | undefined
}

const PLACE = /^(\d{1,16}) (\S{1,64}) (\S{1,16})$/

/** True for what may be given as `after`. */
export function isErrorPlace(after: unknown): after is string {
  return typeof after === 'string' && PLACE.test(after)
}

/** One page of the error groups of these queues. `after` is the `next` of the page before. */
export async function listErrorGroups(
  client: RedisClient,
  keysOf: (queue: string) => KeysOfQueue,
  queues: readonly string[],
  { limit, after, ...filter }: ErrorGroupFilter & { readonly limit: number; readonly after?: string | undefined },
): Promise<ErrorGroupPage> {
  const ofQueues = await Promise.all(
    queues.map(async (queue) => {
      const ids = await listErrorIds(client, keysOf(queue), filter)
      return ids.map((group) => ({ queue, ...group }))
    }),
  )
  const [, afterTime, afterQueue = '', afterId = ''] = PLACE.exec(after ?? '') ?? []
  const last = afterTime && { lastAt: Number(afterTime), queue: afterQueue, id: afterId }
  const rest = ofQueues
    .flat()
    .sort(byLastSeen)
    .filter((group) => !last || byLastSeen(last, group) < 0)
  const page = rest.slice(0, limit)
  const read = await Promise.all(page.map(({ queue, id }) => readErrorGroup(client, keysOf(queue), queue, id)))
  const end = page.at(-1)
  return {
    groups: read.filter((group) => group !== null),
    next: rest.length > limit && end ? `${end.lastAt} ${end.queue} ${end.id}` : undefined,
  }
}

interface SeenGroup {
  readonly queue: string
  readonly id: string
  readonly lastAt: number
}

function byLastSeen(left: SeenGroup, right: SeenGroup): number {
  const [leftName, rightName] = [left, right].map(({ queue, id }) => `${queue} ${id}`) as [string, string]
  return right.lastAt - left.lastAt || (leftName < rightName ? -1 : leftName > rightName ? 1 : 0)
}
