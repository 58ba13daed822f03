// Whether some worker would take a job: what their heartbeats tell of it.

import type { WorkerBeat } from '../fleet.js'
import { workersOf } from '../health/queue-rules.js'
import type { JobFacts } from './job-facts.js'

export type ReasonCode =
  | 'FINISHED'
  | 'ACTIVE'
  | 'CANCELLING'
  | 'STALLED'
  | 'PAUSED_JOB'
  | 'PAUSED_QUEUE'
  | 'DELAYED'
  | 'WAITS_FOR_CHILDREN'
  | 'WAITS_FOR_FLOW'
  | 'MERGES'
  | 'MERGED'
  | 'START_BY_PASSED'
  | 'RATE_LIMITED'
  | 'QUEUE_FULL'
  | 'KEY_FULL'
  | 'KEY_RATE_LIMITED'
  | 'NO_WORKER'
  | 'NO_HANDLER'
  | 'OLDER_WORKERS'
  | 'WORKERS_QUIET'
  | 'WORKERS_FULL'
  | 'IN_LINE'
  | 'LOST'

export interface Reason {
  /** Stable; docs/operations.md has them all. */
  readonly code: ReasonCode
  /** A sentence for people; it may change. */
  readonly message: string
  /** DELAYED: `delay`, `debounce`, `backoff` after an attempt, `put-off` by the handler. */
  readonly why?: 'delay' | 'debounce' | 'backoff' | 'put-off'
  /** Milliseconds since 1970, as all times. */
  readonly until?: number
  readonly since?: number
  readonly at?: number
  /** Id of the worker that runs it. */
  readonly worker?: string
  readonly position?: number
  readonly count?: number
  /** KEY_FULL: ids of the jobs that have the permits of its key, up to 100. */
  readonly jobs?: readonly string[]
  /** MERGED: id of the job that took its input in. */
  readonly into?: string
  readonly total?: number
  readonly completed?: number
  readonly failed?: number
}

/** The first thing that is wrong with the workers of the queue, as far as this job goes; nothing when one would take it. */
export function reasonsOfWorkers(
  { job = '', version }: JobFacts,
  { workers, queue }: { readonly workers: readonly WorkerBeat[]; readonly queue: string },
): Reason[] {
  const working = workersOf(queue, workers).filter(({ state }) => state !== 'close')
  if (working.length === 0) return [{ code: 'NO_WORKER', message: `no worker of queue ${queue} is there` }]
  const loadOf = ({ queues }: WorkerBeat) => queues.find((load) => load.queue === queue)
  // A worker that tells nothing of its handlers is taken to have it.
  const versionOf = (worker: WorkerBeat) => {
    const handles = loadOf(worker)?.handles
    if (handles === undefined) return Number.POSITIVE_INFINITY
    return Object.hasOwn(handles, job) ? handles[job] : undefined
  }
  const handling = working.filter((worker) => versionOf(worker) !== undefined)
  if (handling.length === 0) {
    const message = `none of the ${working.length} workers of the queue has a handler for ${job}: it would fail with NO_HANDLER`
    return [{ code: 'NO_HANDLER', message, count: working.length }]
  }
  const able = handling.filter((worker) => (versionOf(worker) ?? 0) >= version)
  if (able.length === 0) {
    const message = `its input has version ${version}, newer than all workers know: they put it back`
    return [{ code: 'OLDER_WORKERS', message, count: handling.length }]
  }
  const running = able.filter(({ state }) => state === 'run')
  if (running.length === 0) {
    return [
      { code: 'WORKERS_QUIET', message: `all ${able.length} workers that handle it are quiet`, count: able.length },
    ]
  }
  const hasRoom = running.some((worker) => {
    const load = loadOf(worker)
    return load !== undefined && load.running < load.concurrency
  })
  if (hasRoom) return []
  const message = `all places of the ${running.length} workers that handle it were taken at their last heartbeats`
  return [{ code: 'WORKERS_FULL', message, count: running.length }]
}
