// The search for jobs: by id or idempotency key, job name, state, tag and time. The whole search is in the address.
import { takesJobs } from '../add/add-job.js'
import { type Html, html } from '../html.js'
import {
  type Found,
  findById,
  findJobs,
  SEARCH_STATES,
  type SearchState,
  UNFINISHED_STATES,
} from '../jobs/find-jobs.js'
import type { JobRow } from '../jobs/job-rows.js'
import { jobLink } from '../links.js'
import { JOB_RULE, oneOf, place, QUEUE_RULE, type QueryRules, TAG_RULE } from '../query-rules.js'
import { showAgo, showDuration, showNumber, showText } from '../show.js'
import { named } from '../table.js'
import type { Asked, Shown } from '../view.js'

const SPANS = { '1h': 3_600_000, '6h': 21_600_000, '24h': 86_400_000, '7d': 604_800_000 } as const
/** What ids and idempotency keys are made of. */
const ID_OR_KEY = /^[\w.:@/+=-]{1,256}$/
const BEFORE = /^-?\d{1,16}\.[\w.-]{1,64}\/\S{1,256}$/

export const SEARCH_RULES: QueryRules = {
  queue: QUEUE_RULE,
  job: JOB_RULE,
  state: oneOf(SEARCH_STATES),
  tag: TAG_RULE,
  since: oneOf(Object.keys(SPANS)),
  before: place((value) => BEFORE.test(value)),
}

interface Form {
  readonly q: string
  readonly queue: string
  readonly job: string
  readonly state: SearchState
  readonly tag: string
  readonly since: string
  readonly before: string | undefined
}

export async function resultsView({ shared, base, query, nowMs, may }: Asked): Promise<Shown> {
  const names = await shared.jobNames.read()
  const form = readForm(query)
  const found = await search(form)
  return {
    title: 'Results',
    current: 'results',
    main: html`<div class="page-head"><h1>Results</h1>${may('operator') && html`<div class="job-actions">${takesJobs(shared) && html`<a class="button" href="${base}/add">Add a job…</a>`}<a class="button" href="${base}/bulk?${bulkQuery(form)}">Many at once…</a></div>`}</div>
${searchForm(base, form, names)}
<section class="card" aria-label="Jobs found">
${found.rows.length === 0 ? html`<p class="empty">${emptyText(form, names.size)}</p>` : table(base, found.rows, form.tag, nowMs)}
</section>
<p class="pager">${form.before !== undefined && html`<a href="${base}/results?${queryOf(form, undefined)}">Newest</a>`}
${found.next !== undefined && html`<a rel="next" href="${base}/results?${queryOf(form, found.next)}">Older</a>`}</p>
<p class="muted">${coverage(form, found)}</p>`,
  }

  async function search({ q, queue, job, state, tag, since, before }: Form): Promise<Found> {
    const within = queue === '' ? names : new Map([[queue, names.get(queue) ?? []]])
    if (q !== '') {
      const rows = ID_OR_KEY.test(q) ? await findById(shared, q, within) : []
      return { rows, next: undefined, lookedAt: undefined }
    }
    const queues = [...within]
      .filter(([, jobs]) => job === '' || queue !== '' || jobs.includes(job))
      .map(([name]) => name)
    const sinceMs = isSpan(since) ? nowMs - SPANS[since] : 0
    return findJobs(shared, { queues, job: job || undefined, state, tag: tag || undefined, sinceMs, before })
  }
}

// What is no value of its field did not come this far: SEARCH_RULES.
function readForm(query: Asked['query']): Form {
  const of = (name: string) => query.get(name)?.trim() ?? ''
  const state = of('state')
  const before = of('before')
  return {
    q: of('q'),
    queue: of('queue'),
    job: of('job'),
    state: SEARCH_STATES.find((each) => each === state) ?? 'finished',
    tag: of('tag'),
    since: of('since'),
    before: before === '' ? undefined : before,
  }
}

function isSpan(text: string): text is keyof typeof SPANS {
  return Object.hasOwn(SPANS, text)
}

function queryOf({ q, queue, job, state, tag, since }: Form, before: string | undefined): string {
  const values = { q, queue, job, state: state === 'finished' ? '' : state, tag, since, before: before ?? '' }
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== '')).toString()
}

/** The same filter on the page that acts on all of them; a tag or a name alone is of no one queue. */
function bulkQuery({ queue, job, tag, state }: Form): string {
  const isUnfinished = UNFINISHED_STATES.some((each) => each === state)
  const values = { do: state === 'failed' ? 'retry' : 'cancel', queue, job, tag, state: isUnfinished ? state : '' }
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== '')).toString()
}

