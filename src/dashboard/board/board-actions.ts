// Every route of bull-board's interface with the role it takes and the name it has in the audit list. What is not here is
// refused, so that a new version of bull-board brings no action that nobody decided on.
import type { Request, RequestHandler } from 'express'
import type { Role } from '../../ledger/index.js'
import { noteAction } from '../access/audited.js'
import { requireRole } from '../access/gates.js'
import { answerProblem, type Problem } from '../problems.js'
import type { Shared } from '../shared.js'
import { type Tally, withTally } from './board-tally.js'

export interface BoardRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  /** Below bull-board's path; `:name` is one part. */
  readonly path: string
  readonly role: Role
  /** What it does, for the audit list; none for what only reads. */
  readonly action?: string
  /** Why nobody may, and what to do instead. */
  readonly refusal?: string
}

const read = (path: string): BoardRoute => ({ method: 'GET', path, role: 'viewer' })
const change = (method: BoardRoute['method'], path: string, role: Role, action: string): BoardRoute => ({
  method,
  path: `/api/queues/${path}`,
  role,
  action,
})

/** The first that matches counts. An admin alone removes what cannot be brought back. */
export const BOARD_ROUTES: readonly BoardRoute[] = [
  read('/api/metrics/history'),
  read('/api/metrics/latency'),
  read('/api/redis/stats'),
  read('/api/queues'),
  read('/api/job-schedulers'),
  read('/api/queues/:queue/metrics'),
  read('/api/queues/:queue/default-job-options'),
  read('/api/queues/:queue/workers'),
  read('/api/queues/:queue/rate-limit'),
  read('/api/queues/:queue/job-data-schema'),
  read('/api/queues/:queue/:job/logs'),
  read('/api/queues/:queue/:job/flow'),
  read('/api/queues/:queue/:job'),
  change('PUT', 'pause', 'operator', 'queues pause, all'),
  change('PUT', 'resume', 'operator', 'queues resume, all'),
  change('POST', ':queue/add', 'operator', 'job add'),
  change('PUT', ':queue/retry/:status', 'operator', 'jobs retry, all'),
  change('PUT', ':queue/promote', 'operator', 'jobs promote, all'),
  change('PUT', ':queue/clean/:status', 'admin', 'jobs remove, all'),
  change('PUT', ':queue/pause', 'operator', 'queue pause'),
  change('PUT', ':queue/resume', 'operator', 'queue resume'),
  change('PUT', ':queue/concurrency', 'operator', 'queue concurrency'),
  change('PUT', ':queue/rate-limit', 'operator', 'queue rate limit'),
  change('PUT', ':queue/rate-limit/release', 'operator', 'queue rate limit release'),
  change('PUT', ':queue/empty', 'admin', 'queue empty'),
  change('PUT', ':queue/obliterate', 'admin', 'queue obliterate'),
  change('PUT', ':queue/job-schedulers/:scheduler/remove', 'admin', 'scheduler remove'),
  change('PATCH', ':queue/job-schedulers/:scheduler', 'operator', 'scheduler change'),
  change('PUT', ':queue/job-schedulers/:scheduler/run', 'operator', 'scheduler run'),
  change('PUT', ':queue/:job/retry', 'operator', 'job retry'),
  change('PUT', ':queue/:job/clean', 'admin', 'job remove'),
  change('PUT', ':queue/:job/promote', 'operator', 'job promote'),
  {
    ...change('PATCH', ':queue/:job/update-data', 'operator', 'job change input'),
    refusal:
      'An input is not changed in place, where no contract would check it: open the job in Drover, run it again with edits, and cancel this one.',
  },
  change('PATCH', ':queue/:job/delay', 'operator', 'job delay'),
  change('PATCH', ':queue/:job/priority', 'operator', 'job priority'),
  change('PUT', ':queue/:job/remove-unprocessed-children', 'admin', 'job remove children'),
]

/**
 * Refuses what takes another role than whoever asks has, and what is not in the table; writes what changed something into
 * the audit list once it is answered. bull-board's page and its files pass.
 */
export function boardActions(shared: Pick<Shared, 'client' | 'prefix' | 'logger'>): RequestHandler {
  return (request, response, next) => {
    const isApi = request.path === '/api' || request.path.startsWith('/api/')
    if (!isApi && (request.method === 'GET' || request.method === 'HEAD')) return next()
    const route = BOARD_ROUTES.find((each) => isRoute(each, request))
    if (route === undefined) return answerProblem(request, response, NOT_DECIDED)
    requireRole(route.role)(request, response, () => {
      const { action, refusal } = route
      if (refusal !== undefined) {
        return answerProblem(request, response, { status: 403, code: 'NOT_IN_PLACE', message: refusal })
      }
      if (action !== undefined) {
        const target = targetOf(request)
        const tally: Tally = { count: action.startsWith('job ') ? 1 : undefined, detail: undefined }
        response.once('close', () => {
          const { statusCode } = response
          const ended =
            statusCode < 400
              ? ({ result: 'done', count: tally.count, detail: tally.detail } as const)
              : ({ result: 'failed', detail: `HTTP ${statusCode}` } as const)
          void noteAction(shared, response, { action, target, ...ended })
        })
        return withTally(tally, next)
      }
      next()
    })
  }
}

function isRoute({ method, path }: BoardRoute, request: Request): boolean {
  if (method !== request.method && !(method === 'GET' && request.method === 'HEAD')) return false
  const wanted = path.split('/')
  const parts = request.path.replace(/\/$/, '').split('/')
  return parts.length === wanted.length && wanted.every((part, index) => part.startsWith(':') || part === parts[index])
}

/** `<queue> <job or status>` of `/api/queues/<queue>/…`, as it was asked for. */
function targetOf(request: Request): string {
  return request.path.split('/').slice(3).map(decodeURIComponent).join(' ')
}

const NOT_DECIDED: Problem = {
  status: 404,
  code: 'NOT_FOUND',
  message: 'bull-board has no such action here.',
}
