// Which failed jobs a person means: by id, group, job name, tag or time; found in chunks, so that no call is long.
import {
  checkWhole,
  ErrorGroupNotFoundError,
  InvalidJobIdError,
  InvalidOptionError,
  isJobName,
  JobNotFoundError,
  JobStateError,
  NoFailedJobsError,
  readTimeMs,
  refuseUnknown,
} from '../../job/index.js'
import type { ErrorRoom } from './error-scripts.js'
import { type FailedPlace, tagsOf, walkFailed } from './failed-jobs.js'
import { isGroupId } from './fingerprint.js'

/** Which failed jobs of a queue; all of what is given must hold, and something must be given. */
export interface FailedTarget {
  /** These jobs, 1 to 1000 ids. Not with others. */
  readonly ids?: readonly string[] | undefined
  /** Id of an error group. */
  readonly group?: string | undefined
  /** Name of the job. */
  readonly job?: string | undefined
  /** A tag that the job was enqueued with. */
  readonly tag?: string | undefined
  /** Failed at or after this time: a Date, milliseconds since 1970 or ISO 8601 with its zone. */
  readonly since?: Date | number | string | undefined
  /** Failed before or at this time. Default: now. */
  readonly until?: Date | number | string | undefined
  /** True: every failed job of the queue. */
  readonly all?: boolean | undefined
}

/** A target whose values were checked. */
export interface CheckedTarget {
  readonly ids: readonly string[] | undefined
  readonly group: string | undefined
  readonly job: string | undefined
  readonly tag: string | undefined
  readonly sinceMs: number | undefined
  readonly untilMs: number
}

export const TARGET_NAMES = ['ids', 'group', 'job', 'tag', 'since', 'until', 'all'] as const
const CHUNK = 200
const MAX_IDS = 1_000
const MAX_TAG = 128
/** By how much a worker's clock may be ahead and a job that has just failed is still meant. */
const CLOCK_SLACK_MS = 5_000
/** Ids of Drover, and those that BullMQ gives itself. */
const ANY_ID = /^[A-Za-z0-9_.:-]{1,160}$/

/** @throws InvalidOptionError, UnknownOptionError, InvalidJobIdError */
export function checkTarget(target: FailedTarget, nowMs: number = Date.now()): CheckedTarget {
  refuseUnknown(target, TARGET_NAMES, 'the failed jobs')
  const { ids, group, job, tag, all } = target
  const given = TARGET_NAMES.filter((name) => target[name] !== undefined && target[name] !== false)
  if (given.length === 0) {
    throw new InvalidOptionError('target', 'ids, group, job, tag, since or until; or all: true', {})
  }
  if (ids !== undefined) checkIds(ids, given.length)
  if (group !== undefined && !isGroupId(group)) {
    throw new InvalidOptionError('group', 'the id of an error group: 16 hexadecimal digits, or other', group)
  }
  if (job !== undefined && !isJobName(job)) throw new InvalidOptionError('job', 'the name of a job', job)
  if (tag !== undefined && (typeof tag !== 'string' || tag === '' || tag.length > MAX_TAG)) {
    throw new InvalidOptionError('tag', 'a tag', tag)
  }
  if (all !== undefined && typeof all !== 'boolean') throw new InvalidOptionError('all', 'true or false', all)
  const sinceMs = readTime('since', target.since)
  const untilMs = readTime('until', target.until) ?? nowMs + CLOCK_SLACK_MS
  if (sinceMs !== undefined && sinceMs > untilMs) throw new InvalidOptionError('since', 'a time before until', sinceMs)
  return { ids, group, job, tag, sinceMs, untilMs: Math.min(untilMs, nowMs + CLOCK_SLACK_MS) }
}

/** The target in words, for messages and records. */
export function showTarget({ ids, group, job, tag, sinceMs, untilMs }: CheckedTarget): string {
  const time = (ms: number) => new Date(ms).toISOString()
  const parts = [
    ids && (ids.length === 1 ? `job ${ids[0]}` : `${ids.length} jobs by id`),
    group && `group ${group}`,
    job && `jobs named ${job}`,
    tag && `tag ${tag}`,
    sinceMs !== undefined && `since ${time(sinceMs)}`,
  ]
  const words = parts.filter((part) => typeof part === 'string')
  return words.length === 0 ? `failed until ${time(untilMs)}` : words.join(', ')
}

/**
 * Holds the target against what is there before anything is changed.
 * @throws ErrorGroupNotFoundError; JobNotFoundError and JobStateError for an id; NoFailedJobsError
 */
export async function checkThere(room: ErrorRoom, target: CheckedTarget, action: string): Promise<void> {
  await checkNamed(room, target, action)
  for await (const found of findFailed(room, target)) if (found.length > 0) return
  throw new NoFailedJobsError(room.queue, showTarget(target))
}

/**
 * The same for the group and the ids alone, which takes no search.
 * @throws ErrorGroupNotFoundError; JobNotFoundError and JobStateError for an id
 */
