// What `drover doctor` says about the queues as they are: no worker, paused, jobs active without a lock, floods of failures
// and stalls, another BullMQ.
import { setTimeout as sleep } from 'node:timers/promises'
import { BULLMQ_VERSION, readStats, sumStats } from '../../ledger/index.js'
import { type KeysOfQueue, queueKeys, type RedisClient } from '../../redis/index.js'
import type { Finding } from './finding.js'

/** A little more than a worker's usual `stalledInterval`. */
const WORKER_LOOK_MS = 6_000
const WORKER_LOOK_EVERY_MS = 50
const HUGE_BACKLOG = 10_000
/** A worker that lost a job's lock is given this long before the job counts as left behind. */
const LOCKLESS_MS = 60_000
const ACTIVE_SAMPLE = 1_000
const OFTEN_STALLED = 3
const HOUR_MS = 3_600_000
const FLOOD = 100

/** Findings of one queue whose keys are of the right types. */
export async function findQueue(client: RedisClient, prefix: string, queue: string): Promise<Finding[]> {
  const keys = queueKeys(prefix, queue)
  const [backlog, meta] = await Promise.all([countBacklog(client, keys), client.hgetall(`${keys.bullBase}meta`)])
  return [
    ...findBacklog(queue, backlog, backlog === 0 || (await hasWorker(client, keys))),
    ...findMeta(queue, meta, backlog),
    ...(await findActive(client, keys, queue)),
    ...(await findFailures(client, keys, queue)),
  ]
}

async function countBacklog(client: RedisClient, { bullBase }: KeysOfQueue): Promise<number> {
  const counts = await Promise.all([
    client.llen(`${bullBase}wait`),
    client.llen(`${bullBase}paused`),
    client.zcard(`${bullBase}prioritized`),
    client.zcard(`${bullBase}delayed`),
  ])
  return counts.reduce((sum, count) => sum + count, 0)
}

/**
 * Every worker looks for lost jobs, by default once in 5 s or more often, and leaves a key that says so. One that does it
 * more rarely (`stalledInterval`) can be missed.
 */
async function hasWorker(client: RedisClient, { bullBase }: KeysOfQueue): Promise<boolean> {
  const deadlineMs = performance.now() + WORKER_LOOK_MS
  for (;;) {
    if ((await client.exists(`${bullBase}stalled-check`)) === 1) return true
    if (performance.now() > deadlineMs) return false
    await sleep(WORKER_LOOK_EVERY_MS)
  }
}

function findBacklog(queue: string, backlog: number, isWorked: boolean): Finding[] {
  if (backlog > 0 && !isWorked) {
    const evidence = `queue ${queue} has ${backlog} jobs that wait, and no worker was seen in ${WORKER_LOOK_MS / 1_000} s`
    const level = backlog < HUGE_BACKLOG ? 'warning' : 'error'
    return [{ level, code: 'NO_WORKER', evidence, remedy: `start one: drover worker --queues ${queue}` }]
  }
  if (backlog < HUGE_BACKLOG) return []
  const evidence = `queue ${queue} has ${backlog} jobs that wait`
  return [
    { level: 'warning', code: 'HUGE_BACKLOG', evidence, remedy: 'start more workers, or raise their concurrency' },
  ]
}

function findMeta(queue: string, meta: Readonly<Record<string, string>>, backlog: number): Finding[] {
  const findings: Finding[] = []
  if (meta.paused !== undefined) {
    const evidence = `queue ${queue} is paused: its ${backlog} jobs wait until somebody resumes it`
    findings.push({
      level: 'warning',
      code: 'PAUSED',
      evidence,
      remedy: 'resume it on the dashboard, when it should run',
    })
  }
  const expected = `bullmq:${BULLMQ_VERSION}`
  if (meta.version !== undefined && meta.version !== expected) {
    const evidence = `queue ${queue} was last written by ${JSON.stringify(meta.version.slice(0, 40))}, this Drover has ${expected}`
    const remedy = 'let every program on this queue use that version of bullmq: commits are written for its scripts'
    findings.push({ level: 'warning', code: 'BULLMQ_VERSION', evidence, remedy })
  }
  return findings
}

/** Looks at the jobs that run, the first of them where they are many. */
async function findActive(client: RedisClient, { bullBase }: KeysOfQueue, queue: string): Promise<Finding[]> {
  const ids = await client.lrange(`${bullBase}active`, 0, ACTIVE_SAMPLE - 1)
  if (ids.length === 0) return []
  const pipeline = client.pipeline()
  for (const id of ids) pipeline.exists(`${bullBase}${id}:lock`).hmget(bullBase + id, 'processedOn', 'stc')
  const replies = (await pipeline.exec()) ?? []
  const lockless: string[] = []
  const stalled: string[] = []
  for (const [index, id] of ids.entries()) {
    const hasLock = replies[2 * index]?.[1] === 1
    const [processedOn, stalls] = (replies[2 * index + 1]?.[1] ?? []) as (string | null)[]
    if (!hasLock && Date.now() - Number(processedOn ?? 0) > LOCKLESS_MS) lockless.push(id)
    if (Number(stalls ?? 0) >= OFTEN_STALLED) stalled.push(id)
  }
  return [
    ...describe(lockless, {
      level: 'error',
      code: 'ACTIVE_WITHOUT_LOCK',
      evidence: (shown) =>
        `queue ${queue} has jobs that count as running, but nobody has held their lock for a minute: ${shown}`,
      remedy: 'start a worker of this queue: it hands such jobs out again',
    }),
    ...describe(stalled, {
      level: 'warning',
      code: 'STALLED_OFTEN',
      evidence: (shown) => `queue ${queue} has jobs that lost their worker ${OFTEN_STALLED} times or more: ${shown}`,
      remedy: 'look in the log of the workers for what ended or blocked them; isolate the handler',
    }),
  ]
}

async function findFailures(client: RedisClient, keys: KeysOfQueue, queue: string): Promise<Finding[]> {
  const steps = await readStats(client, keys, { sinceMs: Date.now() - HOUR_MS, step: 'minute' })
  return [...sumStats(steps)].flatMap(([job, { completed, failed, retried }]) => {
    const bad = failed + retried
    if (bad < FLOOD || bad <= completed) return []
    const evidence = `job ${job} of queue ${queue}: in the last hour ${failed} failed and ${retried} attempts were retried, ${completed} completed`
    return [
      {
        level: 'warning',
        code: 'FAILURE_FLOOD',
        evidence,
        remedy: 'see the errors on the dashboard; pause the queue while you mend it',
      } as const,
    ]
  })
}

interface Described {
  readonly level: 'warning' | 'error'
  readonly code: string
  readonly evidence: (shown: string) => string
  readonly remedy: string
}

const SHOWN = 5

/** One finding for all of these names, with the first of them; none when there are none. */
export function describe(names: readonly string[], { level, code, evidence, remedy }: Described): Finding[] {
  if (names.length === 0) return []
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
  const shown = `${names.slice(0, SHOWN).join(', ')}${more}`
  return [{ level, code, evidence: evidence(shown), remedy }]
}
