// The schedules of a queue: set, read, paused, removed, and fired when they are due. Every change is one script.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RedisQueueBackend } from 'bullmq'
import { nextTick } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { FIRE_COMMAND } from '../bullmq-scripts.js'
import { writeOfJob } from '../staged-job.js'
import { newStoredJob } from '../stored-job.js'
import { type DuePlan, planDue, type ScheduleRecord, type ScheduleSpec, tickJobId } from './schedule-record.js'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const setLua = read('./set-schedule.lua')
const pauseLua = read('./pause-schedule.lua')
const dueLua = read('./due-schedules.lua')

/** Most due schedules that are read at once. */
const DUE_AT_ONCE = 50

export type SetOutcome = 'created' | 'changed' | 'unchanged'
export type FireOutcome = 'fired' | 'passed' | 'skipped' | 'queued' | 'gone' | 'unreadable'

/** Keeps a schedule: a new one and one of other times ticks from now on, any other keeps its next tick. */
export async function setSchedule(
  client: RedisClient,
  keys: KeysOfQueue,
  schedule: { readonly name: string; readonly spec: ScheduleSpec; readonly origin: 'code' | 'api' },
  nowMs: number = Date.now(),
): Promise<SetOutcome> {
  const { name, spec, origin } = schedule
  const due = nextTick(spec.times, nowMs)
  const args = [name, JSON.stringify(spec), origin, String(due), `"times":${JSON.stringify(spec.times)}`]
  return (await client.eval(setLua, 2, keys.schedules, keys.schedule(name), ...args)) as SetOutcome
}

/** Removes a schedule; jobs it has enqueued stay. False when there is none of that name. */
export async function removeSchedule(client: RedisClient, keys: KeysOfQueue, name: string): Promise<boolean> {
  const replies = await client.multi().zrem(keys.schedules, name).del(keys.schedule(name)).exec()
  return (replies ?? []).some(([, count]) => count === 1)
}

/** Removes the schedules that code had set and that are not among `names`, and gives their names. */
export async function removeOtherSchedules(
  client: RedisClient,
  keys: KeysOfQueue,
  names: ReadonlySet<string>,
): Promise<string[]> {
  const schedules = await listSchedules(client, keys)
  const stale = schedules.filter(({ name, origin }) => origin === 'code' && !names.has(name)).map(({ name }) => name)
  for (const name of stale) await removeSchedule(client, keys, name)
  return stale
}

/** No job comes of a paused schedule; resumed, it ticks from then on. False when there is none of that name. */
export async function pauseSchedule(client: RedisClient, keys: KeysOfQueue, name: string): Promise<boolean> {
  return (await client.eval(pauseLua, 2, keys.schedules, keys.schedule(name), name, '')) === 1
}

/** @see pauseSchedule */
export async function resumeSchedule(
  client: RedisClient,
  keys: KeysOfQueue,
  schedule: Pick<ScheduleRecord, 'name' | 'spec'>,
  nowMs: number = Date.now(),
): Promise<boolean> {
  const due = String(nextTick(schedule.spec.times, nowMs))
  return (await client.eval(pauseLua, 2, keys.schedules, keys.schedule(schedule.name), schedule.name, due)) === 1
}

export async function readSchedule(
  client: RedisClient,
  keys: KeysOfQueue,
  name: string,
): Promise<ScheduleRecord | undefined> {
  const [fields, score] = await Promise.all([client.hgetall(keys.schedule(name)), client.zscore(keys.schedules, name)])
  return parseRecord(name, fields, score)
}

/** The schedules of the queue that can be read, by name: of the first `most` names, by default of all. */
export async function listSchedules(
  client: RedisClient,
  keys: KeysOfQueue,
  most = Number.POSITIVE_INFINITY,
): Promise<ScheduleRecord[]> {
  const names = (await client.zrange(keys.schedules, '0', '-1')).sort().slice(0, most)
  const records = await Promise.all(names.map((name) => readSchedule(client, keys, name)))
  return records.filter((record) => record !== undefined)
}

function parseRecord(name: string, fields: Record<string, string>, score: string | null): ScheduleRecord | undefined {
  const spec = parseSpec(fields.spec ?? '')
  if (spec === undefined) return undefined
  const nextAt = Number(score ?? Number.POSITIVE_INFINITY)
  return {
    name,
    spec,
    origin: fields.origin === 'code' ? 'code' : 'api',
    paused: fields.paused !== undefined,
    nextAt: Number.isFinite(nextAt) ? nextAt : undefined,
    lastId: fields.lastId,
    lastAt: fields.lastAt === undefined ? undefined : Number(fields.lastAt),
    fired: Number(fields.fired ?? 0),
    skipped: Number(fields.skipped ?? 0),
    passed: Number(fields.passed ?? 0),
  }
}

