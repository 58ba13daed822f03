// Sends a view as a page: drawn once, or live, where open tabs are sent what changes (live.ts). While Redis is down the
// page stays up and says so.
import type { Request, Response } from 'express'
import { type Html, html } from './html.js'
import { page } from './layout.js'
import { wantsEvents } from './live.js'
import { pageOfPath } from './navigation.js'
import { type Problem, redisProblem } from './problems.js'
import type { Page, Shared } from './shared.js'
import type { Asked, Shown, View } from './view.js'
import { may, type Visit, visitOf } from './visit.js'

const MAX_QUERY_TEXT = 1_000

/** A page that stays as it was drawn. */
export function pageOf(view: View): Page {
  return (request, response, shared) => sendView(request, response, shared, view, false)
}

/** A page that open tabs follow. */
export function livePageOf(view: View): Page {
  return (request, response, shared) => {
    if (!wantsEvents(request)) return sendView(request, response, shared, view, true)
    const asked = askedOf(request, visitOf(response), shared)
    return shared.live.join(request, response, () => drawn({ ...asked, nowMs: Date.now() }, view, shared.timeoutMs))
  }
}

async function sendView(
  request: Request,
  response: Response,
  shared: Shared,
  view: View,
  isLive: boolean,
): Promise<void> {
  const visit = visitOf(response)
  const shown = await drawn(askedOf(request, visit, shared), view, shared.timeoutMs)
  response
    .status(shown.status ?? 200)
    .type('html')
    .send(String(page(visit, { ...shown, isLive })))
}

/** What the view shows, or that Redis is down. */
async function drawn(asked: Asked, view: View, timeoutMs: number): Promise<Shown> {
  try {
    return await view(asked)
  } catch (error) {
    const problem = redisProblem(error, timeoutMs)
    if (problem === undefined) throw error
    const current = pageOfPath(asked.here)
    // Nothing but the notice: open tabs put it over what they have.
    return { title: 'Redis does not answer', current, main: downNotice(problem), status: problem.status }
  }
}

/** Says that Redis is down, and what the page shows meanwhile. */
export function downNotice(problem: Problem, meanwhile?: Html): Html {
  return html`<section class="notice down" id="down" role="alert">
<h2>Redis does not answer</h2>
<p>${problem.code === 'REDIS_UNAVAILABLE' ? 'Check that it runs and can be reached. This page goes on trying.' : problem.message}</p>
<p>${meanwhile ?? 'This page shows your jobs as soon as it does.'}</p>
</section>`
}

function askedOf(request: Request, visit: Visit, shared: Shared): Asked {
  const { base } = visit
  const { originalUrl } = request
  const query = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(originalUrl.split('?', 2)[1] ?? '')) {
    if (!query.has(name)) query.set(name, value.slice(0, MAX_QUERY_TEXT))
  }
  return {
    shared,
    base,
    here: request.url,
    params: request.params as Record<string, string>,
    query,
    nowMs: Date.now(),
    may: (role) => may(visit, role),
  }
}
