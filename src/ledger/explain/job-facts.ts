// What is known of one job and of its queue, read in one round trip: short commands whose work is bounded.
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { CANCELLED_REASON } from '../failed-reason.js'
import { parseHeld } from '../held/held-field.js'
import { type LimitOfJob, readLimitOfJob } from '../limits/read-limits.js'

/** Jobs looked at, from the next to run on, for a job's place in line: about 2 ms of Redis at most. */
const MAX_LOOK = 50_000
/** Characters of an error's message that are told. */
const MAX_REASON = 500
/** BullMQ's score of a delayed job: its time in ms times this, plus a counter. */
const DELAYED_SCORE = 4_096

export interface JobFacts {
  /** Undefined when there is no such job. */
  readonly job: string | undefined
  /** As BullMQ names states; `unknown` for one in none of its lists. */
  readonly state: string
  /** Attempts that have ended, and runs that have begun. */
  readonly attempts: number
  readonly starts: number
  readonly startedAt: number | undefined
  readonly finishedAt: number | undefined
  readonly failedReason: string | undefined
  readonly isCancelled: boolean
  readonly isLocked: boolean
  readonly hasResult: boolean
  /** Put aside, since its name is or was paused. */
  readonly isHeld: boolean
  readonly isNamePaused: boolean
  readonly isQueuePaused: boolean
  readonly delayedUntil: number | undefined
  readonly children: number
  /** The limit of its key, when it may be in the line of it. */
  readonly limit: LimitOfJob | undefined
  readonly startBy: number | undefined
  /** The version of its input. */
  readonly version: number
  /** When later enqueues are merged into it. */
  readonly mergeKey: { readonly isDebounce: boolean } | undefined
  /** 1 for the next to run; null in no line, or beyond `MAX_LOOK`. */
  readonly position: number | null
  /** Most jobs of the queue at once, over all workers. */
  readonly concurrency: number | undefined
  readonly active: number
  /** How long the rate limit of the queue is used up, 0 when it is not. */
  readonly limitedUntilMs: number
}

export async function readJobFacts(client: RedisClient, keys: KeysOfQueue, id: string): Promise<JobFacts> {
  const key = (name: string) => keys.bullBase + name
  const jobKey = key(id)
  const fields = [
    'name',
    'atm',
    'ats',
    'processedOn',
    'finishedOn',
    'failedReason',
    'defa',
    'timestamp',
    'opts',
    'deid',
    'drover:limit',
  ] as const
  const replies = await client
    .pipeline()
    .hmget(jobKey, ...fields)
    .hmget(key('meta'), 'paused', 'concurrency', 'max', 'drover:held')
    .zscore(key('completed'), id)
    .zscore(key('failed'), id)
    .zscore(key('delayed'), id)
    .zrank(key('prioritized'), id)
    .zscore(key('waiting-children'), id)
    .lpos(key('active'), id)
    .lpos(key('wait'), id, 'RANK', -1, 'MAXLEN', MAX_LOOK)
    .llen(key('wait'))
    .llen(key('active'))
    .exists(`${jobKey}:lock`)
    .exists(keys.result(id))
    .scard(`${jobKey}:dependencies`)
    .get(key('limiter'))
    .pttl(key('limiter'))
    .exec()
  const values = (replies ?? []).map(([error, value]) => {
    if (error) throw error
    return value
  })
  const hash = values[0] as (string | null)[]
  const [paused, concurrency, max, held] = values[1] as (string | null)[]
  const [completed, failed, delayed, rank, parent, activeAt, waitAt] = values.slice(2, 9) as (string | number | null)[]
  const [waiting, active, lock, result, children] = values.slice(9, 14).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const limited = Number(values[14] ?? 0)
  const of = (name: (typeof fields)[number]) => hash[fields.indexOf(name)] ?? undefined
  const number = (name: (typeof fields)[number]) => (of(name) === undefined ? undefined : Number(of(name)))
  const job = of('name')
  const options = parseOptions(of('opts'))
  const isInWait = waitAt !== null
  const state = stateOf({ completed, failed, delayed, prioritized: rank, 'waiting-children': parent, active: activeAt })
  const place = isInWait ? waiting - Number(waitAt) : typeof rank === 'number' ? waiting + rank + 1 : null
  const isHeld = state === 'delayed' && job !== undefined && (await client.zscore(keys.held(job), id)) !== null
  return {
    job,
    // Beyond the look it is in the list all the same, or in none.
    state: state ?? (isInWait || waiting > MAX_LOOK ? 'waiting' : 'unknown'),
    attempts: number('atm') ?? 0,
    starts: number('ats') ?? 0,
    startedAt: number('processedOn'),
    finishedAt: number('finishedOn'),
    failedReason:
      of('failedReason')
        ?.slice(0, MAX_REASON)
        .replace(/\p{Cc}+/gu, ' ') || undefined,
    isCancelled: of('defa') === CANCELLED_REASON,
    isLocked: lock === 1,
    hasResult: result === 1,
    isHeld,
    isNamePaused: job !== undefined && parseHeld(held ?? null).includes(job),
    isQueuePaused: paused != null,
    delayedUntil:
      delayed === null || delayed === undefined || isHeld ? undefined : Math.floor(Number(delayed) / DELAYED_SCORE),
    children,
    limit: parent != null && of('drover:limit') !== undefined ? await readLimitOfJob(client, keys, id) : undefined,
    startBy: typeof options.startBy === 'number' ? (number('timestamp') ?? 0) + options.startBy : undefined,
    version: typeof options.version === 'number' ? options.version : 1,
    mergeKey:
      of('deid') === undefined ? undefined : { isDebounce: (options.de ?? options.deduplication)?.reschedule === true },
    position: place,
    concurrency: concurrency == null ? undefined : Number(concurrency),
    active,
    limitedUntilMs: max != null && limited >= Number(max) ? Math.max(0, Number(values[15])) : 0,
  }
}

