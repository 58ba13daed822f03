// What an operator does about a group of errors: run its jobs again, discard them, undo that, stop a replay. Each writes one
// entry into the audit list and leads back to the page it came from.
import type { Request, Response } from 'express'
import { ErrorGroupNotFoundError, InvalidOptionError, isQueueName } from '../../job/index.js'
import {
  checkReplay,
  checkTarget,
  discardFailed,
  isGroupId,
  readReplay,
  stopReplay,
  undoDiscard,
} from '../../ledger/index.js'
import { audited } from '../access/audited.js'
import type { Shared } from '../shared.js'
import { visitOf } from '../visit.js'

export const UNDO_MS = 7 * 86_400_000
const STAGES: Readonly<Record<string, readonly (number | 'rest')[]>> = {
  '1,10,rest': [1, 10, 'rest'],
  '1': [1],
  '10': [10],
  rest: ['rest'],
}

export async function takeErrorsRetry(request: Request, response: Response, shared: Shared): Promise<void> {
  const { queue, group } = groupOf(request)
  const stages = String(field(request, 'stages'))
  const replay = checkReplay({ stages: readStages(stages) })
  await audited(
    shared,
    response,
    { action: 'errors.retry', target: queue, filter: `group ${group}, stages ${stages}` },
    async () => {
      const id = await shared.failedJobs.retry(queue, checkTarget({ group }), replay, whoAsks(response))
      const { total } = await readReplay(shared.client, shared.failedJobs.room(queue).keys, queue, id)
      return { count: Math.min(total, mostOf(replay.stages)), detail: `replay ${id}` }
    },
  )
  back(response, `/errors/${encodeURIComponent(queue)}/${group}#replays`)
}

export async function takeDiscard(request: Request, response: Response, shared: Shared): Promise<void> {
  const { queue, group } = groupOf(request)
  await audited(shared, response, { action: 'errors.discard', target: queue, filter: `group ${group}` }, async () => {
    const by = whoAsks(response)
    const { id, count } = await discardFailed(shared.failedJobs.room(queue), checkTarget({ group }), {
      undoMs: UNDO_MS,
      by,
    })
    return { count, detail: `discard ${id}` }
  })
  back(response, `/errors/${encodeURIComponent(queue)}/${group}#discards`)
}

export async function takeUndo(request: Request, response: Response, shared: Shared): Promise<void> {
  const queue = queueOf(request)
  const discard = String(field(request, 'discard'))
  await audited(
    shared,
    response,
    { action: 'errors.undo', target: queue, filter: `discard ${discard.slice(0, 40)}` },
    async () => {
      const { restored, taken } = await undoDiscard(shared.failedJobs.room(queue), discard)
      return { count: restored, ...(taken > 0 && { detail: `${taken} stay aside, their ids are taken` }) }
    },
  )
  back(response, `/errors?queue=${encodeURIComponent(queue)}`)
}

export async function takeStop(request: Request, response: Response, shared: Shared): Promise<void> {
  const queue = queueOf(request)
  const replay = String(field(request, 'replay'))
  await audited(
    shared,
    response,
    { action: 'errors.stop', target: queue, filter: `replay ${replay.slice(0, 40)}` },
    async () => {
      const room = shared.failedJobs.room(queue)
      const { retried } = await readReplay(shared.client, room.keys, queue, replay)
      await stopReplay(room, replay)
      return { count: retried }
    },
  )
  back(response, `/errors?queue=${encodeURIComponent(queue)}`)
}

// A stage of 0 is all that is left.
function mostOf(stages: readonly number[]): number {
  return stages.includes(0) ? Number.POSITIVE_INFINITY : stages.reduce((sum, stage) => sum + stage, 0)
}

/** @throws InvalidOptionError */
export function readStages(stages: string): readonly (number | 'rest')[] {
  const known = Object.hasOwn(STAGES, stages) ? STAGES[stages] : undefined
  if (known === undefined) throw new InvalidOptionError('stages', Object.keys(STAGES).join(' or '), stages)
  return known
}

function groupOf(request: Request): { readonly queue: string; readonly group: string } {
  const { group } = request.params
  const queue = queueOf(request)
  if (!isGroupId(group)) throw new ErrorGroupNotFoundError(String(group), queue)
  return { queue, group }
}

function queueOf(request: Request): string {
  const { queue } = request.params
  if (!isQueueName(queue)) throw new ErrorGroupNotFoundError('', String(queue))
  return queue
}

function field(request: Request, name: string): unknown {
  return (request.body as Record<string, unknown> | undefined)?.[name] ?? ''
}

export function whoAsks(response: Response): string {
  return visitOf(response).person?.name.slice(0, 100) || 'dashboard'
}

function back(response: Response, path: string): void {
  response.redirect(303, `${visitOf(response).base}${path}`)
}
