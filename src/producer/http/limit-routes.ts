// Routes about limits: what limits a queue and its keys at this moment, and the limits of the whole queue, set at run time.
import type { LimitState, QueueLimitChanges, QueueLimits } from '../../ledger/index.js'
import { answerJson, type Call } from './call.js'
import { readFields, readLimit, readQuery } from './query.js'
import { queueOf } from './queue-routes.js'
import type { Room } from './room.js'
import { type Route, route } from './route.js'

const PATH = '/queues/:queue/limits'

export const LIMIT_ROUTES: readonly Route[] = [
  route(
    ['get', PATH, 'read', 'queue', 'getLimits', 'What limits a queue and its keys, those with most jobs in line first'],
    { 200: 'Limits' },
    getLimits,
    { parameters: ['limit'] },
  ),
  route(
    ['put', PATH, 'operate', 'queue', 'setLimits', 'Set how many jobs of a queue run at once and in a time'],
    { 200: 'QueueLimits' },
    setLimits,
    { body: 'LimitsRequest' },
  ),
]

async function getLimits(call: Call, { producer, ...room }: Room): Promise<void> {
  const { limit } = readQuery(call.request, ['limit'])
  const most = readLimit(limit)
  const { name } = await queueOf(call, { producer, ...room })
  const { limits } = producer
  const [ofQueue, counts, found] = await Promise.all([
    limits.getQueue(name),
    limits.counts(name),
    limits.list(name, most),
  ])
  answerJson(call, 200, { ...view(ofQueue), ...counts, limits: found.map(viewKey) })
}

async function setLimits(call: Call, room: Room): Promise<void> {
  const { name } = await queueOf(call, room)
  const changes = readFields(await room.readBody(call), ['concurrency', 'rate']) as QueueLimitChanges
  answerJson(call, 200, view(await room.producer.limits.setQueue(name, changes)))
}

function view({ concurrency = undefined, rate = undefined }: QueueLimits): object {
  return { concurrency: concurrency ?? null, rate: rate ?? null }
}

function viewKey({ concurrency, rate, job, waitsFor, freeAt, ...rest }: LimitState): object {
  const none = { job: job ?? null, waitsFor: waitsFor ?? null, freeAt: freeAt ?? null }
  return { ...rest, ...view({ concurrency, rate }), rate: rate ?? null, ...none }
}
