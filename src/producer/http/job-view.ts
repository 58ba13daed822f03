// A job and its result as the API shows them: BullMQ's hash of the job, its state, and the result record.
import { JobNotFoundError, type JsonValue } from '../../job/index.js'
import { type Access, allowsJob, type JobResult, parseResult } from '../../ledger/index.js'
import type { BullQueue } from '../bull-queues.js'
import type { RedisGate } from '../redis-gate.js'

/** What is read of a job's hash; BullMQ shortens some of its names. */
const FIELDS = [
  'name',
  'timestamp',
  'delay',
  'priority',
  'processedOn',
  'finishedOn',
  'atm',
  'progress',
  'data',
] as const
const FIELDS_WITHOUT_INPUT = FIELDS.slice(0, -1)

export interface JobView {
  readonly id: string
  readonly job: string
  readonly queue: string
  /** As BullMQ 6 names states. */
  readonly state: string
  /** Attempts that have ended. */
  readonly attempts: number
  /** Milliseconds since 1970, as all times. */
  readonly enqueuedAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly delayMs: number
  readonly priority: number
  readonly progress: JsonValue
  readonly input?: JsonValue
}

export interface FoundJob {
  readonly view: JobView
  /** How its present run ended; undefined while it has not, and when the result has expired. */
  readonly result: JobResult | undefined
}

/**
 * The job and its result. A job of another name than the token is for is not found.
 * @throws JobNotFoundError when neither job nor result is there: `result` alone is told by `findResult`
 */
export async function findJob(gate: RedisGate, queue: BullQueue, access: Access, id: string): Promise<FoundJob> {
  const { keys, client, backend, name } = queue
  const [[fields, text], state] = await gate.run('the read of a job', async () => {
    const read = client
      .pipeline()
      .hmget(keys.bullBase + id, ...FIELDS)
      .get(keys.result(id))
      .exec()
    return Promise.all([read.then(unpack), backend.getState(id)])
  })
  const view = viewOf(id, name, String(state), fields as (string | null)[])
  if (view === undefined || !allowsJob(access, view.job, name)) throw new JobNotFoundError(id, name)
  const result = view.finishedAt === null ? undefined : (parseResult(text as string | null) ?? undefined)
  return { view, result }
}

/** A result whose job BullMQ no longer keeps. @throws JobNotFoundError */
export async function findResult(gate: RedisGate, queue: BullQueue, access: Access, id: string): Promise<JobResult> {
  const text = await gate.run('the read of a result', () => queue.client.get(queue.keys.result(id)))
  const result = parseResult(text)
  if (result === null || !allowsJob(access, result.job, queue.name)) throw new JobNotFoundError(id, queue.name)
  return result
}

/** Jobs by id, without their inputs; those that are gone meanwhile are left out. */
export async function readViews(queue: BullQueue, ids: readonly string[], state: string): Promise<JobView[]> {
  if (ids.length === 0) return []
  const look = queue.client.pipeline()
  for (const id of ids) look.hmget(queue.keys.bullBase + id, ...FIELDS_WITHOUT_INPUT)
  const replies = unpack(await look.exec())
  return replies.flatMap(
    (fields, at) => viewOf(ids[at] as string, queue.name, state, fields as (string | null)[]) ?? [],
  )
}

/** The record without the stack of its error, which is for the log and the dashboard. */
export function resultView(record: JobResult): object {
  if (record.status === 'completed') return record
  const { stack: _stack, ...error } = record.error
  return { ...record, error }
}

function viewOf(id: string, queue: string, state: string, fields: readonly (string | null)[]): JobView | undefined {
  const [name, timestamp, delay, priority, processedOn, finishedOn, attempts, progress, data] = fields
  if (typeof name !== 'string') return undefined
  return {
    id,
    job: name,
    queue,
    state,
    attempts: Number(attempts ?? 0),
    enqueuedAt: Number(timestamp),
    startedAt: processedOn == null ? null : Number(processedOn),
    finishedAt: finishedOn == null ? null : Number(finishedOn),
    delayMs: Number(delay ?? 0),
    priority: Number(priority ?? 0),
    progress: parse(progress),
    ...(fields.length === FIELDS.length ? { input: parse(data) } : {}),
  }
}

// Other programs on BullMQ may have written anything: what is no JSON is shown as null.
function parse(text: string | null | undefined): JsonValue {
  try {
    return text == null ? null : (JSON.parse(text) as JsonValue)
  } catch {
    return null
  }
}

function unpack(replies: [Error | null, unknown][] | null): unknown[] {
  return (replies ?? []).map(([error, value]) => {
    if (error) throw error
    return value
  })
}
