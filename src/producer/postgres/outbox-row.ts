// A job as a row of the outbox, both ways. The row holds all that Redis gets, so that a relay knows no contract.
import { InvalidOptionError } from '../../job/index.js'
import type { AddRules, StoredOptions } from '../../ledger/index.js'
import { checkJobId, checkQueueName, type KeysOfQueue } from '../../redis/index.js'
import { type NewJob, newJob } from '../bull-queues.js'

export interface OutboxRow {
  /** A bigint, as text. */
  readonly seq: string
  readonly job_id: string
  readonly queue: string
  readonly name: string
  /** JSON texts. */
  readonly input: string
  readonly options: string
  readonly rules: string | null
  readonly enqueued_at_ms: number
  readonly tries: number
}

/** The record that a row was moved is kept so long, should the row stay because the relay ended before its commit. */
export const UNMOVED_RECORD_MS = 30 * 86_400_000

/** The values of the statement that inserts a row. */
export function rowValues(queue: string, { jobId, job }: NewJob): unknown[] {
  const rules = job.rules === undefined ? null : JSON.stringify(job.rules)
  return [jobId, queue, job.name, job.data, JSON.stringify(job.opts), rules, job.timestamp]
}

/** The record in Redis that a row's job was enqueued. No idempotency key of an app has a `~`. */
export function recordKey(keys: KeysOfQueue, { name, job_id: id }: OutboxRow): string {
  return keys.key(`${name}:~${id}`)
}

/** The job of a row. @throws what says why it can never be enqueued */
export function jobOfRow(row: OutboxRow, keys: KeysOfQueue): NewJob {
  const { job_id: id, queue, name, input } = row
  checkQueueName(queue)
  checkJobId(id)
  JSON.parse(input)
  const opts = readObject<StoredOptions>('options', row.options)
  const given = row.rules === null ? {} : readObject<AddRules>('rules', row.rules)
  const { job, jobId } = newJob(name, id, input, opts, row.enqueued_at_ms)
  const record = { record: recordKey(keys, row), inputHash: '-', ttlMs: UNMOVED_RECORD_MS + (opts.delay ?? 0) }
  const rules: AddRules = { ...given, key: { ...record, lasts: 'time' } }
  const deduplicationId = opts.deduplication?.id
  return { jobId, job: { ...job, ...(deduplicationId === undefined ? {} : { deduplicationId }), rules } }
}

function readObject<Value>(column: string, text: string): Value {
  const value: unknown = JSON.parse(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Value
  throw new InvalidOptionError(column, 'a JSON object, as outbox.add writes it', value)
}
