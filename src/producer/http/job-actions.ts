// What a person may do to a job: cancel it before it begins, run it again, remove it. Each is one atomic script.
import { readFileSync } from 'node:fs'
import { CancelledError, JobNotFoundError, JobStateError } from '../../job/index.js'
import { RESULT_VERSION } from '../../ledger/index.js'
import type { RedisClient } from '../../redis/index.js'
import type { BullQueue } from '../bull-queues.js'
import type { JobView } from './job-view.js'
import type { Room } from './room.js'

const CANCEL_COMMAND = 'droverCancel'
const CANCEL_KEYS = 3
const REMOVE_SCRIPT = /^removeJob:/
const DAY_MS = 86_400_000
/** What BullMQ's script for a manual retry answers. */
const GONE = -1

const cancelLua = readFileSync(new URL('./cancel-job.lua', import.meta.url), 'utf8')

type DefineCommand = RedisClient['defineCommand']

/** Adds the cancel to the scripts of a client, around BullMQ's own removal. Call it before BullMQ sees that client. */
export function addCancelCommand(client: RedisClient): void {
  const define = client.defineCommand.bind(client) as DefineCommand
  client.defineCommand = (name, definition) => {
    define(name, definition)
    if (!REMOVE_SCRIPT.test(name)) return
    const parts: Readonly<Record<string, string>> = {
      REMOVE_JOB: definition.lua,
      PUBLISH: client.isCluster ? 'SPUBLISH' : 'PUBLISH',
    }
    const lua = cancelLua.replace(/--@([A-Z_]+)@/g, (placeholder, part: string) => parts[part] ?? placeholder)
    define(CANCEL_COMMAND, { lua, numberOfKeys: CANCEL_KEYS })
  }
}

/** Undefined when the job was cancelled, else the state that keeps it from it. @throws JobNotFoundError */
export async function cancelJob(
  { gate }: Room,
  { keys, name, client }: BullQueue,
  id: string,
  keepResultMs = DAY_MS,
): Promise<string | undefined> {
  const error = new CancelledError()
  const words = [
    ...[keys.bullBase + id, `${keys.bullBase}repeat`, keys.result(id)],
    ...[id, '0', keys.bullBase, name, RESULT_VERSION, keepResultMs, Date.now()],
    ...[error.name, error.message, error.code, keys.done(id)],
  ]
  const commands = client as unknown as Record<string, (...words: (string | number)[]) => Promise<string>>
  const outcome = await gate.runOnce('the cancel of a job', async () => commands[CANCEL_COMMAND]?.(...words))
  if (outcome === 'unknown') throw new JobNotFoundError(id, name)
  return outcome === 'cancelled' ? undefined : outcome
}

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
