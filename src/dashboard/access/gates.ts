// What stands before a page: sign-in, read-only mode, the role, the method; and what stands where no page is.
import type { Request, RequestHandler, Response } from 'express'
import { includesRole, type Role } from '../../ledger/index.js'
import { answerProblem, type Problem, wantsPage } from '../problems.js'
import { isRead } from '../security.js'
import { visitOf } from '../visit.js'
import type { Refused, SignIn, Throttled } from './sign-in.js'

/** Lets in whom sign-in.ts knows. Others are told how to get in. */
export function requireSignIn(signIn: SignIn): RequestHandler {
  return (request, response, next) => {
    signIn.entryOf(request).then((entry) => {
      if (typeof entry === 'object' && 'role' in entry) {
        visitOf(response).person = entry
        next()
      } else refuseEntry(request, response, entry)
    }, next)
  }
}

function refuseEntry(request: Request, response: Response, entry: Refused): void {
  if (typeof entry === 'object') answerThrottled(request, response, entry)
  else if (entry !== 'sign-in needed') answerProblem(request, response, NOT_LET_IN[entry])
  else if (request.method === 'GET' && wantsPage(request)) showSignIn(request, response)
  else {
    response.setHeader('WWW-Authenticate', 'Bearer realm="drover"')
    answerProblem(request, response, SIGN_IN_NEEDED)
  }
}

/** Lets through whose role includes `needed`; stands behind `requireSignIn`. Others are told which role it takes. */
export function requireRole(needed: Role): RequestHandler {
  return (request, response, next) => {
    const { person } = visitOf(response)
    if (person !== undefined && includesRole(person.role, needed)) return next()
    answerProblem(request, response, {
      status: 403,
      code: 'ROLE_NEEDED',
      message: `This needs the role ${needed}. You are ${person?.name ?? 'nobody'}, with the role ${person?.role ?? 'none'}.`,
    })
  }
}

export function answerThrottled(request: Request, response: Response, { retryAfterSeconds }: Throttled): void {
  response.setHeader('Retry-After', retryAfterSeconds)
  const minutes = Math.ceil(retryAfterSeconds / 60)
  answerProblem(request, response, {
    status: 429,
    code: 'TOO_MANY_ATTEMPTS',
    message: `Too many wrong tokens came from your address. Try again in ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}.`,
  })
}

/** In read-only mode, refuses whatever would change a job or a queue. */
export function refuseChanges(isReadOnly: boolean): RequestHandler {
  return (request, response, next) => {
    if (!isReadOnly || isRead(request)) next()
    else answerProblem(request, response, READ_ONLY)
  }
}

/** For a path that exists, asked for with another method. */
export function methodNotAllowed(methods: readonly string[]): RequestHandler {
  return (request, response) => {
    const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')
    response.setHeader('Allow', allowed)
    answerProblem(request, response, {
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      message: `This path takes ${allowed} only.`,
    })
  }
}

export const notFound: RequestHandler = (request, response) => answerProblem(request, response, NOT_FOUND)

// A link in a mail or a chat arrives without the SameSite=Strict cookie, so whoever is signed in seems not to be. A page of
// ours leads on to the sign-in with the cookie, and that one straight back to here.
function showSignIn(request: Request, response: Response): void {
  const { base } = visitOf(response)
  const here = request.originalUrl.slice(request.originalUrl.startsWith(base) ? base.length : 0)
  const next = here === '' || here === '/' ? '' : `?next=${encodeURIComponent(here)}`
  const signIn = `${base}/sign-in${next}`
  if (request.headers['sec-fetch-site'] !== 'cross-site') {
    response.redirect(303, signIn)
    return
  }
  response.setHeader('Refresh', `0; url=${signIn}`)
  response.type('html').send('<!doctype html><title>Drover</title>')
}

const NOT_FOUND: Problem = {
  status: 404,
  code: 'NOT_FOUND',
  message: 'There is no page at this address.',
}
const SIGN_IN_NEEDED: Problem = {
  status: 401,
  code: 'SIGN_IN_NEEDED',
  message: 'Sign in, or send the token as Authorization: Bearer.',
}
const NOT_LET_IN: Readonly<Record<Exclude<Refused, Throttled | 'sign-in needed'>, Problem>> = {
  'not from this machine': {
    status: 403,
    code: 'NOT_FROM_THIS_MACHINE',
    message:
      'Without a token this dashboard answers only requests from its own machine, sent straight to localhost. ' +
      'Set a token to reach it by another name or through a proxy.',
  },
  'not let in': {
    status: 403,
    code: 'NOT_LET_IN',
    message: 'The application or the proxy in front of this dashboard does not say that you may see it.',
  },
  'no role': {
    status: 403,
    code: 'NO_ROLE',
    message:
      'You have no role here. A token needs the scope read, and must not be limited to single jobs or queues; ' +
      'behind a proxy, a group of yours needs a role.',
  },
}
const READ_ONLY: Problem = {
  status: 403,
  code: 'READ_ONLY',
  message: 'This dashboard is read-only: it changes no job and no queue.',
}
