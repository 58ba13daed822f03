// The first page: how the queues stand, what each job came to, counters, latest results. What is in its tables is in
// overview-tables.ts; assets/live.js asks for it again every two seconds.
import { createHash, randomUUID } from 'node:crypto'
import type { Request, Response } from 'express'
import { type Html, html } from '../html.js'
import { page } from '../layout.js'
import type { Overview } from '../overview-data.js'
import type { OverviewState } from '../overview-source.js'
import type { Problem } from '../problems.js'
import type { Shared } from '../shared.js'
import { showAgo, showNumber } from '../show.js'
import { visitOf } from '../visit.js'
import { countersSection, jobsSection, queuesSection, resultsSection } from './overview-tables.js'

// Another process may render the same data otherwise.
const VERSION = randomUUID()

export async function showOverview(_request: Request, response: Response, { overview }: Shared): Promise<void> {
  const state = await overview.read()
  const visit = visitOf(response)
  const nowMs = Date.now()
  const shown = page(visit, {
    title: 'Overview',
    current: 'overview',
    isLive: true,
    source: state.overview && html`<span>${state.overview.redis}</span> <span>prefix ${state.overview.prefix}</span>`,
    main: html`${notices(state, nowMs)}${state.overview && content(visit.base, state.overview, nowMs)}`,
  })
  // Express answers 304 to a browser that has this tag.
  response.setHeader('ETag', etagOf(state))
  response
    .status(state.problem?.status ?? 200)
    .type('html')
    .send(String(shown))
}

// All that the page shows, but for the moment of reading: that alone is no reason to draw the page again.
function etagOf({ overview, problem }: OverviewState): string {
  const text = JSON.stringify([VERSION, problem, problem === undefined ? { ...overview, readAt: 0 } : overview])
  return `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`
}

function notices({ overview, problem }: OverviewState, nowMs: number): Html {
  return html`${problem && downNotice(problem, overview, nowMs)}${overview && leftOutNotice(overview)}`
}

function downNotice(problem: Problem, overview: Overview | undefined, nowMs: number): Html {
  return html`<section class="notice down" role="alert">
<h2>Redis does not answer</h2>
<p>${problem.code === 'REDIS_UNAVAILABLE' ? 'Check that it runs and can be reached. This page goes on trying.' : problem.message}</p>
<p>${
    overview === undefined
      ? 'This page shows your jobs as soon as it does.'
      : html`Below is what it said ${showAgo(overview.readAt, nowMs)}.`
  }</p>
</section>`
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
