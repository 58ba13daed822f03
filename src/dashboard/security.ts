// The headers of every answer, and the rule that nothing changes at the request of another site.
import type { Request, RequestHandler } from 'express'
import helmet from 'helmet'
import { bearerToken } from './access/sign-in.js'
import { answerProblem } from './problems.js'

const PAGE_CSP = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
  'form-action': ["'self'"],
  'frame-ancestors': ["'none'"],
  'base-uri': ["'none'"],
}

// What bull-board's page needs beyond ours: styles that its scripts set, and a <base>.
const BOARD_CSP = {
  ...PAGE_CSP,
  'style-src': ["'self'", "'unsafe-inline'"],
  'font-src': ["'self'"],
  'base-uri': ["'self'"],
}

/** Headers for our own pages and data. */
export const pageHeaders: RequestHandler = withHeaders(PAGE_CSP)
/** Headers for bull-board, in place of those of our pages. */
export const boardHeaders: RequestHandler = withHeaders(BOARD_CSP)

function withHeaders(directives: Record<string, string[]>): RequestHandler {
  const setHeaders = helmet({
    contentSecurityPolicy: { useDefaults: false, directives },
    // Not no-referrer: with it browsers send `Origin: null` from our own forms, which then look foreign over http.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
    // Whoever ends TLS decides this for the whole host name, not one application behind it.
    strictTransportSecurity: false,
  })
  return (request, response, next) => {
    // Pages show jobs' data: no cache may keep them. Assets say otherwise.
    response.setHeader('Cache-Control', 'no-store')
    setHeaders(request, response, next)
  }
}

/** Lets reads through, and of the rest only what our own pages or a program with a bearer token ask for. */
export const onlySameOrigin: RequestHandler = (request, response, next) => {
  if (isRead(request) || isSameOrigin(request)) return next()
  answerProblem(request, response, {
    status: 403,
    code: 'CROSS_SITE',
    message:
      'Refused: a change must come from a page of this dashboard. A proxy in front must pass the Host header on; ' +
      'a program sends its token as Authorization: Bearer, or without a token an Origin header of this address.',
  })
}

export function isRead(request: Request): boolean {
  return request.method === 'GET' || request.method === 'HEAD'
}

// Browsers set both headers themselves and let no script do so. Sec-Fetch-Site is not sent over plain http to other
// machines, Origin is sent with every change; `host` is X-Forwarded-Host behind a trusted proxy.
function isSameOrigin(request: Request): boolean {
  const { origin, cookie } = request.headers
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') return false
  if (origin !== undefined) return isOwnOrigin(origin, request.host)
  return site === 'same-origin' || (bearerToken(request) !== undefined && cookie === undefined)
}

function isOwnOrigin(origin: string, host: string | undefined): boolean {
  const match = /^https?:\/\/(.+)$/i.exec(origin)
  return match?.[1] !== undefined && match[1].toLowerCase() === host?.toLowerCase()
}
