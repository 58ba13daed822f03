// The result record of a finished job, read back. commit.ts writes it; docs/redis-keys.md documents it for other languages.
import type { JsonValue, StoredError } from '../job/index.js'
import type { KeysOfQueue, RedisClient } from '../redis/index.js'
import { RESULT_VERSION } from './commit.js'
import type { Committed } from './committed.js'

interface FinishedJob {
  /** Version of the record's shape. Fields may be added within a version; unknown ones are kept as they are. */
  readonly v: number
  readonly id: string
  /** The job's name. */
  readonly job: string
  readonly queue: string
  /** How many attempts ran to their end, this one included. */
  readonly attempts: number
  /** Milliseconds since 1970, as the three times below it. */
  readonly enqueuedAt: number
  /** When the last attempt started. */
  readonly startedAt: number
  readonly finishedAt: number
  /** How long the last attempt's handler ran, in milliseconds. */
  readonly runMs: number
  /** From enqueue, or from the end of its delay, to the start of the last attempt, in milliseconds. */
  readonly waitMs: number
}

export interface CompletedResult<Value = JsonValue> extends FinishedJob {
  readonly status: 'completed'
  readonly value: Value
  /** What its completion wrote besides this record; only where it wrote something. */
  readonly committed?: Committed | undefined
}

export interface FailedResult extends FinishedJob {
  readonly status: 'failed'
  readonly error: StoredError
}

/** How one job ended: completed with its value, or failed for good with its last error. */
export type JobResult<Value = JsonValue> = CompletedResult<Value> | FailedResult

/** The record in the text of a result key, or null when it is not one: a stranger wrote the key, or a later version. */
export function parseResult(text: string | null | undefined): JobResult | null {
  if (typeof text !== 'string') return null
  let record: unknown
  try {
    record = JSON.parse(text)
  } catch {
    // Not JSON, so not a record of ours: the key reads as having none.
    return null
  }
  if (typeof record !== 'object' || record === null) return null
  const { v, status } = record as { v?: unknown; status?: unknown }
  if (v !== RESULT_VERSION) return null
  if (status === 'completed' && 'value' in record) return record as CompletedResult
  if (status === 'failed' && 'error' in record) return record as FailedResult
  return null
}

/** The job's result, or null when there is none: not finished, unknown, removed or expired. */
export async function readResult(client: RedisClient, keys: KeysOfQueue, id: string): Promise<JobResult | null> {
  return parseResult(await client.get(keys.result(id)))
}

/** The results of several jobs of one queue in one round trip, in the order of `ids`; null where there is none. */
export async function readResults(
  client: RedisClient,
  keys: KeysOfQueue,
  ids: readonly string[],
): Promise<(JobResult | null)[]> {
  if (ids.length === 0) return []
  const texts = await client.mget(ids.map((id) => keys.result(id)))
  return texts.map(parseResult)
}

export async function resultExists(client: RedisClient, keys: KeysOfQueue, id: string): Promise<boolean> {
  return (await client.exists(keys.result(id))) === 1
}

/** Deletes the result and tells whether there was one. The job itself and what it counted stay. */
export async function deleteResult(client: RedisClient, keys: KeysOfQueue, id: string): Promise<boolean> {
  return (await client.del(keys.result(id))) === 1
}
