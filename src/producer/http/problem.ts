// What a request that is not served is answered: which status, which stable `code`, which words. No stack, no text of a
// parser and none of Redis goes out; the log has those under the request's id. The shape is that of src/job/http.
import { problemDocument } from '../../job/http/index.js'
import { type DroverError, isDroverError } from '../../job/index.js'

/** What goes out beside `type`, `title`, `code`, `detail` and `requestId`. */
export type ProblemExtras = Readonly<Record<string, unknown>>

/** Refuses a request: thrown by whatever looks at it, answered in answer.ts. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly extras: ProblemExtras
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    detail: string,
    { extras = {}, headers = {} }: { extras?: ProblemExtras; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail)
    this.status = status
    this.code = code
    this.extras = extras
    this.headers = headers
  }
}

/** Codes that only the API has, with their status; docs/http-api.md says what each means. */
export const REQUEST_CODES = {
  INVALID_JSON: 400,
  INVALID_IDEMPOTENCY_KEY: 400,
  BODY_TRUNCATED: 400,
  BAD_URL: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  BATCH_CLOSED: 409,
  RESULT_EXPIRED: 410,
  BODY_TOO_LARGE: 413,
  TOO_MANY_LINES: 413,
  CONTENT_TYPE: 415,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  TOO_MANY_STREAMS: 503,
} as const

export type RequestCode = keyof typeof REQUEST_CODES

/** A refusal by a code of REQUEST_CODES. */
export function refuse(
  code: RequestCode,
  detail: string,
  options: { extras?: ProblemExtras; headers?: Readonly<Record<string, string>> } = {},
): Refusal {
  return new Refusal(REQUEST_CODES[code], code, detail, options)
}

/** The status for each code of Drover's errors that a request can meet; any other is our fault: 500. */
export const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  INVALID_INPUT: 422,
  NOT_JSON: 422,
  TOO_LARGE: 413,
  INVALID_OPTION: 422,
  UNKNOWN_OPTION: 422,
  UNKNOWN_JOB: 422,
  INVALID_JOB_ID: 422,
  INVALID_QUEUE_NAME: 422,
  INVALID_COUNTER_NAME: 422,
  EMPTY_BULK: 422,
  EMPTY_FLOW: 422,
  INVALID_FLOW: 422,
  JOB_NOT_FOUND: 404,
  JOB_STATE: 409,
  ERROR_GROUP_NOT_FOUND: 404,
  REPLAY_NOT_FOUND: 404,
  DISCARD_NOT_FOUND: 404,
  NO_FAILED_JOBS: 409,
  QUEUE_NOT_FOUND: 404,
  SCHEDULE_NOT_FOUND: 404,
  RESULT_NOT_FOUND: 404,
  COUNTER_NOT_INTEGER: 409,
  COUNTER_OVERFLOW: 409,
  IDEMPOTENCY_CONFLICT: 409,
  QUEUE_FULL: 503,
  REDIS_UNAVAILABLE: 503,
  REDIS_AUTH: 503,
  REDIS_FULL: 503,
  REDIS_REFUSED: 503,
  REDIS_NOT_DURABLE: 503,
  NOT_REPLICATED: 503,
  REDIS_URL_INVALID: 503,
  CLOSED: 503,
}

/** Seconds after which a server that cannot serve now is worth asking again. */
const RETRY_AFTER_SECONDS = '2'
const AWAY =
  'The job store cannot be used now. Repeat the request later; the log has the details under this request id, or that of one like it.'
const OWN_FAULT = 'Something went wrong here; the log has the details under this request id, or that of one like it.'

/** The refusal for anything that was thrown while a request was served. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (isDroverError(error)) return ofDroverError(error)
  return ofExpressError(error) ?? refuse('INTERNAL', OWN_FAULT)
}

/** The body of the answer. */
export function problemBody({ status, code, message: detail, extras }: Refusal, requestId: string): ProblemExtras {
  return problemDocument({ status, code, detail, requestId, extras })
}

function ofDroverError(error: DroverError): Refusal {
  const status = STATUS_OF_CODE[error.code]
  if (status === undefined) return refuse('INTERNAL', OWN_FAULT)
  const extras = extrasOf(error)
  if (status !== 503) return new Refusal(status, error.code, error.message, { extras })
  // Addresses and replies of Redis are for the log.
  const detail = error.code === 'QUEUE_FULL' ? error.message : AWAY
  return new Refusal(status, error.code, detail, { extras, headers: { 'Retry-After': RETRY_AFTER_SECONDS } })
}

/** Fields of the error that help a program: which job, what is wrong where, what was meant. */
const EXTRA_FIELDS = ['issues', 'issueCount', 'suggestion', 'path', 'option', 'maxBytes', 'jobId', 'state'] as const

function extrasOf(error: DroverError): ProblemExtras {
  const fields = error as unknown as Readonly<Record<string, unknown>>
  return Object.fromEntries(EXTRA_FIELDS.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])))
}

// Express refuses a path that it cannot decode with status 400.
function ofExpressError(error: unknown): Refusal | undefined {
  const { status } = (error ?? {}) as { status?: unknown }
  if (!(error instanceof URIError) && status !== 400) return undefined
  return refuse('BAD_URL', 'The path holds a "%" that starts no percent-encoding of UTF-8.')
}

export function truncated(): Refusal {
  const headers = { Connection: 'close' }
  return refuse('BODY_TRUNCATED', 'The body did not arrive as it was announced.', { headers })
}

/** The rest of such a body is not read, so the connection ends with the answer. */
export function tooLarge(maxBytes: number): Refusal {
  const detail = `The body is larger than ${maxBytes} bytes, the most that is taken here.`
  return refuse('BODY_TOO_LARGE', detail, { extras: { maxBytes }, headers: { Connection: 'close' } })
}
