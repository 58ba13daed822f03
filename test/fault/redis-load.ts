// What the Redis-side rows share: a Redis under load, how soon jobs end again after a fault, and the end of a run.
import { queueKeys } from '../../src/redis/index.js'
import type { Noted } from './ledger-file.js'
import type { FaultProcess, PlannedJob, ProducerPlan, WorkerPlan } from './processes.js'
import type { RowContext } from './row.js'

// Numbers of jobs that are sent beside the load.
const FIRST_EXTRA = 5_000_000

export interface LoadOptions {
  /** Where the producer and the workers find Redis. */
  readonly redis: string
  readonly jobs: number
  /** By default 2. */
  readonly workers?: number
  /** The longest run of a job, in milliseconds; each takes a random part of it. Default 20. */
  readonly longestMs?: number
  readonly producer?: Partial<ProducerPlan>
  readonly worker?: Partial<WorkerPlan>
}

export interface Load {
  readonly redis: string
  readonly jobs: readonly PlannedJob[]
  readonly producer: FaultProcess
  readonly workers: readonly FaultProcess[]
}

/** Workers, and a producer that sends each job until it is accepted: an outage ends neither of them. */
export async function startLoad(context: RowContext<unknown>, options: LoadOptions): Promise<Load> {
  const { redis, workers: count = 2, longestMs = 20 } = options
  const jobs = context.plan(options.jobs, () => ({ ms: context.random.below(longestMs) }))
  const plan = { redis, ...options.worker }
  const workers = await Promise.all(Array.from({ length: count }, () => context.startWorker(plan)))
  const producer = context.startProducer({ redis, jobs, persistent: true, ...options.producer })
  return { redis: options.producer?.redis ?? redis, jobs, producer, workers }
}

/** Jobs that have ended, as Redis lists them. */
export async function countEnded(context: RowContext<unknown>, url: string): Promise<number> {
  const { bullBase } = queueKeys('drover', context.queue)
  const redis = context.connect(url)
  const counts = await Promise.all(['completed', 'failed'].map((state) => redis.zcard(bullBase + state)))
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Resolves when one more job than now is listed as ended. */
export async function untilNextEnd(context: RowContext<unknown>, url: string): Promise<void> {
  const before = await countEnded(context, url)
  await context.until('another job has ended', async () => (await countEnded(context, url)) > before)
}

/**
 * Resolves when a run that began after `sinceMs` (by `ledgerNow`) has ended, and gives the milliseconds from then to its
 * end, as the worker itself wrote it down: how soon the reader of this looks plays no part. Sends a job itself where the
 * load was over before the fault came.
 */
export async function untilNextRun(
  context: RowContext<unknown>,
  load: Pick<Load, 'redis' | 'producer'>,
  sinceMs: number,
): Promise<number> {
  let end: Noted | undefined
  let extra: FaultProcess | undefined
  await context.until('a run that began since has ended', () => {
    const begun = new Set<string>()
    end = context.ledger().find((line) => {
      if (line.at <= sinceMs) return false
      if (line.e === 'start') begun.add(`${line.id} ${line.pid}`)
      return line.e === 'end' && begun.has(`${line.id} ${line.pid}`)
    })
    if (end === undefined && load.producer.hasEnded()) extra ??= sendExtra(context, load.redis)
    return end !== undefined
  })
  if (extra) await context.finish(extra)
  return (end?.at ?? sinceMs) - sinceMs
}

/** Sends a job beside the load, of a number of its own. */
function sendExtra(context: RowContext<unknown>, redis: string): FaultProcess {
  const jobs = context.plan(1, () => ({ ms: 1 }), FIRST_EXTRA + context.ledger().length)
  return context.startProducer({ redis, jobs, persistent: true })
}

/** The producer has ended, every job was sent, nothing waits or runs: holds all of it against the ledger. */
export async function endLoad(
  context: RowContext<unknown>,
  load: Pick<Load, 'producer' | 'workers'>,
  options: { readonly url: string } & Parameters<RowContext<unknown>['check']>[0],
) {
  await context.finish(load.producer)
  await context.drain(options.url)
  const gone = load.workers.filter((worker) => worker.hasEnded()).length
  context.require(gone === 0, 'worker-ended', `${gone} workers have ended, and must live through it`)
  return context.check(options)
}

/** Finds the line of the ledger that shows that all is well again; `fresh` are the jobs first sent after the latest fault. */
type FindEnd = (lines: readonly Noted[], fresh: ReadonlySet<string>) => Noted | undefined

const endOfFresh: FindEnd = (lines, fresh) => lines.find((line) => line.e === 'end' && fresh.has(line.id))

/**
 * The end of a fresh job, which may begin before its ack is noted, or of any run that began after one was accepted. For
 * loads with a backlog, on which a fresh job waits for its turn however soon workers go on.
 */
export const endOfBacklog: FindEnd = (lines, fresh) => {
  const acked = lines.findIndex((line) => line.e === 'ack' && fresh.has(line.id))
  const begun = new Set<string>()
  const ofFresh = endOfFresh(lines, fresh)
  if (ofFresh) return ofFresh
  return lines.slice(acked < 0 ? lines.length : acked).find((line) => {
    if (line.e === 'start') begun.add(`${line.id} ${line.pid}`)
    return line.e === 'end' && begun.has(`${line.id} ${line.pid}`)
  })
}

/**
 * Resolves when a job that was first sent after the latest fault has run, and gives the milliseconds from that fault: only
 * a producer and a worker that reach Redis again can have done that. Sends one itself where the load has none left.
 */
export async function untilFreshEnd(
  context: RowContext<unknown>,
  load: Pick<Load, 'redis' | 'producer'>,
  findEnd: FindEnd = endOfFresh,
): Promise<number> {
  let ms: number | undefined
  let hasExtra = false
  await context.until('a job that was sent after the fault has run', () => {
    const all = context.ledger()
    const latest = all.findLastIndex(({ e }) => e === 'fault')
    const faultAt = all[latest]?.at ?? 0
    const lines = all.slice(Math.max(0, latest))
    const fresh = new Set(lines.flatMap((line) => (line.e === 'try' && line.at > faultAt ? [line.id] : [])))
    const end = findEnd(lines, fresh)
    ms = end && end.at - faultAt
    if (fresh.size === 0 && load.producer.hasEnded() && !hasExtra) {
      hasExtra = true
      sendExtra(context, load.redis)
    }
    return end !== undefined
  })
  return ms ?? 0
}

/** In a full run, a time that is over its target is a problem; in a small one, on a machine that may be busy, never. */
export function target(context: RowContext<unknown>, what: string, ms: number, mostMs: number): void {
  const text = `${what}: ${Math.round(ms)} ms, the target is ${mostMs} ms`
  context.require(!context.isFull || ms <= mostMs, 'too-slow', text)
}

/** How long each enqueue of the run took to be answered, by an ack or an error, in milliseconds. */
export function answerTimes(context: RowContext<unknown>): number[] {
  const sentAt = new Map<string, number>()
  const times: number[] = []
  for (const line of context.ledger()) {
    if (line.e === 'try') sentAt.set(line.id, line.at)
    else if (line.e === 'ack' || line.e === 'unknown' || line.e === 'refused') {
      const from = sentAt.get(line.id)
      if (from !== undefined) times.push(line.at - from)
      // One that is sent again is answered anew; its pause between is 50 ms.
      sentAt.set(line.id, line.at)
    }
  }
  return times
}
