// What a request that cannot be served is answered: a page for browsers, the problem document of src/job/http for programs.
// No stack, no text of a parser or of Redis goes out; the log has them under the request's id.
import type { ErrorRequestHandler, Request, Response } from 'express'
import { PROBLEM_TYPE, problemDocument } from '../job/http/index.js'
import { DroverError } from '../job/index.js'
import { bareRedisError, maskRedisError } from '../redis/index.js'
import { problemPage } from './layout.js'
import { visitOf } from './visit.js'

export interface Problem {
  readonly status: number
  /** Stable, for programs. */
  readonly code: string
  /** What was expected, and what to do next. */
  readonly message: string
}

export function answerProblem(request: Request, response: Response, problem: Problem): void {
  response.status(problem.status)
  if (request.method === 'HEAD') response.end()
  else if (wantsPage(request)) response.type('html').send(String(problemPage(visitOf(response), problem)))
  else {
    const { status, code, message: detail } = problem
    const { isBoard, requestId } = visitOf(response)
    const extras = isBoard ? boardWords(problem) : {}
    response.setHeader('Content-Type', PROBLEM_TYPE)
    response.end(JSON.stringify(problemDocument({ status, code, detail, requestId, extras })))
  }
}

// bull-board's script shows the text of `error.key` as title and `message` below it, beside which there is our problem.
function boardWords({ status, message }: Problem): Readonly<Record<string, unknown>> {
  return { error: { key: BOARD_TITLES[status] ?? BOARD_TITLE }, message }
}

const BOARD_TITLE = 'ERRORS.INTERNAL_SERVER_ERROR'
const BOARD_TITLES: Readonly<Record<number, string>> = {
  401: 'ERRORS.FORBIDDEN',
  403: 'ERRORS.FORBIDDEN',
  404: 'ERRORS.JOB_NOT_FOUND',
  503: 'ERRORS.REDIS_UNAVAILABLE',
}

/** True for a browser that shows what it gets; a script or a program gets JSON unless it asks for HTML. */
export function wantsPage(request: Request): boolean {
  return /\btext\/html\b/.test(request.headers.accept ?? '')
}

/** Express's last handler: whatever was thrown becomes a problem, and what is our fault is logged. */
export const answerError: ErrorRequestHandler = (error: unknown, request, response, next) => {
  const problem = problemOf(error, visitOf(response).timeoutMs)
  // pino-http logs `err` with the request; a raw error may carry a command's arguments or the body that was sent.
  if (problem.status >= 500) response.err = bareRedisError(error)
  if (response.headersSent) return next(error)
  answerProblem(request, response, problem)
}

/** The problem behind anything that was thrown while a request was served; `timeoutMs` is what its reads may take. */
export function problemOf(error: unknown, timeoutMs: number): Problem {
  return (
    bodyProblem(error) ??
    askedForProblem(error) ??
    jobProblem(error) ??
    redisProblem(error, timeoutMs) ??
    droverProblem(error) ??
    INTERNAL
  )
}

const INTERNAL: Problem = {
  status: 500,
  code: 'INTERNAL',
  message:
    'Something went wrong here. The log of the dashboard has the details under this request id, or that of one like it.',
}

// body-parser names what it refuses by `type`; express refuses a path it cannot decode with a URIError of status 400.
const BODY_PROBLEMS: Readonly<Record<string, Problem>> = {
  'entity.too.large': { status: 413, code: 'BODY_TOO_LARGE', message: 'The body is larger than this route takes.' },
  'entity.parse.failed': { status: 400, code: 'INVALID_JSON', message: 'The body is not JSON.' },
  'parameters.too.many': { status: 413, code: 'BODY_TOO_LARGE', message: 'The form has more fields than expected.' },
  'encoding.unsupported': { status: 415, code: 'BODY_ENCODING', message: 'Send the body without compression.' },
  'charset.unsupported': { status: 415, code: 'BODY_ENCODING', message: 'Send the body as UTF-8.' },
}
const BAD_BODY: Problem = { status: 400, code: 'BAD_REQUEST', message: 'The body did not arrive as it was announced.' }
const BAD_URL: Problem = { status: 400, code: 'BAD_URL', message: 'The URL has a "%" that starts no percent-encoding.' }

function bodyProblem(error: unknown): Problem | undefined {
  if (error instanceof URIError) return BAD_URL
  const { type, status } = (error ?? {}) as { type?: unknown; status?: unknown }
  if (typeof type === 'string' && Object.hasOwn(BODY_PROBLEMS, type)) return BODY_PROBLEMS[type]
  return typeof type === 'string' && status === 400 ? BAD_BODY : undefined
}

// What a person asked for that cannot be done, by the code of its error.
const ASKED_FOR: Readonly<Record<string, number>> = {
  ERROR_GROUP_NOT_FOUND: 404,
  REPLAY_NOT_FOUND: 404,
  DISCARD_NOT_FOUND: 404,
  NO_FAILED_JOBS: 409,
  QUEUE_NOT_FOUND: 404,
  SCHEDULE_NOT_FOUND: 404,
  INVALID_OPTION: 422,
}

function askedForProblem(error: unknown): Problem | undefined {
  const status = error instanceof DroverError ? ASKED_FOR[error.code] : undefined
  if (status === undefined) return undefined
  const { code, message } = error as DroverError
  return { status, code, message: `${message}.` }
}

// BullMQ's errors carry the number that its script returned.
const JOB_GONE = -1
const JOB_LOCKED = 'could not be removed because it is locked'

function jobProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  if (code === JOB_GONE) return { status: 404, code: 'JOB_NOT_FOUND', message: 'The job does not exist any more.' }
  if ((typeof code === 'number' && code < 0) || error.message.includes(JOB_LOCKED)) {
    const message = 'The job is in another state by now: look at it again before you repeat this.'
    return { status: 409, code: 'JOB_STATE_CHANGED', message }
  }
  return undefined
}

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  JOB_NOT_FOUND: 404,
  JOB_STATE: 409,
  INVALID_INPUT: 400,
  NOT_JSON: 400,
  TOO_LARGE: 413,
}

// Other typed errors are of the configuration: they are our fault, and their message is for the log.
function droverProblem(error: unknown): Problem | undefined {
  if (!(error instanceof DroverError)) return undefined
  const status = STATUS_OF_CODE[error.code]
  return status === undefined ? undefined : { status, code: error.code, message: error.message }
}

/** The problem when Redis is down, refuses us or has no such database; undefined for any other error. */
export function redisProblem(error: unknown, timeoutMs: number): Problem | undefined {
  const masked = maskRedisError(error, { operation: 'the dashboard', timeoutMs })
  if (!(masked instanceof DroverError) || !masked.code.startsWith('REDIS_')) return undefined
  return { status: 503, code: masked.code, message: masked.message }
}
