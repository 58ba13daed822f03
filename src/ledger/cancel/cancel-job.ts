// Cancels a job from outside: one that waits ends at once, one that runs is marked for its worker.
import { readFileSync } from 'node:fs'
import type { RedisQueueBackend } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { fillTemplate } from '../adding-scripts.js'
import { COMMIT_COMMAND, createScriptWrapper } from '../bullmq-scripts.js'
import { commitWords, type FailedOutcome } from '../commit.js'
import { pushEndingWrites, type StoredLife } from '../ending-writes.js'
import { CANCELLED_REASON, errorOfReason } from '../failed-reason.js'

const CANCEL_COMMAND = 'droverCancel'
const BULLMQ_KEYS = 14
const DEFAULT_KEEP_RESULT_MS = 86_400_000
const TOKEN = 'drover:cancel'
/** BullMQ's count for: remove none. */
const KEEP_ALL = -1
/** A job that ends attempts faster than this is read in vain so often is told as what it is: at work. */
const MAX_TRIES = 20

const cancelLua = readFileSync(new URL('./cancel-job.lua', import.meta.url), 'utf8')

/** `cancelled`: it has failed with CancelledError. `marked`: it runs, and its worker will abort it. Else why it is not cancelled. */
export type CancelOutcome = 'cancelled' | 'marked' | 'unknown' | 'completed' | 'failed' | 'scheduled'

export interface CancelRoom {
  readonly client: RedisClient
  readonly keys: KeysOfQueue
  readonly queue: string
  readonly backend: RedisQueueBackend
}

interface ScriptDefinition {
  readonly lua: string
  readonly numberOfKeys?: number
}

/** Makes this client able to cancel jobs, once BullMQ has defined its scripts on it. Call it before BullMQ sees it. */
export function attachCancelScript(client: Redis | Cluster): void {
  const define = client.defineCommand.bind(client)
  const wrap = createScriptWrapper(client.isCluster ? 'SPUBLISH' : 'PUBLISH')
  client.defineCommand = (name: string, definition: ScriptDefinition) => {
    define(name, definition)
    const commit = wrap(name, definition).find((script) => script.name === COMMIT_COMMAND)
    if (!commit) return
    const lua = fillTemplate(cancelLua, { COMMIT: commit.definition.lua })
    define(CANCEL_COMMAND, { lua, numberOfKeys: 1 })
  }
}

/** Sending it twice is safe: a job that is cancelled already is told as `failed`. */
export async function cancelJob(room: CancelRoom, id: string, keepResultMs?: number): Promise<CancelOutcome> {
  const { client, keys } = room
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const fields = await client.hmget(keys.bullBase + id, 'name', 'atm', 'timestamp', 'processedOn', 'opts')
    if (fields[0] === null) return 'unknown'
    const outcome = await sendCancel(room, id, fields, keepResultMs)
    if (outcome !== 'changed') return outcome
  }
  throw new Error(`job ${id} changed ${MAX_TRIES} times while it was to be cancelled`)
}

async function sendCancel(
  { keys, queue, backend }: CancelRoom,
  id: string,
  [name, attemptsMade, enqueuedAt, startedAt, options]: readonly (string | null | undefined)[],
  keepResultMs: number = DEFAULT_KEEP_RESULT_MS,
): Promise<CancelOutcome | 'changed'> {
  const opts = parseOptions(options)
  const job = { id, opts: { ...opts, attempts: opts.attempts ?? 0 } } as never
  const bullmqArgs = backend.moveToFailedArgs(job, CANCELLED_REASON, { count: KEEP_ALL }, TOKEN, false, { stc: 0 })
  const finishedAt = Number(bullmqArgs[BULLMQ_KEYS + 1])
  const outcome: FailedOutcome = {
    status: 'failed',
    error: errorOfReason(CANCELLED_REASON),
    keepResultMs: opts.keepResult ?? keepResultMs,
    runMs: 0,
  }
  const finishing = {
    id,
    name: String(name),
    queue,
    // None begins with the cancel; the record counts those that were.
    attemptsMade: Number(attemptsMade ?? 0) - 1,
    timestamp: Number(enqueuedAt),
    processedOn: Number(startedAt ?? finishedAt),
    delayMs: opts.delay ?? 0,
  }
  const words: unknown[] = [...bullmqArgs.slice(BULLMQ_KEYS), ...commitWords(finishing, outcome, finishedAt)]
  pushEndingWrites(words, keys, String(name), opts, outcome)
  const client = (await backend.client) as unknown as {
    runCommand(name: string, args: unknown[]): Promise<CancelOutcome | 'changed'>
  }
  const before = [keys.bullBase + id, attemptsMade ?? '0', TOKEN, keys.base, keys.bullBase]
  return client.runCommand(CANCEL_COMMAND, [...before, words.length, ...words])
}

interface Options extends StoredLife {
  readonly delay?: number
  readonly attempts?: number
}

function parseOptions(text: string | null | undefined): Options {
  const parsed: unknown = JSON.parse(text ?? '{}')
  return typeof parsed === 'object' && parsed !== null ? parsed : {}
}