export interface FiredSchedule {
  readonly name: string
  readonly job: string
  readonly outcome: FireOutcome
  readonly ids: readonly string[]
  readonly passed: number
}

/** What one look at the schedules of a queue needs: a worker's backend, whose client has the scripts. */
export interface ScheduleRoom {
  readonly client: RedisClient
  readonly backend: RedisQueueBackend
  readonly prefix: string
  readonly queue: string
  readonly keys: KeysOfQueue
}

/** Fires what is due by Redis's clock. Resolves with how many schedules the queue has, and what became of the due ones. */
export async function fireDue(room: ScheduleRoom): Promise<{ schedules: number; fired: FiredSchedule[] }> {
  const fired: FiredSchedule[] = []
  // Those that stay due (they wait for their last job, or cannot be read) must not keep the ones behind them from theirs.
  for (let stayed = 0; ; ) {
    const { nowMs, schedules, due } = await readDue(room, stayed)
    for (const [name, dueAt, spec] of due) {
      const one = await fire(room, name, spec, dueAt, nowMs)
      if (one.outcome === 'queued' || one.outcome === 'unreadable') stayed++
      fired.push(one)
    }
    if (due.length < DUE_AT_ONCE || fired.length >= schedules) return { schedules, fired }
  }
}

type DueSchedule = readonly [name: string, dueAt: number, spec: string]

/** The schedules that are due, the first ones of them left out. */
async function readDue(
  { client, keys }: ScheduleRoom,
  leftOut: number,
): Promise<{ nowMs: number; schedules: number; due: DueSchedule[] }> {
  const [now, schedules, ...words] = (await client.eval(
    dueLua,
    1,
    ...[keys.schedules, keys.schedule(''), leftOut, DUE_AT_ONCE],
  )) as [string, number, ...string[]]
  const due: DueSchedule[] = []
  for (let at = 0; at < words.length; at += 3) due.push([words[at] ?? '', Number(words[at + 1]), words[at + 2] ?? ''])
  return { nowMs: Number(now), schedules, due }
}

async function fire(
  room: ScheduleRoom,
  name: string,
  specText: string,
  dueAt: number,
  nowMs: number,
): Promise<FiredSchedule> {
  const { backend, keys } = room
  const planned = planOf(specText, dueAt, nowMs)
  if (planned === undefined) return { name, job: '', outcome: 'unreadable', ids: [], passed: 0 }
  const { spec, plan } = planned
  const ids = plan.ticks.map((tick) => tickJobId(name, tick))
  const hash = createHash('sha1').update(specText).digest('hex')
  const args = [keys.schedules, keys.schedule(name), name, dueAt, plan.nextAt, spec.overlap, keys.bullBase]
  const words: unknown[] = [...args, ids.at(-1) ?? '', plan.passed, hash, ...wordsOfJobs(room, name, spec, plan)]
  const client = (await backend.client) as unknown as { runCommand(name: string, args: unknown[]): Promise<unknown> }
  const outcome = (await client.runCommand(FIRE_COMMAND, words)) as FireOutcome
  return { name, job: spec.job, outcome, ids: outcome === 'fired' ? ids : [], passed: plan.passed }
}

function planOf(text: string, dueAt: number, nowMs: number): { spec: ScheduleSpec; plan: DuePlan } | undefined {
  const spec = parseSpec(text)
  try {
    return spec && { spec, plan: planDue(spec, dueAt, nowMs) }
  } catch {
    // A cron that is none, or a time zone that this machine does not know: its name is told, and the others go on.
    return undefined
  }
}

/** Undefined for what another program, or a later Drover with other kinds of times, wrote. */
function parseSpec(text: string): ScheduleSpec | undefined {
  try {
    const spec = JSON.parse(text) as ScheduleSpec
    return spec.times.kind === 'cron' || spec.times.kind === 'every' ? spec : undefined
  } catch {
    return undefined
  }
}

function wordsOfJobs({ backend, prefix, queue }: ScheduleRoom, name: string, spec: ScheduleSpec, plan: DuePlan) {
  return plan.ticks.flatMap((tick) => {
    const jobId = tickJobId(name, tick)
    // The tick is when the job was due: how long it waited counts from there.
    const job = newStoredJob(spec.job, jobId, spec.input, spec.options, tick)
    const [, ...words] = writeOfJob(backend, prefix, { queue, job, jobId })
    return [words.length, ...words]
  })
}
