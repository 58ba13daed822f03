// Metrics that are true for all of a prefix, whoever tells them: how its queues stand, what its jobs came to since the
// start, and its workers. worker/health has those of one worker.
import type { WorkerBeat, WorkerState } from '../fleet.js'
import type { Finding } from '../health/finding.js'
import type { QueueNow } from '../health/queue-now.js'
import type { JobTotals } from '../totals.js'
import type { Labels, MetricFamily } from './exposition.js'

/** What of a queue's present state is told; a part of QueueNow. */
export type QueueDepth = Pick<
  QueueNow,
  'isPaused' | 'waiting' | 'prioritized' | 'delayed' | 'held' | 'active' | 'waitingChildren' | 'failed' | 'oldestSince'
> & { readonly queue: string }

type Samples = (readonly [labels: Labels, value: number])[]

export function queueMetrics(queues: readonly QueueDepth[], nowMs: number): MetricFamily[] {
  const jobs: Samples = []
  const oldest: Samples = []
  const paused: Samples = []
  for (const { queue, oldestSince, isPaused, waitingChildren, ...counts } of queues) {
    const { waiting, prioritized, delayed, held, active, failed } = counts
    const states = { waiting, prioritized, delayed, held, active, 'waiting-children': waitingChildren, failed }
    for (const [state, count] of Object.entries(states)) jobs.push([{ queue, state }, count])
    oldest.push([{ queue }, oldestSince === null ? 0 : Math.max(0, nowMs - oldestSince) / 1_000])
    paused.push([{ queue }, isPaused ? 1 : 0])
  }
  return [
    gauge(
      'drover_queue_jobs',
      'Jobs of the queue by state; `held` are those of paused names, of the failed ones those that are kept.',
      jobs,
    ),
    gauge('drover_queue_oldest_waiting_seconds', 'Age of the oldest job that could run; 0 when none waits.', oldest),
    gauge('drover_queue_paused', '1 while the queue is paused.', paused),
  ]
}

/** By queue, then by job name. */
export function totalsMetrics(totals: ReadonlyMap<string, ReadonlyMap<string, JobTotals>>): MetricFamily[] {
  const samples = (part: keyof JobTotals): Samples => {
    return [...totals].flatMap(([queue, jobs]) =>
      [...jobs].map(([job, each]) => [{ queue, job }, each[part] ?? 0] as const),
    )
  }
  return [
    counter('drover_jobs_completed_total', 'Jobs that completed, each counted once.', samples('completed')),
    counter('drover_jobs_failed_total', 'Jobs that failed for good.', samples('failed')),
    counter('drover_attempts_retried_total', 'Attempts that failed and were followed by another.', samples('retried')),
    counter('drover_attempts_snoozed_total', 'Attempts that ended with a snooze.', samples('snoozed')),
  ]
}

const STATES: readonly WorkerState[] = ['run', 'quiet', 'close']

export function fleetMetrics(workers: readonly WorkerBeat[]): MetricFamily[] {
  const states = STATES.map((state) => [{ state }, workers.filter((worker) => worker.state === state).length] as const)
  const slots = new Map<string, { concurrency: number; running: number }>()
  for (const { queue, concurrency, running } of workers.flatMap(({ queues }) => queues)) {
    const sum = slots.get(queue) ?? { concurrency: 0, running: 0 }
    slots.set(queue, { concurrency: sum.concurrency + concurrency, running: sum.running + running })
  }
  const byQueue = (part: 'concurrency' | 'running'): Samples => [...slots].map(([queue, sum]) => [{ queue }, sum[part]])
  return [
    gauge('drover_workers', 'Workers whose heartbeat is there, by state.', states),
    gauge('drover_queue_concurrency', 'Jobs of the queue that all its workers run at once.', byQueue('concurrency')),
    gauge('drover_queue_running_jobs', 'Handlers that run, as the heartbeats tell.', byQueue('running')),
  ]
}

/** What the health rules find: one sample for each code, level and queue, with how many findings it stands for. */
export function problemMetrics(findings: readonly Finding[]): MetricFamily[] {
  const counts = new Map<string, readonly [labels: Labels, value: number]>()
  for (const { code, level, about } of findings) {
    const queue = about !== undefined && 'queue' in about ? about.queue : ''
    const key = `${code} ${level} ${queue}`
    const [, before = 0] = counts.get(key) ?? []
    counts.set(key, [{ code, level, queue }, before + 1])
  }
  return [
    gauge('drover_problems', 'What drover doctor and the Overview find, by the same rules.', [...counts.values()]),
  ]
}

/** How many queues are in no other metric. */
export function unreadableMetrics(queues: number): MetricFamily[] {
  const help = 'Queues that are in no other metric: a key of each has another type, so another program wrote it.'
  return [gauge('drover_unreadable_queues', help, [[{}, queues]])]
}

function gauge(name: string, help: string, samples: Samples): MetricFamily {
  return { name, help, type: 'gauge', samples }
}

function counter(name: string, help: string, samples: Samples): MetricFamily {
  return { name, help, type: 'counter', samples }
}
