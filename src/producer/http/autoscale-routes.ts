// The route that tells how many workers a pool should have, in the shape that KEDA's metrics-api scaler reads.
import { InvalidOptionError } from '../../job/index.js'
import { askAutoscale, readAutoscaleRules } from '../../ledger/index.js'
import { accessOf, answerJson, type Call } from './call.js'
import { readQuery } from './query.js'
import { openQueue, type Room } from './room.js'
import { type Route, route } from './route.js'

const PARAMETERS = ['queues', 'waitTarget', 'minWorkers', 'maxWorkers', 'scaleDown'] as const
const MAX_QUEUES = 100

export const AUTOSCALE_ROUTES: readonly Route[] = [
  route(
    ['get', '/autoscale', 'read', 'queue', 'getAutoscale', 'How many workers a pool should have'],
    { 200: 'Autoscale' },
    getAutoscale,
    { parameters: PARAMETERS },
  ),
]

async function getAutoscale(call: Call, room: Room): Promise<void> {
  const { queues = '', minWorkers, maxWorkers, ...times } = readQuery(call.request, PARAMETERS)
  const rules = readAutoscaleRules({
    ...(times as object),
    minWorkers: readCount('minWorkers', minWorkers),
    maxWorkers: readCount('maxWorkers', maxWorkers),
  })
  const names = queues.split(',').map((name) => name.trim())
  if (names.length > MAX_QUEUES) throw new InvalidOptionError('queues', `1 to ${MAX_QUEUES} queues`, names.length)
  for (const name of names) await openQueue(room, accessOf(call), name)
  const answer = await room.gate.run('the number of workers', () => {
    return askAutoscale(room.gate.client, { prefix: room.prefix, queues: names, rules, keeps: 'state' })
  })
  answerJson(call, 200, answer)
}

function readCount(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  throw new InvalidOptionError(option, 'a whole number', value)
}
