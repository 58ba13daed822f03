// What stands before a page: sign-in, read-only mode, the method; and what stands where no page is.
import type { Request, RequestHandler, Response } from 'express'
import { answerProblem, type Problem, wantsPage } from './problems.js'
import { isRead } from './security.js'
import type { SignIn, Throttled } from './sign-in.js'
import { visitOf } from './visit.js'

/** Lets in who is signed in, or comes from this machine where no token is set. Others are told how to. */
export function requireSignIn(signIn: SignIn): RequestHandler {
  return (request, response, next) => {
    const entry = signIn.entryOf(request)
    if (entry === 'granted') {
      visitOf(response).access = signIn.isNeeded ? 'signed in' : 'open'
      return next()
    }
    if (entry === 'not from this machine') return answerProblem(request, response, NOT_FROM_THIS_MACHINE)
    if (entry !== 'sign-in needed') return answerThrottled(request, response, entry)
    if (request.method === 'GET' && wantsPage(request)) return showSignIn(request, response)
    response.setHeader('WWW-Authenticate', 'Bearer realm="drover"')
    answerProblem(request, response, SIGN_IN_NEEDED)
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
const NOT_FROM_THIS_MACHINE: Problem = {
  status: 403,
  code: 'NOT_FROM_THIS_MACHINE',
  message:
    'Without a token this dashboard answers only requests from its own machine, sent straight to localhost. ' +
    'Set a token to reach it by another name or through a proxy.',
}
const READ_ONLY: Problem = {
  status: 403,
  code: 'READ_ONLY',
  message: 'This dashboard is read-only: it changes no job and no queue.',
}
