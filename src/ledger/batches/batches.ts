// Batches: jobs of one queue that count as a whole, and the jobs that follow when all of them have ended. Members are
// counted by the commit that ends them (count-batch.lua), so a batch ends once, however its jobs were run.
import { readFileSync } from 'node:fs'
import type { RedisQueueBackend } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { type KeysOfQueue, queueKeys, type RedisClient } from '../../redis/index.js'
import { AddingScripts, isAddingScript } from '../adding-scripts.js'
import { readCancellable } from '../cancel/read-cancellable.js'
import { fillTemplate } from '../fill-template.js'
import { putInOutboxLua, writeToOutbox } from '../outbox/outbox.js'
import { type StagedJob, writeOfJob } from '../staged-job.js'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const createLua = read('./create-batch.lua')
const countLua = read('./count-batch.lua')
const closeLua = read('./close-batch.lua')

const CLOSE_COMMAND = 'droverCloseBatch'
/** How long a batch is kept from when it was opened. */
export const BATCH_TTL_MS = 30 * 86_400_000
/** Most batches of a queue that are listed, the newest. */
export const MAX_BATCHES = 10_000

/** `complete`: all members have ended. `success`: and none has failed. `death`: the first has failed for good. */
export type BatchEvent = 'success' | 'complete' | 'death'
export const BATCH_EVENTS: readonly BatchEvent[] = ['success', 'complete', 'death']

export interface NewBatch {
  readonly id: string
  readonly jobs: Readonly<Partial<Record<BatchEvent, StagedJob>>>
  /** Id of the batch of the same queue that it is a member of. */
  readonly parent?: string | undefined
}

export interface BatchRecord {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly openedAt: number
  /** Undefined until it is closed. */
  readonly total: number | undefined
  readonly completed: number
  readonly failed: number
  /** The events whose jobs were enqueued. */
  readonly fired: readonly BatchEvent[]
  /** Why a job of the batch could not be enqueued, by event. */
  readonly errors: Readonly<Partial<Record<BatchEvent, string>>>
}

/** Makes this client able to close batches, once BullMQ has defined its scripts on it. Call it before BullMQ sees it. */
export function attachBatchScripts(client: Redis | Cluster): void {
  const define = client.defineCommand.bind(client)
  const adding = new AddingScripts()
  client.defineCommand = (name: string, definition: { lua: string; numberOfKeys?: number; readOnly?: boolean }) => {
    define(name, definition)
    const script = name.split(':')[0] ?? ''
    if (!isAddingScript(script)) return
    adding.set(script, definition.lua)
    if (!adding.isComplete) return
    const lua = fillTemplate(closeLua, {
      ADD_STAGED_JOB: adding.embed(),
      PUT_IN_OUTBOX: putInOutboxLua,
      COUNT_BATCH: countLua,
    })
    define(CLOSE_COMMAND, { lua, numberOfKeys: 1 })
  }
}

/** What a batch's functions need of a producer. */
export interface BatchRoom {
  readonly client: RedisClient
  readonly backend: RedisQueueBackend
  readonly prefix: string
  readonly keys: KeysOfQueue
}

/** Opens a batch. False when one of that id was there: it stays as it is. */
export async function createBatch(room: BatchRoom, batch: NewBatch, nowMs: number = Date.now()): Promise<boolean> {
  const { client, backend, prefix, keys } = room
  const parent = batch.parent === undefined ? '' : keys.batch(batch.parent)
  const words = BATCH_EVENTS.flatMap((event) => {
    const job = batch.jobs[event]
    if (!job) return []
    const write = writeOfJob(backend, prefix, job)
    // On a cluster each other queue is in a slot of its own.
    const isElsewhere = client.isCluster && queueKeys(prefix, job.queue).tag !== keys.tag
    const words = isElsewhere ? ['outbox', ...writeToOutbox(job, write).slice(1)] : write.slice(1)
    return [event, String(words.length), ...words]
  })
  const args = [batch.id, String(nowMs), String(BATCH_TTL_MS), String(MAX_BATCHES), parent, ...words]
  return (await client.eval(createLua, 2, keys.batch(batch.id), keys.batches, ...args)) === 1
}

/** Says how many members the batch has. `missing`: there is none of that id; `other`: it was closed with another number. */
export async function closeBatch(room: BatchRoom, id: string, total: number): Promise<'closed' | 'missing' | 'other'> {
  const client = (await room.backend.client) as unknown as {
    runCommand(name: string, args: unknown[]): Promise<number>
  }
  const reply = await client.runCommand(CLOSE_COMMAND, [room.keys.batch(id), total])
  return reply === 1 ? 'closed' : reply === 0 ? 'missing' : 'other'
}

/** The first of these jobs that is there and no member of the batch. One that has ended and gone is taken for a member. */
export async function findOther(
  { client, keys }: BatchRoom,
  batch: string,
  ids: readonly string[],
): Promise<string | undefined> {
  const jobs = await readCancellable({ client, keys }, ids)
  return jobs.find(({ options }) => options.batch !== batch)?.id
}

/** The batch, undefined when it is not there, or no longer. */
export async function readBatch(client: RedisClient, keys: KeysOfQueue, id: string): Promise<BatchRecord | undefined> {
  const fields = await client.hgetall(keys.batch(id))
  if (fields.openedAt === undefined) return undefined
  const errors: Partial<Record<BatchEvent, string>> = {}
  for (const event of BATCH_EVENTS) {
    const error = fields[`error:${event}`]
    if (error !== undefined) errors[event] = error
  }
  return {
    id,
    openedAt: Number(fields.openedAt),
    total: fields.total === undefined ? undefined : Number(fields.total),
    completed: Number(fields.completed ?? 0),
    failed: Number(fields.failed ?? 0),
    fired: BATCH_EVENTS.filter((event) => fields[`fired:${event}`] !== undefined),
    errors,
  }
}

/** A page of the batches that Redis still keeps, newest first; `after` is the `next` of the page before. */
export async function readBatchPage(
  client: RedisClient,
  keys: KeysOfQueue,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<{ readonly batches: readonly BatchRecord[]; readonly next: string | undefined }> {
  const rank = after === undefined ? -1 : await client.zrevrank(keys.batches, after)
  // The batch of the cursor has left the list: those behind it, older ones, had left before.
  if (rank === null) return { batches: [], next: undefined }
  const ids = await client.zrevrange(keys.batches, rank + 1, rank + 1 + limit)
  const page = ids.slice(0, limit)
  const found = await Promise.all(page.map((id) => readBatch(client, keys, id)))
  const batches = found.filter((batch) => batch !== undefined)
  return { batches, next: ids.length > limit ? page.at(-1) : undefined }
}

/** The newest batches of the queue, newest first. */
export async function listBatches(client: RedisClient, keys: KeysOfQueue, count: number): Promise<BatchRecord[]> {
  const ids = await client.zrevrange(keys.batches, '0', String(count - 1))
  const batches = await Promise.all(ids.map((id) => readBatch(client, keys, id)))
  return batches.filter((batch) => batch !== undefined)
}
