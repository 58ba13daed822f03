// One request from start to end: its id, who asks, its answer and its line in the log. Never a header, a query or a body
// is logged: tokens and jobs' data are in those.
import { randomUUID } from 'node:crypto'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { Logger } from 'pino'
import { PROBLEM_TYPE } from '../../job/http/index.js'
import { logThinned } from '../../job/index.js'
import type { Access } from '../../ledger/index.js'
import { bareRedisError } from '../../redis/index.js'
import { problemBody, refusalOf } from './problem.js'

export interface Call {
  readonly request: Request
  readonly response: Response
  /** In the answer as `X-Request-Id`, and in the log. */
  readonly id: string
  /** Who asks; undefined until the token was checked. */
  access: Access | undefined
  /** Method and path of the route that was entered, with its parameters unfilled: of a line's kind, of which there may be few. */
  route: string
  /** Why it was refused, for the log. */
  code: string | undefined
  /** What went wrong on our side, for the log. */
  error: unknown
}

const SAFE_ID = /^[A-Za-z0-9_.-]{1,64}$/
const MAX_PATH_LENGTH = 200
const NOT_PRINTABLE = /[^\x21-\x7e]/g

/** Starts the call of each request, and logs it when it has been answered; of many that were refused alike, one a second. */
export function startCall(logger: Logger | undefined): RequestHandler {
  return (request, response, next) => {
    const given = request.headers['x-request-id']
    const id = typeof given === 'string' && SAFE_ID.test(given) ? given : randomUUID()
    const call: Call = { request, response, id, access: undefined, route: '', code: undefined, error: undefined }
    response.locals.droverCall = call
    response.setHeader('X-Request-Id', id)
    // Answers show jobs' data: no cache may keep them.
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('X-Content-Type-Options', 'nosniff')
    response.removeHeader('X-Powered-By')
    if (logger !== undefined) logAtEnd(logger, call)
    next()
  }
}

export function callOf(response: Response): Call {
  return response.locals.droverCall as Call
}

/** The access of a call whose token has been checked. */
export function accessOf({ access }: Call): Access {
  if (access === undefined) throw new Error('the token is checked before any route is entered')
  return access
}

export function answerJson({ response }: Call, status: number, body: unknown, contentType = 'application/json'): void {
  const text = JSON.stringify(body)
  response.statusCode = status
  response.setHeader('Content-Type', contentType)
  response.setHeader('Content-Length', Buffer.byteLength(text))
  response.end(text)
}

export function answerNothing({ response }: Call): void {
  response.statusCode = 204
  response.end()
}

/** Express's last handler: whatever was thrown becomes a problem, and what is our fault is logged. */
export function answerError(error: unknown, _request: Request, response: Response, _next: NextFunction): void {
  const call = callOf(response)
  const refusal = refusalOf(error)
  call.code = refusal.code
  // A raw error may carry a command's arguments, which may be an input.
  if (refusal.status >= 500) call.error = bareRedisError(error)
  // An answer that has begun cannot become another one: its reader sees that it was cut.
  if (response.headersSent) {
    response.destroy()
    return
  }
  for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value)
  answerJson(call, refusal.status, problemBody(refusal, call.id), PROBLEM_TYPE)
}

function logAtEnd(logger: Logger, call: Call): void {
  const { request, response, id } = call
  const startedMs = performance.now()
  const path = showPath(request.originalUrl)
  response.once('close', () => {
    const status = response.statusCode
    const line = {
      requestId: id,
      method: request.method,
      path,
      status,
      ...(call.code === undefined ? {} : { code: call.code }),
      ms: Math.round(performance.now() - startedMs),
      ...(call.access === undefined ? {} : { token: call.access.id }),
      ...(call.error === undefined ? {} : { err: call.error }),
      ...(response.writableFinished ? {} : { cut: true }),
    }
    if (status < 400) logger.info(line, 'API request')
    else if (status < 500) logThinned(logger, 'warn', line, 'API request', `${status} ${call.code}`)
    else logThinned(logger, 'error', line, 'API request', `${status} ${call.code} ${call.route}`)
  })
}

function showPath(url: string): string {
  return (url.split('?', 1)[0] ?? '').slice(0, MAX_PATH_LENGTH).replace(NOT_PRINTABLE, '?')
}
