// What a person may do to a job besides cancelling it (producer-jobs.ts): run it again, remove it. Each is one atomic script.
import { JobNotFoundError, JobStateError } from '../../job/index.js'
import type { BullQueue } from '../bull-queues.js'
import type { JobView } from './job-view.js'
import type { Room } from './room.js'

/** What BullMQ's script for a manual retry answers. */
const GONE = -1

/** Puts a finished job back into its queue. @throws JobStateError for one that has not finished, JobNotFoundError */
export async function retryJob({ gate }: Room, { backend, name }: BullQueue, { id, state }: JobView): Promise<void> {
  if (state !== 'failed' && state !== 'completed') throw new JobStateError(id, name, state, 'retried')
  await gate.runOnce('the retry of a job', () =>
    backend.retryFinishedJob({ id, opts: {} } as never, state).catch((error: unknown) => {
      const { code } = error as { code?: unknown }
      if (code === GONE) throw new JobNotFoundError(id, name)
      // Somebody else retried or removed it meanwhile.
      throw isScriptCode(code) ? new JobStateError(id, name, 'in another state by now', 'retried') : error
    }),
  )
}

/** Removes the job and its result, whatever state it is in but active. @throws JobStateError */
export async function deleteJob({ gate, producer }: Room, { backend, name }: BullQueue, id: string): Promise<void> {
  const removed = await gate.run('the removal of a job', () =>
    backend.remove(id, false).catch((error: unknown) => {
      const { code } = error as { code?: unknown }
      throw isScriptCode(code) ? new JobStateError(id, name, 'the next one of its schedule', 'deleted') : error
    }),
  )
  if (removed !== 1) throw new JobStateError(id, name, 'active', 'deleted')
  // A crash between the two leaves the result, which a second DELETE removes.
  await producer.results.delete({ queue: name, id })
}

/** BullMQ hands on what its scripts answer as a number below 0; errors of the connection have text for a code. */
function isScriptCode(code: unknown): boolean {
  return typeof code === 'number'
}
