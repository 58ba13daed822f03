// One counter: its value, what was added to it over an hour to a week and by which jobs, and how another program reads it.
import type { Request, Response } from 'express'
import { isQueueName } from '../../job/index.js'
import { listCounters, readCounter } from '../../ledger/index.js'
import { checkCounterName, type KeysOfQueue, queueKeys } from '../../redis/index.js'
import { type ChartSeries, chart } from '../chart.js'
import { untilConnected } from '../connection.js'
import { copyableCommand } from '../copy-button.js'
import { type CounterSeries, readCounterSeriesOf } from '../counters/counter-series.js'
import { csvOf } from '../counters/csv.js'
import { type Html, html } from '../html.js'
import { RANGES, type RangeName } from '../overview/history-steps.js'
import { answerProblem, type Problem } from '../problems.js'
import { redisCli } from '../redis-cli.js'
import type { Shared } from '../shared.js'
import { showDuration, showNumber, showRate, showText, showUtc } from '../show.js'
import { cell, heads, section, table } from '../table.js'
import type { Asked, Shown } from '../view.js'
import { signed } from './counters.js'

const MAX_NAME_LENGTH = 128
const MAX_PATTERN_LENGTH = 1_000
/** Jobs that get a line of their own in the chart; the others share one. */
const TONES: readonly ChartSeries['tone'][] = ['link', 'good', 'warn', 'bad']

interface CounterAsked {
  readonly queue: string
  readonly name: string
  readonly keys: KeysOfQueue
}

function counterAsked(params: Readonly<Record<string, unknown>>, prefix: string): CounterAsked | undefined {
  const { queue, counter } = params
  if (typeof queue !== 'string' || typeof counter !== 'string' || !isQueueName(queue)) return undefined
  try {
    return { queue, name: checkCounterName(counter), keys: queueKeys(prefix, queue) }
  } catch {
    // Its only reason is that no counter can have that name.
    return undefined
  }
}

export function rangeOf(text: unknown): RangeName {
  return typeof text === 'string' && Object.hasOwn(RANGES, text) ? (text as RangeName) : '1h'
}

export async function counterView({ shared, base, params, query, nowMs }: Asked): Promise<Shown> {
  const { client, prefix } = shared
  const asked = counterAsked(params, prefix)
  if (asked === undefined) return NO_COUNTER
  const { queue, name, keys } = asked
  await untilConnected(client)
  const range = rangeOf(query.get('range'))
  const [value, series, listed] = await Promise.all([
    readCounter(client, keys, name).catch(() => null),
    readCounterSeriesOf(client, keys, name, range, nowMs),
    listCounters(client, keys),
  ])
  if (value === 0 && series.added === 0 && !listed.some((each) => each.name === name)) return NO_COUNTER
  const here = `${base}/counters/${encodeURIComponent(queue)}/${encodeURIComponent(name)}`
  return {
    title: `${showText(name, MAX_NAME_LENGTH)} · Counters`,
    current: 'counters',
    main: html`<p class="crumbs"><a href="${base}/counters">Counters</a> / ${queue}</p>
<div class="head page-head"><h1>${showText(name, MAX_NAME_LENGTH)}</h1>${rangeLinks(here, range)}
<span class="exports"><a href="${here}/series.csv?range=${range}">CSV</a> <a href="${here}/series.json?range=${range}">JSON</a></span></div>
${tiles(value, series)}
<section class="card" aria-label="Series">${chart(chartOf(series))}</section>
${jobsSection(series)}
${keysSection(shared, asked)}`,
  }
}

const NO_COUNTER: Shown = {
  title: 'No such counter',
  current: 'counters',
  status: 404,
  main: html`<section class="card narrow"><h1>Nothing here</h1><p>No job and no producer has added to a counter of this name in this queue.</p></section>`,
}

function rangeLinks(here: string, current: RangeName): Html {
  return html`<nav class="ranges" aria-label="Time">${Object.keys(RANGES).map(
    (range) => html`<a href="${here}?range=${range}"${range === current && html` aria-current="true"`}>${range}</a>`,
  )}</nav>`
}

function tiles(value: number | null, { range, added, points, stepMs }: CounterSeries): Html {
  // The last point is still going on: its rate would look low.
  const over = points.slice(0, -1)
  const last = over.at(-1)
  const rows: readonly [label: string, value: string][] = [
    ['value', value === null ? 'not a whole number' : showNumber(value)],
    [`added in ${range}`, signed(added)],
    [`added in the last ${showDuration(stepMs)} that is over`, last === undefined ? '–' : signed(last.value)],
    ['rate then', last === undefined ? '–' : showRate((1_000 * last.value) / stepMs)],
  ]
  return html`<dl class="tiles four">${rows.map(([label, shown]) => html`<div><dt>${label}</dt><dd${shown.length > 10 && html` class="long"`}>${shown}</dd></div>`)}</dl>`
}

