// Jobs that failed for good, as BullMQ keeps them: found by their group or the time of their failure, and read with their
// input, error and the attempts that failed.
import type { StoredError } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { parseResult } from '../results.js'
import type { FailedAttempt } from './failure-words.js'

const LONGEST_READ = 100_000
const MOST_READ = 2_000_000

/** Where a walk over failed jobs goes on: behind this job. */
export interface FailedPlace {
  readonly failedAt: number
  readonly id: string
}

export interface FailedJobDetails extends FailedPlace {
  readonly job: string
  /** JSON text, as it is stored; null where it is longer than was asked for. */
  readonly input: string | null
  readonly inputBytes: number
  readonly error: StoredError
  /** Attempts that were made, over manual retries too where they did not start afresh. */
  readonly attemptsMade: number
  /** Those that failed, with when, why and where: the first and the newest 19. Empty for a job that failed before they were kept. */
  readonly attempts: readonly FailedAttempt[]
  readonly enqueuedAt: number
  readonly tags: readonly string[]
}

/** Failed jobs from one time on, the oldest first: of a group, or of the queue without one. Members that are not failed any more are among them. */
export async function walkFailed(
  client: RedisClient,
  keys: KeysOfQueue,
  range: {
    readonly group?: string | undefined
    readonly after: FailedPlace | undefined
    readonly sinceMs?: number | undefined
    readonly untilMs: number
    readonly limit: number
  },
): Promise<FailedPlace[]> {
  const { group, after, limit } = range
  const key = group === undefined ? `${keys.bullBase}failed` : keys.errorJobs(group)
  const from = after?.failedAt ?? range.sinceMs ?? '-inf'
  const found: FailedPlace[] = []
  for (let offset = 0; found.length < limit; offset += limit) {
    const words = (await client.zrange(
      key,
      String(from),
      String(range.untilMs),
      'BYSCORE',
      'LIMIT',
      offset,
      limit,
      'WITHSCORES',
    )) as unknown[]
    const flat = words.flat()
    for (let at = 0; at < flat.length; at += 2) {
      const place = { id: String(flat[at]), failedAt: Number(flat[at + 1]) }
      if (after === undefined || place.failedAt > after.failedAt || place.id > after.id) found.push(place)
    }
    if (flat.length < 2 * limit) break
  }
  return found.slice(0, limit)
}

/** The newest failed jobs of a group, without those that are not failed any more. */
export async function newestOfGroup(
  client: RedisClient,
  keys: KeysOfQueue,
  group: string,
  count: number,
): Promise<FailedPlace[]> {
  // Some may have been retried or removed by hand: a few more are looked at.
  const words = (await client.zrevrange(keys.errorJobs(group), 0, 4 * count - 1, 'WITHSCORES')) as unknown[]
  const flat = words.flat()
  const places: FailedPlace[] = []
  for (let at = 0; at < flat.length; at += 2) places.push({ id: String(flat[at]), failedAt: Number(flat[at + 1]) })
  if (places.length === 0) return []
  const scores = await client.zmscore(`${keys.bullBase}failed`, ...places.map(({ id }) => id))
  return places
    .filter(({ failedAt }, index) => scores[index] !== null && Number(scores[index]) === failedAt)
    .slice(0, count)
}

/** One failed job, or null when it is gone. An input of more than `maxInputBytes` is not read. */
export async function readFailedJob(
  client: RedisClient,
  keys: KeysOfQueue,
  id: string,
  { maxInputBytes = Number.POSITIVE_INFINITY }: { readonly maxInputBytes?: number } = {},
): Promise<FailedJobDetails | null> {
  const jobKey = keys.bullBase + id
  const [fields, inputBytes, failedAt, result] = await Promise.all([
    client.hmget(jobKey, 'name', 'failedReason', 'atm', 'timestamp', 'opts', 'drover:attempts'),
    client.hstrlen(jobKey, 'data'),
    client.zscore(`${keys.bullBase}failed`, id),
    client.get(keys.result(id)),
  ])
  const [job, reason, attemptsMade, enqueuedAt, opts, lines] = fields
  if (job == null || failedAt === null) return null
  const attempts = parseAttempts(lines)
  const record = parseResult(result)
  return {
    id,
    failedAt: Number(failedAt),
    job,
    input: inputBytes > maxInputBytes ? null : ((await client.hget(jobKey, 'data')) ?? ''),
    inputBytes,
    error:
      record?.status === 'failed' ? record.error : { name: attempts.at(-1)?.name ?? 'Error', message: reason ?? '' },
    attemptsMade: Number(attemptsMade ?? 0),
    attempts,
    enqueuedAt: Number(enqueuedAt ?? 0),
    tags: tagsOf(opts),
  }
}

/** Inputs of jobs, as long as they are short and until two megabytes are read. */
export async function readInputs(client: RedisClient, keys: KeysOfQueue, ids: readonly string[]): Promise<string[]> {
  const sizes = await Promise.all(ids.map((id) => client.hstrlen(keys.bullBase + id, 'data')))
  let left = MOST_READ
  const read = ids.filter((_, index) => {
    const size = sizes[index] ?? 0
    if (size > LONGEST_READ || size > left) return false
    left -= size
    return true
  })
  const inputs = await Promise.all(read.map((id) => client.hget(keys.bullBase + id, 'data')))
  return inputs.filter((input) => input !== null)
}

export function parseAttempts(text: string | null | undefined): FailedAttempt[] {
  return (text ?? '').split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as FailedAttempt]
    } catch {
      // A stranger wrote the field: what is no record reads as none.
      return []
    }
  })
}

/** The tags in a job's stored options. */
export function tagsOf(opts: string | null | undefined): string[] {
  try {
    const { tags } = JSON.parse(opts ?? '{}') as { tags?: unknown }
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : []
  } catch {
    // As above.
    return []
  }
}
