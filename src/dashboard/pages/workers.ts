// The workers that are there, one by one with what they run, and the forms that steer them: worker-orders.ts takes those.
import type { WorkerBeat } from '../../ledger/index.js'
import { MAX_CONCURRENCY } from '../../ledger/index.js'
import { type Html, html } from '../html.js'
import { jobLink, queueLink } from '../links.js'
import { downNotice } from '../page-of.js'
import { showAge, showAgo, showBytes, showDuration, showNumber, showText } from '../show.js'
import { cell, heads, numberCell, section, table } from '../table.js'
import type { Asked, Shown } from '../view.js'
import { STATES, workersTable } from './workers-table.js'

const MAX_WORKERS = 200
const MAX_NAME_LENGTH = 128

export async function workersView({ shared, base, nowMs, may }: Asked): Promise<Shown> {
  const { overview, problem } = await shared.overview.read()
  const workers = overview?.workers ?? []
  const more = workers.length - MAX_WORKERS
  const actions = may('operator') ? (worker: WorkerBeat) => stateForms(base, worker) : undefined
  return {
    title: 'Workers',
    current: 'workers',
    status: problem?.status,
    main: html`${problem && downNotice(problem, overview && html`Below is what they said ${showAgo(overview.readAt, nowMs)}.`)}
<div class="head page-head"><h1>Workers</h1></div>
${overview && facts(workers)}
${
  overview &&
  section(
    'workers',
    'Heartbeats',
    workers.length === 0 ? empty() : workersTable(base, workers.slice(0, MAX_WORKERS), nowMs, actions),
  )
}
${more > 0 && html`<p class="notice">${showNumber(more)} more workers are not shown: <code>drover workers</code> lists them all.</p>`}
<p class="muted">A worker says each five seconds that it is there and what it runs; a row is as of when it was seen. It follows what it is told within a second or two; one that is stopped first ends its jobs, or hands them back.</p>`,
  }
}

function empty(): Html {
  return html`<p class="empty">No worker has sent a heartbeat in the last 15 seconds. Start one with <code>drover worker</code>.</p>`
}

function facts(workers: readonly WorkerBeat[]): Html {
  const loads = workers.flatMap(({ queues }) => queues)
  const releases = new Set(workers.map(({ release, version }) => release || version))
  const slowest = Math.max(0, ...workers.map(({ loopLagMs }) => loopLagMs))
  const tiles: readonly [label: string, value: string, isBad?: boolean][] = [
    ['workers', showNumber(workers.length)],
    ['busy', showNumber(loads.reduce((sum, { running }) => sum + running, 0))],
    ['places', showNumber(loads.reduce((sum, { concurrency }) => sum + concurrency, 0))],
    ['memory', showBytes(workers.reduce((sum, { rssBytes }) => sum + rssBytes, 0))],
    ['largest loop lag', workers.length === 0 ? '–' : showDuration(slowest), slowest >= 1_000],
    ['releases', showNumber(releases.size), releases.size > 1],
  ]
  return html`<dl class="tiles">${tiles.map(
    ([label, value, isBad]) => html`<div${isBad && html` class="bad"`}><dt>${label}</dt><dd>${value}</dd></div>`,
  )}</dl>`
}

export async function workerView({ shared, base, params, nowMs, may }: Asked): Promise<Shown> {
  const { overview, problem } = await shared.overview.read()
  const worker = overview?.workers.find(({ id }) => id === params.worker)
  if (worker === undefined) {
    const gone = html`<section class="card narrow"><h1>Not there</h1><p>No worker of this name has sent a heartbeat in the last 15 seconds: it has ended, or cannot reach Redis.</p>
<p><a href="${base}/workers">All workers</a></p></section>`
    return {
      title: 'Workers',
      current: 'workers',
      status: problem?.status ?? 404,
      main: html`${problem && downNotice(problem)}${problem === undefined && gone}`,
    }
  }
  return {
    title: `${showText(worker.host, MAX_NAME_LENGTH)} ${worker.pid} · Workers`,
    current: 'workers',
    status: problem?.status,
    main: html`${problem && downNotice(problem, overview && html`Below is what it said ${showAgo(overview.readAt, nowMs)}.`)}
<p class="crumbs"><a href="${base}/workers">Workers</a></p>
<div class="head page-head"><h1>${showText(worker.host, MAX_NAME_LENGTH)} <span class="muted">${worker.pid}</span></h1>${may('operator') && html`<div class="steer">${stateForms(base, worker)}</div>`}</div>
${workerFacts(worker, nowMs)}
${loadsSection(base, worker, may('operator'))}
${runningSection(base, worker, nowMs)}`,
  }
}