function stateOf(places: Readonly<Record<string, unknown>>): string | undefined {
  return Object.entries(places).find(([, place]) => place !== null && place !== undefined)?.[0]
}

/** The batch that holds a job of a flow back until the jobs before it have completed; undefined when none does. */
export async function readHeldFlow(
  client: RedisClient,
  keys: KeysOfQueue,
  id: string,
): Promise<{ readonly total: number; readonly completed: number; readonly failed: number } | undefined> {
  // Whether there is a job to come, not the job itself: it has its whole input.
  const [isHeld, [total, completed, failed, fired] = []] = await Promise.all([
    client.hexists(keys.batch(id), 'on:success'),
    client.hmget(keys.batch(id), 'total', 'completed', 'failed', 'fired:success'),
  ])
  if (isHeld === 0 || fired != null) return undefined
  return { total: Number(total ?? 0), completed: Number(completed ?? 0), failed: Number(failed ?? 0) }
}

/** Newest events of a queue that are looked through for what became of an id. */
const EVENTS_LOOKED_AT = 1_000

/** Id of the job that an enqueue under this id was merged into, as BullMQ's event stream tells for a while. */
export async function readMergedInto(client: RedisClient, keys: KeysOfQueue, id: string): Promise<string | undefined> {
  const events = await client.xrevrange(`${keys.bullBase}events`, '+', '-', 'COUNT', EVENTS_LOOKED_AT)
  for (const [, fields] of events) {
    const of = (name: string) => fields[fields.indexOf(name) + 1]
    if (of('event') === 'deduplicated' && of('deduplicatedJobId') === id) return of('jobId')
  }
  return undefined
}

interface Options {
  readonly startBy?: unknown
  readonly version?: unknown
  readonly deduplication?: { readonly reschedule?: boolean }
  /** As BullMQ shortens it. */
  readonly de?: { readonly reschedule?: boolean }
}

// Other programs on BullMQ may have written anything.
function parseOptions(text: string | undefined): Options {
  try {
    const parsed: unknown = JSON.parse(text ?? '{}')
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}