function searchForm(base: string, form: Form, names: ReadonlyMap<string, readonly string[]>): Html {
  const jobs = [...new Set([...names.values()].flat())].sort()
  return html`<form class="search" method="get" action="${base}/results" role="search">
<label class="grow">Id or idempotency key<input name="q" type="search" value="${form.q}" data-search maxlength="256" placeholder="a1f…"></label>
${select('queue', 'Queue', form.queue, [['', 'all'], ...[...names.keys()].map((name) => [name, name] as const)])}
<label>Job<input name="job" list="jobs" value="${form.job}" placeholder="all" maxlength="128"></label>
<datalist id="jobs">${jobs.map((job) => html`<option value="${job}"></option>`)}</datalist>
${select(
  'state',
  'State',
  form.state,
  // An id and a tag find unfinished jobs, too.
  SEARCH_STATES.map((state) => [state, state === 'finished' && (form.q || form.tag) ? 'any' : state] as const),
)}
<label>Tag<input name="tag" value="${form.tag}" maxlength="128" placeholder="any"></label>
${select('since', 'Time', form.since, [['', 'any'], ...Object.keys(SPANS).map((span) => [span, `last ${span}`] as const)])}
<button type="submit" class="primary">Search</button>
</form>`
}

function select(name: string, label: string, chosen: string, options: readonly (readonly [string, string])[]): Html {
  return html`<label>${label}<select name="${name}">${options.map(
    ([value, text]) => html`<option value="${value}"${value === chosen && html` selected`}>${text}</option>`,
  )}</select></label>`
}

function emptyText({ q, before }: Form, queueCount: number): string {
  if (queueCount === 0) return 'No queue yet. Enqueue a job with drover enqueue: it then shows here.'
  if (q !== '')
    return 'No job of this id, none that holds this idempotency key, and no result of it, in the queues searched.'
  return before === undefined ? 'No job matches.' : 'There is nothing older.'
}

/** What the search covers, in words: nobody shall take "not found" for "not there". */
function coverage({ q, state, tag, job }: Form, { lookedAt }: Found): string {
  if (q !== '')
    return 'Looked for the job, for its result where BullMQ no longer keeps the job, and for idempotency keys of every job name that has finished once.'
  const isUnfinished = UNFINISHED_STATES.some((each) => each === state)
  const list =
    tag !== ''
      ? 'Tags know the newest 10,000 jobs of the last 30 days of each queue, by the time of their enqueue.'
      : isUnfinished
        ? 'The jobs of each queue that come next. All of them are under Queues.'
        : 'Finished jobs that BullMQ still keeps, by default the newest 100 completed and 10,000 failed of each queue. A result that outlives its job is found by its id.'
  return job === '' || lookedAt === undefined
    ? list
    : `${list} The job name was looked for in the first ${showNumber(lookedAt)} of them.`
}

function table(base: string, rows: readonly JobRow[], tag: string, nowMs: number): Html {
  return html`<div class="scroll"><table id="jobs-found">
<thead><tr><th scope="col">id</th><th scope="col">job</th><th scope="col">queue</th><th scope="col">state</th>
<th scope="col" class="number">wait</th><th scope="col" class="number">start to end</th><th scope="col" class="number">attempts</th>
<th scope="col">when</th><th scope="col">result or error</th></tr></thead>
<tbody>${rows.map((row) => tableRow(base, row, tag, nowMs))}</tbody></table></div>`
}

/** All rows have the tag that was searched for, so that none shows it. */
function tableRow(base: string, row: JobRow, searched: string, nowMs: number): Html {
  const { queue, id, job, state, enqueuedAt, startedAt, finishedAt, attempts, tags, summary } = row
  const waitMs = startedAt !== null && enqueuedAt !== null ? Math.max(0, startedAt - enqueuedAt) : null
  const tookMs = startedAt !== null && finishedAt !== null ? Math.max(0, finishedAt - startedAt) : null
  const at = finishedAt ?? enqueuedAt
  const shownTags = tags.filter((tag) => tag !== searched).slice(0, 3)
  return html`<tr>
<th scope="row" class="id"><a href="${base}${jobPath(queue, id)}" title="${showText(id, 256)}">${showText(id, 36)}</a></th>
<td>${job === null ? '–' : named(showText(job, 128))}${shownTags.map((tag) => html` <span class="tag">${showText(tag, 40)}</span>`)}</td>
<td>${named(queue)}</td>
<td><span class="badge ${state}">${state}</span></td>
<td class="number" data-label="wait">${showDuration(waitMs)}</td>
<td class="number" data-label="start to end">${showDuration(tookMs)}</td>
<td class="number" data-label="attempts">${attempts === 0 ? '–' : showNumber(attempts)}</td>
<td>${at === null ? '–' : showAgo(at, nowMs)}</td>
<td class="summary wide"><code>${summary === null ? '' : showText(summary, 120)}</code></td>
</tr>`
}

/** Path of a job's page, below the base. */
export function jobPath(queue: string, id: string): string {
  return jobLink('', queue, id)
}
