// The first page: how the queues stand, what each job came to, counters, latest results. What is in its tables is in
// overview-tables.ts; open tabs follow it.
import { type Html, html } from '../html.js'
import type { Overview } from '../overview-data.js'
import { downNotice } from '../page-of.js'
import { showAgo, showNumber } from '../show.js'
import type { Asked, Shown } from '../view.js'
import { countersSection, jobsSection, queuesSection, resultsSection } from './overview-tables.js'

export async function overviewView({ shared, base, nowMs }: Asked): Promise<Shown> {
  const { overview, problem } = await shared.overview.read()
  return {
    title: 'Overview',
    current: 'overview',
    source: overview && html`<span>${overview.redis}</span> <span>prefix ${overview.prefix}</span>`,
    main: html`${problem && downNotice(problem, overview && html`Below is what it said ${showAgo(overview.readAt, nowMs)}.`)}
${overview && leftOutNotice(overview)}
${overview && content(base, overview, nowMs)}`,
    status: problem?.status,
  }
}

function leftOutNotice({ leftOut }: Overview): Html {
  const { queues, counters, unreadable } = leftOut
  return html`${
    queues > 0 &&
    html`<p class="notice">${showNumber(queues)} more queues are not shown: these are the first by name.</p>`
  }${
    counters > 0 &&
    html`<p class="notice">${showNumber(counters)} more counters are not shown. Read one by its key with redis-cli.</p>`
  }${
    unreadable.length > 0 &&
    html`<p class="notice">Cannot read queue ${unreadable.join(', ')}: another program wrote a key of another type.</p>`
  }`
}

function content(base: string, overview: Overview, nowMs: number): Html {
  return html`${summary(overview)}
${queuesSection(base, overview)}
${jobsSection(overview)}
${countersSection(overview)}
${resultsSection(base, overview, nowMs)}`
}

function summary({ queues, jobs }: Overview): Html {
  const of = (read: (queue: Overview['queues'][number]) => number) => queues.reduce((sum, row) => sum + read(row), 0)
  const waiting = of((queue) => queue.waiting + queue.prioritized)
  const failed = of((queue) => queue.failed)
  const lastHour = {
    completed: jobs.reduce((sum, job) => sum + job.lastHour.completed, 0),
    failed: jobs.reduce((sum, job) => sum + job.lastHour.failed, 0),
  }
  const tiles: readonly [label: string, value: number, tone?: string | undefined][] = [
    ['waiting', waiting],
    ['active', of((queue) => queue.active)],
    ['delayed', of((queue) => queue.delayed)],
    ['failed, kept', failed, failed > 0 ? 'bad' : undefined],
    ['completed last hour', lastHour.completed],
    ['failed last hour', lastHour.failed, lastHour.failed > 0 ? 'bad' : undefined],
  ]
  return html`<dl class="tiles">${tiles.map(
    ([label, value, tone]) =>
      html`<div${tone && html` class="${tone}"`}><dt>${label}</dt><dd>${showNumber(value)}</dd></div>`,
  )}</dl>`
}
