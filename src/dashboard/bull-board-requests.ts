// What bull-board would take at its word, checked before it: that an id is the id of a job, a status one that there is, a
// page a number Redis can count to. BullMQ takes any key of a queue for a job: `meta` as an id would remove the queue's own.
import type { Request, RequestHandler } from 'express'
import { queueKeys, type RedisClient } from '../redis/index.js'
import { answerProblem, type Problem } from './problems.js'

const STATUSES = [
  ...['latest', 'active', 'waiting', 'waiting-children', 'prioritized', 'completed', 'failed', 'delayed', 'paused'],
]
const OF_A_JOB = [
  ...['retry', 'clean', 'promote', 'update-data', 'delay', 'priority', 'remove-unprocessed-children', 'logs', 'flow'],
]
/** What stands in a job's place in the path and is none. */
const OF_A_QUEUE = ['metrics', 'default-job-options', 'workers', 'rate-limit', 'job-data-schema', 'job-schedulers']
const MAX_PAGE = 1_000_000

/** Refuses requests about a job that is none, a status that is none, or a page that no list has. */
export function refuseStrange({ client, prefix }: { client: RedisClient; prefix: string }): RequestHandler {
  return (request, response, next) => {
    if (!hasKnownPages(request) || !hasKnownStatus(request)) return answerProblem(request, response, BAD_REQUEST)
    const job = jobOf(request)
    if (job === undefined) return next()
    isJob(client, queueKeys(prefix, job.queue).bullBase + job.id).then(
      (isThere) => (isThere ? next() : answerProblem(request, response, NO_JOB)),
      next,
    )
  }
}

function partsOf(request: Request): string[] {
  return request.path.split('/').slice(1).map(decodeURIComponent)
}

/** The job that the request is about; `/queues/<queue>/<job>[/<action>]` below the board's API. */
function jobOf(request: Request): { queue: string; id: string } | undefined {
  const [queues, queue, id, action, ...rest] = partsOf(request)
  if (queues !== 'queues' || queue === undefined || id === undefined || rest.length > 0) return undefined
  if (OF_A_QUEUE.includes(id)) return undefined
  const isJobRead = action === undefined && request.method === 'GET'
  return isJobRead || (action !== undefined && OF_A_JOB.includes(action)) ? { queue, id } : undefined
}

// Every job has a timestamp; a queue's own hashes, and those of schedulers, have none.
async function isJob(client: RedisClient, key: string): Promise<boolean> {
  try {
    return (await client.hexists(key, 'timestamp')) === 1
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return false
    throw error
  }
}

function hasKnownStatus(request: Request): boolean {
  const [queues, , action, status, ...rest] = partsOf(request)
  const isOfStatus = queues === 'queues' && (action === 'clean' || action === 'retry') && rest.length === 0
  return !isOfStatus || status === undefined || STATUSES.includes(status) || OF_A_JOB.includes(status)
}

function hasKnownPages({ query }: Request): boolean {
  return [query.page, query.jobsPerPage].every((value) => value === undefined || !(Number(value) > MAX_PAGE))
}

const NO_JOB: Problem = { status: 404, code: 'JOB_NOT_FOUND', message: 'There is no job of this id in this queue.' }
const BAD_REQUEST: Problem = {
  status: 400,
  code: 'BAD_REQUEST',
  message: 'The page or the status that the request asks for does not exist.',
}
