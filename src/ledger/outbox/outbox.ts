// Jobs for a queue in another slot of a cluster: a commit keeps them in its own queue's outbox, and the workers of that
// queue move them on. A move is three scripts: read with a fence, deliver with a note of what was, remove. A worker that
// dies between two of them leaves the next one to find the notes, so that each job enters its queue once.
import { readFileSync } from 'node:fs'
import type { Cluster, Redis } from 'ioredis'
import { type KeysOfQueue, queueKeys, type RedisClient } from '../../redis/index.js'
import type { StagedWrite } from '../effects.js'
import type { StagedJob } from '../staged-job.js'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const readOutboxLua = read('./read-outbox.lua')
const removeLua = read('./remove-delivered.lua')
export const deliverLua = read('./deliver-jobs.lua')
export const putInOutboxLua = read('./put-in-outbox.lua')

/** Names of the commands that read an outbox, with two keys, and that deliver, with one. */
const READ_COMMAND = 'droverReadOutbox'
export const DELIVER_COMMAND = 'droverDeliver'

/** Most jobs of one move, and most bytes of them. */
const MAX_JOBS = 100
const MAX_BYTES = 1_048_576
/** Most moves of one queue's jobs in a look: the others get their turn. */
const MAX_MOVES = 100

/** The staged write that keeps the job in the outbox; `write` is the one that would enqueue it. */
export function writeToOutbox({ queue, jobId }: StagedJob, [, ...words]: StagedWrite): StagedWrite {
  return ['OUTBOX', queue, jobId, ...words]
}

/** Makes this client able to read outboxes. */
export function defineOutbox(define: (Redis | Cluster)['defineCommand']): void {
  define(READ_COMMAND, { lua: readOutboxLua, numberOfKeys: 2 })
}

export interface OutboxRoom {
  /** With the scripts of `attachLedger`. */
  readonly client: RedisClient
  readonly prefix: string
  readonly queue: string
  readonly keys: KeysOfQueue
}

export interface OutboxOutcome {
  /** Jobs that left the outbox. */
  readonly moved: number
  /** Why jobs for a queue could not be put in it, by queue. */
  readonly stuck: ReadonlyMap<string, string>
  /** True when the queue has or had jobs for another one. */
  readonly isUsed: boolean
}

/** Moves the jobs of the queue's outbox to their queues. Any number of workers may at once. */
export async function emptyOutbox(room: OutboxRoom): Promise<OutboxOutcome> {
  const queues = await room.client.hkeys(room.keys.outboxes)
  const stuck = new Map<string, string>()
  let moved = 0
  for (const queue of queues) {
    const { count, reason } = await moveJobs(room, queue).catch((error: unknown) => {
      // What Redis refuses for one queue must not keep the others from theirs.
      if (!(error instanceof Error && error.name === 'ReplyError')) throw error
      return { count: 0, reason: error.message }
    })
    moved += count
    if (reason !== '') stuck.set(queue, reason)
  }
  return { moved, stuck, isUsed: queues.length > 0 }
}

async function moveJobs(room: OutboxRoom, queue: string): Promise<{ count: number; reason: string }> {
  let count = 0
  let above = 0
  for (let move = 0; move < MAX_MOVES; move++) {
    const [fence, ...jobs] = await readOutbox(room, queue, above)
    if (fence === undefined) break
    const [what, number = '0', reason = ''] = await deliver(room, queue, [fence, ...jobs])
    if (what === 'fence') {
      // Another worker is at it. Else a failover lost the newest fences of this queue: the next read is above all.
      if (above > 0) break
      above = Number(number)
      continue
    }
    count += await removeDelivered(room, queue, jobs.slice(0, Number(number) * 3))
    if (reason !== '') return { count, reason }
  }
  return { count, reason: '' }
}

type Commands = Readonly<Record<string, (...words: (string | number | Buffer)[]) => Promise<unknown>>>

function readOutbox({ client, keys }: OutboxRoom, queue: string, above: number): Promise<Buffer[]> {
  // The packed words are no text.
  const run = (client as unknown as Commands)[`${READ_COMMAND}Buffer`]
  const reply = run?.call(client, keys.outboxes, keys.outbox(queue), queue, above, MAX_JOBS, MAX_BYTES)
  return reply as Promise<Buffer[]>
}

function deliver({ client, prefix, queue: from }: OutboxRoom, queue: string, words: Buffer[]): Promise<string[]> {
  const run = (client as unknown as Commands)[DELIVER_COMMAND]
  return run?.call(client, queueKeys(prefix, queue).inbox(from), ...words) as Promise<string[]>
}

async function removeDelivered({ client, keys }: OutboxRoom, queue: string, jobs: Buffer[]): Promise<number> {
  const places = jobs.filter((_, index) => index % 3 < 2).map(String)
  if (places.length === 0) return 0
  return Number(await client.eval(removeLua, 1, keys.outbox(queue), ...places))
}

/** What waits in an outbox: how many jobs, and since when the oldest does, ms since 1970 by the clock of Redis. */
export interface OutboxDepth {
  readonly queue: string
  readonly jobs: number
  readonly oldestAt: number
}

/** The outboxes of the queue that are not empty. */
export async function readOutboxes(client: RedisClient, keys: KeysOfQueue): Promise<OutboxDepth[]> {
  const depths = (await client.hkeys(keys.outboxes)).map(async (queue) => {
    const key = keys.outbox(queue)
    if ((await client.type(key)) !== 'stream') return { queue, jobs: 0, oldestAt: 0 }
    const [jobs, oldest] = await Promise.all([client.xlen(key), client.xrange(key, '-', '+', 'COUNT', 1)])
    // A place in a stream begins with the time that it was given.
    return { queue, jobs, oldestAt: Number.parseInt(oldest[0]?.[0] ?? '0', 10) }
  })
  return (await Promise.all(depths)).filter(({ jobs, oldestAt }) => jobs > 0 && oldestAt > 0)
}
