// What every request passes before its route: the token, the rate limits, the scope. Closed by default: whatever is not
// let in here is answered 401, also for paths that do not exist.
import type { Request, RequestHandler } from 'express'
import { ipKeyGenerator, rateLimit } from 'express-rate-limit'
import type { AccessList } from '../../ledger/index.js'
import { type Access, allowsScope, type Scope } from '../../ledger/index.js'
import { type Call, callOf } from './call.js'
import { refuse } from './problem.js'

export interface RateLimits {
  /** Requests that one token may make in `windowMs`; an address without a valid token likewise. */
  readonly limit: number
  readonly windowMs: number
}

/** Wrong tokens that one address may send in `WRONG_WINDOW_MS`: the token of the settings may be short. */
export const MAX_WRONG_TOKENS = 10
export const WRONG_WINDOW_MS = 15 * 60 * 1_000
/** The part of an IPv6 address that one customer is given. */
const IPV6_SUBNET = 56
const BEARER = /^Bearer +(\S{1,512}) *$/i
const ADMIN: Access = {
  id: 'admin',
  name: 'admin',
  scopes: ['admin'],
  jobs: undefined,
  queues: undefined,
  expiresAt: undefined,
}

/** Finds out who asks. A wrong token is counted against its address; right ones from there still work. */
export function authenticate(list: AccessList): RequestHandler {
  const countWrong = limiter(addressOf, { limit: MAX_WRONG_TOKENS, windowMs: WRONG_WINDOW_MS })
  return (request, response, next) => {
    if (request.method === 'OPTIONS') return next()
    const call = callOf(response)
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined) return next()
    // Most requests bring a token that is known: nothing is counted or waited for then.
    call.access = list.findInCopy(token)
    if (call.access !== undefined) return next()
    const settle = (access: Access | undefined) => {
      call.access = access
      if (access !== undefined) return next()
      // Counted first, so that a guesser who is over the limit learns nothing, not even of the right one.
      countWrong(request, response, (error?: unknown) => {
        if (error !== undefined || !list.isAdmin(token)) return next(error)
        call.access = ADMIN
        countWrong.resetKey(addressOf(request))
        next()
      })
    }
    // Who is over the limit is looked for in the copy alone: further guesses cost Redis nothing.
    Promise.resolve(countWrong.getKey(addressOf(request)))
      .then((counted) => list.find(token, (counted?.totalHits ?? 0) >= MAX_WRONG_TOKENS))
      .then(settle, next)
  }
}

/** Counts requests per token, and per address where there is no right one. */
export function limitRate(limits: RateLimits | undefined): RequestHandler {
  if (limits === undefined) return (_request, _response, next) => next()
  const keyOf = (request: Request) => {
    const { access } = callOf(request.res as never)
    return access === undefined ? `address ${addressOf(request)}` : `token ${access.id}`
  }
  return limiter(keyOf, limits)
}

/** Everything but OPTIONS needs a token. All refusals are alike, so that none tells an expired token from a wrong one. */
export const requireToken: RequestHandler = (request, response, next) => {
  if (request.method === 'OPTIONS' || callOf(response).access !== undefined) return next()
  const detail = 'Send a valid token as Authorization: Bearer; `drover token create` makes one.'
  next(refuse('UNAUTHENTICATED', detail, { headers: { 'WWW-Authenticate': 'Bearer realm="drover"' } }))
}

/** @throws Refusal when the token does not have the scope; or is for single jobs, where a whole queue is asked about */
export function checkScope({ access }: Call, scope: Scope, reach: 'job' | 'queue'): void {
  if (access === undefined || !allowsScope(access, scope)) {
    throw refuse('FORBIDDEN', `This needs a token with the scope ${scope}.`, { extras: { scope } })
  }
  if (reach === 'queue' && access.jobs !== undefined) {
    throw refuse('FORBIDDEN', 'This token is for single jobs; this path is about a whole queue.')
  }
}

function limiter(keyGenerator: (request: Request) => string, { limit, windowMs }: RateLimits) {
  return rateLimit({
    windowMs,
    limit,
    keyGenerator,
    standardHeaders: false,
    legacyHeaders: false,
    // Its checks are warnings on the console; trust in proxies is the matter of the application that this is mounted in.
    validate: false,
    handler: (request, _response, next) => {
      const { resetTime } = (request as Request & { rateLimit?: { resetTime?: Date } }).rateLimit ?? {}
      const seconds = Math.max(1, Math.ceil(((resetTime?.getTime() ?? Date.now() + windowMs) - Date.now()) / 1_000))
      next(
        refuse('RATE_LIMITED', `Too many requests: wait ${seconds} s.`, { headers: { 'Retry-After': `${seconds}` } }),
      )
    },
  })
}

function addressOf(request: Request): string {
  return ipKeyGenerator(request.ip ?? 'unknown', IPV6_SUBNET)
}
