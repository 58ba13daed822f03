// Routes about the schedules of a queue: read, set, remove, pause, resume, run now.
import { InvalidOptionError, type JsonValue, nextTicks } from '../../job/index.js'
import { defineSchedule, type ScheduleOptions, type ScheduleRecord } from '../../ledger/index.js'
import { accessOf, answerJson, answerNothing, type Call } from './call.js'
import { jobBody } from './enqueue-one.js'
import { pageOfNames, readLimit, readQuery } from './query.js'
import { queueOf } from './queue-routes.js'
import { readFields } from './read-fields.js'
import type { Room } from './room.js'
import { type Route, route } from './route.js'

const SCHEDULES = '/queues/:queue/schedules'
const SCHEDULE = `${SCHEDULES}/:schedule`
/** How many of the next ticks an answer tells. */
const NEXT_TICKS = 5

export const SCHEDULE_ROUTES: readonly Route[] = [
  route(
    ['get', SCHEDULES, 'read', 'queue', 'listSchedules', 'Schedules of a queue, without their inputs'],
    { 200: 'SchedulePage' },
    listAll,
    { parameters: ['limit', 'cursor'] },
  ),
  route(
    ['get', SCHEDULE, 'read', 'queue', 'getSchedule', 'A schedule with its input and its next ticks'],
    { 200: 'Schedule' },
    async (call, room) => answerSchedule(call, room, await target(call, room), 200),
  ),
  route(
    ['put', SCHEDULE, 'admin', 'queue', 'setSchedule', 'Set a schedule, in place of one of the same name'],
    { 200: 'Schedule', 201: 'Schedule' },
    set,
    { body: 'ScheduleRequest' },
  ),
  route(
    ['delete', SCHEDULE, 'admin', 'queue', 'deleteSchedule', 'Remove a schedule; its jobs stay'],
    { 204: 'Nothing' },
    (call, room) => act(call, room, 'remove'),
  ),
  route(
    ['post', `${SCHEDULE}/pause`, 'operate', 'queue', 'pauseSchedule', 'Let no job come of a schedule'],
    { 204: 'Nothing' },
    (call, room) => act(call, room, 'pause'),
  ),
  route(
    ['post', `${SCHEDULE}/resume`, 'operate', 'queue', 'resumeSchedule', 'Let it tick again, from now on'],
    { 204: 'Nothing' },
    (call, room) => act(call, room, 'resume'),
  ),
  route(
    ['post', `${SCHEDULE}/run`, 'operate', 'queue', 'runSchedule', 'Enqueue its job now; the schedule goes on'],
    { 201: 'EnqueuedJob' },
    async (call, room) => {
      const { queue, name } = await target(call, room)
      answerJson(call, 201, jobBody(await room.producer.schedules.runNow(queue, name)))
    },
  ),
]

const FIELDS = [
  'job',
  'input',
  'cron',
  'timezone',
  'every',
  'missed',
  'missedLimit',
  'overlap',
  'priority',
  'attempts',
  'keepResult',
] as const

async function listAll(call: Call, room: Room): Promise<void> {
  const { limit, cursor } = readQuery(call.request, ['limit', 'cursor'])
  const { name: queue } = await queueOf(call, room)
  const all = await room.producer.schedules.list(queue)
  const { items, next } = pageOfNames(all, ({ name }) => name, { cursor, limit: readLimit(limit) })
  answerJson(call, 200, { schedules: items.map((record) => viewOf(queue, record)), next })
}

async function set(call: Call, room: Room): Promise<void> {
  const { queue, schedule: name } = call.request.params as { queue: string; schedule: string }
  const { job, ...options } = readFields(await room.readBody(call), FIELDS)
  const contract = room.contracts.find(job, queue, accessOf(call))
  if (options.input === undefined) throw new InvalidOptionError('input', "the job's input, any JSON", undefined)
  const given = { ...options, name } as unknown as ScheduleOptions
  const outcome = await room.producer.schedules.set(defineSchedule(contract, given))
  await answerSchedule(call, room, { queue: contract.queue, name }, outcome === 'created' ? 201 : 200)
}

async function act(call: Call, room: Room, action: 'pause' | 'resume' | 'remove'): Promise<void> {
  const { queue, name } = await target(call, room)
  await room.producer.schedules[action](queue, name)
  answerNothing(call)
}

async function answerSchedule(
  call: Call,
  room: Room,
  { queue, name }: { readonly queue: string; readonly name: string },
  status: 200 | 201,
): Promise<void> {
  const record = await room.producer.schedules.get(queue, name)
  const next = nextTicks(record.spec.times, Date.now(), NEXT_TICKS)
  answerJson(call, status, { ...viewOf(queue, record), input: inputOf(record), next })
}

async function target(call: Call, room: Room): Promise<{ readonly queue: string; readonly name: string }> {
  const { schedule: name } = call.request.params as { schedule: string }
  return { queue: (await queueOf(call, room)).name, name }
}

function viewOf(queue: string, { name, spec, lastId, lastAt, nextAt, ...counts }: ScheduleRecord): object {
  const { job, times, missed, missedLimit, overlap } = spec
  const when = times.kind === 'every' ? { everyMs: times.everyMs } : { cron: times.cron, timezone: times.timezone }
  const told = { nextAt: nextAt ?? null, lastId: lastId ?? null, lastAt: lastAt ?? null }
  return { name, queue, job, ...when, missed, missedLimit, overlap, ...counts, ...told }
}

// Another program may have written it.
function inputOf({ spec }: ScheduleRecord): JsonValue {
  try {
    return JSON.parse(spec.input) as JsonValue
  } catch {
    return null
  }
}
