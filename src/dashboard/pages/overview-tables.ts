// The four tables of the overview, each with what to do while it is empty.

import type { Percentiles } from '../../ledger/index.js'
import { type Html, type HtmlValue, html } from '../html.js'
import type { ResultRow } from '../latest-results.js'
import type { CounterRow, JobRow, Overview, QueueRow } from '../overview-data.js'
import { showAgo, showDuration, showNumber, showText } from '../show.js'

const MAX_NAME_LENGTH = 128
/** Above any that the names of queue and counter allow. */
const MAX_COMMAND_LENGTH = 1_000

export function queuesSection(base: string, { queues }: Overview): Html {
  return section('queues', 'Queues', queues.length === 0 ? noQueue() : queuesTable(base, queues))
}

function noQueue(): Html {
  return html`<p class="empty">No queue yet. Start a worker with <code>drover worker</code>, or enqueue a job with
<code>drover enqueue</code>: its queue then shows here.</p>`
}

function queuesTable(base: string, queues: readonly QueueRow[]): Html {
  const states = [
    ['waiting', 'waiting', (row: QueueRow) => row.waiting],
    ['prioritized', 'prioritized', (row: QueueRow) => row.prioritized],
    ['delayed', 'delayed', (row: QueueRow) => row.delayed],
    ['active', 'active', (row: QueueRow) => row.active],
    ['waiting-children', 'waiting-children', (row: QueueRow) => row.waitingChildren],
    ['failed', 'failed, kept', (row: QueueRow) => row.failed],
    ['completed', 'completed, kept', (row: QueueRow) => row.completed],
  ] as const
  return table(
    html`<tr><th scope="col">queue</th>${states.map(([, label]) => html`<th scope="col" class="number">${label}</th>`)}</tr>`,
    queues.map((row) => {
      const link = `${base}/queues/queue/${encodeURIComponent(row.queue)}`
      return html`<tr>
<th scope="row"><a href="${link}">${row.queue}</a>${row.isPaused && html` <span class="badge paused">paused</span>`}</th>
${states.map(([state, label, count]) =>
  numberCell(label, count(row), {
    link: `${link}?status=${state}`,
    isBad: state === 'failed',
  }),
)}</tr>`
    }),
  )
}

export function jobsSection({ jobs }: Overview): Html {
  const empty = html`<p class="empty">No job has finished yet. Each job name gets a row here with its first result.</p>`
  return section('jobs', 'Jobs', jobs.length === 0 ? empty : jobsTable(jobs))
}

function jobsTable(jobs: readonly JobRow[]): Html {
  const percentiles = ['p50', 'p95', 'p99'] as const
  const groups = [
    ['since the start', ['completed', 'failed', 'retried']],
    ['last hour', ['completed', 'failed']],
    ['run, last hour', percentiles],
    ['wait, last hour', percentiles],
  ] as const
  const times = (what: string, shares: Percentiles) =>
    percentiles.map((share, index) => cell(`${what} ${share}`, showDuration(shares[share]), startOf(index)))
  return table(
    html`<tr><td colspan="2"></td>${groups.map(
      ([title, columns]) => html`<th scope="colgroup" colspan="${columns.length}"><span>${title}</span></th>`,
    )}</tr>
<tr><th scope="col">job</th><th scope="col">queue</th>${groups.map(([, columns]) =>
      columns.map((label, index) => html`<th scope="col" class="${startOf(index)}">${label}</th>`),
    )}</tr>`,
    jobs.map(
      ({ job, queue, completed, failed, retried, lastHour }) => html`<tr>
<th scope="row">${showText(job, MAX_NAME_LENGTH)}</th>${cell('queue', queue)}
${numberCell('completed', completed)}${numberCell('failed', failed, { isBad: true })}${numberCell('retried', retried)}
${numberCell('completed 1h', lastHour.completed, { isStart: true })}${numberCell('failed 1h', lastHour.failed, { isBad: true })}
${times('run', lastHour.run)}${times('wait', lastHour.wait)}</tr>`,
    ),
  )
}

