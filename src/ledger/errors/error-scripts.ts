// The scripts that act on failed jobs, on a client of BullMQ's: retry-failed.lua embeds BullMQ's own manual retry.
import { readFileSync } from 'node:fs'
import { RedisConnection } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { UnsupportedBullmqError } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { fillTemplate } from '../fill-template.js'

const RETRY_COMMAND = 'droverRetryFailed'
const DISCARD_COMMAND = 'droverDiscardFailed'
const RESTORE_COMMAND = 'droverRestoreDiscarded'
const REPROCESS = 'reprocessJob'
const REPROCESS_KEYS = 9
const REPROCESS_ARGS = 6

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const retryLua = read('./retry-failed.lua')
const discardLua = read('./discard-failed.lua')
const restoreLua = read('./restore-discarded.lua')

interface ScriptDefinition {
  readonly lua: string
  readonly numberOfKeys?: number
}

/** What runs a script by name: BullMQ's client, once it is connected. */
export interface ScriptRunner {
  runCommand(name: string, args: unknown[]): Promise<unknown>
}

/** One queue whose failed jobs are acted on. */
export interface ErrorRoom {
  readonly client: RedisClient
  readonly keys: KeysOfQueue
  readonly queue: string
  /** The client that `attachErrorScripts` was called for. */
  readonly scripts: PromiseLike<ScriptRunner>
  /** Runs each command, which may be sent twice. */
  readonly run: <Value>(operation: string, command: () => Promise<Value>) => Promise<Value>
}

/** Which failed jobs are meant; all of what is given must hold. */
export interface ChunkRules {
  /** Only those that failed up to this time, milliseconds since 1970. */
  readonly untilMs: number
  readonly group: string | undefined
  readonly job: string | undefined
}

/** Makes this client able to retry and discard failed jobs. Call it before BullMQ sees it. */
export function attachErrorScripts(client: Redis | Cluster): void {
  const define = client.defineCommand.bind(client)
  client.defineCommand = (name: string, definition: ScriptDefinition) => {
    define(name, definition)
    if (name.split(':', 1)[0] !== REPROCESS) return
    checkShape(definition)
    define(RETRY_COMMAND, { lua: fillTemplate(retryLua, { REPROCESS_JOB: definition.lua }), numberOfKeys: 1 })
    define(DISCARD_COMMAND, { lua: discardLua, numberOfKeys: 2 })
    define(RESTORE_COMMAND, { lua: restoreLua, numberOfKeys: 2 })
  }
}

/** Lets BullMQ define its scripts on a client that `attachErrorScripts` was called for, and gives what runs them. */
export function openErrorScripts(client: Redis | Cluster): PromiseLike<ScriptRunner> {
  const options = { shared: true, blocking: false, skipVersionCheck: true, skipWaitingForReady: true }
  const connection = new RedisConnection(client, options)
  // The client has its own listener; without one here an error event would be thrown.
  connection.on('error', () => undefined)
  return connection.client as unknown as PromiseLike<ScriptRunner>
}

function checkShape({ lua, numberOfKeys }: ScriptDefinition): void {
  const highestArg = Math.max(0, ...Array.from(lua.matchAll(/ARGV\[(\d+)\]/g), (match) => Number(match[1])))
  if (numberOfKeys === REPROCESS_KEYS && highestArg === REPROCESS_ARGS) return
  throw new UnsupportedBullmqError(
    REPROCESS,
    `${REPROCESS_KEYS} keys and ${REPROCESS_ARGS} arguments`,
    `${numberOfKeys ?? 0} keys and ${highestArg} arguments`,
  )
}

/** Puts some of these jobs back for a replay. Gives the replay's state, and the jobs that are put back by now. */
export async function retryChunk(
  { keys, scripts, run }: ErrorRoom,
  replay: string,
  ids: readonly string[],
  { untilMs, group = '', job = '' }: ChunkRules,
  most: number,
): Promise<{ state: string; ids: string[] }> {
  const args = [keys.replay(replay), keys.base, keys.bullBase, replay, untilMs, group, job, most, Date.now(), ...ids]
  const client = await scripts
  const reply = await run('the retry of failed jobs', () => client.runCommand(RETRY_COMMAND, args))
  const [state = '', ...retried] = reply as string[]
  return { state, ids: retried }
}

/** Keeps these jobs aside. Gives how many it took, or -1 when there is no such discard any more. */
export async function discardChunk(
  { keys, scripts, run }: ErrorRoom,
  discard: string,
  ids: readonly string[],
  { untilMs, group = '', job = '' }: ChunkRules,
  keepMs: number,
): Promise<number> {
  const record = keys.discard(discard)
  const args = [record, `${record}:jobs`, keys.base, keys.bullBase, keepMs, untilMs, group, job, ...ids]
  const client = await scripts
  return Number(await run('the discard of failed jobs', () => client.runCommand(DISCARD_COMMAND, args)))
}

/** Brings some of a discard's jobs back. Gives how many were looked at, brought back, and not, as their id is taken. */
export async function restoreChunk(
  { keys, scripts, run }: ErrorRoom,
  discard: string,
  skip: number,
  most: number,
): Promise<{ seen: number; restored: number; taken: number }> {
  const record = keys.discard(discard)
  const args = [record, `${record}:jobs`, keys.base, keys.bullBase, skip, most]
  const client = await scripts
  const reply = await run('the undo of a discard', () => client.runCommand(RESTORE_COMMAND, args))
  const [seen = 0, restored = 0, taken = 0] = (reply as unknown[]).map(Number)
  return { seen, restored, taken }
}
