// The workers of a prefix as they are seen from outside: their heartbeats, and what they are told to do. A worker writes
// the one and reads the other; nothing here waits for it.
import { randomBytes } from 'node:crypto'
import { type RedisClient, workerKey, workerOrdersKey, workersKey } from '../redis/index.js'

/** How often a worker says that it is there. */
export const BEAT_MS = 5_000
/** A worker whose last heartbeat is older than this is gone. */
export const BEAT_TTL_MS = 3 * BEAT_MS
/** Most jobs of one queue that a worker runs at once. */
export const MAX_CONCURRENCY = 10_000
const ORDERS_TTL_SECONDS = 60
/** Most jobs a heartbeat names, the longest running first. */
export const MAX_BEAT_JOBS = 50

export type WorkerState = 'run' | 'quiet' | 'close'

export interface RunningJob {
  readonly queue: string
  readonly id: string
  readonly job: string
  readonly attempt: number
  /** Milliseconds since 1970, by the worker's clock. */
  readonly startedAt: number
}

/** One queue of a worker. */
export interface WorkerLoad {
  readonly queue: string
  readonly concurrency: number
  readonly running: number
  /** Newest version of the inputs it knows, by the names of the jobs it has a handler for; a worker before 0.1 tells none. */
  readonly handles?: Readonly<Record<string, number>>
}

/** One worker as its last heartbeat tells. */
export interface WorkerBeat {
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Version of Drover. */
  readonly version: string
  /** Release of the application, as the worker was told; empty when it was told none. */
  readonly release: string
  /** Milliseconds since 1970, by the worker's clock. */
  readonly startedAt: number
  readonly seenAt: number
  readonly state: WorkerState
  /** Attempts that ended since its start. */
  readonly handled: number
  readonly rssBytes: number
  /** Longest wait of its event loop since the heartbeat before, milliseconds. */
  readonly loopLagMs: number
  readonly queues: readonly WorkerLoad[]
  readonly jobs: readonly RunningJob[]
}

/** What a worker was told; what is not there was not told. */
export interface WorkerOrders {
  readonly state?: WorkerState
  /** Jobs at once, by queue. */
  readonly concurrency: ReadonlyMap<string, number>
}

const CONCURRENCY = 'concurrency:'
/** Beside each order, a text that differs from one order to the next. */
const MARK = 'mark:'

/** Writes the heartbeat, and keeps the orders as long as the worker lives. */
export async function writeBeat(client: RedisClient, prefix: string, beat: WorkerBeat): Promise<void> {
  const { queues, jobs, ...plain } = beat
  const key = workerKey(prefix, beat.id)
  // The three keys may lie in three slots of a cluster, so they are written one by one.
  await Promise.all([
    client.zadd(workersKey(prefix), String(beat.seenAt), beat.id),
    client.hset(key, { ...plain, queues: JSON.stringify(queues), jobs: JSON.stringify(jobs) }),
    client.pexpire(key, BEAT_TTL_MS),
    client.expire(workerOrdersKey(prefix, beat.id), ORDERS_TTL_SECONDS),
  ])
}

/** Takes a worker that has closed out of the list. */
export async function removeBeat(client: RedisClient, prefix: string, id: string): Promise<void> {
  await Promise.all([
    client.zrem(workersKey(prefix), id),
    client.del(workerKey(prefix, id)),
    client.del(workerOrdersKey(prefix, id)),
  ])
}

/** Workers that are read, those of the latest heartbeats; the list of a larger fleet is cut. */
const MAX_WORKERS = 1_000

/**
 * The workers that are there, by id. Those whose heartbeat is gone are taken out of the list, unless it is read by somebody
 * who may only read.
 */
export async function readWorkers(
  client: RedisClient,
  prefix: string,
  { isReadOnly = false }: { readonly isReadOnly?: boolean } = {},
): Promise<WorkerBeat[]> {
  const ids = await client.zrange(workersKey(prefix), String(-MAX_WORKERS), '-1')
  const beats = await Promise.all(ids.map((id) => client.hgetall(workerKey(prefix, id))))
  const workers: WorkerBeat[] = []
  for (const [index, fields] of beats.entries()) {
    const beat = parseBeat(fields)
    if (beat) workers.push(beat)
    else if (!isReadOnly) await client.zrem(workersKey(prefix), ids[index] ?? '')
  }
  return workers.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function parseBeat(fields: Readonly<Record<string, string>>): WorkerBeat | undefined {
  const { id, host = '', version = '', release = '', state, queues = '[]', jobs = '[]' } = fields
  if (id === undefined) return undefined
  const number = (name: string) => Number(fields[name] ?? 0)
  return {
    id,
    host,
    pid: number('pid'),
    version,
    release,
    startedAt: number('startedAt'),
    seenAt: number('seenAt'),
    state: state === 'quiet' || state === 'close' ? state : 'run',
    handled: number('handled'),
    rssBytes: number('rssBytes'),
    loopLagMs: number('loopLagMs'),
    queues: JSON.parse(queues) as WorkerBeat['queues'],
    jobs: JSON.parse(jobs) as WorkerBeat['jobs'],
  }
}

/** Tells a worker its state; it follows within a second or two. */
export async function orderState(client: RedisClient, prefix: string, id: string, state: WorkerState): Promise<void> {
  await order(client, prefix, id, 'state', state)
}

/** Tells a worker how many jobs of a queue to run at once. */
export async function orderConcurrency(
  client: RedisClient,
  prefix: string,
  id: string,
  queue: string,
  concurrency: number,
): Promise<void> {
  await order(client, prefix, id, CONCURRENCY + queue, String(concurrency))
}

async function order(client: RedisClient, prefix: string, id: string, field: string, value: string): Promise<void> {
  const key = workerOrdersKey(prefix, id)
  await client.hset(key, { [field]: value, [MARK + field]: randomBytes(6).toString('base64url') })
  await client.expire(key, ORDERS_TTL_SECONDS)
}

/**
 * What the worker was told; with `seen`, what is not in that yet, which then has it. An order is followed once, so that it does
 * not undo what a signal or the program itself changed since; the same order given again is another one.
 */
export async function readOrders(
  client: RedisClient,
  prefix: string,
  id: string,
  seen: Map<string, string> = new Map(),
): Promise<WorkerOrders> {
  const fields = await client.hgetall(workerOrdersKey(prefix, id))
  const isNew = (field: string) => {
    const text = `${fields[field]} ${fields[MARK + field]}`
    if (fields[field] === undefined || seen.get(field) === text) return false
    seen.set(field, text)
    return true
  }
  const concurrency = new Map<string, number>()
  for (const [field, value] of Object.entries(fields)) {
    const jobs = Number(value)
    const isAllowed = Number.isInteger(jobs) && jobs >= 1 && jobs <= MAX_CONCURRENCY
    if (field.startsWith(CONCURRENCY) && isAllowed && isNew(field))
      concurrency.set(field.slice(CONCURRENCY.length), jobs)
  }
  const state = isNew('state') ? fields.state : undefined
  return state === 'run' || state === 'quiet' || state === 'close' ? { state, concurrency } : { concurrency }
}