// The first column of a group stands a little apart.
function startOf(column: number): string {
  return column === 0 ? 'number group' : 'number'
}

export function countersSection({ counters }: Overview): Html {
  const empty = html`<p class="empty">No counter yet. A handler adds to one with
<code>ctx.counter('bytes').add(1)</code>.</p>`
  return section('counters', 'Counters', counters.length === 0 ? empty : countersTable(counters))
}

function countersTable(counters: readonly CounterRow[]): Html {
  return table(
    html`<tr><th scope="col">counter</th><th scope="col" class="number">value</th><th scope="col">queue</th>
<th scope="col">read it yourself</th></tr>`,
    counters.map(
      ({ counter, queue, value, command }) => html`<tr>
<th scope="row">${showText(counter, MAX_NAME_LENGTH)}</th>
${value === null ? cell('value', 'not a whole number', 'bad') : numberCell('value', value)}${cell('queue', queue)}
<td class="wide" data-label="read it yourself"><code class="command">${showText(command, MAX_COMMAND_LENGTH)}</code></td></tr>`,
    ),
  )
}

export function resultsSection(base: string, { results }: Overview, nowMs: number): Html {
  const empty = html`<p class="empty">No result yet. The latest 20 show here as jobs finish.</p>`
  return section('results', 'Latest results', results.length === 0 ? empty : resultsTable(base, results, nowMs))
}

function resultsTable(base: string, results: readonly ResultRow[], nowMs: number): Html {
  return table(
    html`<tr><th scope="col">id</th><th scope="col">job</th><th scope="col">queue</th><th scope="col">status</th>
<th scope="col">finished</th><th scope="col" class="number">run</th><th scope="col" class="number">attempts</th>
<th scope="col">value or error</th></tr>`,
    results.map((row) => {
      const link = `${base}/queues/queue/${encodeURIComponent(row.queue)}/${encodeURIComponent(row.id)}`
      return html`<tr>
<th scope="row" class="id"><a href="${link}?status=${row.status}" title="${showText(row.id, MAX_NAME_LENGTH)}">${showText(row.id, MAX_NAME_LENGTH)}</a></th>
${cell('job', row.job === null ? '–' : showText(row.job, MAX_NAME_LENGTH))}${cell('queue', row.queue)}
${cell('status', html`<span class="badge ${row.status}">${row.status}</span>`)}
${cell('finished', showAgo(row.finishedAt, nowMs))}${cell('run', showDuration(row.runMs), 'number')}
${cell('attempts', showNumber(row.attempts), 'number')}
<td class="wide summary" data-label="value or error">${
        row.summary === null
          ? html`<span class="muted">no result record: expired, deleted, or not a job of Drover</span>`
          : html`<code title="${row.summary}">${row.summary}</code>`
      }</td></tr>`
    }),
  )
}

function section(id: string, title: string, content: Html): Html {
  return html`<section class="card" id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${content}</section>`
}

function table(head: Html, rows: readonly Html[]): Html {
  return html`<div class="scroll"><table><thead>${head}</thead><tbody>${rows}</tbody></table></div>`
}

// The label stands beside the value where the page is too narrow for a table.
function cell(label: string, value: HtmlValue, style?: string): Html {
  return html`<td data-label="${label}"${style && html` class="${style}"`}>${value}</td>`
}

function numberCell(
  label: string,
  value: number,
  { link, isBad, isStart }: { link?: string; isBad?: boolean; isStart?: boolean } = {},
): Html {
  const shown = link === undefined || value === 0 ? showNumber(value) : html`<a href="${link}">${showNumber(value)}</a>`
  const tone = value === 0 ? ' zero' : isBad ? ' bad' : ''
  return cell(label, shown, `number${isStart ? ' group' : ''}${tone}`)
}
