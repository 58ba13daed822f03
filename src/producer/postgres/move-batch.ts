// One batch of the outbox: rows are locked in Postgres, enqueued in Redis, and deleted in the transaction that locked
// them. Whatever ends it on the way leaves the rows for the next batch, where Redis knows those that it has already.
import { logThinned } from '../../job/index.js'
import type { OutboxRow } from './outbox-row.js'
import type { RelayPlan } from './relay-options.js'
import { type RelayRedis, type RowFate, sendRows, shortenRecords } from './send-rows.js'
import { inTransaction, type Query } from './sql-client.js'

/** Rows are read until their inputs have this many bytes together; a larger one goes alone. */
const MAX_BATCH_BYTES = 2_097_152
/** A queue that has its most jobs waiting is tried again after this. */
const FULL_PAUSE_MS = 1_000
const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 60_000
const MAX_ERROR_CHARACTERS = 1_000

export interface BatchOutcome {
  readonly moved: number
  /** True when more rows may be due. */
  readonly hasMore: boolean
}

/** @throws what Postgres or Redis threw */
export async function moveBatch(plan: RelayPlan, redis: RelayRedis): Promise<BatchOutcome> {
  const { pool, table, logger } = plan
  const { fates, hasMore } = await inTransaction(pool, async (query) => {
    const claimedMs = performance.now()
    const { seqs, hasMore } = await claim(plan, query)
    if (seqs.length === 0) return { fates: [], hasMore }
    const rows = (await query(table.read, [seqs])) as OutboxRow[]
    const fates = await sendRows(redis, rows, claimedMs)
    await settle(plan, query, fates)
    return { fates, hasMore }
  })
  const moved = rowsOf(fates, 'moved')
  tellParked(plan, fates)
  try {
    await shortenRecords(redis, moved)
  } catch (error) {
    const fields = { err: error, rows: moved.length }
    if (logger) logThinned(logger, 'warn', fields, 'the records of moved rows stay in Redis until they expire')
  }
  return { moved: moved.length, hasMore }
}

async function claim({ table, batchSize }: RelayPlan, query: Query): Promise<{ seqs: string[]; hasMore: boolean }> {
  const due = (await query(table.claim, [batchSize])) as { seq: string; bytes: number }[]
  let bytes = 0
  const seqs: string[] = []
  for (const row of due) {
    bytes += row.bytes
    if (seqs.length > 0 && bytes > MAX_BATCH_BYTES) break
    seqs.push(row.seq)
  }
  return { seqs, hasMore: seqs.length < due.length || due.length === batchSize }
}

async function settle(plan: RelayPlan, query: Query, fates: readonly RowFate[]): Promise<void> {
  const { table } = plan
  const seqsOf = (kind: RowFate['kind']) => rowsOf(fates, kind).map(({ seq }) => seq)
  const moved = seqsOf('moved')
  const full = seqsOf('full')
  if (moved.length > 0) await query(table.remove, [moved])
  if (full.length > 0) await query(table.putOff, [full, FULL_PAUSE_MS])
  for (const fate of fates) {
    if (fate.kind !== 'refused') continue
    const { seq, tries } = fate.row
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** tries, MAX_PAUSE_MS)
    await query(table.note, [seq, errorText(fate.error), pauseMs, isLastTry(plan, fate)])
  }
}

const isLastTry = ({ maxTries }: RelayPlan, { row }: RowFate) => row.tries + 1 >= maxTries

function tellParked(plan: RelayPlan, fates: readonly RowFate[]): void {
  const { logger } = plan
  if (logger === undefined) return
  for (const fate of fates) {
    if (fate.kind !== 'refused') continue
    const { seq, job_id: jobId, queue, name, tries } = fate.row
    const fields = { err: fate.error, seq, jobId, queue, job: name, tries: tries + 1, table: plan.table.name }
    if (isLastTry(plan, fate)) {
      logThinned(logger, 'error', fields, 'a row of the outbox is parked: it is not tried again')
    } else if (tries === 0) {
      logThinned(logger, 'warn', fields, 'a row of the outbox was refused; it is tried again')
    }
  }
}

function rowsOf(fates: readonly RowFate[], kind: RowFate['kind']): OutboxRow[] {
  return fates.filter((fate) => fate.kind === kind).map(({ row }) => row)
}

/** What Postgres takes as text, short enough for a person. */
function errorText(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.replaceAll('\0', '').slice(0, MAX_ERROR_CHARACTERS)
}
