// In a worker process below a supervisor: says when the process has reached a limit and is to be replaced.
import type { Worker } from '../../worker/index.js'
import { tellSupervisor } from './messages.js'

const LOOK_MS = 1_000
/** A replacement that could not start is asked for again after this. */
const ASK_AGAIN_MS = 30_000
/** A fresh process that is over its memory limit is not replaced at once, or a low limit would only start processes. */
const LEAST_LIFE_MS = 10_000

export interface WorkerLimits {
  readonly maxMemoryBytes: number | undefined
  readonly maxJobs: number | undefined
}

/** Looks each second; without limits not at all. */
export function watchLimits(worker: Pick<Worker, 'handled' | 'state'>, limits: WorkerLimits): void {
  const { maxMemoryBytes = Number.POSITIVE_INFINITY, maxJobs = Number.POSITIVE_INFINITY } = limits
  if (limits.maxMemoryBytes === undefined && limits.maxJobs === undefined) return
  const startedAt = performance.now()
  let askedAt = Number.NEGATIVE_INFINITY
  const timer = setInterval(() => {
    const now = performance.now()
    if (worker.state === 'close' || now - askedAt < ASK_AGAIN_MS) return
    const rssBytes = process.memoryUsage.rss()
    const { handled } = worker
    const isTooLarge = rssBytes > maxMemoryBytes && now - startedAt >= LEAST_LIFE_MS
    if (!isTooLarge && handled < maxJobs) return
    askedAt = now
    void tellSupervisor({ kind: 'recycle', why: isTooLarge ? 'memory' : 'jobs', rssBytes, handled })
  }, LOOK_MS)
  timer.unref()
}
