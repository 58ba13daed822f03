// Routes about batches: opened with their members or without, closed, read.
import { checkWhole, encodeInput, InvalidOptionError, type JsonValue, newJobId } from '../../job/index.js'
import { type BatchRecord, closeBatch, readBatchPage } from '../../ledger/index.js'
import { checkJobId } from '../../redis/index.js'
import { type EnqueueOptions, planOptions } from '../enqueue-options.js'
import { planRules } from '../job-rules.js'
import type { BatchFollower, OpenBatchOptions } from '../producer-batches.js'
import { accessOf, answerJson, type Call } from './call.js'
import type { EnqueueRequest } from './contracts.js'
import { sendOne } from './enqueue-one.js'
import { refuse } from './problem.js'
import { readCursor, readLimit, readQuery, writeCursor } from './query.js'
import { queueOf } from './queue-routes.js'
import { readFields } from './read-fields.js'
import { openQueue, type Room } from './room.js'
import { type Route, route } from './route.js'

const BATCHES = '/queues/:queue/batches'
const BATCH = `${BATCHES}/:batch`

export const BATCH_ROUTES: readonly Route[] = [
  route(
    [
      'post',
      BATCHES,
      'enqueue',
      'queue',
      'openBatch',
      'Open a batch; with jobs, enqueue them as its members and close it',
    ],
    { 201: 'Batch' },
    open,
    { body: 'BatchRequest' },
  ),
  route(
    ['get', BATCHES, 'read', 'queue', 'listBatches', 'Batches of a queue, newest first'],
    { 200: 'BatchPage' },
    listAll,
    { parameters: ['limit', 'cursor'] },
  ),
  route(
    ['get', BATCH, 'read', 'queue', 'getBatch', 'How many members of a batch have ended'],
    { 200: 'Batch' },
    getOne,
  ),
  route(
    ['post', `${BATCH}/close`, 'enqueue', 'queue', 'closeBatch', 'Say how many members a batch has'],
    { 200: 'Batch' },
    close,
    { body: 'BatchClose' },
  ),
]

/** Most members that one request gives: more are enqueued with the option `batch`, and then the batch is closed. */
export const MAX_MEMBERS = 1_000
const MAX_TOTAL = 1_000_000_000
const EVENTS = ['onSuccess', 'onComplete', 'onDeath'] as const

async function open(call: Call, room: Room): Promise<void> {
  const { queue } = call.request.params as { queue: string }
  const access = accessOf(call)
  const { id = newJobId(), jobs, ...followers } = readFields(await room.readBody(call), ['id', 'jobs', ...EVENTS])
  checkJobId(id as string)
  const options: Record<string, unknown> = { id }
  for (const event of EVENTS) {
    if (followers[event] !== undefined) options[event] = followerOf(room, call, event, followers[event])
  }
  const members = jobs === undefined ? undefined : await readMembers(room, call, jobs, { batch: id as string, queue })
  // A queue that no job was enqueued in yet is there when a contract is of it and the token is for it.
  if (!room.contracts.all.some((contract) => contract.queue === queue)) await openQueue(room, access, queue)
  await room.producer.batches.open(queue, options as OpenBatchOptions)
  room.queues.get(queue).list()
  for (const member of members ?? []) await sendOne(room, member)
  if (members !== undefined) await closeAt(room, queue, id as string, members.length)
  await answerBatch(call, room, { queue, id: id as string }, 201)
}

function followerOf({ contracts }: Room, call: Call, event: string, value: JsonValue | undefined): BatchFollower {
  const { job, queue, input } = readFields(value, ['job', 'queue', 'input'], event)
  if (input === undefined) throw new InvalidOptionError(`${event}.input`, "the job's input, any JSON", undefined)
  return { job: contracts.find(job, queue, accessOf(call)), input } as BatchFollower
}

