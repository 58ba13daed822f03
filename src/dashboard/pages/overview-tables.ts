// Queues, jobs and latest results of the overview, each with what to do while it is empty.
import { type Html, html } from '../html.js'
import type { ResultRow } from '../latest-results.js'
import { jobLink, queueLink } from '../links.js'
import type { JobRow, Overview, QueueRow } from '../overview-data.js'
import { showAge, showAgo, showDuration, showNumber, showRate, showText } from '../show.js'
import { cell, heads, named, numberCell, section, table } from '../table.js'

const MAX_NAME_LENGTH = 128
/** A job that waits longer is marked; OLD_JOB of the rules says so aloud. */
const OLD_MS = 5 * 60_000
/** Per cent of runs that failed, from which on it is marked. */
const NOTABLE_SHARE = 5
const MAX_JOBS = 50
const MAX_RESULTS = 10
const DAY_SECONDS = 86_400

export function queuesSection(base: string, { queues }: Overview, nowMs: number): Html {
  if (queues.length === 0) return section('queues', 'Queues', noQueue())
  const hasLimited = queues.some(({ waitingChildren }) => waitingChildren > 0)
  return section('queues', 'Queues', html`${queuesTable(base, queues, nowMs)}${hasLimited && LIMITED}`)
}

const LIMITED = html`<p class="empty">waiting-children: jobs that wait for their limit, or for others. The page of such a job says which.</p>`

function noQueue(): Html {
  return html`<p class="empty">No queue yet. Start a worker with <code>drover worker</code>, or enqueue a job with
<code>drover enqueue</code>: its queue then shows here.</p>`
}

const COUNTS = [
  ['waiting', 'waiting', (row: QueueRow) => row.waiting],
  ['prioritized', 'prioritized', (row: QueueRow) => row.prioritized],
  ['delayed', 'delayed', (row: QueueRow) => row.delayed],
  ['held', 'held', (row: QueueRow) => row.held],
  ['active', 'active', (row: QueueRow) => row.active],
  ['waiting-children', 'waiting-children', (row: QueueRow) => row.waitingChildren],
  ['failed', 'failed, kept', (row: QueueRow) => row.failed],
] as const
/** Shown only where some queue has such jobs. */
const RARE = ['prioritized', 'held', 'waiting-children']

function queuesTable(base: string, queues: readonly QueueRow[], nowMs: number): Html {
  const counts = COUNTS.filter(([state, , count]) => !RARE.includes(state) || queues.some((row) => count(row) > 0))
  return table(
    heads([
      ['queue'],
      ['oldest waits', true],
      ...counts.map(([, label]) => [label, true] as const),
      ...['in', 'out', 'drains in', 'wait p95, 1h', 'run p95, 1h', 'workers', 'busy'].map(
        (label) => [label, true] as const,
      ),
    ]),
    queues.map(
      (row) => html`<tr>
<th scope="row"><a href="${queueLink(base, row.queue)}">${row.queue}</a>${row.isPaused && html` <span class="badge paused">paused</span>`}${
        !row.isPaused && row.heldNames.length > 0 && html` <span class="badge paused">${pausedNames(row)}</span>`
      }</th>
${oldestCell(row, nowMs)}
${counts.map(([state, label, count]) =>
  numberCell(label, count(row), {
    link: queueLink(base, row.queue, state === 'held' ? 'delayed' : state),
    isBad: state === 'failed',
  }),
)}
${cell('in', showRate(row.rates.in), 'number')}${cell('out', showRate(row.rates.out), 'number')}
${cell('drains in', drains(row), 'number')}
${cell('wait p95', showDuration(row.lastHour.wait.p95), 'number')}${cell('run p95', showDuration(row.lastHour.run.p95), 'number')}
${numberCell('workers', row.workers, { link: `${base}/workers` })}
${cell('busy', row.workers === 0 ? '–' : `${showNumber(row.running)} of ${showNumber(row.concurrency)}`, 'number')}</tr>`,
    ),
  )
}

function pausedNames({ heldNames: [first, ...more] }: QueueRow): string {
  return more.length === 0 ? `${first} paused` : `${more.length + 1} job names paused`
}

function oldestCell({ oldestSince }: QueueRow, nowMs: number): Html {
  if (oldestSince === null) return cell('oldest waits', '–', 'number zero')
  return cell('oldest waits', showAge(oldestSince, nowMs), nowMs - oldestSince >= OLD_MS ? 'number bad' : 'number')
}

function drains({ drainSeconds, waiting, prioritized }: QueueRow): string {
  if (waiting + prioritized === 0) return '–'
  if (drainSeconds === null) return 'never'
  return drainSeconds > DAY_SECONDS ? 'over a day' : showDuration(Math.ceil(drainSeconds) * 1_000)
}