function workerFacts(worker: WorkerBeat, nowMs: number): Html {
  const rows: readonly [label: string, value: Html | string][] = [
    ['id', html`<code>${showText(worker.id, MAX_NAME_LENGTH)}</code>`],
    ['state', STATES[worker.state]],
    ['release', worker.release === '' ? 'none was given' : showText(worker.release, MAX_NAME_LENGTH)],
    ['Drover', showText(worker.version, MAX_NAME_LENGTH)],
    ['started', showAgo(worker.startedAt, nowMs)],
    ['seen', showAgo(worker.seenAt, nowMs)],
    ['attempts handled', showNumber(worker.handled)],
    ['memory', showBytes(worker.rssBytes)],
    ['loop lag', showDuration(worker.loopLagMs)],
  ]
  return section(
    'facts',
    'Last heartbeat',
    html`<dl class="fact-list">${rows.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`,
  )
}

function loadsSection(base: string, worker: WorkerBeat, maySteer: boolean): Html {
  return section(
    'loads',
    'Queues',
    table(
      heads([['queue'], ['running', true], ['at once, at most', true], ...(maySteer ? [['change'] as const] : [])]),
      worker.queues.map(
        ({ queue, running, concurrency }) => html`<tr>
<th scope="row"><a href="${queueLink(base, queue)}">${showText(queue, MAX_NAME_LENGTH)}</a></th>
${numberCell('running', running)}${numberCell('at once', concurrency)}
${maySteer && cell('change', concurrencyForm(base, worker, queue, concurrency), 'steer')}</tr>`,
      ),
    ),
  )
}

function concurrencyForm(base: string, worker: WorkerBeat, queue: string, concurrency: number): Html {
  return html`<form method="post" action="${orderPath(base, worker, 'concurrency')}"><input type="hidden" name="queue" value="${queue}">
<label>Jobs at once <input type="number" name="concurrency" value="${concurrency}" min="1" max="${MAX_CONCURRENCY}" required></label> <button type="submit">Set</button></form>`
}

function runningSection(base: string, { jobs }: WorkerBeat, nowMs: number): Html {
  const empty = html`<p class="empty">It runs no job right now.</p>`
  const rows = jobs.map(
    ({ queue, id, job, attempt, startedAt }) => html`<tr>
<th scope="row" class="id"><a href="${jobLink(base, queue, id)}">${showText(id, MAX_NAME_LENGTH)}</a></th>
${cell('job', showText(job, MAX_NAME_LENGTH))}${cell('queue', queue)}${cell('attempt', showNumber(attempt), 'number')}${cell('runs for', showAge(startedAt, nowMs), 'number')}</tr>`,
  )
  const shown = table(heads([['id'], ['job'], ['queue'], ['attempt', true], ['runs for', true]]), rows)
  return section('running', 'Running now, the longest first', jobs.length === 0 ? empty : shown)
}

function stateForms(base: string, worker: WorkerBeat): Html {
  if (worker.state === 'close') return html`<span class="muted">is closing</span>`
  const steer =
    worker.state === 'run' ? button(base, worker, 'quiet', 'Quiet') : button(base, worker, 'resume', 'Resume')
  return html`${steer} <details class="confirm"><summary>Stop</summary>${button(base, worker, 'stop', `Stop ${worker.pid}`)}</details>`
}

function button(base: string, worker: WorkerBeat, order: string, label: string): Html {
  return html`<form method="post" action="${orderPath(base, worker, order)}"><button type="submit">${label}</button></form>`
}

function orderPath(base: string, { id }: WorkerBeat, order: string): string {
  return `${base}/workers/${encodeURIComponent(id)}/${order}`
}
