// Routes about a whole queue: its counts, its jobs page by page, pausing it.
import { InvalidOptionError } from '../../job/index.js'
import { readHeldNames } from '../../ledger/index.js'
import type { BullQueue } from '../bull-queues.js'
import type { CancelFilter } from '../producer-jobs.js'
import { accessOf, answerJson, answerNothing, type Call } from './call.js'
import { isListState, LIST_STATES, listJobs } from './job-list.js'
import { pageOfNames, readFields, readLimit, readQuery } from './query.js'
import { openQueue, queueNames, type Room } from './room.js'

/** Most jobs that one request cancels: it is answered within seconds, and is sent again for the rest. */
const MAX_CANCELLED = 10_000
/** Jobs that a dry run looks at, about 5 ms for each 1,000. */
const MAX_DRY_READ = 100_000
const CANCEL_FIELDS = ['job', 'tag', 'states', 'dryRun']

export async function listQueues(call: Call, room: Room): Promise<void> {
  const { limit, cursor } = readQuery(call.request, ['limit', 'cursor'])
  const names = await queueNames(room, accessOf(call))
  const { items, next } = pageOfNames(names, (name) => name, { cursor, limit: readLimit(limit) })
  const queues = await Promise.all(items.map((name) => describeQueue(room, room.queues.get(name))))
  answerJson(call, 200, { queues, next })
}

export async function getQueue(call: Call, room: Room): Promise<void> {
  answerJson(call, 200, await describeQueue(room, await queueOf(call, room)))
}

export async function getJobs(call: Call, room: Room): Promise<void> {
  const { state, limit, cursor } = readQuery(call.request, ['state', 'limit', 'cursor'])
  if (!isListState(state)) throw new InvalidOptionError('state', `one of ${LIST_STATES.join(', ')}`, state)
  const queue = await queueOf(call, room)
  answerJson(call, 200, await listJobs(room.gate, queue, { state, limit: readLimit(limit), cursor }))
}

export async function pause(call: Call, room: Room): Promise<void> {
  const { job } = readQuery(call.request, ['job'])
  const { name } = await queueOf(call, room)
  await room.producer.queues.pause(name, { job })
  answerNothing(call)
}

export async function resume(call: Call, room: Room): Promise<void> {
  const { job } = readQuery(call.request, ['job'])
  const { name } = await queueOf(call, room)
  await room.producer.queues.resume(name, { job })
  answerNothing(call)
}

export async function cancelMany(call: Call, room: Room): Promise<void> {
  const { name: queue } = await queueOf(call, room)
  const { dryRun, ...filter } = readFields(await room.readBody(call), CANCEL_FIELDS)
  const options = dryRun === undefined ? {} : { dryRun: dryRun as boolean }
  const limit = dryRun === true ? { maxRead: MAX_DRY_READ } : { limit: MAX_CANCELLED }
  answerJson(
    call,
    200,
    await room.producer.jobs.cancelMany({ ...(filter as object), queue } as CancelFilter, { ...options, ...limit }),
  )
}

export async function queueOf(call: Call, room: Room): Promise<BullQueue> {
  return openQueue(room, accessOf(call), (call.request.params as { queue: string }).queue)
}

async function describeQueue({ gate }: Room, { name, backend, client, keys }: BullQueue): Promise<object> {
  const [counts, paused, pausedJobs] = await gate.run('the read of a queue', () =>
    Promise.all([
      backend.getCounts([...LIST_STATES]),
      client.hexists(`${keys.bullBase}meta`, 'paused'),
      readHeldNames(client, keys),
    ]),
  )
  const named = LIST_STATES.map((state, at) => [state, Number(counts[at] ?? 0)])
  return { name, isPaused: paused === 1, pausedJobs, counts: Object.fromEntries(named) }
}
