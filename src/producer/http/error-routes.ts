// Routes about jobs that failed for good: their groups, running them again in stages, discards and their undo. A replay goes
// on after its request was answered; its record says how far it is.
import { InvalidOptionError } from '../../job/index.js'
import {
  type ErrorGroup,
  type FailedJobDetails,
  type FailedTarget,
  isErrorPlace,
  listErrorGroups,
  type ReplayOptions,
  type ReplayRecord,
} from '../../ledger/index.js'
import { queueKeys } from '../../redis/index.js'
import type { DiscardErrorsOptions } from '../producer-errors.js'
import { accessOf, answerJson, type Call } from './call.js'
import { readCursor, readLimit, readQuery, writeCursor } from './query.js'
import { queueOf } from './queue-routes.js'
import { type Fields, readFields } from './read-fields.js'
import { openQueue, queueNames, type Room } from './room.js'
import { type Route, route } from './route.js'

const REPLAY = '/queues/:queue/replays/:replay'
const SAMPLES = 5

export const ERROR_ROUTES: readonly Route[] = [
  route(
    ['get', '/errors', 'read', 'queue', 'listErrors', 'Errors by cause, of all queues, the one seen last first'],
    { 200: 'ErrorPage' },
    listErrors,
    { parameters: ['queue', 'job', 'limit', 'cursor'] },
  ),
  route(
    ['get', '/queues/:queue/errors/:group', 'read', 'queue', 'getError', 'One cause with its newest failed jobs'],
    { 200: 'ErrorDetails' },
    getError,
  ),
  route(
    [
      'post',
      '/queues/:queue/replays',
      'operate',
      'queue',
      'retryErrors',
      'Run failed jobs again in stages, or say which',
    ],
    { 200: 'ReplayPlan', 202: 'Replay' },
    retryErrors,
    { body: 'RetryRequest' },
  ),
  route(
    ['post', '/queues/:queue/discards', 'operate', 'queue', 'discardErrors', 'Keep failed jobs aside, or say which'],
    { 200: 'ReplayPlan', 201: 'Discard' },
    discardErrors,
    { body: 'DiscardRequest' },
  ),
  route(
    ['get', '/queues/:queue/replays', 'read', 'queue', 'listReplays', 'The newest replays of a queue'],
    { 200: 'ReplayList' },
    async (call, room) => {
      readQuery(call.request, [])
      const { name } = await queueOf(call, room)
      answerJson(call, 200, { replays: (await room.producer.errors.replays(name)).map(replayBody) })
    },
  ),
  route(['get', REPLAY, 'read', 'queue', 'getReplay', 'How far a replay is'], { 200: 'Replay' }, async (call, room) => {
    const { name } = await queueOf(call, room)
    answerJson(call, 200, replayBody(await room.producer.errors.replay(name, idOf(call, 'replay'))))
  }),
  route(
    ['post', `${REPLAY}/stop`, 'operate', 'queue', 'stopReplay', 'Let a replay put no further job back'],
    { 200: 'Replay' },
    async (call, room) => {
      const { name } = await queueOf(call, room)
      answerJson(call, 200, replayBody(await room.producer.errors.stop(name, idOf(call, 'replay'))))
    },
  ),
  route(
    ['get', '/queues/:queue/discards', 'read', 'queue', 'listDiscards', 'Discards that can be undone'],
    { 200: 'DiscardList' },
    async (call, room) => {
      readQuery(call.request, [])
      const { name } = await queueOf(call, room)
      answerJson(call, 200, { discards: await room.producer.errors.discards(name) })
    },
  ),
  route(
    ['post', '/queues/:queue/discards/:discard/undo', 'operate', 'queue', 'undoDiscard', 'Bring discarded jobs back'],
    { 200: 'UndoOutcome' },
    async (call, room) => {
      const { name } = await queueOf(call, room)
      answerJson(call, 200, await room.producer.errors.undo(name, idOf(call, 'discard')))
    },
  ),
]

const TARGET = ['ids', 'group', 'job', 'tag', 'since', 'until', 'all'] as const

async function listErrors(call: Call, room: Room): Promise<void> {
  const { queue, job, limit, cursor } = readQuery(call.request, ['queue', 'job', 'limit', 'cursor'])
  const after = cursor === undefined ? undefined : readCursor(cursor)
  if (after !== undefined && !isErrorPlace(after)) {
    throw new InvalidOptionError('cursor', 'the `next` of the page before', cursor)
  }
  const access = accessOf(call)
  const queues = queue === undefined ? await queueNames(room, access) : [(await openQueue(room, access, queue)).name]
  const keysOf = (name: string) => queueKeys(room.prefix, name)
  const { groups, next } = await room.gate.run('the list of errors', () =>
    listErrorGroups(room.gate.client, keysOf, queues, { job, after, limit: readLimit(limit) }),
  )
  answerJson(call, 200, { errors: groups, next: next === undefined ? null : writeCursor(next) })
}

async function getError(call: Call, room: Room): Promise<void> {
  readQuery(call.request, [])
  const { name } = await queueOf(call, room)
  const { group, samples, common } = await room.producer.errors.get(name, idOf(call, 'group'), { samples: SAMPLES })
  answerJson(call, 200, { ...(group satisfies ErrorGroup), common, samples: samples.map(sampleBody) })
}

async function retryErrors(call: Call, room: Room): Promise<void> {
  const { name } = await queueOf(call, room)
  const fields = readFields(await room.readBody(call), [...TARGET, 'stages', 'wait', 'dryRun'])
  const { stages, wait } = fields
  const staging = { ...(stages !== undefined && { stages }), ...(wait !== undefined && { wait }) } as ReplayOptions
  const target = targetOf(fields)
  const { errors } = room.producer
  if (isDryRun(fields)) return answerJson(call, 200, await errors.plan(name, target, staging))
  const { id, ended } = await errors.start(name, target, { ...staging, by: whoAsks(call), signal: room.closing })
  // Its record tells how it ended; one that could not go on is told there as interrupted.
  ended.catch(() => undefined)
  answerJson(call, 202, replayBody(await errors.replay(name, id)))
}

async function discardErrors(call: Call, room: Room): Promise<void> {
  const { name } = await queueOf(call, room)
  const fields = readFields(await room.readBody(call), [...TARGET, 'undo', 'dryRun'])
  const target = targetOf(fields)
  if (isDryRun(fields))
    return answerJson(call, 200, await room.producer.errors.plan(name, target, { stages: ['rest'] }))
  const { undo } = fields
  const options = { ...(undo !== undefined && { undo }), by: whoAsks(call) } as DiscardErrorsOptions
  answerJson(call, 201, await room.producer.errors.discard(name, target, options))
}

function targetOf(fields: Fields): FailedTarget {
  return Object.fromEntries(TARGET.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])))
}

function isDryRun({ dryRun = false }: Fields): boolean {
  if (typeof dryRun === 'boolean') return dryRun
  throw new InvalidOptionError('dryRun', 'true or false', dryRun)
}

function idOf(call: Call, name: string): string {
  return String((call.request.params as Record<string, unknown>)[name])
}

function whoAsks(call: Call): string {
  return `API token ${accessOf(call).id}`.slice(0, 100)
}

function replayBody({ endedAt = null as never, ...record }: ReplayRecord): object {
  return { ...record, endedAt }
}

function sampleBody({ input, ...sample }: FailedJobDetails): object {
  return { ...sample, input: jsonOf(input) }
}

// As the routes of a job show it: JSON, or null where it is none.
function jsonOf(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return null
  }
}
