// The metrics of a worker and its processes, by Prometheus' conventions. Counts begin anew with each process.
import {
  type Labels,
  type MetricFamily,
  type QueueDepth,
  queueMetrics,
  type TimeHistogram,
  type WorkerState,
} from '../../ledger/index.js'
import type { JobTally } from './job-tally.js'
import type { ProcessHealth, QueueHealth, WorkerHealth } from './worker-health.js'

const STATES: readonly WorkerState[] = ['run', 'quiet', 'close']

interface Seen {
  readonly labels: { readonly process: string }
  readonly health: WorkerHealth
}

export function workerMetrics(processes: readonly ProcessHealth[], nowMs: number): MetricFamily[] {
  const seen = processes.flatMap(({ process, health }): Seen[] => {
    return health === undefined ? [] : [{ labels: { process: String(process) }, health }]
  })
  const depths = seen.find(({ health }) => health.depths !== undefined)?.health.depths
  return [
    {
      name: 'drover_worker_up',
      help: '1 when the process answered; 0 while it starts, is blocked or is gone.',
      type: 'gauge',
      samples: processes.map(({ process, health }) => [{ process: String(process) }, health === undefined ? 0 : 1]),
    },
    ...processMetrics(seen),
    ...placeMetrics(seen),
    ...jobMetrics(seen),
    ...queueMetrics(depths ?? ([] as QueueDepth[]), nowMs),
  ]
}

function processMetrics(seen: readonly Seen[]): MetricFamily[] {
  const of = (read: (health: WorkerHealth) => number) =>
    seen.map(({ labels, health }) => [labels, read(health)] as const)
  const states = seen.flatMap(({ labels, health }) =>
    STATES.map((state) => [{ ...labels, state }, health.state === state ? 1 : 0] as const),
  )
  const info = seen.map(({ labels, health }) => {
    return [{ ...labels, id: health.id, pid: String(health.pid), version: health.version }, 1] as const
  })
  return [
    gauge('drover_worker_info', 'Which worker it is; always 1.', info),
    gauge('drover_worker_state', '1 for the state that the worker is in.', states),
    gauge(
      'drover_worker_redis_up',
      '1 when Redis answered the worker just now.',
      of(({ isRedisThere }) => (isRedisThere === true ? 1 : 0)),
    ),
    gauge(
      'drover_worker_event_loop_lag_seconds',
      'Longest wait of the event loop since the heartbeat before the last.',
      of(({ loopLagMs }) => loopLagMs / 1_000),
    ),
    gauge(
      'drover_worker_resident_memory_bytes',
      'Resident memory.',
      of(({ rssBytes }) => rssBytes),
    ),
    counter(
      'drover_worker_cpu_seconds_total',
      'CPU time, of user and system.',
      of(({ cpuMs }) => cpuMs / 1_000),
    ),
    gauge(
      'drover_worker_start_time_seconds',
      'Start, in seconds since 1970.',
      of(({ startedAt }) => startedAt / 1_000),
    ),
    counter(
      'drover_worker_attempts_total',
      'Attempts that ended, however they ended.',
      of(({ handled }) => handled),
    ),
    gauge(
      'drover_worker_left_behind_handlers',
      'Handlers that run although their attempt is over.',
      of(({ leftBehind }) => leftBehind),
    ),
  ]
}

function placeMetrics(seen: readonly Seen[]): MetricFamily[] {
  const of = (read: (queue: QueueHealth) => number) =>
    seen.flatMap(({ labels, health }) =>
      health.queues.map((each) => [{ ...labels, queue: each.queue }, read(each)] as const),
    )
  return [
    gauge(
      'drover_worker_concurrency',
      'Jobs of the queue that the process runs at once.',
      of(({ concurrency }) => concurrency),
    ),
    gauge(
      'drover_worker_running_jobs',
      'Jobs of the queue that run now.',
      of(({ running }) => running),
    ),
    counter(
      'drover_worker_rebuilds_total',
      'Times that the queue was unread although Redis answered, and its consumer was built anew.',
      of(({ rebuilds }) => rebuilds),
    ),
    gauge(
      'drover_worker_queue_stuck',
      '1 when building the consumer anew has not helped.',
      of(({ isStuck }) => (isStuck ? 1 : 0)),
    ),
  ]
}

function jobMetrics(seen: readonly Seen[]): MetricFamily[] {
  const of = <Value>(read: (tally: JobTally) => Value) =>
    seen.flatMap(({ labels, health }) =>
      health.queues.flatMap(({ queue, jobs }) =>
        jobs.map((tally) => [{ ...labels, queue, job: tally.job }, read(tally)] as const),
      ),
    )
  return [
    counter(
      'drover_worker_jobs_completed_total',
      'Jobs that completed in this process.',
      of(({ completed }) => completed),
    ),
    counter(
      'drover_worker_jobs_failed_total',
      'Jobs that failed for good in this process.',
      of(({ failed }) => failed),
    ),
    counter(
      'drover_worker_attempts_retried_total',
      'Attempts that failed and were followed by another.',
      of(({ retried }) => retried),
    ),
    histogram(
      'drover_worker_job_run_seconds',
      'Run time of the last attempt.',
      of(({ run }) => run),
    ),
    histogram(
      'drover_worker_job_wait_seconds',
      'Wait for the first attempt, delays left out.',
      of(({ wait }) => wait),
    ),
  ]
}

type Samples<Value> = readonly (readonly [Labels, Value])[]

function gauge(name: string, help: string, samples: Samples<number>): MetricFamily {
  return { name, help, type: 'gauge', samples }
}

function counter(name: string, help: string, samples: Samples<number>): MetricFamily {
  return { name, help, type: 'counter', samples }
}

function histogram(name: string, help: string, samples: Samples<TimeHistogram>): MetricFamily {
  return { name, help, type: 'histogram', samples }
}
