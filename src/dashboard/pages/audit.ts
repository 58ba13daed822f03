// The audit list: who changed what, the newest first.
import { type AuditEntry, MAX_AUDIT_ENTRIES, readAudit } from '../../ledger/index.js'
import { untilConnected } from '../connection.js'
import { type Html, html } from '../html.js'
import { showAgo, showNumber, showText } from '../show.js'
import type { Asked, Shown } from '../view.js'

const ENTRIES_PER_PAGE = 50
const MAX_NAME_LENGTH = 100
const MAX_TEXT_LENGTH = 200

export async function auditView({ shared, base, query, nowMs }: Asked): Promise<Shown> {
  const { client, prefix } = shared
  const before = query.get('before')?.trim() || undefined
  await untilConnected(client)
  const { entries, next } = await readAudit(client, prefix, { limit: ENTRIES_PER_PAGE, before })
  return {
    title: 'Audit',
    current: 'audit',
    main: html`<h1>Audit</h1>
<section class="card" aria-label="Changes">
${entries.length === 0 ? html`<p class="empty">${before === undefined ? 'Nobody has changed anything here yet.' : 'There is nothing older.'}</p>` : table(entries, nowMs)}
</section>
<p class="pager">${before !== undefined && html`<a href="${base}/audit">Newest</a>`} ${next !== undefined && html`<a rel="next" href="${base}/audit?before=${next}">Older</a>`}</p>
<p class="muted">What people changed from this dashboard, the last ${showNumber(MAX_AUDIT_ENTRIES)} changes.
Times are those of Redis. Another program reads them with <code>XREVRANGE ${prefix}:audit + - COUNT 50</code>.</p>`,
  }
}

function table(entries: readonly AuditEntry[], nowMs: number): Html {
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">when</th><th scope="col">who</th><th scope="col">what</th><th scope="col">on</th>
<th scope="col" class="number">count</th><th scope="col">result</th></tr></thead>
<tbody>${entries.map((entry) => row(entry, nowMs))}</tbody>
</table></div>`
}

function row({ at, who, role, action, target, filter, count, result, detail }: AuditEntry, nowMs: number): Html {
  const on = [target, filter].filter((text) => text !== undefined).map((text) => showText(text, MAX_TEXT_LENGTH))
  return html`<tr>
<td>${showAgo(at, nowMs)}</td>
<th scope="row" class="keep">${showText(who, MAX_NAME_LENGTH)} <span class="muted">${showText(role, MAX_NAME_LENGTH)}</span></th>
<td class="keep"><code>${showText(action, MAX_NAME_LENGTH)}</code></td>
<td class="summary" title="${on.join(' ')}"><code>${on.join(' ')}</code></td>
<td class="number" data-label="count">${showNumber(count ?? null)}</td>
<td><span class="badge ${result === 'done' ? 'completed' : 'failed'}">${result}</span>${detail && html` <span class="muted">${showText(detail, MAX_TEXT_LENGTH)}</span>`}</td>
</tr>`
}
