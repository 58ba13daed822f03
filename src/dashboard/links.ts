// Where a page of the dashboard is about something, as a link below the base path.
import type { About } from '../ledger/index.js'
import { BOARD_PATH } from './visit.js'

export function queueLink(base: string, queue: string, status?: string): string {
  const query = status === undefined ? '' : `?status=${status}`
  return `${base}${BOARD_PATH}/queue/${encodeURIComponent(queue)}${query}`
}

/** The page of one job; bull-board's page of it is linked from there. */
export function jobLink(base: string, queue: string, id: string): string {
  return `${base}/results/${encodeURIComponent(queue)}/${encodeURIComponent(id)}`
}

/** bull-board's page of a job; it looks for the job in the list of this status. */
export function boardJobLink(base: string, queue: string, id: string, status: string): string {
  return `${base}${BOARD_PATH}/queue/${encodeURIComponent(queue)}/${encodeURIComponent(id)}?status=${encodeURIComponent(status)}`
}

export function errorGroupLink(base: string, queue: string, group: string): string {
  return `${base}/errors/${encodeURIComponent(queue)}/${encodeURIComponent(group)}`
}

/** Where somebody sees what a finding is about, and how that link reads. */
export function linkOf(base: string, about: About): { readonly href: string; readonly text: string } {
  switch (about.kind) {
    case 'redis':
      return { href: `${base}/#redis`, text: 'Redis' }
    case 'queue':
      return { href: queueLink(base, about.queue), text: `queue ${about.queue}` }
    case 'job':
      return {
        href: `${base}/errors?${new URLSearchParams({ queue: about.queue, job: about.job })}`,
        text: 'its errors',
      }
    case 'run':
      return { href: jobLink(base, about.queue, about.id), text: 'the job' }
    case 'workers':
      return { href: `${base}/workers`, text: 'workers' }
    case 'schedules':
      return { href: `${base}/schedules`, text: 'schedules' }
  }
}
