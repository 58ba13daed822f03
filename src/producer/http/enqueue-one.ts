// POST /v1/jobs: enqueues one job, and on `Prefer: wait` holds the answer back until the job ends.
import { InvalidOptionError } from '../../job/index.js'
import type { JobHandle } from '../job-handle.js'
import { accessOf, answerJson, type Call } from './call.js'
import type { EnqueueRequest } from './contracts.js'
import { checkScope } from './gates.js'
import { resultView } from './job-view.js'
import { readIdempotencyKey, readWaitSeconds } from './query.js'
import type { Room } from './room.js'
import { waitForResult } from './wait.js'

export async function enqueueOne(call: Call, room: Room): Promise<void> {
  const { request, response } = call
  const key = readIdempotencyKey(request)
  const waitSeconds = readWaitSeconds(request)
  if (waitSeconds !== undefined) checkScope(call, 'read', 'job')
  const asked = room.contracts.readRequest(await room.readBody(call), accessOf(call))
  const { handle, isNew } = await sendOne(room, key === undefined ? asked : withKey(asked, key))
  response.setHeader('Location', `${request.baseUrl}/queues/${handle.queue}/jobs/${handle.id}`)
  const record = waitSeconds === undefined ? undefined : await waitForResult(call, room, handle, waitSeconds)
  if (record !== undefined) answerJson(call, 200, resultView(record))
  else answerJson(call, isNew ? 201 : 200, jobBody(handle))
}

/** What is answered about a job that was just enqueued. */
export function jobBody({ id, name, queue, cached }: JobHandle<unknown>): object {
  return { id, job: name, queue, ...(cached ? { cached } : {}) }
}

/** Enqueues it; `isNew` is false when the job was there already. @throws what `Producer.enqueue` says */
export async function sendOne(
  { producer }: Room,
  { contract, input, options }: EnqueueRequest,
): Promise<{ readonly handle: JobHandle<unknown>; readonly isNew: boolean }> {
  const handle = await producer.enqueue(contract, input, options)
  return { handle, isNew: (handle as { deduplicated?: unknown }).deduplicated !== true }
}

function withKey(asked: EnqueueRequest, key: string): EnqueueRequest {
  const { options } = asked
  if (options !== undefined && (typeof options !== 'object' || options === null || Array.isArray(options))) return asked
  const given = (options as { key?: unknown } | undefined)?.key
  if (given !== undefined && given !== key) {
    throw new InvalidOptionError('key', 'the same key as in the header Idempotency-Key, or none', given)
  }
  return { ...asked, options: { ...options, key } as EnqueueRequest['options'] }
}
