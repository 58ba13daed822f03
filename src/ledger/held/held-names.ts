// Job names that are paused in a queue: workers start none of their jobs, while those of other names go on. The scripts that
// hand jobs over keep to it (take-job.lua, commit.lua); here a name is paused and resumed, and read.
import { readFileSync } from 'node:fs'
import { UnsupportedBullmqError } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { fillTemplate } from '../fill-template.js'
import { limitFunctionsLua } from '../limits/limit-functions.js'
import { HELD_FIELD, parseHeld } from './held-field.js'

/** Most job names that are paused in one queue. */
export const MAX_HELD_NAMES = 100
/** Jobs put back in one script call: others wait for Redis for a millisecond or two meanwhile. */
const PIECE = 500
/** BullMQ's read of the meta hash in each script that hands jobs over. */
const READ = 'rcall("HMGET", queueMetaKey, "paused", "concurrency", "max", "duration")'

const readLua = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
export const heldFunctionsLua = fillTemplate(readLua('./held-functions.lua'), { LIMITS: limitFunctionsLua })
const takeLua = readLua('./take-job.lua')
const holdLua = fillTemplate(readLua('./hold-name.lua'), { HELD_FUNCTIONS: heldFunctionsLua })

/**
 * A script of BullMQ that also puts the names that are paused into the variable `held`, in one read as before; where a
 * variable `memo` is named, what was read is kept in that table by key and read once per call.
 */
export function withHeldField(script: string, lua: string, memo?: string): string {
  const [before = '', after, ...more] = lua.split(READ)
  if (after === undefined || more.length > 0)
    throw new UnsupportedBullmqError(script, READ, 'another read of the meta hash')
  const known = memo === undefined ? '' : `${memo}[queueMetaKey] or `
  const keep = memo === undefined ? '' : `  ${memo}[queueMetaKey] = queueAttributes\n`
  return `${before}${known}${READ.slice(0, -1)}, "${HELD_FIELD}")\n  held = queueAttributes[5]\n${keep}${after}`
}

/** BullMQ's moveToActive, or a script around it, that hands over no job of a paused name. */
export function takeScript(taking: string): string {
  return fillTemplate(takeLua, { TAKING: withHeldField('moveToActive', taking), HELD_FUNCTIONS: heldFunctionsLua })
}

/** Workers start no job of this name from now on; those that run go on. False when 100 other names are paused. */
export async function holdName(client: RedisClient, keys: KeysOfQueue, name: string): Promise<boolean> {
  return (await send(client, keys, name, 'pause')) === 'paused'
}

/**
 * Lets jobs of this name run again. Those put aside go before the jobs that wait, in their order; those
 * with a priority behind others of the same.
 */
export async function releaseName(client: RedisClient, keys: KeysOfQueue, name: string): Promise<void> {
  while ((await send(client, keys, name, 'resume')) === 'left');
}

function send(client: RedisClient, { base, bullBase }: KeysOfQueue, name: string, action: string): Promise<unknown> {
  return client.eval(holdLua, 1, `${bullBase}meta`, base, bullBase, name, action, MAX_HELD_NAMES, PIECE)
}

export interface HeldName {
  readonly job: string
  /** Jobs that were put aside; others of this name may still wait among the rest. */
  readonly jobs: number
}

/** The job names that are paused in a queue, sorted. */
export async function readHeldNames(client: RedisClient, keys: KeysOfQueue): Promise<HeldName[]> {
  const names = parseHeld(await client.hget(`${keys.bullBase}meta`, HELD_FIELD))
  const jobs = await Promise.all(names.map((name) => client.zcard(keys.held(name))))
  return names.map((job, at) => ({ job, jobs: jobs[at] ?? 0 }))
}
