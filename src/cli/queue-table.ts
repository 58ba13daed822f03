// One queue as a row of a table, for `drover queues` and `drover top`.
import type { QueueView } from '../ledger/index.js'
import { showAge } from './show-age.js'

export const QUEUE_HEADER = [
  ...['QUEUE', 'WAITING', 'ACTIVE', 'DELAYED', 'FAILED', 'OLDEST', 'DONE/MIN', 'FAILED/MIN', 'PAUSED'],
]

export function queueRow(view: QueueView): (string | number)[] {
  const { queue, waiting, prioritized, active, delayed, failed, oldestWaitMs, perMinute, isPaused, pausedJobs } = view
  const names = pausedJobs.map(({ job, jobs }) => `${job} (${jobs})`).join(', ')
  return [
    queue,
    waiting + prioritized,
    active,
    delayed,
    failed,
    oldestWaitMs === null ? '-' : showAge(oldestWaitMs),
    rate(perMinute.completed),
    rate(perMinute.failed),
    isPaused ? 'all' : names === '' ? '-' : names,
  ]
}

function rate(perMinute: number): number {
  return perMinute >= 10 ? Math.round(perMinute) : Math.round(perMinute * 10) / 10
}
