// Does what a person asked for and writes it into the audit list, however it ends.
import type { Response } from 'express'
import { type NewAuditEntry, writeAudit } from '../../ledger/index.js'
import { bareRedisError } from '../../redis/index.js'
import { problemOf } from '../problems.js'
import type { Shared } from '../shared.js'
import { visitOf } from '../visit.js'

/** What is going to be done: see `NewAuditEntry`. */
export type AuditedAction = Pick<NewAuditEntry, 'action' | 'target' | 'filter'>

/** What came of it. */
export interface ActionOutcome {
  /** How many things were changed. */
  readonly count: number
  readonly detail?: string | undefined
}

/**
 * Gives what `run` gives, or rejects as it does, after the entry was written. An entry that cannot be written is logged
 * whole: what was done is done.
 */
export async function audited<Outcome extends ActionOutcome>(
  shared: Pick<Shared, 'client' | 'prefix' | 'timeoutMs' | 'logger'>,
  response: Response,
  action: AuditedAction,
  run: () => Promise<Outcome>,
): Promise<Outcome> {
  try {
    const outcome = await run()
    await noteAction(shared, response, { ...action, count: outcome.count, result: 'done', detail: outcome.detail })
    return outcome
  } catch (error) {
    await noteAction(shared, response, { ...action, result: 'failed', detail: problemOf(error, shared.timeoutMs).code })
    throw error
  }
}

/** Writes what somebody did into the audit list, with who it was. It never rejects: see `audited`. */
export async function noteAction(
  { client, prefix, logger }: Pick<Shared, 'client' | 'prefix' | 'logger'>,
  response: Response,
  done: Omit<NewAuditEntry, 'who' | 'role'>,
): Promise<void> {
  const { person } = visitOf(response)
  const entry: NewAuditEntry = { who: person?.name ?? '', role: person?.role ?? '', ...done }
  try {
    await writeAudit(client, prefix, entry)
    logger?.info({ audit: entry }, 'changed by a person')
  } catch (error) {
    logger?.error({ audit: entry, err: bareRedisError(error) }, 'changed by a person, and not in the audit list')
  }
}