/** All of them, checked before the first is enqueued. Each has a key, so that the request can be sent again with its id. */
async function readMembers(
  { contracts }: Room,
  call: Call,
  jobs: JsonValue,
  { batch, queue }: { readonly batch: string; readonly queue: string },
): Promise<EnqueueRequest[]> {
  if (!Array.isArray(jobs) || jobs.length === 0 || jobs.length > MAX_MEMBERS) {
    throw new InvalidOptionError('jobs', `a list of 1 to ${MAX_MEMBERS} jobs`, Array.isArray(jobs) ? jobs.length : jobs)
  }
  const members: EnqueueRequest[] = []
  for (const [index, body] of jobs.entries()) {
    const { contract, input, options = {} } = contracts.readRequest(body, accessOf(call))
    if (contract.queue !== queue) {
      throw new InvalidOptionError(`jobs[${index}]`, `a job of queue ${queue}, as the batch is of it`, contract.queue)
    }
    const given = readFields(options as unknown as JsonValue, OWN_OPTIONS, `jobs[${index}].options`)
    const own = { ...given, batch, key: `${batch}:${index}`, unique: false, debounce: false, throttle: false } as const
    const plan = own as unknown as EnqueueOptions<never>
    planRules(contract, plan, planOptions(contract, plan, Date.now()))
    await encodeInput(contract, input)
    members.push({ contract, input, options: plan as EnqueueRequest['options'] })
  }
  return members
}

/** What a member may say of itself: its key and its batch are the request's. */
const OWN_OPTIONS = ['delay', 'at', 'priority', 'attempts', 'lifo', 'startBy', 'keepResult', 'tags'] as const

async function close(call: Call, room: Room): Promise<void> {
  const { name: queue } = await queueOf(call, room)
  const { batch: id } = call.request.params as { batch: string }
  const { total } = readFields(await room.readBody(call), ['total'])
  checkJobId(id)
  checkWhole('total', total as number, 0, MAX_TOTAL)
  await closeAt(room, queue, id, total as number)
  await answerBatch(call, room, { queue, id }, 200)
}

async function closeAt(room: Room, queue: string, id: string, total: number): Promise<void> {
  const { backend, keys } = room.queues.get(queue)
  const { client } = room.gate
  const batch = { client, backend, prefix: room.prefix, keys }
  const outcome = await room.gate.run('the closing of a batch', () => closeBatch(batch, id, total))
  if (outcome === 'missing') throw notThere(id, queue)
  if (outcome === 'other') throw refuse('BATCH_CLOSED', `Batch ${id} was closed with another number of members.`)
}

async function getOne(call: Call, room: Room): Promise<void> {
  const { name: queue } = await queueOf(call, room)
  await answerBatch(call, room, { queue, id: (call.request.params as { batch: string }).batch }, 200)
}

async function listAll(call: Call, room: Room): Promise<void> {
  const { limit: given, cursor } = readQuery(call.request, ['limit', 'cursor'])
  const { name: queue } = await queueOf(call, room)
  const { client } = room.gate
  const { keys } = room.queues.get(queue)
  const after = cursor === undefined ? undefined : checkJobId(readCursor(cursor))
  const page = await room.gate.run('the list of batches', () =>
    readBatchPage(client, keys, { limit: readLimit(given), after }),
  )
  const batches = page.batches.map((batch) => viewOf(queue, batch))
  answerJson(call, 200, { batches, next: page.next === undefined ? null : writeCursor(page.next) })
}

async function answerBatch(
  call: Call,
  room: Room,
  { queue, id }: { readonly queue: string; readonly id: string },
  status: 200 | 201,
): Promise<void> {
  const batch = await room.producer.batches.get(queue, id)
  if (batch === undefined) throw notThere(id, queue)
  answerJson(call, status, viewOf(queue, batch))
}

function viewOf(queue: string, { total, ...batch }: BatchRecord): object {
  return { queue, ...batch, total: total ?? null }
}

function notThere(id: string, queue: string) {
  return refuse('NOT_FOUND', `Queue ${queue} has no batch ${id}, or no longer.`)
}
