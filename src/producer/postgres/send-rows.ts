// Rows of the outbox on their way to Redis: sent per queue, all before the first answer, each in a step that enqueues its job once
// however often it is sent, and what became of each.
import {
  ClosedError,
  NotReplicatedError,
  RedisAuthError,
  RedisFullError,
  RedisNotDurableError,
  RedisUnavailableError,
} from '../../job/index.js'
import type { AddReply } from '../../ledger/index.js'
import type { BullQueue, BullQueues, NewJob } from '../bull-queues.js'
import type { JobRules } from '../job-rules.js'
import type { RedisGate } from '../redis-gate.js'
import { sendRuled } from '../send-ruled.js'
import { jobOfRow, type OutboxRow, recordKey } from './outbox-row.js'

export interface RelayRedis {
  readonly gate: RedisGate
  readonly queues: BullQueues
}

/** `full`: the queue has its most jobs waiting. `refused`: Redis, or the row itself, does not allow this job. */
export type RowFate =
  | { readonly row: OutboxRow; readonly kind: 'moved' | 'full' }
  | { readonly row: OutboxRow; readonly kind: 'refused'; readonly error: unknown }

/**
 * After this long another relay may have moved the rows, as Postgres frees them with a connection that it takes for dead:
 * a relay that was frozen starts its batch again.
 */
const MAX_BATCH_AGE_MS = 60_000
/**
 * How long Redis remembers a row that is gone from the table: longer than MAX_BATCH_AGE_MS and the longest `timeout`, so
 * that a relay that was frozen with the row in its hand finds it moved.
 */
const MOVED_RECORD_MS = 600_000

/** The errors that say nothing about a row: Redis cannot take any job now. */
const AWAY = [
  ClosedError,
  NotReplicatedError,
  RedisAuthError,
  RedisFullError,
  RedisNotDurableError,
  RedisUnavailableError,
] as const
const isAway = (error: unknown) => AWAY.some((kind) => error instanceof kind)

/** The record of each row stands for the rules of an enqueue with a key: sent again, it is answered the same. */
const RULES: JobRules = {
  merge: undefined,
  maxDepth: undefined,
  onFull: 'reject',
  tags: undefined,
  isKeyed: true,
  keyTtlMs: undefined,
}

/** @throws when Redis is away, full or not as asked for: any of the rows may have been enqueued, and may be sent again */
export async function sendRows(redis: RelayRedis, rows: readonly OutboxRow[], claimedMs: number): Promise<RowFate[]> {
  const fates: RowFate[] = []
  for (const [name, ofQueue] of byQueue(rows)) {
    const good: RowJob[] = []
    for (const row of ofQueue) {
      try {
        good.push({ row, job: jobOfRow(row, redis.queues.get(name).keys) })
      } catch (error) {
        fates.push({ row, kind: 'refused', error })
      }
    }
    if (good.length > 0) fates.push(...(await sendQueue(redis, redis.queues.get(name), good, claimedMs)))
  }
  return fates
}

interface RowJob {
  readonly row: OutboxRow
  readonly job: NewJob
}

async function sendQueue(
  redis: RelayRedis,
  queue: BullQueue,
  jobs: readonly RowJob[],
  claimedMs: number,
): Promise<RowFate[]> {
  try {
    return await sendOnce(redis, queue, jobs, claimedMs)
  } catch (error) {
    if (isAway(error) || error instanceof StaleBatchError) throw error
    if (jobs.length === 1) return jobs.map(({ row }) => ({ row, kind: 'refused', error }))
  }
  // One of them is refused: each alone tells which.
  const fates: RowFate[] = []
  for (const job of jobs) fates.push(...(await sendQueue(redis, queue, [job], claimedMs)))
  return fates
}

class StaleBatchError extends Error {}

async function sendOnce(
  { gate }: RelayRedis,
  queue: BullQueue,
  jobs: readonly RowJob[],
  claimedMs: number,
): Promise<RowFate[]> {
  const startedMs = performance.now()
  if (startedMs - claimedMs > MAX_BATCH_AGE_MS) {
    throw new StaleBatchError(
      `these rows were read more than ${MAX_BATCH_AGE_MS / 1_000} s ago: the batch starts again`,
    )
  }
  const call = { operation: `the enqueue of ${jobs.length} jobs from the outbox`, startedMs }
  const sent = jobs.map(({ job }) => job)
  const replies: AddReply[] = await sendRuled(gate, queue, sent, call, RULES)
  return jobs.map(({ row }, index) => ({ row, kind: replies[index]?.kind === 'full' ? 'full' : 'moved' }))
}

/** Lets the records of rows that are gone from the table go, too. */
export async function shortenRecords({ gate, queues }: RelayRedis, rows: readonly OutboxRow[]): Promise<void> {
  for (const [name, ofQueue] of byQueue(rows)) {
    const { keys } = queues.get(name)
    await gate.run('the records of moved rows', () => {
      const commands = gate.client.pipeline()
      for (const row of ofQueue) commands.pexpire(recordKey(keys, row), MOVED_RECORD_MS)
      return commands.exec()
    })
  }
}

function byQueue(rows: readonly OutboxRow[]): Map<string, OutboxRow[]> {
  const queues = new Map<string, OutboxRow[]>()
  for (const row of rows) {
    const known = queues.get(row.queue)
    if (known) known.push(row)
    else queues.set(row.queue, [row])
  }
  return queues
}
