// What the buttons of a job's page do: retry it, cancel it, run it again with an edited input, show one part of it whole.
import type { Request, Response } from 'express'
import { isQueueName, JobNotFoundError } from '../../job/index.js'
import { audited } from '../access/audited.js'
import { contractOf } from '../add/add-job.js'
import { html } from '../html.js'
import { type JobDetails, MAX_SHOWN, readJob, readRaw } from '../jobs/read-job.js'
import { runAgain } from '../jobs/run-again.js'
import { page } from '../layout.js'
import { answerProblem, type Problem, problemOf } from '../problems.js'
import { REDACTED } from '../redact.js'
import type { Page, Shared } from '../shared.js'
import { showBytes, showLines, showText } from '../show.js'
import { visitOf } from '../visit.js'
import { ANY_ID } from './job.js'
import { jobPath } from './results.js'
import { layOut } from './text-block.js'

const PARTS = ['input', 'result', 'logs'] as const

export const takeRetry: Page = async (request, response, shared) => {
  const job = await find(request, shared)
  await audited(shared, response, { action: 'job.retry', target: targetOf(job) }, async () => {
    await shared.rooms.retry(job.queue, job.id, job.state)
    return { count: 1 }
  })
  back(response, job, 'retry')
}

export const takeCancel: Page = async (request, response, shared) => {
  const job = await find(request, shared)
  await audited(shared, response, { action: 'job.cancel', target: targetOf(job) }, async () => {
    await shared.rooms.cancel(job.queue, job.id)
    return { count: 1 }
  })
  back(response, job, 'cancel')
}

export const showEdit: Page = async (request, response, shared) => {
  const job = await find(request, shared)
  if (job.input === undefined || job.input.bytes > MAX_SHOWN) return answerProblem(request, response, TOO_LARGE)
  if (job.input.text.includes(REDACTED)) return answerProblem(request, response, IS_REDACTED)
  sendForm(response, shared, job, layOut(job.input.text))
}

/** An input that the contract refuses comes back in the form, with what is wrong with it. */
export const takeRun: Page = async (request, response, shared) => {
  const job = await find(request, shared)
  const { input } = (request.body ?? {}) as { input?: unknown }
  const text = typeof input === 'string' ? input : ''
  if (text.includes(JSON.stringify(REDACTED))) return answerProblem(request, response, IS_REDACTED)
  try {
    const { id } = await audited(shared, response, { action: 'job.run-again', target: targetOf(job) }, async () => {
      const newId = await runAgain(shared, job, text)
      return { count: 1, detail: `as ${newId}`, id: newId }
    })
    const isChecked = contractOf(shared.contracts, job.job, job.queue) !== undefined
    back(response, { queue: job.queue, id }, isChecked ? 'run' : 'run-unchecked')
  } catch (error) {
    const problem = problemOf(error, shared.timeoutMs)
    if (problem.status !== 400 && problem.status !== 413) throw error
    sendForm(response.status(problem.status), shared, job, text, problem.message)
  }
}

/** One part of the job as plain text, whole: never as anything that a browser would run. */
export const showRaw: Page = async (request, response, { client, prefix, redact }) => {
  const { queue = '', id = '', part = '' } = request.params as Record<string, string>
  const known = PARTS.find((each) => each === part)
  const isJob = isQueueName(queue) && ANY_ID.test(id)
  const text = known && isJob ? await readRaw(client, prefix, { queue, id, part: known }, redact) : null
  if (text === null) return answerProblem(request, response, NO_PART)
  response.setHeader('Content-Security-Policy', "default-src 'none'; sandbox")
  response.setHeader('Content-Disposition', `inline; filename="${id.replace(/[^\w.-]/g, '_')}-${known}.txt"`)
  response.type('text/plain; charset=utf-8').send(text)
}

async function find(request: Request, { client, prefix, redact }: Shared): Promise<JobDetails> {
  const { queue = '', id = '' } = request.params as Record<string, string>
  const job = isQueueName(queue) && ANY_ID.test(id) ? await readJob(client, prefix, queue, id, redact) : undefined
  if (job === undefined || !job.isKept) throw new JobNotFoundError(id, queue)
  return job
}

function targetOf({ queue, id }: Pick<JobDetails, 'queue' | 'id'>): string {
  return `${queue}/${id}`
}

function back(response: Response, { queue, id }: Pick<JobDetails, 'queue' | 'id'>, done: string): void {
  response.redirect(303, `${visitOf(response).base}${jobPath(queue, id)}?done=${done}`)
}

function sendForm(
  response: Response,
  { contracts }: Shared,
  { queue, id, job }: JobDetails,
  text: string,
  complaint?: string,
): void {
  const visit = visitOf(response)
  const own = `${visit.base}${jobPath(queue, id)}`
  const isChecked = contractOf(contracts, job, queue) !== undefined
  const main = html`<nav class="crumbs" aria-label="Where this is"><a href="${visit.base}/results">Results</a> / <a href="${own}">${showText(id, 60)}</a></nav>
<h1>Run ${showText(job, 128)} again</h1>
<form class="card edit" method="post" action="${own}/run">
${complaint !== undefined && html`<p class="complaint" role="alert">${showLines(complaint, 4_000)}</p>`}
<label for="input">Input, JSON up to ${showBytes(MAX_SHOWN)}</label>
<textarea id="input" name="input" rows="18" spellcheck="false" required>
${text}</textarea>
<p class="muted">It becomes a new job with an id of its own, in queue ${queue}. The first one stays as it is.${
    isChecked && ' The input is checked by the contract of the job.'
  }</p>
${!isChecked && html`<p class="notice" id="unchecked">Not checked here but for being JSON: the contract of this job is not known to this dashboard. Its worker is the first to check the input.</p>`}
<div class="job-actions"><button type="submit" class="primary">Run again</button> <a href="${own}">Back</a></div>
</form>`
  response.type('html').send(String(page(visit, { title: 'Run again', current: 'results', main })))
}

const TOO_LARGE: Problem = {
  status: 413,
  code: 'INPUT_TOO_LARGE',
  message: 'This input is too large to be edited on a page. Read it by its raw link, and enqueue it with a program.',
}
const IS_REDACTED: Problem = {
  status: 409,
  code: 'INPUT_REDACTED',
  message:
    'Parts of this input are not shown here (option redact), so it cannot be edited. Retry the job, or enqueue it with a program.',
}
const NO_PART: Problem = { status: 404, code: 'NOT_FOUND', message: 'The job has no such part, or is gone.' }
