// Cancels jobs from outside: those that wait end at once, those that run are marked for their worker. Which jobs, out of a
// queue, is matching-jobs.ts.
import { readFileSync } from 'node:fs'
import type { RedisQueueBackend } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { RedisRefusedError } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { createScriptWrapper, LIMITED_COMMIT_COMMAND } from '../bullmq-scripts.js'
import { commitWords, type FailedOutcome, finishWords } from '../commit.js'
import { pushEndingWrites } from '../ending-writes.js'
import { pushErrorWrite } from '../errors/failure-words.js'
import { CANCELLED_REASON, errorOfReason } from '../failed-reason.js'
import { fillTemplate } from '../fill-template.js'
import { readCancellable, type StoredJob } from './read-cancellable.js'

const CANCEL_COMMAND = 'droverCancel'
const DEFAULT_KEEP_RESULT_MS = 86_400_000
const TOKEN = 'drover:cancel'
/** BullMQ's count for: remove none. */
const KEEP_ALL = -1
/** A job that ends attempts faster than this is read in vain so often is told as what it is: at work. */
const MAX_TRIES = 20

const cancelLua = readFileSync(new URL('./cancel-jobs.lua', import.meta.url), 'utf8')

/**
 * `cancelled`: it has failed with CancelledError. `marked`: it runs, and its worker will abort it. `before`: it was
 * cancelled already, and has failed. Else why it is not cancelled.
 */
export type CancelOutcome = 'cancelled' | 'marked' | 'before' | 'unknown' | 'completed' | 'failed' | 'scheduled'

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
    const commit = wrap(name, definition).find((script) => script.name === LIMITED_COMMIT_COMMAND)
    if (!commit) return
    define(CANCEL_COMMAND, {
      lua: fillTemplate(cancelLua, { COMMIT: commit.definition.lua, REASON: CANCELLED_REASON }),
    })
  }
}

/** Sending it twice is safe: a job that is cancelled already is told as `before`. */
export async function cancelJob(room: CancelRoom, id: string, keepResultMs?: number): Promise<CancelOutcome> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const jobs = await readCancellable(room, [id])
    if (jobs.length === 0) return 'unknown'
    const [outcome = ''] = await sendCancel(room, jobs, { keepResultMs })
    if (outcome.startsWith('refused ')) throw new RedisRefusedError(`the cancel of job ${id}`, outcome.slice(8))
    if (outcome !== 'changed') return outcome as CancelOutcome
  }
  throw new Error(`job ${id} changed ${MAX_TRIES} times while it was to be cancelled`)
}

export interface SendOptions {
  /** How long the result of a job is kept whose enqueue did not say. Default 24 h. */
  readonly keepResultMs?: number | undefined
  /** About where in the list of waiting jobs they are. */
  readonly near?: number
}

/** One call of the script, with what it answers for each job. No job may be in it twice. */
export async function sendCancel(
  room: CancelRoom,
  jobs: readonly StoredJob[],
  { keepResultMs, near }: SendOptions = {},
): Promise<string[]> {
  const { keys, backend } = room
  const client = (await backend.client) as unknown as {
    runCommand(name: string, args: unknown[]): Promise<string[]>
  }
  const args: unknown[] = [jobs.length]
  for (const { id } of jobs) args.push(keys.bullBase + id)
  args.push(keys.base, keys.bullBase, TOKEN, near ?? '')
  for (const job of jobs) {
    const words = wordsOf(room, job, keepResultMs)
    args.push(job.attemptsMade, words.length)
    for (const word of words) args.push(word)
  }
  return client.runCommand(CANCEL_COMMAND, args)
}

/** The words that commit.lua ends the job with. */
function wordsOf(
  { keys, queue, backend }: CancelRoom,
  { id, name, attemptsMade, enqueuedAt, startedAt, options }: StoredJob,
  keepResultMs: number = DEFAULT_KEEP_RESULT_MS,
): unknown[] {
  const job = { id, opts: { ...options, attempts: options.attempts ?? 0 } } as never
  const bullmqArgs = backend.moveToFailedArgs(job, CANCELLED_REASON, { count: KEEP_ALL }, TOKEN, false, { stc: 0 })
  const finish = finishWords(bullmqArgs, TOKEN)
  const finishedAt = finish[1]
  const outcome: FailedOutcome = {
    status: 'failed',
    error: errorOfReason(CANCELLED_REASON),
    keepResultMs: options.keepResult ?? keepResultMs,
    runMs: 0,
  }
  const finishing = {
    id,
    name,
    queue,
    // None begins with the cancel; the record counts those that were.
    attemptsMade: Number(attemptsMade) - 1,
    timestamp: enqueuedAt,
    processedOn: startedAt ?? finishedAt,
    delayMs: options.delay ?? 0,
  }
  const words: unknown[] = [...finish, ...commitWords(finishing, outcome, finishedAt)]
  pushEndingWrites(words, keys, name, options, outcome)
  pushErrorWrite(words, finishing, outcome, finishedAt)
  return words
}
