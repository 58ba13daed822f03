// The one shape of an answer that refuses a request: a problem document of RFC 9457, from the HTTP API, the dashboard and a
// worker's health server alike. Which status and code it has is said by whoever refuses.
import { STATUS_CODES } from 'node:http'

export const PROBLEM_TYPE = 'application/problem+json'

export interface ProblemFacts {
  readonly status: number
  /** Stable, for programs. */
  readonly code: string
  /** What was expected, what came, and what to do next. */
  readonly detail: string
  /** The id that the log has the request under; undefined where requests are not logged. */
  readonly requestId?: string | undefined
  /** Further members, which help with this problem. */
  readonly extras?: Readonly<Record<string, unknown>> | undefined
}

/** The body of the answer. */
export function problemDocument({
  status,
  code,
  detail,
  requestId,
  extras,
}: ProblemFacts): Readonly<Record<string, unknown>> {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail,
    ...(requestId === undefined ? {} : { requestId }),
    ...extras,
  }
}
