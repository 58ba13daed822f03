// The charts of the overview: how many jobs ended, how long they waited and how long they ran, over an hour to a week.
import { type Chart, chart } from '../chart.js'
import { type Html, html } from '../html.js'
import type { History } from '../overview/history.js'
import { RANGES, type RangeName } from '../overview/history-steps.js'
import type { Overview } from '../overview-data.js'
import { showAgo, showDuration, showNumber, showText } from '../show.js'

/** What the address says about the charts. */
export interface ChartsAsked {
  readonly range: RangeName
  /** Undefined: all queues. */
  readonly queue: string | undefined
}

const MAX_RELEASES = 8
const MAX_NAME_LENGTH = 60
const DEFAULT_RANGE: RangeName = '1h'

/** What a range or a queue is that there is not falls back to an hour of all of them. */
export function chartsAsked(query: ReadonlyMap<string, string>, { queues }: Overview): ChartsAsked {
  const range = query.get('range') ?? ''
  const queue = query.get('queue')
  return {
    range: Object.hasOwn(RANGES, range) ? (range as RangeName) : DEFAULT_RANGE,
    queue: queues.some((row) => row.queue === queue) ? queue : undefined,
  }
}

export function chartsSection(base: string, overview: Overview, asked: ChartsAsked, history: History): Html {
  return html`<section class="card" id="charts" aria-labelledby="charts-title">
<div class="head"><h2 id="charts-title">Ended jobs, wait and run</h2>${rangeLinks(base, asked)}${queueForm(base, overview, asked)}</div>
<div class="charts">${chartsOf(history, overview).map(chart)}</div>
${releasesLine(history, overview)}
${
  history.missing > 0 &&
  html`<p class="empty">${showNumber(history.missing)} older steps are still being read: they show with the next look.</p>`
}</section>`
}

function rangeLinks(base: string, asked: ChartsAsked): Html {
  return html`<nav class="ranges" aria-label="Time">${Object.keys(RANGES).map((range) => {
    const isCurrent = range === asked.range
    return html`<a href="${base}/${addressOf({ ...asked, range: range as RangeName })}"${isCurrent && html` aria-current="true"`}>${range}</a>`
  })}</nav>`
}

function addressOf({ range, queue }: ChartsAsked): string {
  const query = new URLSearchParams({
    ...(range === DEFAULT_RANGE ? {} : { range }),
    ...(queue === undefined ? {} : { queue }),
  }).toString()
  return query === '' ? '' : `?${query}`
}

function queueForm(base: string, { queues }: Overview, { range, queue }: ChartsAsked): Html | undefined {
  if (queues.length < 2) return undefined
  return html`<form class="pick" method="get" action="${base}/"><input type="hidden" name="range" value="${range}">
<label>of <select name="queue"><option value="">all queues</option>${queues.map(
    (row) => html`<option${row.queue === queue && html` selected`}>${row.queue}</option>`,
  )}</select></label> <button type="submit">Show</button></form>`
}

// The dashed lines in words.
function releasesLine(history: History, overview: Overview): Html | undefined {
  const releases = releasesIn(history, overview)
  if (releases.length === 0) return undefined
  const shown = releases.slice(-MAX_RELEASES).reverse()
  return html`<p class="releases">New releases in this time: ${shown.map(
    ({ name, firstSeenAt }, index) =>
      html`${index > 0 && ', '}<b>${showText(name, MAX_NAME_LENGTH)}</b> ${showAgo(firstSeenAt, overview.readAt)}`,
  )}${releases.length > shown.length && html` and ${showNumber(releases.length - shown.length)} before`}</p>`
}

function releasesIn({ points }: History, { releases }: Overview): Overview['releases'] {
  const first = points[0]?.at ?? 0
  return releases.filter(({ firstSeenAt }) => firstSeenAt >= first)
}

function chartsOf(history: History, overview: Overview): Chart[] {
  const { points, stepMs } = history
  const times = points.map(({ at }) => at)
  const marks = releasesIn(history, overview).map(({ name, firstSeenAt }) => ({ at: firstSeenAt, label: name }))
  const percentiles = (kind: 'run' | 'wait') =>
    (['p50', 'p95', 'p99'] as const).map((share) => ({
      label: share,
      values: points.map((point) => point[kind][share]),
      tone: ({ p50: 'good', p95: 'link', p99: 'warn' } as const)[share],
    }))
  const common = { times, marks }
  return [
    {
      ...common,
      id: 'throughput',
      title: `Ended per ${showDuration(stepMs)}`,
      series: [
        { label: 'completed', values: points.map(({ completed }) => completed), tone: 'link' },
        { label: 'failed', values: points.map(({ failed }) => failed), tone: 'bad' },
      ],
    },
    { ...common, id: 'wait', title: 'Wait', unit: 'ms', show: showDuration, series: percentiles('wait') },
    { ...common, id: 'run', title: 'Run', unit: 'ms', show: showDuration, series: percentiles('run') },
  ]
}
