// The page of one job: what happened when, what went in and came out, and what may be done with it. It follows the job
// while it runs. What is in its side parts is in job-parts.ts; what its buttons do is in job-actions.ts.
import { isQueueName, JobNotFoundError } from '../../job/index.js'
import { type Explanation, explainJob, isGroupId } from '../../ledger/index.js'
import { type Html, html } from '../html.js'
import { type JobDetails, MAX_LOG_LINES, readJob } from '../jobs/read-job.js'
import { boardJobLink, errorGroupLink } from '../links.js'
import type { Shared } from '../shared.js'
import { showAgo, showDuration, showNext, showNumber, showText } from '../show.js'
import type { Asked, Shown } from '../view.js'
import { BOARD_PATH } from '../visit.js'
import { explainSection } from './explain-section.js'
import { attemptsSection, committedSection, facts, keysSection, programSection } from './job-parts.js'
import { progressSection } from './job-progress.js'
import { jobPath } from './results.js'
import { layOut, textBlock } from './text-block.js'

/** Ids of Drover, and those that BullMQ gives itself. */
export const ANY_ID = /^[A-Za-z0-9_.:-]{1,160}$/

export const DONE_WORDS: Readonly<Record<string, string>> = {
  retry: 'It is in its queue again and will run and commit once more.',
  cancel: 'It was cancelled: it has failed with CancelledError, or its worker aborts it within about a second.',
  run: 'This is the new job.',
  'run-unchecked':
    'This is the new job. Its input was not checked: the contract of the job is not known here. Its worker is the first to.',
  add: 'This is the new job.',
  known: 'No job was added: this one was there, by its key or by a rule of its contract.',
}

export async function jobView(asked: Asked): Promise<Shown> {
  const { shared, base, params, query, nowMs } = asked
  const { queue = '', id = '' } = params
  const job =
    isQueueName(queue) && ANY_ID.test(id)
      ? await readJob(shared.client, shared.prefix, queue, id, shared.redact)
      : undefined
  if (job === undefined) return missing(asked, queue, id)
  const waits = job.isKept && job.state !== 'completed' && job.state !== 'failed'
  const explanation = waits ? await explain(shared, queue, id, nowMs) : undefined
  const done = DONE_WORDS[query.get('done') ?? '']
  const own = `${base}${jobPath(queue, id)}`
  return {
    title: `Job ${showText(id, 60)}`,
    current: 'results',
    main: html`<nav class="crumbs" aria-label="Where this is"><a href="${base}/results">Results</a> /
<a href="${base}${BOARD_PATH}/queue/${encodeURIComponent(queue)}">${queue}</a></nav>
<div class="job-head"><h1>${showText(id, 160)}</h1><span class="badge ${job.state}">${job.state}</span>
<span>${showText(job.job, 128)}</span>${actions(asked, job, own)}</div>
<p class="elsewhere">${elsewhere(base, job)}</p>
${done !== undefined && html`<p class="notice good" role="status">${done}</p>`}
${job.isCancelling && html`<p class="notice">It is being cancelled: its worker aborts it, and nothing that it staged is written.</p>`}
${explanation && explainSection(explanation, base, nowMs)}
${facts(job, { shared, nowMs })}
<div class="columns"><div>
${waits && progressSection(job)}
${errorBlock(job)}
${job.result?.status === 'completed' && textBlock({ id: 'result', title: 'Result', text: layOut(JSON.stringify(job.result.value)), bytes: job.resultText?.bytes, raw: `${own}/raw/result` })}
${job.result === undefined && job.resultText && textBlock({ id: 'result', title: 'Result record', ...job.resultText, raw: `${own}/raw/result` })}
${job.input ? textBlock({ id: 'input', title: 'Input', ...job.input, text: layOut(job.input.text), raw: `${own}/raw/input` }) : html`<section class="card"><h2>Input</h2><p class="empty">BullMQ no longer keeps the job, so its input is gone. Its result is kept until its own time is over.</p></section>`}
</div><div>
${timeline(job, nowMs)}
${attemptsSection(job, nowMs)}
${!waits && progressSection(job)}
${logsBlock(job, own)}
${committedSection(job)}
${keysSection(job, shared.redis)}
${programSection(job)}
</div></div>`,
  }
}

/** Other pages about it: its error group, and bull-board's page where bull-board has it. */
function elsewhere(base: string, { queue, id, isKept, state, errorGroup }: JobDetails): Html {
  const isGrouped = state === 'failed' && isGroupId(errorGroup)
  return html`${isGrouped && html`<a href="${errorGroupLink(base, queue, errorGroup)}">All failures of this cause</a>`} ${
    isKept && html`<a href="${boardJobLink(base, queue, id, state)}">In bull-board</a>`
  }`
}

