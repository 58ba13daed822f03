// Reads the inputs that wait in a queue, in pages, so that memory does not grow with the backlog. Jobs move meanwhile: one
// that changes its state may be read twice or not at all, one that stays where it is is read.
import { listSchedules } from '../../ledger/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'

export type StoredState =
  | 'waiting'
  | 'paused'
  | 'active'
  | 'prioritized'
  | 'delayed'
  | 'waiting-children'
  | 'failed'
  | 'schedule'

export interface StoredInput {
  readonly state: StoredState
  /** Of the job; of a schedule its name. */
  readonly id: string
  readonly job: string
  readonly text: string
  /** The stored options. */
  readonly options: object
}

/** Jobs whose inputs are in memory at once. */
const PAGE = 100

const LISTS = { waiting: 'wait', paused: 'paused', active: 'active' } as const
const SETS = ['prioritized', 'delayed', 'waiting-children', 'failed'] as const

/** Everything of the queue that a worker will run, failed jobs that a person may retry, and schedules set at run time. */
export async function* readStoredInputs(client: RedisClient, keys: KeysOfQueue): AsyncGenerator<StoredInput> {
  for (const [state, name] of Object.entries(LISTS)) {
    // From the end that jobs enter at: what leaves at the other one moves no job of the pages that follow.
    for (let at = 0, ids = ['']; ids.length > 0; at += PAGE) {
      ids = await client.lrange(keys.bullBase + name, at, at + PAGE - 1)
      yield* readJobs(client, keys, state as StoredState, ids)
    }
  }
  for (const state of SETS) {
    let cursor = '0'
    do {
      const [next, members] = await client.zscan(keys.bullBase + state, cursor, 'COUNT', PAGE)
      cursor = next
      const ids = members.filter((_, index) => index % 2 === 0)
      for (let at = 0; at < ids.length; at += PAGE) yield* readJobs(client, keys, state, ids.slice(at, at + PAGE))
    } while (cursor !== '0')
  }
  for (const { name, spec, origin } of await listSchedules(client, keys)) {
    // A worker of this build sets those of its code anew.
    if (origin === 'api') yield { state: 'schedule', id: name, job: spec.job, text: spec.input, options: spec.options }
  }
}

async function* readJobs(
  client: RedisClient,
  keys: KeysOfQueue,
  state: StoredState,
  ids: readonly string[],
): AsyncGenerator<StoredInput> {
  const pipeline = client.pipeline()
  for (const id of ids) pipeline.hmget(keys.bullBase + id, 'name', 'data', 'opts')
  const replies = ids.length === 0 ? [] : ((await pipeline.exec()) ?? [])
  for (const [index, id] of ids.entries()) {
    const [error, fields] = replies[index] ?? []
    if (error) throw error
    const [job, text, opts] = (fields ?? []) as (string | null)[]
    // Without a name it has ended since, or it is BullMQ's mark in the list.
    if (typeof job === 'string') yield { state, id, job, text: text ?? '', options: readOptions(opts) }
  }
}

function readOptions(text: string | null | undefined): object {
  try {
    const options: unknown = JSON.parse(text ?? '{}')
    return typeof options === 'object' && options !== null ? options : {}
  } catch {
    // Another program's: the input counts as version 1, as a worker takes it.
    return {}
  }
}
