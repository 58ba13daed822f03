// What is to be said about the workers: several versions at once, event loops that are held up, jobs that run far longer than
// their kind does. Each rule is a pure function over facts; rules.ts lists them.
import { formatDuration } from '../../job/index.js'
import { percentile } from '../buckets.js'
import type { HealthFacts } from './facts.js'
import { describeNames, type Finding } from './finding.js'

/** One rule: the findings it has, none where all is well. */
export type WorkerRule = (facts: HealthFacts) => readonly Finding[]

/** A roll-out is over after this long; workers of an old version that are still there were forgotten. */
const ROLL_OUT_MS = 15 * 60_000
/** An event loop that stands for this long renews no lock and ends no timeout meanwhile. */
export const LOOP_LAG_MS = 1_000
/** A job is long when it runs this many times the p99 of its kind, and never below the second number. */
const LONG_FACTOR = 20
const LONG_MS = 10 * 60_000
/** What counts as long for a job that has not finished in the last hour. */
const LONG_UNKNOWN_MS = 3_600_000
const P99 = 0.99

export const versionSkew: WorkerRule = ({ workers, nowMs }) => {
  const newestStart = new Map<string, number>()
  for (const { version, startedAt } of workers) {
    newestStart.set(version, Math.max(startedAt, newestStart.get(version) ?? 0))
  }
  const versions = [...newestStart].sort((left, right) => right[1] - left[1]).map(([version]) => version)
  const [newest] = versions
  if (newest === undefined || versions.length < 2) return []
  const since = Math.min(...workers.filter(({ version }) => version === newest).map(({ startedAt }) => startedAt))
  if (nowMs - since < ROLL_OUT_MS) return []
  const counts = versions.map((version) => `${workers.filter((each) => each.version === version).length} of ${version}`)
  return [
    {
      level: 'warning',
      code: 'VERSION_SKEW',
      evidence: `workers of ${versions.length} versions of Drover run at once: ${counts.join(', ')}`,
      remedy: 'restart those of the old version',
      about: { kind: 'workers' },
    },
  ]
}

export const loopLag: WorkerRule = ({ workers }) =>
  describeNames(
    workers.filter(({ loopLagMs }) => loopLagMs >= LOOP_LAG_MS).map(({ id, loopLagMs }) => `${id} (${loopLagMs} ms)`),
    {
      level: 'warning',
      code: 'LOOP_LAG',
      evidence: (shown) => `workers whose event loop stood still, so that locks and timeouts were late: ${shown}`,
      remedy: 'isolate handlers that compute for long (isolated: true), or lower their concurrency',
      about: { kind: 'workers' },
    },
  )

export const longRun: WorkerRule = ({ workers, queues, nowMs }) =>
  workers.flatMap(({ jobs }) =>
    jobs.flatMap(({ queue, id, job, startedAt }) => {
      const stats = queues.find((each) => each.queue === queue)?.hour.get(job)
      const p99 = percentile(stats?.run ?? [], P99)
      const runMs = nowMs - startedAt
      if (runMs < (p99 === null ? LONG_UNKNOWN_MS : Math.max(LONG_MS, LONG_FACTOR * p99))) return []
      const usual = p99 === null ? 'none of its kind ended in the last hour' : `p99 of its kind is ${shown(p99)}`
      return [
        {
          level: 'warning',
          code: 'LONG_RUN',
          evidence: `job ${job} ${id} of queue ${queue} has been running for ${shown(runMs)}: ${usual}`,
          remedy: `look at what it waits for, then cancel it: drover jobs cancel ${queue} ${id}`,
          about: { kind: 'run', queue, id },
        } as const,
      ]
    }),
  )

function shown(ms: number): string {
  return formatDuration(Math.round(ms))
}
