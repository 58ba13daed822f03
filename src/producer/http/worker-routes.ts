// Routes about workers: who is there, and what one or all of them are told to do.
import { checkWhole, InvalidOptionError, suggest } from '../../job/index.js'
import {
  allowsQueue,
  MAX_CONCURRENCY,
  orderConcurrency,
  orderState,
  readWorkers,
  type WorkerBeat,
  type WorkerState,
} from '../../ledger/index.js'
import { checkQueueName } from '../../redis/index.js'
import { accessOf, answerJson, type Call } from './call.js'
import { refuse } from './problem.js'
import { readFields } from './query.js'
import type { Room } from './room.js'

// `drain` is the order of `quiet`: who waits for what runs asks the list.
const STATES: Readonly<Record<string, WorkerState>> = { quiet: 'quiet', drain: 'quiet', resume: 'run', close: 'close' }
const ACTIONS = [...Object.keys(STATES), 'concurrency']

export async function listWorkers(call: Call, room: Room): Promise<void> {
  answerJson(call, 200, { workers: await visibleWorkers(call, room) })
}

/** Tells one worker, or `all` that the token is for; a worker follows within a second or two. */
export async function tellWorker(call: Call, room: Room): Promise<void> {
  const { worker, action } = call.request.params as { worker: string; action: string }
  if (!ACTIONS.includes(action)) {
    const nearest = suggest(action, ACTIONS)
    const expected = `one of ${ACTIONS.join(', ')}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`
    throw new InvalidOptionError('action', expected, action)
  }
  const found = await visibleWorkers(call, room)
  const told = worker === 'all' ? found : found.filter(({ id }) => id === worker)
  if (told.length === 0 && worker !== 'all') {
    const nearest = suggest(
      worker,
      found.map(({ id }) => id),
    )
    throw refuse('NOT_FOUND', `There is no worker ${JSON.stringify(worker.slice(0, 120))}.`, {
      extras: nearest === undefined ? {} : { suggestion: nearest },
    })
  }
  const ids =
    action === 'concurrency' ? await changeConcurrency(call, room, told) : await changeState(room, told, action)
  answerJson(call, 200, { action, told: ids })
}

async function changeState({ gate, prefix }: Room, told: readonly WorkerBeat[], action: string): Promise<string[]> {
  const state = STATES[action] as WorkerState
  await gate.run('an order to workers', () =>
    Promise.all(told.map(({ id }) => orderState(gate.client, prefix, id, state))),
  )
  return told.map(({ id }) => id)
}

async function changeConcurrency(call: Call, room: Room, told: readonly WorkerBeat[]): Promise<string[]> {
  const { gate, prefix } = room
  const { queue, jobs } = readFields(await room.readBody(call), ['queue', 'jobs'])
  if (typeof queue !== 'string') throw new InvalidOptionError('queue', 'a queue name', queue)
  checkQueueName(queue)
  checkWhole('jobs', jobs as number, 1, MAX_CONCURRENCY)
  const working = told.filter(({ queues }) => queues.some((load) => load.queue === queue))
  if (working.length === 0) throw refuse('NOT_FOUND', `No such worker works queue ${queue}.`)
  await gate.run('an order to workers', () =>
    Promise.all(working.map(({ id }) => orderConcurrency(gate.client, prefix, id, queue, Number(jobs)))),
  )
  return working.map(({ id }) => id)
}

/** Workers of which the token may see every queue: what one is told holds for all of them. */
async function visibleWorkers(call: Call, { gate, prefix }: Room): Promise<WorkerBeat[]> {
  const access = accessOf(call)
  const workers = await gate.run('the list of workers', () => readWorkers(gate.client, prefix))
  return workers.filter(({ queues }) => queues.every(({ queue }) => allowsQueue(access, queue)))
}
