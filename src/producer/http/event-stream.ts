// Events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): those of one job until
// it ends, or of a whole queue. A client that comes back with `Last-Event-ID` gets what it missed, as far as it is kept.
import { InvalidOptionError, type JsonValue } from '../../job/index.js'
import type { BullQueue } from '../bull-queues.js'
import { accessOf, answerNothing, type Call } from './call.js'
import { isAfter, oldestEvent, type QueueEvent, readEvents, START } from './event-feed.js'
import { target } from './job-routes.js'
import { type FoundJob, findJob } from './job-view.js'
import { refuse } from './problem.js'
import { readQuery } from './query.js'
import { queueOf } from './queue-routes.js'
import type { Room } from './room.js'

/**
 * How often a stream says that it is there, and asks whether its token still holds: with the age that the copy of the
 * tokens may have, a revoked token's stream ends within 5 s.
 */
const BEAT_MS = 3_000
/** A client that reads so slowly is cut off; it can come back with `Last-Event-ID`. */
const MAX_UNREAD_BYTES = 1_048_576
const EVENT_ID = /^\d{1,16}-\d{1,16}$/
/** BullMQ's events after which nothing more happens to a job by itself. */
const LAST_EVENTS: readonly string[] = ['completed', 'failed', 'removed']
/** What of an event goes out: what a job was given and gave is for GET. */
const FIELDS = ['jobId', 'name', 'prev', 'delay', 'failedReason', 'attemptsMade', 'data', 'count'] as const

export async function streamJob(call: Call, room: Room): Promise<void> {
  readQuery(call.request, [])
  const lastId = readLastId(call)
  const { queue, id } = await target(call, room)
  const look = () => findJob(room.gate, queue, accessOf(call), id)
  await look()
  await stream(call, room, queue, { lastId, look, wants: ({ fields }) => fields.jobId === id })
}

export async function streamQueue(call: Call, room: Room): Promise<void> {
  readQuery(call.request, [])
  const lastId = readLastId(call)
  await stream(call, room, await queueOf(call, room), { lastId, look: undefined, wants: () => true })
}

interface Wanted {
  readonly lastId: string | undefined
  /** For one job: how it is now. */
  readonly look: (() => Promise<FoundJob>) | undefined
  readonly wants: (event: QueueEvent) => boolean
}

async function stream(call: Call, room: Room, queue: BullQueue, { lastId, look, wants }: Wanted): Promise<void> {
  const { response } = call
  if (room.streams.count >= room.streams.max) {
    const detail = `${room.streams.max} event streams are open, which is the most.`
    throw refuse('TOO_MANY_STREAMS', detail, { headers: { 'Retry-After': '5' } })
  }
  room.streams.count++
  // What comes while the past is still being read.
  let early: QueueEvent[] | undefined = []
  let sentId = START
  const end = () => void response.end()
  const send = (events: readonly QueueEvent[]) => {
    for (const event of events) {
      if (!wants(event) || !isAfter(event.id, sentId) || response.writableEnded || response.destroyed) continue
      sentId = event.id
      response.write(frame(event.fields.event ?? 'event', event.id, dataOf(event)))
      if (look !== undefined && LAST_EVENTS.includes(event.fields.event ?? '')) end()
    }
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy()
  }
  const listener = (events: readonly QueueEvent[]) => {
    if (early === undefined) send(events)
    else early.push(...events)
  }
  let stop: () => void = () => undefined
  try {
    const feed = await room.gate.run('the events of a queue', () => room.feeds.listen(queue.name, listener, end))
    stop = feed.stop
    const missed = lastId === undefined ? [] : await readMissed(room, queue, lastId, feed.position)
    const found = await look?.()
    const isOver = found !== undefined && found.view.finishedAt !== null
    // Tells a browser's EventSource to come back no more: nothing is missed, and nothing will come.
    if (isOver && lastId !== undefined && !missed.some(wants)) return answerNothing(call)
    // A client that has left already would never be seen to leave.
    if (response.destroyed) return
    open(call, room)
    if (call.request.method === 'HEAD') return end()
    if (lastId === undefined) {
      if (found !== undefined) response.write(frame('state', feed.position, { ...found.view, input: undefined }))
      sentId = feed.position
    } else if (await isGap(room, queue, lastId)) response.write(frame('gap', lastId, {}))
    send(missed)
    send(early)
    early = undefined
    if (isOver) end()
    await new Promise<void>((resolve) => {
      if (response.writableEnded || response.destroyed) resolve()
      else response.once('close', resolve)
    })
  } finally {
    room.streams.count--
    stop()
  }
}

function open(call: Call, room: Room): void {
  const { request, response } = call
  const token = /^Bearer +(\S+)/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' })
  response.write(': open\n\n')
  const beat = setInterval(() => {
    if (response.writableEnded || response.destroyed) return
    response.write(': beat\n\n')
    if (call.access?.id === 'admin') return
    room.accessList.find(token).then(
      (access) => (access === undefined ? response.end() : undefined),
      // Redis is away: who holds a token is not known, so nobody is told anything.
      () => response.end(),
    )
  }, BEAT_MS)
  const close = () => void response.end()
  room.closing.addEventListener('abort', close)
  response.once('close', () => {
    clearInterval(beat)
    room.closing.removeEventListener('abort', close)
  })
}

async function readMissed(room: Room, queue: BullQueue, after: string, upTo: string): Promise<QueueEvent[]> {
  const missed: QueueEvent[] = []
  for (let from = after; isAfter(upTo, from); ) {
    const range = { after: from, upTo }
    const events = await room.gate.run('the events of a queue', () =>
      readEvents(queue.client, room.prefix, queue.name, range),
    )
    const last = events.at(-1)
    if (last === undefined) break
    missed.push(...events)
    from = last.id
  }
  return missed
}

/** Whether events behind that id may be kept no longer. */
async function isGap(room: Room, queue: BullQueue, lastId: string): Promise<boolean> {
  if (lastId === START) return false
  const oldest = await room.gate.run('the events of a queue', () => oldestEvent(queue.client, room.prefix, queue.name))
  return oldest !== undefined && isAfter(oldest, lastId)
}

function readLastId({ request }: Call): string | undefined {
  const given = request.headers['last-event-id']
  if (given === undefined || (typeof given === 'string' && EVENT_ID.test(given))) return given
  throw new InvalidOptionError('Last-Event-ID', 'the id of an event, such as 1767225600000-0', given)
}

function frame(event: string, id: string, data: object): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}

function dataOf({ fields }: QueueEvent): object {
  const entries = FIELDS.flatMap((name) => {
    const value = fields[name]
    return value === undefined ? [] : [[name, name === 'data' ? parse(value) : value]]
  })
  return Object.fromEntries(entries)
}

// Progress is JSON; whatever else another program wrote is shown as it is.
function parse(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return text
  }
}
