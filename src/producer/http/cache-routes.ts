// Routes about the result cache of a job.
import { InvalidOptionError, type JsonValue } from '../../job/index.js'
import { accessOf, answerJson, answerNothing, type Call } from './call.js'
import { readFields } from './read-fields.js'
import { openQueue, type Room } from './room.js'
import { type Route, route } from './route.js'

const CACHE = '/queues/:queue/cache/:job'

export const CACHE_ROUTES: readonly Route[] = [
  route(
    ['get', CACHE, 'read', 'job', 'getCache', 'What the result cache of a job did'],
    { 200: 'CacheStats' },
    async (call, room) => {
      const { name, queue } = await cachedJob(call, room)
      answerJson(call, 200, { queue, job: name, ...(await room.producer.cache.stats({ name, queue })) })
    },
  ),
  route(
    ['post', `${CACHE}/invalidate`, 'operate', 'job', 'invalidateCache', 'Let the next equal input run anew'],
    { 200: 'Invalidation' },
    async (call, room) => {
      const contract = await cachedJob(call, room)
      const which = readWhich(await room.readBody(call))
      answerJson(call, 200, { invalidated: await room.producer.cache.invalidate(contract, which) })
    },
    { body: 'CachedInput' },
  ),
  route(
    ['delete', CACHE, 'operate', 'job', 'clearCache', 'Let all inputs of a job run anew'],
    { 204: 'Nothing' },
    async (call, room) => {
      await room.producer.cache.clear(await cachedJob(call, room))
      answerNothing(call)
    },
  ),
]

async function cachedJob(call: Call, room: Room) {
  const { queue, job } = call.request.params as { queue: string; job: string }
  const access = accessOf(call)
  await openQueue(room, access, queue)
  const contract = room.contracts.find(job, queue, access)
  if (contract.cache === undefined) throw new InvalidOptionError('job', 'one whose contract has cache', job)
  return contract
}

function readWhich(body: JsonValue): { readonly input: unknown } | { readonly key: string } {
  const { input, key } = readFields(body, ['input', 'key'])
  if ((input === undefined) === (key === undefined)) throw new InvalidOptionError('input', 'either input or key', key)
  return input === undefined ? { key: key as string } : { input }
}
