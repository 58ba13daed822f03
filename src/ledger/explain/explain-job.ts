// Why a job does not run now, in codes for programs and words for people, and when it may be expected to start. It only
// reads: about 20 short commands whatever the queue holds, and the heartbeats of the workers. What is read is
// job-facts.ts; here it is judged.
import { JobNotFoundError } from '../../job/index.js'
import { type KeysOfQueue, queueKeys, type RedisClient } from '../../redis/index.js'
import { readWorkers, type WorkerBeat } from '../fleet.js'
import { readRates } from '../queue-view.js'
import { type JobFacts, readHeldFlow, readJobFacts, readMergedInto } from './job-facts.js'
import { reasonsOfLimit } from './limit-reasons.js'
import { type Reason, reasonsOfWorkers } from './worker-reasons.js'

export type { Reason, ReasonCode } from './worker-reasons.js'

export interface Explanation {
  readonly queue: string
  readonly id: string
  /** Null for a job of a flow that is not enqueued yet, and for one that was merged into another. */
  readonly job: string | null
  readonly state: string
  /** Attempts that have ended. */
  readonly attempts: number
  /** All that holds it, the first is what has to pass first; for a job that runs or has ended, how it stands. */
  readonly reasons: readonly Reason[]
  /** Place among those that run next, 1 for the first; null when it is in no line, or far back in it. */
  readonly position: number | null
  /**
   * When it may start, milliseconds since 1970: at the end of its delay, or after those before it at the rate of the last
   * 5 minutes. Null when that cannot be known: paused, no worker, nothing to go by.
   */
  readonly expectedStart: number | null
}

export interface ExplainRoom {
  readonly client: RedisClient
  readonly prefix: string
}

/** @throws JobNotFoundError when neither the job nor its result is there, no flow holds it, and it was not merged into another lately */
export async function explainJob(
  { client, prefix }: ExplainRoom,
  queue: string,
  id: string,
  nowMs = Date.now(),
): Promise<Explanation> {
  const keys = queueKeys(prefix, queue)
  const facts = await readJobFacts(client, keys, id)
  if (facts.job === undefined) return explainMissing(client, keys, { queue, id, hasResult: facts.hasResult })
  const [workers, perMinute] = await Promise.all([
    readWorkers(client, prefix, { isReadOnly: true }),
    readRates(client, keys, nowMs),
  ])
  const reasons = reasonsOf(facts, { workers, queue, id, nowMs })
  const { job, state, attempts, position } = facts
  const rate = perMinute.completed + perMinute.failed + perMinute.retried
  const expectedStart = isOver(state) || state === 'active' ? null : expect(facts, reasons, rate, nowMs)
  return { queue, id, job, state, attempts, reasons, position, expectedStart }
}

/** A job of a flow that waits for others is not in its queue yet: a batch holds it. One that was merged never is. */
async function explainMissing(
  client: RedisClient,
  keys: KeysOfQueue,
  { queue, id, hasResult }: { readonly queue: string; readonly id: string; readonly hasResult: boolean },
): Promise<Explanation> {
  const common = { queue, id, job: null, attempts: 0, position: null, expectedStart: null }
  if (hasResult) {
    const message = 'it has ended; BullMQ keeps it no more, its result is there'
    return { ...common, state: 'unknown', reasons: [{ code: 'FINISHED', message }] }
  }
  const flow = await readHeldFlow(client, keys, id)
  if (flow === undefined) {
    const into = await readMergedInto(client, keys, id)
    if (into === undefined) throw new JobNotFoundError(id, queue)
    const message = `its enqueue was merged into job ${into} (unique, debounce, throttle)`
    return { ...common, state: 'unknown', reasons: [{ code: 'MERGED', message, into }] }
  }
  const { total, completed, failed } = flow
  const words = `it waits for ${total - completed} of the ${total} jobs before it in its flow`
  const message = failed > 0 ? `${words}; ${failed} of them failed, and hold it until a retry of them completes` : words
  return {
    ...common,
    state: 'waiting-children',
    reasons: [{ code: 'WAITS_FOR_FLOW', message, total, completed, failed }],
  }
}

interface Around {
  readonly workers: readonly WorkerBeat[]
  readonly queue: string
  readonly id: string
  readonly nowMs: number
}

function reasonsOf(facts: JobFacts, around: Around): Reason[] {
  if (isOver(facts.state)) return [finished(facts)]
  if (facts.state === 'active') return [running(facts, around)]
  return [
    ...reasonsOfJob(facts, around),
    ...reasonsOfQueue(facts, around),
    ...reasonsOfWorkers(facts, around),
    ...inLine(facts),
    ...reasonsOfLimit(facts.limit),
  ]
}

function finished({ state, finishedAt, failedReason }: JobFacts): Reason {
  const at = finishedAt === undefined ? {} : { at: finishedAt }
  if (state === 'completed') return { code: 'FINISHED', message: 'it has completed', ...at }
  return { code: 'FINISHED', message: `it has failed: ${failedReason ?? ''}`, ...at }
}

