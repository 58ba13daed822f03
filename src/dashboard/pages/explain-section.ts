// Why a job does not run now, as its page says it: all that holds it, what has to pass first at the top, and when it may start.
import type { Explanation, Reason } from '../../ledger/index.js'
import { type Html, html } from '../html.js'
import { jobLink } from '../links.js'
import { showNext, showText } from '../show.js'

const MAX_MESSAGE = 600
const MAX_JOBS = 10

export function explainSection(
  { queue, state, reasons, expectedStart }: Explanation,
  base: string,
  nowMs: number,
): Html {
  const title = state === 'active' ? 'What it does now' : 'Why it does not run now'
  return html`<section class="card" id="explain"><h2>${title}</h2>
<ol class="reasons">${reasons.map((reason) => html`<li>${showText(reason.message, MAX_MESSAGE)}${reason.until !== undefined && html` <span class="muted">(${showNext(reason.until, nowMs)})</span>`} <code class="muted">${reason.code}</code>${links(base, queue, reason)}</li>`)}</ol>
${expectedStart !== null && html`<p class="empty">Expected to start ${showNext(expectedStart, nowMs)}: a guess from the last 5 minutes.</p>`}
</section>`
}

function links(base: string, queue: string, { worker, jobs = [] }: Reason): Html {
  return html`${worker !== undefined && html` <a href="${base}/workers/${encodeURIComponent(worker)}">its worker</a>`}${jobs
    .slice(0, MAX_JOBS)
    .map((id) => html` <a href="${jobLink(base, queue, id)}">${showText(id, 40)}</a>`)}`
}
