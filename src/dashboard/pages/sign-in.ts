// The sign-in page, and the form it sends.
import type { Request, Response } from 'express'
import { answerThrottled } from '../access/gates.js'
import { personOf } from '../access/sign-in.js'
import { type Html, html } from '../html.js'
import { page } from '../layout.js'
import { answerProblem, type Problem, wantsPage } from '../problems.js'
import type { Shared } from '../shared.js'
import { visitOf } from '../visit.js'

// A path of ours and nothing that a browser could read as another host: no second slash, no backslash, no control.
const OWN_PATH = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/
const MAX_NEXT_LENGTH = 2_000

export async function showSignIn(request: Request, response: Response, { signIn }: Shared): Promise<void> {
  const next = ownPath(request.query.next)
  const isIn = !signIn.hasForm || (await signIn.sessionOf(request)) !== undefined
  if (isIn) response.redirect(303, `${visitOf(response).base}${next}`)
  else sendForm(response, next)
}

export async function takeSignIn(request: Request, response: Response, { signIn }: Shared): Promise<void> {
  const { base } = visitOf(response)
  const { token, next } = (request.body ?? {}) as { token?: unknown; next?: unknown }
  if (!signIn.hasForm) return response.redirect(303, `${base}/`)
  const outcome = await signIn.tryToken(request, typeof token === 'string' ? token : '')
  if (outcome === 'wrong') refuseToken(request, response, { status: 401, code: 'WRONG_TOKEN', message: WRONG }, next)
  else if (!('access' in outcome)) answerThrottled(request, response, outcome)
  else if (personOf(outcome.access, 'session') === 'no role') {
    refuseToken(request, response, { status: 403, code: 'NO_ROLE', message: NO_ROLE }, next)
  } else {
    response.setHeader('Set-Cookie', await signIn.startCookie(request, base, outcome.access))
    response.redirect(303, `${base}${ownPath(next)}`)
  }
}

const WRONG = 'That is not the token. Look for typing errors and spaces around it.'
const NO_ROLE =
  'This token is not for the dashboard: it needs the scope read, without a limit to single jobs or queues.'

function refuseToken(request: Request, response: Response, problem: Problem, next: unknown): void {
  if (wantsPage(request)) sendForm(response.status(problem.status), ownPath(next), problem.message)
  else answerProblem(request, response, problem)
}

function ownPath(next: unknown): string {
  return typeof next === 'string' && next.length <= MAX_NEXT_LENGTH && OWN_PATH.test(next) ? next : '/'
}

function sendForm(response: Response, next: string, complaint?: string): void {
  const visit = visitOf(response)
  response.type('html').send(String(page(visit, { title: 'Sign in', main: form(visit.base, next, complaint) })))
}

function form(base: string, next: string, complaint: string | undefined): Html {
  return html`<section class="card narrow">
<h1>Sign in</h1>
${complaint && html`<p class="complaint" role="alert">${complaint}</p>`}
<form method="post" action="${base}/sign-in">
<input type="hidden" name="next" value="${next}">
<input type="text" name="username" value="drover" autocomplete="username" hidden>
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button type="submit" class="primary">Sign in</button>
</form>
<p class="muted">The token that <code>drover serve</code> was started with (<code>DROVER_TOKEN</code>), or one of your own:
<code>drover token create ann --role operator</code>.</p>
</section>`
}
