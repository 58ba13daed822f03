// Routes about one job: what it is, how it ended, and what a person may do to it.
import { isDroverError, JobNotFoundError } from '../../job/index.js'
import { allowsJob, readHeldFlow } from '../../ledger/index.js'
import { checkJobId } from '../../redis/index.js'
import type { BullQueue } from '../bull-queues.js'
import { accessOf, answerJson, answerNothing, type Call } from './call.js'
import { deleteJob, retryJob } from './job-actions.js'
import { type FoundJob, findJob, findResult, resultView } from './job-view.js'
import { refuse } from './problem.js'
import { readWaitSeconds } from './query.js'
import { openQueue, type Room } from './room.js'
import { waitForResult } from './wait.js'

/** Ids that enqueue does not take, but BullMQ gives: its own numbers, and jobs of its schedules. */
const OTHER_ID = /^(\d{1,32}|repeat:[A-Za-z0-9_.-]{1,128}:\d{1,16})$/

export async function getJob(call: Call, room: Room): Promise<void> {
  const { queue, id } = await target(call, room)
  const { view, result } = await findJob(room.gate, queue, accessOf(call), id)
  answerJson(call, 200, { ...view, result: result === undefined ? null : resultView(result) })
}

export async function getResult(call: Call, room: Room): Promise<void> {
  const { queue, id } = await target(call, room)
  const waitSeconds = readWaitSeconds(call.request)
  const found = await findIfThere(call, room, queue, id)
  if (found === undefined) return getResultAlone(call, room, queue, id, waitSeconds)
  const { view, result } = found
  if (result !== undefined) return answerJson(call, 200, resultView(result))
  if (view.finishedAt !== null) throw refuse('RESULT_EXPIRED', `Job ${id} has finished, and its result has expired.`)
  const record =
    waitSeconds === undefined ? undefined : await waitForResult(call, room, { id, queue: queue.name }, waitSeconds)
  if (record !== undefined) return answerJson(call, 200, resultView(record))
  const { job, state } = view
  answerJson(call, 202, { id, job, queue: queue.name, state })
}

/** The result of a job that is in no queue: it is kept no more, or it is of a flow and waits for others. */
async function getResultAlone(
  call: Call,
  room: Room,
  queue: BullQueue,
  id: string,
  waitSeconds: number | undefined,
): Promise<void> {
  const access = accessOf(call)
  try {
    return answerJson(call, 200, resultView(await findResult(room.gate, queue, access, id)))
  } catch (error) {
    // What is known of it by its id alone is not for tokens of single jobs.
    if (!isDroverError(error) || error.code !== 'JOB_NOT_FOUND' || access.jobs !== undefined) throw error
    const flow = await room.gate.run('the read of a flow', () => readHeldFlow(queue.client, queue.keys, id))
    if (flow === undefined) throw error
  }
  const record =
    waitSeconds === undefined ? undefined : await waitForResult(call, room, { id, queue: queue.name }, waitSeconds)
  if (record !== undefined) return answerJson(call, 200, resultView(record))
  answerJson(call, 202, { id, job: null, queue: queue.name, state: 'waiting-children' })
}

export async function removeResult(call: Call, room: Room): Promise<void> {
  const { queue, id } = await target(call, room)
  // The token may be for other jobs only: whose result it is has to be known first.
  await findResult(room.gate, queue, accessOf(call), id)
  await room.producer.results.delete({ queue: queue.name, id })
  answerNothing(call)
}

export async function cancel(call: Call, room: Room): Promise<void> {
  const { queue, id } = await target(call, room)
  const { view } = await findJob(room.gate, queue, accessOf(call), id)
  const contract = room.contracts.all.find(({ name, queue: of }) => name === view.job && of === queue.name)
  const { producer } = room
  const outcome = await producer.jobs.cancel({ queue: queue.name, id }, { keepResultMs: contract?.keepResultMs })
  if (outcome === 'cancelling') return answerJson(call, 202, { id, job: view.job, queue: queue.name, state: 'active' })
  answerJson(call, 200, resultView(await findResult(room.gate, queue, accessOf(call), id)))
}

export async function explain(call: Call, room: Room): Promise<void> {
  const { queue, id } = await target(call, room)
  const explanation = await room.producer.jobs.explain({ queue: queue.name, id })
  const access = accessOf(call)
  // What is known of it by its id alone is not for tokens of single jobs.
  const isAllowed =
    explanation.job === null ? access.jobs === undefined : allowsJob(access, explanation.job, queue.name)
  if (!isAllowed) throw new JobNotFoundError(id, queue.name)
  answerJson(call, 200, explanation)
}

export async function retry(call: Call, room: Room): Promise<void> {
  const { queue, id } = await target(call, room)
  const { view } = await findJob(room.gate, queue, accessOf(call), id)
  await retryJob(room, queue, view)
  answerJson(call, 202, { id, job: view.job, queue: queue.name, state: 'waiting' })
}

export async function removeJob(call: Call, room: Room): Promise<void> {
  const { queue, id } = await target(call, room)
  const found = await findIfThere(call, room, queue, id)
  // A result that outlived its job goes too.
  if (found === undefined) await findResult(room.gate, queue, accessOf(call), id)
  await deleteJob(room, queue, id)
  answerNothing(call)
}

async function findIfThere(call: Call, { gate }: Room, queue: BullQueue, id: string): Promise<FoundJob | undefined> {
  try {
    return await findJob(gate, queue, accessOf(call), id)
  } catch (error) {
    if (isDroverError(error) && error.code === 'JOB_NOT_FOUND') return undefined
    throw error
  }
}

/** The job that the path names. @throws InvalidJobIdError, InvalidQueueNameError, QueueNotFoundError */
export async function target(call: Call, room: Room): Promise<{ readonly queue: BullQueue; readonly id: string }> {
  const { queue, id } = call.request.params as { queue: string; id: string }
  if (!OTHER_ID.test(id)) checkJobId(id)
  return { queue: await openQueue(room, accessOf(call), queue), id }
}
