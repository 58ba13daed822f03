// What stands below the tables of the overview: workers, how Redis is, the schedules that tick next.
import { type Html, html } from '../html.js'
import type { Overview } from '../overview-data.js'
import { showBytes, showDuration, showNext, showNumber, showText } from '../show.js'
import { cell, heads, named, section, table } from '../table.js'
import { sentence } from './overview-verdict.js'
import { workersTable } from './workers-table.js'

const MAX_WORKERS = 8
const MAX_NAME_LENGTH = 80

export function workersSection(base: string, { workers }: Overview, nowMs: number): Html {
  if (workers.length === 0) {
    const empty = html`<p class="empty">No worker has sent a heartbeat. Start one with <code>drover worker</code>.</p>`
    return section('workers', 'Workers', empty)
  }
  // Those that a person wants to see first: what is late, then what is busy.
  const sorted = [...workers].sort(
    (left, right) => right.loopLagMs - left.loopLagMs || right.jobs.length - left.jobs.length,
  )
  const all = html`<a href="${base}/workers">All workers (${showNumber(workers.length)})</a>`
  return section('workers', 'Workers', workersTable(base, sorted.slice(0, MAX_WORKERS), nowMs), all)
}

export function redisSection({ server, advice }: Overview): Html {
  const { usedMemoryBytes, maxmemoryBytes } = server
  const share =
    usedMemoryBytes !== null && maxmemoryBytes ? ` (${Math.round((100 * usedMemoryBytes) / maxmemoryBytes)} %)` : ''
  const memory =
    usedMemoryBytes === null
      ? 'unknown'
      : `${showBytes(usedMemoryBytes)}${maxmemoryBytes ? ` of ${showBytes(maxmemoryBytes)}${share}` : ', no limit'}`
  const rows: readonly [label: string, value: string][] = [
    ['server', `${server.flavour} ${server.version}${server.role === null ? '' : `, ${server.role}`}`],
    ['answers in', showDuration(server.roundTripMs)],
    ['memory', memory],
    ['fragmentation', server.fragmentation === null ? 'unknown' : `${server.fragmentation}`],
    ['at its limit', server.evictionPolicy ?? 'unknown'],
    ['append-only file', appendOnly(server)],
    ['clients', showNumber(server.connectedClients)],
    ['commands/s', showNumber(server.opsPerSecond)],
    ['replicas', showNumber(server.connectedReplicas)],
    ['up for', server.uptimeSeconds === null ? 'unknown' : showDuration(server.uptimeSeconds * 1_000)],
  ]
  return section(
    'redis',
    'Redis',
    html`<dl class="fact-list">${rows.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
${
  advice.length > 0 &&
  html`<ul class="advice">${advice.map(
    ({ code, evidence, remedy }) =>
      html`<li>${sentence(evidence)} ${remedy && html`<span class="muted">${sentence(remedy)}</span>`} <code class="code">${code}</code></li>`,
  )}</ul>`
}`,
  )
}

function appendOnly({ aofEnabled, appendfsync }: Overview['server']): string {
  if (aofEnabled === null) return 'unknown'
  return aofEnabled ? `on, ${appendfsync ?? 'fsync unknown'}` : 'off'
}

export function schedulesSection(base: string, { schedules }: Overview, nowMs: number): Html {
  const empty = html`<p class="empty">No schedule. A worker's code sets one with <code>defineSchedule</code>.</p>`
  const all = html`<a href="${base}/schedules">All schedules</a>`
  if (schedules.length === 0) return section('schedules', 'Next schedules', empty, all)
  const rows = schedules.map(
    ({ queue, name, at, job }) => html`<tr><th scope="row">${showText(name, MAX_NAME_LENGTH)}</th>
${cell('queue', named(queue))}${cell('job', job === null ? '–' : showText(job, MAX_NAME_LENGTH))}${cell('next', showNext(at, nowMs))}</tr>`,
  )
  return section('schedules', 'Next schedules', table(heads([['schedule'], ['queue'], ['job'], ['next']]), rows), all)
}
