// Routes about tags: those of a queue, and the jobs that were enqueued with one.
import { answerJson, type Call } from './call.js'
import { readCursor, readLimit, readQuery, writeCursor } from './query.js'
import { queueOf } from './queue-routes.js'
import type { Room } from './room.js'

export async function getTags(call: Call, room: Room): Promise<void> {
  const { name } = await queueOf(call, room)
  answerJson(call, 200, { tags: await room.producer.jobs.tags(name) })
}

export async function getTagged(call: Call, room: Room): Promise<void> {
  const { limit, cursor } = readQuery(call.request, ['limit', 'cursor'])
  const { name } = await queueOf(call, room)
  const { tag } = call.request.params as { tag: string }
  const after = cursor === undefined ? undefined : readCursor(cursor)
  const page = await room.producer.jobs.byTag(name, tag, { limit: readLimit(limit), after })
  const jobs = page.jobs.map(({ id, enqueuedAt }) => ({ id, enqueuedAt }))
  answerJson(call, 200, { jobs, next: page.next === undefined ? null : writeCursor(page.next) })
}
