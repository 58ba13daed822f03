// One queue as a row of a table, for `drover queues` and `drover top`; and what is said of those that cannot be read.
import type { QueueView, UnreadableQueue } from '../ledger/index.js'
import { type Output, printable } from './output.js'
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

/** Names the queues that a key of another type keeps from being read. */
export function noteUnreadable(out: Output, unreadable: readonly UnreadableQueue[]): void {
  for (const { queue, problem } of unreadable) out.note(printable(`queue ${queue} cannot be read: ${problem}`))
}

function rate(perMinute: number): number {
  return perMinute >= 10 ? Math.round(perMinute) : Math.round(perMinute * 10) / 10
}
