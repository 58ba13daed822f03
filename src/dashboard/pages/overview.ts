// The first page: what is wrong, how fast jobs end and how long they wait and run, how the queues stand, what each job came
// to, workers, Redis, schedules. Its parts are in the other overview-*.ts files; open tabs follow it.
import { type Html, html } from '../html.js'
import type { Overview } from '../overview-data.js'
import { downNotice } from '../page-of.js'
import { redisProblem } from '../problems.js'
import type { Shared } from '../shared.js'
import { showAgo, showNumber } from '../show.js'
import type { Asked, Shown } from '../view.js'
import { redisSection, schedulesSection, workersSection } from './overview-below.js'
import { chartsAsked, chartsSection } from './overview-charts.js'
import { jobsSection, queuesSection, resultsSection } from './overview-tables.js'
import { verdictSection } from './overview-verdict.js'

export async function overviewView(asked: Asked): Promise<Shown> {
  const { shared, nowMs } = asked
  const { overview, problem } = await shared.overview.read()
  return {
    title: 'Overview',
    current: 'overview',
    source: overview && html`<span>${overview.redis}</span> <span>prefix ${overview.prefix}</span>`,
    main: html`${problem && downNotice(problem, overview && html`Below is what it said ${showAgo(overview.readAt, nowMs)}.`)}
${overview && (await content(asked, overview))}`,
    status: problem?.status,
  }
}

async function content({ shared, base, query, nowMs }: Asked, overview: Overview): Promise<Html> {
  return html`${verdictSection(base, overview)}
${leftOutNotice(overview)}
${summary(overview)}
${overview.queues.length > 0 && (await charts(shared, base, query, overview))}
${queuesSection(base, overview, nowMs)}
${jobsSection(base, overview, query)}
${workersSection(base, overview, nowMs)}
<div class="pair">${redisSection(overview)}${schedulesSection(base, overview, nowMs)}</div>
${resultsSection(base, overview, nowMs)}`
}

async function charts(
  { overview: source, timeoutMs }: Shared,
  base: string,
  query: ReadonlyMap<string, string>,
  overview: Overview,
): Promise<Html | undefined> {
  const asked = chartsAsked(query, overview)
  const queues = asked.queue === undefined ? overview.queues.map(({ queue }) => queue) : [asked.queue]
  try {
    const history = await source.history(asked.range, queues, overview.readAt)
    return chartsSection(base, overview, asked, history)
  } catch (error) {
    // Redis went away between two reads: the page has what was read before, and says so the next time.
    if (redisProblem(error, timeoutMs) === undefined) throw error
    return undefined
  }
}

function leftOutNotice({ leftOut }: Overview): Html {
  const { queues, unreadable } = leftOut
  return html`${
    queues > 0 &&
    html`<p class="notice">${showNumber(queues)} more queues are not shown: these are the first by name.</p>`
  }${
    unreadable.length > 0 &&
    html`<p class="notice">Cannot read queue ${unreadable.join(', ')}: another program wrote a key of another type.</p>`
  }`
}

function summary({ queues, jobs }: Overview): Html {
  const of = (read: (queue: Overview['queues'][number]) => number) => queues.reduce((sum, row) => sum + read(row), 0)
  const failed = of((queue) => queue.failed)
  const lastHour = {
    completed: jobs.reduce((sum, job) => sum + job.lastHour.completed, 0),
    failed: jobs.reduce((sum, job) => sum + job.lastHour.failed, 0),
  }
  const tiles: readonly [label: string, value: number, tone?: string | undefined][] = [
    ['waiting', of((queue) => queue.waiting + queue.prioritized)],
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
