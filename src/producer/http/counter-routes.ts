// Routes about the counters of a queue.
import { InvalidOptionError, type JsonValue } from '../../job/index.js'
import { checkCounterName } from '../../redis/index.js'
import { answerJson, answerNothing, type Call } from './call.js'
import { refuse } from './problem.js'
import { pageOfNames, readLimit, readQuery } from './query.js'
import { queueOf } from './queue-routes.js'
import { readFields } from './read-fields.js'
import type { Room } from './room.js'

export async function listCounters(call: Call, room: Room): Promise<void> {
  const { limit, cursor } = readQuery(call.request, ['limit', 'cursor'])
  const { name: queue } = await queueOf(call, room)
  const all = await room.producer.counters.list(queue)
  const { items, next } = pageOfNames(all, ({ name }) => name, { cursor, limit: readLimit(limit) })
  answerJson(call, 200, { counters: items, next })
}

export async function getCounter(call: Call, room: Room): Promise<void> {
  const { queue, name } = await target(call, room)
  answerJson(call, 200, { queue, name, value: await room.producer.counters.get(queue, name) })
}

export async function getHistory(call: Call, room: Room): Promise<void> {
  const { since, by } = readQuery(call.request, ['since', 'by'])
  const { queue, name } = await target(call, room)
  if (by !== undefined && by !== 'minute' && by !== 'hour') throw new InvalidOptionError('by', "'minute' or 'hour'", by)
  const points = await room.producer.counters.read(queue, name, { since, by })
  answerJson(call, 200, { queue, name, by: by ?? 'minute', points })
}

export async function addToCounter(call: Call, room: Room): Promise<void> {
  const { queue, name } = await target(call, room)
  const by = readBy(await room.readBody(call))
  answerJson(call, 200, { queue, name, value: await room.producer.counters.incr(queue, name, by) })
}

export async function removeCounter(call: Call, room: Room): Promise<void> {
  const { queue, name } = await target(call, room)
  if (!(await room.producer.counters.delete(queue, name))) throw refuse('NOT_FOUND', `There is no counter ${name}.`)
  answerNothing(call)
}

function readBy(body: JsonValue): number {
  const { by } = readFields(body, ['by'])
  if (typeof by === 'number' && Number.isSafeInteger(by)) return by
  throw new InvalidOptionError('by', 'a whole number up to 2^53 - 1', by)
}

async function target(call: Call, room: Room): Promise<{ readonly queue: string; readonly name: string }> {
  const { name } = call.request.params as { name: string }
  checkCounterName(name)
  return { queue: (await queueOf(call, room)).name, name }
}
