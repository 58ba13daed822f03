// The Errors page: failures by cause, of all queues, the cause seen last first.

import { isQueueName } from '../../job/index.js'
import { type ErrorGroup, listErrorGroups } from '../../ledger/index.js'
import { queueKeys, queuesKey } from '../../redis/index.js'
import { untilConnected } from '../connection.js'
import { trendBars } from '../errors/trend-bars.js'
import { type Html, html } from '../html.js'
import { showAgo, showNumber, showText } from '../show.js'
import type { Asked, Shown } from '../view.js'

const GROUPS_PER_PAGE = 50
const MAX_NAME_LENGTH = 100
const MAX_MESSAGE_LENGTH = 160

export async function errorsView({ shared, base, query, nowMs, may }: Asked): Promise<Shown> {
  const { client, prefix } = shared
  const [job, queue, after] = ['job', 'queue', 'after'].map((name) => query.get(name)?.trim() || undefined)
  await untilConnected(client)
  const queues = (await client.smembers(queuesKey(prefix))).filter(isQueueName).sort()
  const keysOf = (name: string) => queueKeys(prefix, name)
  const chosen = queue === undefined ? queues : queues.filter((name) => name === queue)
  const { groups, next } = await listErrorGroups(client, keysOf, chosen, { limit: GROUPS_PER_PAGE, after, job })
  const filter = new URLSearchParams({ ...(queue && { queue }), ...(job && { job }) }).toString()
  const older =
    next && `${base}/errors?${new URLSearchParams({ ...(queue && { queue }), ...(job && { job }), after: next })}`
  return {
    title: 'Errors',
    current: 'errors',
    main: html`<div class="page-head"><h1>Errors</h1>${may('operator') && html`<a class="button" href="${base}/bulk?do=retry${filter && `&${filter}`}">Many at once…</a>`}</div>
${filterForm(base, queues, queue, job)}
<section class="card" aria-label="Errors by cause">
${groups.length === 0 ? html`<p class="empty">${filter === '' ? 'No job has failed for good in the last 30 days.' : 'No error fits this filter.'}</p>` : table(base, groups, nowMs)}
</section>
<p class="pager">${after !== undefined && html`<a href="${base}/errors${filter && `?${filter}`}">Newest</a>`} ${older && html`<a rel="next" href="${older}">Older</a>`}</p>
<p class="muted">Failures of one cause: one job, the same error, the same message once what differs is masked, the same place in
your code.</p>`,
  }
}

function filterForm(base: string, queues: readonly string[], queue: string | undefined, job: string | undefined): Html {
  return html`<form class="filter" method="get" action="${base}/errors" role="search">
<label>Queue <select name="queue"><option value="">all</option>${queues.map(
    (name) => html`<option${name === queue && html` selected`}>${name}</option>`,
  )}</select></label>
<label>Job <input type="search" name="job" value="${job}" autocomplete="off" maxlength="128"></label>
<button type="submit">Show</button>
</form>`
}

function table(base: string, groups: readonly ErrorGroup[], nowMs: number): Html {
  return html`<div class="scroll"><table class="errors">
<thead><tr><th scope="col">error</th><th scope="col">job</th><th scope="col">queue</th><th scope="col">last 24 h</th>
<th scope="col" class="number">failed</th><th scope="col" class="number">times</th><th scope="col">first</th>
<th scope="col">last</th></tr></thead>
<tbody>${groups.map((group) => row(base, group, nowMs))}</tbody>
</table></div>`
}

function row(base: string, group: ErrorGroup, nowMs: number): Html {
  const { queue, id, job, name, message, count, failed, firstAt, lastAt } = group
  const title = id === 'other' ? 'Errors beyond the most groups of a queue' : `${name}: ${message}`
  return html`<tr>
<th scope="row" class="wide"><a href="${base}/errors/${encodeURIComponent(queue)}/${id}">${showText(title, MAX_MESSAGE_LENGTH)}</a></th>
<td data-label="job">${showText(job || '–', MAX_NAME_LENGTH)}</td>
<td data-label="queue">${showText(queue, MAX_NAME_LENGTH)}</td>
<td data-label="last 24 h">${trendBars(group.hours, nowMs)}</td>
<td class="number${failed === 0 ? ' zero' : ' bad'}" data-label="failed">${showNumber(failed)}</td>
<td class="number" data-label="times">${showNumber(count)}</td>
<td class="time" data-label="first">${showAgo(firstAt, nowMs)}</td>
<td class="time" data-label="last">${showAgo(lastAt, nowMs)}</td>
</tr>`
}