/** Why it does not run now; undefined when it has gone meanwhile. */
async function explain(
  { client, prefix }: Shared,
  queue: string,
  id: string,
  nowMs: number,
): Promise<Explanation | undefined> {
  try {
    return await explainJob({ client, prefix }, queue, id, nowMs)
  } catch (error) {
    if (error instanceof JobNotFoundError) return undefined
    throw error
  }
}

/** A job of a flow waits for others before it is enqueued: until then there is only that to tell. */
async function missing({ shared, base, nowMs }: Asked, queue: string, id: string): Promise<Shown> {
  const isName = isQueueName(queue) && ANY_ID.test(id)
  const explanation = isName ? await explain(shared, queue, id, nowMs) : undefined
  if (explanation !== undefined) {
    return {
      title: `Job ${showText(id, 60)}`,
      current: 'results',
      main: html`<h1>${showText(id, 160)}</h1>${explainSection(explanation, base, nowMs)}`,
    }
  }
  return {
    title: 'No such job',
    current: 'results',
    status: 404,
    main: html`<section class="card narrow"><h1>Nothing here</h1>
<p>Queue ${showText(queue, 64)} has no job ${showText(id, 160)}, and no result of it. BullMQ removes old finished jobs; results are
kept for their own time, by default 24 h.</p><p><a href="${base}/results">Search for another</a></p></section>`,
  }
}

function actions({ may }: Asked, { state, isKept, isCancelling, input }: JobDetails, own: string): Html | undefined {
  if (!may('operator') || !isKept) return undefined
  const isFinished = state === 'completed' || state === 'failed'
  const button = (action: string, label: string) =>
    html`<form method="post" action="${own}/${action}"><button type="submit">${label}</button></form>`
  return html`<div class="job-actions">${isFinished && button('retry', 'Retry')}${!isFinished && !isCancelling && button('cancel', 'Cancel')}${
    input && html`<a class="button" href="${own}/edit">Run again with edits…</a>`
  }</div>`
}

function errorBlock({ state, result, failedReason }: JobDetails): Html | undefined {
  if (result?.status === 'failed') {
    const { name, message, stack } = result.error
    return textBlock({
      id: 'error',
      title: 'Error',
      text: stack?.includes(message) ? stack : `${name}: ${message}\n${stack ?? ''}`,
    })
  }
  // What an earlier attempt failed with stays in BullMQ's hash when a later one completes.
  if (state !== 'failed' || !failedReason) return undefined
  return textBlock({ id: 'error', title: 'Error', text: failedReason })
}

function logsBlock({ logs, logCount }: JobDetails, own: string): Html | undefined {
  if (logCount === 0) return undefined
  const title = logCount > MAX_LOG_LINES ? `Logs, the last ${MAX_LOG_LINES} of ${showNumber(logCount)} lines` : 'Logs'
  const text = logs.map((line) => (line.length > 2_000 ? `${line.slice(0, 2_000)}…` : line)).join('\n')
  return textBlock({ id: 'logs', title, text, raw: `${own}/raw/logs` })
}

function timeline({ enqueuedAt, delayMs, startedAt, finishedAt, state, worker }: JobDetails, nowMs: number): Html {
  const steps: { readonly at: number; readonly text: string; readonly tone?: string }[] = []
  if (enqueuedAt !== null) steps.push({ at: enqueuedAt, text: 'enqueued' })
  if (enqueuedAt !== null && delayMs > 0) steps.push({ at: enqueuedAt + delayMs, text: 'may start' })
  if (startedAt !== null)
    steps.push({ at: startedAt, text: worker === null ? 'last started' : `last started by ${showText(worker, 80)}` })
  if (finishedAt !== null) steps.push({ at: finishedAt, text: state, tone: state })
  return html`<section class="card" id="timeline"><h2>Time line</h2><ol class="timeline">${steps.map(
    ({ at, text, tone }, index) =>
      html`<li${tone && html` class="${tone}"`}><span>${text}</span> ${at > nowMs ? showNext(at, nowMs) : showAgo(at, nowMs)}${
        index > 0 &&
        html` <span class="muted">after ${showDuration(Math.max(0, at - (steps[index - 1]?.at ?? at)))}</span>`
      }</li>`,
  )}</ol></section>`
}