const SORTS: Readonly<Record<string, (row: JobRow) => number>> = {
  runs: ({ lastHour }) => lastHour.completed + lastHour.failed,
  failed: ({ lastHour }) => lastHour.failed,
  p95: ({ lastHour }) => lastHour.run.p95 ?? 0,
}

export const SORT_NAMES = Object.keys(SORTS)

export function jobsSection(base: string, { jobs }: Overview, query: ReadonlyMap<string, string>): Html {
  if (jobs.length === 0) {
    const empty = html`<p class="empty">No job has finished yet. Each job name gets a row here with its first result.</p>`
    return section('jobs', 'Jobs', empty)
  }
  const asked = query.get('sort') ?? ''
  const sort = Object.hasOwn(SORTS, asked) ? asked : 'runs'
  const links = Object.keys(SORTS).map((name) => {
    const others = [...query].filter(([key]) => key !== 'sort')
    const address = new URLSearchParams([...others, ['sort', name]]).toString()
    return html`<a href="${base}/?${address}#jobs"${name === sort && html` aria-current="true"`}>${name}</a>`
  })
  const by = SORTS[sort] as (row: JobRow) => number
  const sorted = [...jobs].sort((left, right) => by(right) - by(left) || right.completed - left.completed)
  const more = jobs.length - MAX_JOBS
  return section(
    'jobs',
    'Jobs',
    html`${jobsTable(sorted.slice(0, MAX_JOBS))}${more > 0 && html`<p class="empty">${showNumber(more)} more job names are not shown.</p>`}`,
    html`<nav class="ranges" aria-label="Sort jobs by">${links}</nav>`,
  )
}

function jobsTable(jobs: readonly JobRow[]): Html {
  const percentiles = ['p50', 'p95', 'p99'] as const
  const groups = [
    ['last hour', ['runs', 'failed', 'failed %']],
    ['run, last hour', percentiles],
    ['wait, last hour', percentiles],
    ['since the start', ['completed', 'failed', 'retried']],
  ] as const
  const times = (what: 'run' | 'wait', { lastHour }: JobRow) =>
    percentiles.map((share, index) => cell(`${what} ${share}`, showDuration(lastHour[what][share]), startOf(index)))
  return table(
    html`<tr><td colspan="2"></td>${groups.map(
      ([title, columns]) => html`<th scope="colgroup" colspan="${columns.length}"><span>${title}</span></th>`,
    )}</tr>
<tr><th scope="col">job</th><th scope="col">queue</th>${groups.map(([, columns]) =>
      columns.map((label, index) => html`<th scope="col" class="${startOf(index)}">${label}</th>`),
    )}</tr>`,
    jobs.map((row) => {
      const { job, queue, completed, failed, retried, lastHour } = row
      const runs = lastHour.completed + lastHour.failed
      const share = runs === 0 ? null : (100 * lastHour.failed) / runs
      return html`<tr>
<th scope="row">${showText(job, MAX_NAME_LENGTH)}</th>${cell('queue', named(queue))}
${numberCell('runs 1h', runs, { isStart: true })}${numberCell('failed 1h', lastHour.failed, { isBad: true })}
${cell('failed % 1h', share === null ? '–' : `${share < 10 ? Math.round(share * 10) / 10 : Math.round(share)} %`, share ? (share >= NOTABLE_SHARE ? 'number bad' : 'number') : 'number zero')}
${times('run', row)}${times('wait', row)}
${numberCell('completed', completed, { isStart: true })}${numberCell('failed', failed)}${numberCell('retried', retried)}</tr>`
    }),
  )
}

// The first column of a group stands a little apart.
function startOf(column: number): string {
  return column === 0 ? 'number group' : 'number'
}

export function resultsSection(base: string, { results }: Overview, nowMs: number): Html {
  const empty = html`<p class="empty">No result yet. The latest ${MAX_RESULTS} show here as jobs finish.</p>`
  return section('results', 'Latest results', results.length === 0 ? empty : resultsTable(base, results, nowMs))
}

function resultsTable(base: string, results: readonly ResultRow[], nowMs: number): Html {
  return table(
    heads([
      ['id'],
      ['job'],
      ['queue'],
      ['status'],
      ['finished'],
      ['run', true],
      ['attempts', true],
      ['value or error'],
    ]),
    results.slice(0, MAX_RESULTS).map((row) => {
      const id = showText(row.id, MAX_NAME_LENGTH)
      return html`<tr>
<th scope="row" class="id"><a href="${jobLink(base, row.queue, row.id)}" title="${id}">${id}</a></th>
${cell('job', row.job === null ? '–' : named(showText(row.job, MAX_NAME_LENGTH)))}${cell('queue', named(row.queue))}
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