export async function checkNamed(room: ErrorRoom, { ids, group }: CheckedTarget, action: string): Promise<void> {
  const { client, keys, queue, run } = room
  if (group !== undefined && !(await run('the read of an error group', () => client.exists(keys.error(group))))) {
    throw new ErrorGroupNotFoundError(group, queue)
  }
  for (const id of ids ?? []) {
    const [exists, failedAt] = await run('the read of a job', () =>
      Promise.all([client.exists(keys.bullBase + id), client.zscore(`${keys.bullBase}failed`, id)]),
    )
    if (!exists) throw new JobNotFoundError(id, queue)
    if (failedAt === null) throw new JobStateError(id, queue, 'not failed', action)
  }
}

/** The ids of the failed jobs that are meant, the oldest first, in chunks, out of about `maxRead` that are looked at. */
export async function* findFailed(
  room: ErrorRoom,
  target: CheckedTarget,
  maxRead = Number.POSITIVE_INFINITY,
): AsyncGenerator<string[], 'all' | 'some'> {
  const { client, keys, run } = room
  const { ids, group, sinceMs, untilMs } = target
  if (ids !== undefined) {
    for (let at = 0; at < ids.length; at += CHUNK) yield ids.slice(at, at + CHUNK)
    return 'all'
  }
  let after: FailedPlace | undefined
  for (let read = 0; ; read += CHUNK) {
    const from = after
    const places = await run('the search for failed jobs', () =>
      walkFailed(client, keys, { group, after: from, sinceMs, untilMs, limit: CHUNK }),
    )
    after = places.at(-1)
    if (after === undefined) return 'all'
    if (read >= maxRead) return 'some'
    yield await keepMeant(room, places, target)
  }
}

async function keepMeant(
  { client, keys, run }: ErrorRoom,
  places: readonly FailedPlace[],
  { job, tag, group }: CheckedTarget,
): Promise<string[]> {
  const ids = places.map(({ id }) => id)
  const [scores, fields] = await run('the search for failed jobs', () =>
    Promise.all([
      client.zmscore(`${keys.bullBase}failed`, ...ids),
      job === undefined && tag === undefined
        ? []
        : Promise.all(ids.map((id) => client.hmget(keys.bullBase + id, 'name', 'opts'))),
    ]),
  )
  return ids.filter((_, index) => {
    const score = scores[index]
    if (score == null || (group !== undefined && Number(score) !== places[index]?.failedAt)) return false
    const [name, opts] = fields[index] ?? []
    return (job === undefined || name === job) && (tag === undefined || tagsOf(opts).includes(tag))
  })
}

export interface TargetCount {
  readonly total: number
  /** Ids of the first ten. */
  readonly samples: readonly string[]
  /** True: the count ended early, there may be more. */
  readonly isPartial: boolean
}

/** How many are meant. It counts no further than `most`, and looks at no more than about `maxRead` failed jobs, the oldest first. */
export async function countTarget(
  room: ErrorRoom,
  target: CheckedTarget,
  { most = Number.POSITIVE_INFINITY, maxRead = Number.POSITIVE_INFINITY } = {},
): Promise<TargetCount> {
  let total = 0
  const samples: string[] = []
  const chunks = findFailed(room, target, maxRead)
  for (;;) {
    const { done, value } = await chunks.next()
    if (done) return { total, samples, isPartial: value === 'some' }
    total += value.length
    if (samples.length < SAMPLES) samples.push(...value.slice(0, SAMPLES - samples.length))
    if (total >= most) return { total, samples, isPartial: true }
    if (isOfTimeAlone(target)) {
      return { total: Math.min(most, await countByTime(room, target)), samples, isPartial: false }
    }
  }
}

// Redis counts those without a look at each.
function isOfTimeAlone({ ids, group, job, tag }: CheckedTarget): boolean {
  return ids === undefined && group === undefined && job === undefined && tag === undefined
}

function countByTime({ client, keys, run }: ErrorRoom, { sinceMs, untilMs }: CheckedTarget): Promise<number> {
  const from = sinceMs ?? '-inf'
  return run('the count of failed jobs', () => client.zcount(`${keys.bullBase}failed`, from, untilMs))
}

const SAMPLES = 10

function checkIds(ids: unknown, given: number): void {
  if (!Array.isArray(ids)) throw new InvalidOptionError('ids', 'a list of job ids', ids)
  checkWhole('number of ids', ids.length, 1, MAX_IDS)
  if (given > 1) throw new InvalidOptionError('ids', 'no group, job, tag, since, until or all beside it', ids)
  for (const id of ids) if (typeof id !== 'string' || !ANY_ID.test(id)) throw new InvalidJobIdError(id)
}

function readTime(option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  const ms = readTimeMs(value)
  if (Number.isFinite(ms) && ms >= 0) return ms
  throw new InvalidOptionError(option, 'a Date, milliseconds since 1970, or ISO 8601 with its zone', value)
}
