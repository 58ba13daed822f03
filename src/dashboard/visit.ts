// What every page knows of the request it answers, kept in `response.locals`.
import type { RequestHandler, Response } from 'express'
import { includesRole, type Role } from '../ledger/index.js'
import type { Person } from './access/person.js'
import type { CheckedOptions } from './options.js'

/** bull-board answers every path below this one. */
export const BOARD_PATH = '/queues'

export interface Visit {
  /** Path that every link starts with: empty, or `/path` without a slash at its end. */
  readonly base: string
  /** The id that the log has this request under; also sent as `X-Request-Id`. */
  readonly requestId: string
  /** Whether bull-board's script reads the answer, which wants problems in its own words. */
  readonly isBoard: boolean
  /** Nothing that changes a job or a queue is offered, or taken. */
  readonly isReadOnly: boolean
  /** How long a read of Redis may take. */
  readonly timeoutMs: number
  /** Who asks; undefined for whoever did not pass the sign-in. */
  person: Person | undefined
}

/** Whether whoever asks may do what takes this role: what they may not do is not offered to them. */
export function may({ person, isReadOnly }: Visit, needed: Role): boolean {
  return person !== undefined && includesRole(person.role, needed) && (needed === 'viewer' || !isReadOnly)
}

/** Starts the visit of each request. `basePath` is the path browsers see; empty takes where `app.use` put us. */
export function startVisit({ basePath, readOnly: isReadOnly, timeoutMs }: CheckedOptions): RequestHandler {
  return (request, response, next) => {
    // A mount path with parameters could make this begin with `//`, and a link to it lead to another host.
    const base = basePath || request.baseUrl.replace(/^\/+/, '/').replace(/\/$/, '')
    const isBoard = request.path === BOARD_PATH || request.path.startsWith(`${BOARD_PATH}/`)
    const visit: Visit = { base, requestId: String(request.id), isBoard, isReadOnly, timeoutMs, person: undefined }
    response.locals.visit = visit
    response.setHeader('X-Request-Id', visit.requestId)
    next()
  }
}

export function visitOf(response: Response): Visit {
  return response.locals.visit as Visit
}
