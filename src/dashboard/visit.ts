// What every page knows of the request it answers, kept in `response.locals`.
import type { RequestHandler, Response } from 'express'

/** bull-board answers every path below this one. */
export const BOARD_PATH = '/queues'

export interface Visit {
  /** Path that every link starts with: empty, or `/path` without a slash at its end. */
  readonly base: string
  /** The id that the log has this request under; also sent as `X-Request-Id`. */
  readonly requestId: string
  /** Whether bull-board's script reads the answer, which wants problems in its own words. */
  readonly isBoard: boolean
  /** How the request passed the sign-in: not (yet), because none is needed, or with a session or token. */
  access: 'none' | 'open' | 'signed in'
}

/** Starts the visit of each request. `basePath` is the path browsers see; empty takes where `app.use` put us. */
export function startVisit(basePath: string): RequestHandler {
  return (request, response, next) => {
    // A mount path with parameters could make this begin with `//`, and a link to it lead to another host.
    const base = basePath || request.baseUrl.replace(/^\/+/, '/').replace(/\/$/, '')
    const isBoard = request.path === BOARD_PATH || request.path.startsWith(`${BOARD_PATH}/`)
    const visit: Visit = { base, requestId: String(request.id), isBoard, access: 'none' }
    response.locals.visit = visit
    response.setHeader('X-Request-Id', visit.requestId)
    next()
  }
}

export function visitOf(response: Response): Visit {
  return response.locals.visit as Visit
}
