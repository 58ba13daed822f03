// Workers as a table: what each last said of itself, and what it runs.
import type { WorkerBeat } from '../../ledger/index.js'
import { type Html, html } from '../html.js'
import { jobLink } from '../links.js'
import { showAge, showAgo, showBytes, showDuration, showNumber, showText } from '../show.js'
import { cell, heads, numberCell, table } from '../table.js'

const MAX_NAME_LENGTH = 64
const LATE_MS = 1_000
export const STATES = { run: 'running', quiet: 'quiet', close: 'closing' } as const

/** `actions` is what stands in the last column; without it there is none. */
export function workersTable(
  base: string,
  workers: readonly WorkerBeat[],
  nowMs: number,
  actions?: (worker: WorkerBeat) => Html,
): Html {
  return table(
    heads([
      ['worker'],
      ['state'],
      ['release'],
      ['queues: busy of places'],
      ['handled', true],
      ['memory', true],
      ['loop lag', true],
      ['started'],
      ['seen'],
      ['longest running now'],
      ...(actions === undefined ? [] : [['change'] as const]),
    ]),
    workers.map(
      (worker) => html`<tr>
<th scope="row"><a href="${base}/workers/${encodeURIComponent(worker.id)}">${showText(worker.host, MAX_NAME_LENGTH)} <span class="muted">${worker.pid}</span></a></th>
${cell('state', html`<span class="badge ${worker.state === 'run' ? 'completed' : 'paused'}">${STATES[worker.state]}</span>`)}
${cell('release', worker.release === '' ? html`<span class="muted">Drover ${showText(worker.version, MAX_NAME_LENGTH)}</span>` : showText(worker.release, MAX_NAME_LENGTH), 'named')}
${cell('busy of places', loads(worker), 'named')}
${numberCell('handled', worker.handled)}
${cell('memory', showBytes(worker.rssBytes), 'number')}
${cell('loop lag', showDuration(worker.loopLagMs), worker.loopLagMs >= LATE_MS ? 'number bad' : 'number')}
${cell('started', showAgo(worker.startedAt, nowMs), 'named')}${cell('seen', showAgo(worker.seenAt, nowMs), 'named')}
${cell('longest running', longest(base, worker, nowMs), worker.jobs.length === 0 ? 'wide zero' : 'wide')}
${actions && cell('change', actions(worker), 'steer')}</tr>`,
    ),
  )
}

function loads({ queues }: WorkerBeat): Html {
  return html`${queues.map(
    ({ queue, running, concurrency }, index) =>
      html`${index > 0 && ', '}${showText(queue, MAX_NAME_LENGTH)} <span class="nowrap">${showNumber(running)} of ${showNumber(concurrency)}</span>`,
  )}`
}

function longest(base: string, { jobs }: WorkerBeat, nowMs: number): Html | string {
  const [first] = jobs
  if (first === undefined) return '–'
  const { queue, id, job, startedAt } = first
  const more = jobs.length - 1
  return html`<a href="${jobLink(base, queue, id)}">${showText(job, MAX_NAME_LENGTH)}</a> for ${showAge(startedAt, nowMs)}${more > 0 && html` <span class="muted">and ${showNumber(more)} more</span>`}`
}
