// One line for each job of a list: read from BullMQ's hash of the job and the first part of its result record.
import { parseResult } from '../../ledger/index.js'
import { type KeysOfQueue, queueKeys, type RedisClient } from '../../redis/index.js'
import { REDACTED, type Redact, showAll } from '../redact.js'

/** A job, and the time by which a list has it, ms since 1970; 0 where it has none. */
export interface JobRef {
  readonly queue: string
  readonly id: string
  readonly at: number
}

export interface JobRow {
  readonly queue: string
  readonly id: string
  /** Null for a job of which only the id is left. */
  readonly job: string | null
  /** As BullMQ 6 names states, or `gone`. */
  readonly state: string
  readonly enqueuedAt: number | null
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly attempts: number
  readonly tags: readonly string[]
  /** The beginning of the result or the error. */
  readonly summary: string | null
}

const PLACES = ['delayed', 'prioritized', 'waiting-children'] as const
const FIELDS = ['name', 'timestamp', 'processedOn', 'finishedOn', 'atm', 'failedReason', 'opts'] as const
/** Bytes of a result that a line is made from: its head has id, job and queue before the value. */
const HEAD_BYTES = 700
const MAX_OPTIONS = 8_192

/** What reading rows needs. */
export interface RowsRoom {
  readonly client: RedisClient
  readonly prefix: string
  readonly redact: Redact
}

/** Names the place of a job in a list that is sorted by time. */
export function rowKey({ at, queue, id }: JobRef): string {
  return `${at}.${queue}/${id}`
}

/** The rows in the order of `refs`, one round trip per queue. */
export async function readRows({ client, prefix, redact }: RowsRoom, refs: readonly JobRef[]): Promise<JobRow[]> {
  const queues = [...new Set(refs.map(({ queue }) => queue))]
  const rows = new Map<string, JobRow>()
  await Promise.all(
    queues.map(async (queue) => {
      const keys = queueKeys(prefix, queue)
      const own = refs.filter((ref) => ref.queue === queue)
      const look = client.pipeline()
      for (const { id } of own) {
        look
          .hmget(keys.bullBase + id, ...FIELDS)
          .getrange(keys.result(id), 0, HEAD_BYTES)
          .zscore(`${keys.bullBase}failed`, id)
          .lpos(`${keys.bullBase}active`, id)
      }
      const replies = unpack(await look.exec())
      const read = own.map((ref, index) => rowOf(ref, replies.slice(4 * index, 4 * index + 4), redact))
      const placed = await placeWaiting(client, keys, read)
      for (const [index, ref] of own.entries()) rows.set(rowKey(ref), placed[index] as JobRow)
    }),
  )
  return refs.flatMap((ref) => rows.get(rowKey(ref)) ?? [])
}

/** Where the jobs are that neither run nor have ended: a second look, which lists of finished jobs do without. */
async function placeWaiting(client: RedisClient, keys: KeysOfQueue, rows: readonly JobRow[]): Promise<JobRow[]> {
  const waiting = rows.filter(({ state }) => state === 'waiting')
  if (waiting.length === 0) return [...rows]
  const look = client.pipeline()
  for (const { id } of waiting) for (const place of PLACES) look.zscore(keys.bullBase + place, id)
  const scores = unpack(await look.exec())
  return rows.map((row) => {
    const index = waiting.indexOf(row)
    if (index === -1) return row
    const own = scores.slice(PLACES.length * index, PLACES.length * (index + 1))
    // In none of them: BullMQ's list of waiting jobs, which is too long to look through.
    return { ...row, state: PLACES[own.findIndex((score) => score !== null)] ?? 'waiting' }
  })
}

function rowOf({ queue, id, at }: JobRef, [hash, head, failedAt, place]: readonly unknown[], redact: Redact): JobRow {
  const [name, timestamp, processedOn, finishedOn, atm, failedReason, opts] = (hash ?? []) as (string | null)[]
  const text = typeof head === 'string' ? head : ''
  const isFinished = finishedOn != null
  const ended = failedAt === null ? 'completed' : 'failed'
  const state = name == null ? (statusOf(text) ?? 'gone') : isFinished ? ended : place === null ? 'waiting' : 'active'
  // Whole where it is no longer than what is read of it: then it has the times of a job that is gone.
  const record = name == null ? parseResult(text) : null
  return {
    queue,
    id,
    job: name ?? fieldOf(text, 'job'),
    state,
    enqueuedAt: numberOf(timestamp) ?? numberOf(record?.enqueuedAt) ?? (name == null && at > 0 ? at : null),
    startedAt: numberOf(processedOn) ?? numberOf(record?.startedAt) ?? null,
    finishedAt: numberOf(finishedOn) ?? numberOf(record?.finishedAt) ?? null,
    attempts: numberOf(atm ?? record?.attempts) ?? 0,
    tags: tagsOf(opts),
    summary:
      state === 'completed'
        ? redactedValue(valueIn(text), redact)
        : state === 'failed'
          ? (failedReason ?? valueIn(text))
          : null,
  }
}

// The record begins with v, id, job, queue, status, and then the value or the error: commit.ts writes it so.
function statusOf(head: string): string | undefined {
  return /"status":"(completed|failed)"/.exec(head)?.[1]
}

function fieldOf(head: string, field: string): string | null {
  return new RegExp(`"${field}":"([\\w.:-]{1,128})"`).exec(head)?.[1] ?? null
}

function valueIn(head: string): string | null {
  const match = /"status":"\w+","(?:value|error)":(.*)$/s.exec(head)
  return match?.[1]?.replace(/,"attempts":\d+,"enqueuedAt":.*$/s, '') ?? null
}

// A value that is cut cannot be looked into: where anything is to be redacted, nothing of it shows.
function redactedValue(text: string | null, redact: Redact): string | null {
  if (text === null || redact === showAll) return text
  try {
    return JSON.stringify(redact('result', JSON.parse(text)))
  } catch {
    return REDACTED
  }
}

function numberOf(text: string | number | null | undefined): number | null {
  return text == null || !Number.isFinite(Number(text)) ? null : Number(text)
}

function tagsOf(opts: string | null | undefined): readonly string[] {
  if (opts == null || opts.length > MAX_OPTIONS || !opts.includes('"tags"')) return []
  try {
    const { tags } = JSON.parse(opts) as { tags?: unknown }
    return Array.isArray(tags) ? tags.map(String) : []
  } catch {
    // Another program wrote the options: they have no tags of ours.
    return []
  }
}

export function unpack(replies: [Error | null, unknown][] | null): unknown[] {
  return (replies ?? []).map(([error, value]) => {
    // A key of another type, which another program wrote, reads as one that is not there.
    if (error?.message.startsWith('WRONGTYPE')) return null
    if (error) throw error
    return value
  })
}
