// The record of a replay in Redis: what it was asked for and how far it is, for whoever looks, and whether it was told to stop.
import { randomBytes } from 'node:crypto'
import { ReplayNotFoundError } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import type { ErrorRoom } from './error-scripts.js'

/**
 * `running`; `done`, all stages have ended; `returned`, it stopped as the same error came again; `stopped`, by a person;
 * `waited`, the jobs of a stage had not ended in their time; `interrupted`, the process that ran it is gone.
 */
export type ReplayState = 'running' | 'done' | 'returned' | 'stopped' | 'waited' | 'interrupted'

export interface ReplayRecord {
  readonly id: string
  readonly queue: string
  readonly state: ReplayState
  /** What was asked for, in words. */
  readonly target: string
  /** Who asked. */
  readonly by: string
  /** Most jobs of each stage; 0 for the rest. */
  readonly stages: readonly number[]
  /** Number of the stage, from 1. */
  readonly stage: number
  /** Failed jobs that were found at its start; it counts no further than 10,000, nor beyond the oldest 100,000. */
  readonly total: number
  /** Put back so far. */
  readonly retried: number
  /** Of these, how many have ended, how many of these failed again, and how many of these with the error of before. */
  readonly ended: number
  readonly failed: number
  readonly returned: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number | undefined
}

const TTL_SECONDS = 7 * 86_400
/** A process that runs a replay says so more often than this. */
const SILENT_MS = 60_000
const MOST_LISTED = 100
const ID = /^[0-9a-f]{16}$/

export function isReplayId(id: unknown): id is string {
  return typeof id === 'string' && ID.test(id)
}

/** Id of a replay or a discard. */
export function newActionId(): string {
  return randomBytes(8).toString('hex')
}

export async function createReplay(
  { client, keys, run }: ErrorRoom,
  id: string,
  about: Pick<ReplayRecord, 'target' | 'by' | 'stages' | 'total' | 'startedAt'>,
): Promise<void> {
  const { target, by, stages, total, startedAt } = about
  const fields = { target, by, stages: stages.join(','), total, startedAt, state: 'running', beatAt: startedAt }
  await run('the start of a replay', async () => {
    await client.hset(keys.replay(id), fields)
    await client.expire(keys.replay(id), TTL_SECONDS)
    await client.zadd(keys.replays, startedAt, id)
    await client.zremrangebyrank(keys.replays, 0, -1 - MOST_LISTED)
    await client.expire(keys.replays, 30 * 86_400)
  })
}

/** Writes how far it is; once more often than it may be silent. */
export async function updateReplay(
  { client, keys, run }: ErrorRoom,
  id: string,
  fields: { readonly stage?: number; readonly ended?: number; readonly state?: ReplayState; readonly endedAt?: number },
): Promise<void> {
  await run('the progress of a replay', async () => {
    await client.hset(keys.replay(id), { ...fields, beatAt: Date.now() })
    await client.expire(keys.replay(id), TTL_SECONDS)
  })
}

/** Tells a replay to stop before it puts further jobs back. Those that are back stay so. @throws ReplayNotFoundError */
export async function stopReplay({ client, keys, queue, run }: ErrorRoom, id: string): Promise<void> {
  const state = await run('the stop of a replay', () => client.hget(keys.replay(id), 'state'))
  if (state === null) throw new ReplayNotFoundError(id, queue)
  if (state === 'running') {
    await run('the stop of a replay', () => client.hset(keys.replay(id), { state: 'stopped', endedAt: Date.now() }))
  }
}

/** @throws ReplayNotFoundError */
export async function readReplay(
  client: RedisClient,
  keys: KeysOfQueue,
  queue: string,
  id: string,
  nowMs: number = Date.now(),
): Promise<ReplayRecord> {
  const record = isReplayId(id) ? await client.hgetall(keys.replay(id)) : {}
  if (record.state === undefined) throw new ReplayNotFoundError(id, queue)
  const number = (name: string) => Number(record[name] ?? 0)
  const isSilent = record.state === 'running' && nowMs - number('beatAt') > SILENT_MS
  return {
    id,
    queue,
    state: isSilent ? 'interrupted' : (record.state as ReplayState),
    target: record.target ?? '',
    by: record.by ?? '',
    stages: (record.stages ?? '').split(',').map(Number),
    stage: number('stage'),
    total: number('total'),
    retried: number('retried'),
    ended: number('ended'),
    failed: number('failed'),
    returned: number('returned'),
    startedAt: number('startedAt'),
    endedAt: record.endedAt === undefined ? undefined : Number(record.endedAt),
  }
}

/** The newest replays of a queue, the newest first. */
export async function listReplays(
  client: RedisClient,
  keys: KeysOfQueue,
  queue: string,
  most = 20,
): Promise<ReplayRecord[]> {
  const ids = await client.zrevrange(keys.replays, 0, most - 1)
  const records = await Promise.all(
    ids.map((id) =>
      readReplay(client, keys, queue, id).catch((error: unknown) => {
        // Its record has expired, its place in the list not yet.
        if (error instanceof ReplayNotFoundError) return undefined
        throw error
      }),
    ),
  )
  return records.filter((record) => record !== undefined)
}
