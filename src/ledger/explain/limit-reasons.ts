// What a job in the line of its key waits for: a permit that others have, the rate of the key, or a free worker.
import type { LimitOfJob } from '../limits/read-limits.js'
import type { Reason } from './worker-reasons.js'

/** Ids that are named in the message; `jobs` has up to 100. */
const MAX_NAMED = 3

/** Nothing for a job that is in no line: it has its permit, or is not to start yet. */
export function reasonsOfLimit(limit: LimitOfJob | undefined): Reason[] {
  if (limit?.position === undefined) return []
  const { waitsFor, freeAt, position } = limit
  const name = JSON.stringify(limit.key)
  const place: Reason = {
    code: 'IN_LINE',
    message: position === 0 ? `it is the next of key ${name}` : `${position} jobs of key ${name} are before it`,
    position: position + 1,
  }
  if (waitsFor === 'permit') return [full(limit, name), place]
  if (waitsFor === 'rate' && freeAt !== undefined) {
    const message = `the rate limit of key ${name} is used up until ${new Date(freeAt).toISOString()}`
    return [{ code: 'KEY_RATE_LIMITED', message, until: freeAt }, place]
  }
  return [place]
}

function full({ held, holders }: LimitOfJob, name: string): Reason {
  const named = holders.slice(0, MAX_NAMED).join(', ')
  const more = held > MAX_NAMED ? ` and ${held - MAX_NAMED} more` : ''
  const message = `key ${name} has as many jobs at work as it may: ${named}${more}`
  return { code: 'KEY_FULL', message, count: held, jobs: holders }
}