function chartOf({ points, jobs, stepMs }: CounterSeries) {
  const named = jobs.slice(0, TONES.length).map(({ job }) => job)
  const rest = points.map((point) => {
    const shown = named.reduce((sum, job) => sum + (point.jobs.get(job) ?? 0), 0)
    return point.value - shown
  })
  const series: ChartSeries[] = named.map((job, index) => ({
    label: showText(job, MAX_NAME_LENGTH),
    values: points.map((point) => point.jobs.get(job) ?? 0),
    tone: TONES[index] ?? 'link',
  }))
  const hasRest = rest.some((value) => value !== 0) || series.length === 0
  const others: ChartSeries = { label: series.length === 0 ? 'added' : 'others', values: rest, tone: 'muted' }
  return {
    id: 'counter',
    title: `Added per ${showDuration(stepMs)}, by job`,
    times: points.map(({ at }) => at),
    series: hasRest ? [...series, others] : series,
  }
}

function jobsSection({ jobs, added, range }: CounterSeries): Html {
  const byOthers = added - jobs.reduce((sum, each) => sum + each.added, 0)
  const rows = [
    ...jobs.map((each) => ({ name: showText(each.job, MAX_NAME_LENGTH), added: each.added })),
    ...(byOthers === 0 ? [] : [{ name: 'producers', added: byOthers }]),
  ]
  const empty = html`<p class="empty">Nobody added to it in this time.</p>`
  const shown = table(
    heads([['job'], [`added in ${range}`, true], ['share', true]]),
    rows.map((row) => {
      const share = added === 0 ? '–' : `${Math.round((1_000 * row.added) / added) / 10} %`
      return html`<tr><th scope="row">${row.name}</th>${cell('added', signed(row.added), 'number')}${cell('share', share, 'number')}</tr>`
    }),
  )
  return section('jobs', 'By job', rows.length === 0 ? empty : shown)
}

function keysSection({ redis, prefix }: Shared, { queue, name, keys }: CounterAsked): Html {
  const minute = keys.stats(0).slice(0, -1)
  const drover = `drover counters ${queue} ${name} --since 1h${prefix === 'drover' ? '' : ` --prefix ${prefix}`}`
  const rows: readonly [what: string, command: string, id?: string][] = [
    ['value', redisCli(redis, 'GET', keys.counter(name)), 'read-value'],
    ['add 5 to it', redisCli(redis, 'INCRBY', keys.counter(name), '5'), 'add-five'],
    ['with Drover', drover, 'read-drover'],
    [
      'fields of a minute or hour',
      `HGETALL '${minute}<minute>' or '${minute}h:<hour>': #${name}|<job>, and #${name} of producers`,
    ],
  ]
  return section(
    'keys',
    'Read it yourself',
    html`<dl class="commands">${rows.map(
      ([what, command, id]) =>
        html`<div><dt>${what}</dt><dd>${id ? copyableCommand(id, command) : html`<code class="command">${showText(command, MAX_PATTERN_LENGTH)}</code>`}</dd></div>`,
    )}</dl>`,
  )
}

async function readSeries(
  request: Request,
  shared: Shared,
): Promise<(CounterAsked & { series: CounterSeries }) | undefined> {
  const asked = counterAsked(request.params, shared.prefix)
  if (asked === undefined) return undefined
  await untilConnected(shared.client)
  const range = rangeOf(request.query.range)
  return { ...asked, series: await readCounterSeriesOf(shared.client, asked.keys, asked.name, range, Date.now()) }
}

export async function showCounterJson(request: Request, response: Response, shared: Shared): Promise<void> {
  const read = await readSeries(request, shared)
  if (read === undefined) return answerProblem(request, response, NOT_A_COUNTER)
  const { queue, name, keys, series } = read
  const points = series.points.map(({ at, value, jobs }) => ({ at, value, jobs: Object.fromEntries(jobs) }))
  response.json({ queue, counter: name, key: keys.counter(name), ...series, points })
}

export async function showCounterCsv(request: Request, response: Response, shared: Shared): Promise<void> {
  const read = await readSeries(request, shared)
  if (read === undefined) return answerProblem(request, response, NOT_A_COUNTER)
  const { name, series } = read
  const jobs = series.jobs.map(({ job }) => job)
  const rows = series.points.map((point) => [
    showUtc(point.at),
    point.value,
    ...jobs.map((job) => point.jobs.get(job) ?? 0),
  ])
  response.setHeader('Content-Disposition', `attachment; filename="${name.replaceAll(':', '-')}.csv"`)
  response.type('text/csv').send(csvOf([['from', 'added', ...jobs], ...rows]))
}

const NOT_A_COUNTER: Problem = {
  status: 404,
  code: 'NOT_FOUND',
  message: 'A counter is asked for by the names of its queue and its own.',
}