function running({ startedAt, isLocked, isCancelled }: JobFacts, { workers, queue, id }: Around): Reason {
  const worker = workers.find(({ jobs }) => jobs.some((job) => job.queue === queue && job.id === id))
  const since = startedAt === undefined ? {} : { since: startedAt }
  const by = worker === undefined ? {} : { worker: worker.id }
  if (!isLocked) {
    const message = 'its worker is gone: it runs again when another notices, within seconds'
    return { code: 'STALLED', message, ...since, ...by }
  }
  if (isCancelled)
    return { code: 'CANCELLING', message: 'it runs, and its worker was told to abort it', ...since, ...by }
  return {
    code: 'ACTIVE',
    message: worker === undefined ? 'it runs' : `it runs on worker ${worker.id}`,
    ...since,
    ...by,
  }
}

/** What the job itself waits for. */
function reasonsOfJob(facts: JobFacts, { nowMs }: Around): Reason[] {
  const reasons: Reason[] = []
  const { job = '', state, isHeld, delayedUntil, children, startBy, mergeKey } = facts
  if (facts.isNamePaused || isHeld) {
    const message = facts.isNamePaused
      ? `the jobs of ${job} are paused in this queue`
      : 'it is about to be put back: its pause has ended'
    reasons.push({ code: 'PAUSED_JOB', message })
  }
  if (state === 'delayed' && delayedUntil !== undefined) reasons.push(delayed(facts, delayedUntil))
  if (state === 'waiting-children' && facts.limit?.position === undefined) {
    reasons.push({ code: 'WAITS_FOR_CHILDREN', message: `it waits for ${children} children`, count: children })
  }
  if (mergeKey !== undefined) {
    reasons.push({
      code: 'MERGES',
      message: 'enqueues of the same kind are merged into it (unique, debounce, throttle)',
    })
  }
  if (startBy !== undefined && facts.attempts === 0 && Math.max(nowMs, delayedUntil ?? 0) > startBy) {
    const message = 'its startBy has passed: it fails with START_BY_PASSED when a worker takes it'
    reasons.push({ code: 'START_BY_PASSED', message, at: startBy })
  }
  if (state === 'unknown') {
    reasons.push({ code: 'LOST', message: 'it is in no list of BullMQ, so nothing takes it; drover doctor tells more' })
  }
  return reasons
}

function delayed({ attempts, starts, mergeKey, failedReason }: JobFacts, until: number): Reason {
  const time = new Date(until).toISOString()
  if (attempts > 0) {
    const why = failedReason ? `: ${failedReason}` : ''
    return { code: 'DELAYED', why: 'backoff', until, message: `it waits until ${time} after attempt ${attempts}${why}` }
  }
  if (starts > 0) return { code: 'DELAYED', why: 'put-off', until, message: `it ran, and put itself off until ${time}` }
  const why = mergeKey?.isDebounce ? 'debounce' : 'delay'
  return { code: 'DELAYED', why, until, message: `it is delayed until ${time}` }
}

/** What all jobs of the queue wait for. */
function reasonsOfQueue({ isQueuePaused, limitedUntilMs, concurrency, active }: JobFacts, { nowMs }: Around): Reason[] {
  const reasons: Reason[] = []
  if (isQueuePaused) reasons.push({ code: 'PAUSED_QUEUE', message: 'the queue is paused' })
  if (limitedUntilMs > 0) {
    const until = nowMs + limitedUntilMs
    reasons.push({
      code: 'RATE_LIMITED',
      message: `the rate limit of the queue is used up until ${new Date(until).toISOString()}`,
      until,
    })
  }
  if (concurrency !== undefined && active >= concurrency) {
    const message = `the queue runs ${active} jobs, the most that it may over all workers`
    reasons.push({ code: 'QUEUE_FULL', message, count: active })
  }
  return reasons
}

function inLine({ position, state }: JobFacts): Reason[] {
  if (state !== 'waiting' && state !== 'prioritized') return []
  if (position === null) return [{ code: 'IN_LINE', message: 'many thousands of jobs are before it' }]
  if (position === 1) return [{ code: 'IN_LINE', message: 'it is the next to run', position }]
  return [{ code: 'IN_LINE', message: `${position - 1} jobs are before it`, position }]
}

const UNKNOWN_START: readonly Reason['code'][] = [
  ...([
    'PAUSED_JOB',
    'PAUSED_QUEUE',
    'WAITS_FOR_CHILDREN',
    'NO_WORKER',
    'NO_HANDLER',
    'WORKERS_QUIET',
    'LOST',
    'KEY_FULL',
  ] as const),
  ...(['START_BY_PASSED', 'OLDER_WORKERS'] as const),
]

function expect(
  { position: place, state, limit }: JobFacts,
  reasons: readonly Reason[],
  perMinute: number,
  nowMs: number,
): number | null {
  if (reasons.some(({ code }) => UNKNOWN_START.includes(code))) return null
  const until = Math.max(nowMs, ...reasons.flatMap(({ until }) => until ?? []))
  if (state === 'delayed') return until
  // Only the first of a key is told: those behind it take turns with other keys.
  const position = limit?.position === 0 ? 1 : place
  if (position === null) return null
  const isFull = reasons.some(({ code }) => code === 'WORKERS_FULL' || code === 'QUEUE_FULL')
  if (position === 1 && !isFull) return until
  return perMinute === 0 ? null : Math.round(until + (position / perMinute) * 60_000)
}

function isOver(state: string): boolean {
  return state === 'completed' || state === 'failed'
}
