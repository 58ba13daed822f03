// Adding a job by hand: the list of jobs whose contracts are known, and for each a form made from its schema. The form only
// helps to write the input; whether it is right is said by the contract, when the producer enqueues it.
import type { Request, Response } from 'express'
import { type AnyJobContract, newJobId } from '../../job/index.js'
import { toJsonSchema } from '../../job/json-schema/index.js'
import { audited } from '../access/audited.js'
import { addJob, contractOf, takesJobs } from '../add/add-job.js'
import { OPTION_FIELDS, optionName, readOptions } from '../add/add-options.js'
import { type Complaints, complaintsOf, refusalStatus } from '../add/complaints.js'
import { type Drawing, drawField, drawOption, idOf } from '../add/draw-fields.js'
import { allFields, type Field, jsonField, readFields } from '../add/read-fields.js'
import { type FormBody, readForm, textOf } from '../add/read-form.js'
import { type Html, html } from '../html.js'
import { page } from '../layout.js'
import { answerProblem, type Problem } from '../problems.js'
import type { Page, Shared } from '../shared.js'
import { showLines, showText } from '../show.js'
import type { Asked, Shown } from '../view.js'
import { visitOf } from '../visit.js'
import { jobPath } from './results.js'

const FORM_ID = 'form-id'
const AS_JSON = 'json'

export async function addListView({ shared, base }: Asked): Promise<Shown> {
  const queues = new Map<string, AnyJobContract[]>()
  for (const contract of shared.contracts) {
    queues.set(contract.queue, [...(queues.get(contract.queue) ?? []), contract])
  }
  return {
    title: 'Add a job',
    current: 'results',
    main: html`<nav class="crumbs" aria-label="Where this is"><a href="${base}/results">Results</a></nav>
<h1>Add a job</h1>
${
  takesJobs(shared)
    ? [...queues].map(
        ([queue, contracts]) => html`<section class="card" aria-label="Queue ${queue}"><h2>${queue}</h2>
<ul class="jobs-to-add">${contracts.map(({ name }) => html`<li><a href="${base}${addPath(queue, name)}">${name}</a></li>`)}</ul></section>`,
      )
    : html`<p class="notice">No contract of a job is known here, so no input could be checked. Give drover serve the job files with
--jobs, or createDashboard the contracts and a producer.</p>`
}`,
  }
}

export const showAdd: Page = (request, response, shared) => {
  const contract = find(request, shared)
  if (contract === undefined) return answerProblem(request, response, NO_CONTRACT)
  const body = { [FORM_ID]: newJobId() }
  sendForm(response, contract, { isJson: request.query.as === AS_JSON, body, complaints: new Map() })
}

/** An input that the contract refuses comes back in the form, each complaint beside its field. */
export const takeAdd: Page = async (request, response, shared) => {
  const contract = find(request, shared)
  const { producer } = shared
  if (contract === undefined || producer === undefined) return answerProblem(request, response, NO_CONTRACT)
  const body = (request.body ?? {}) as FormBody
  const isJson = textOf(body, 'as') === AS_JSON
  const root = rootOf(contract, isJson)
  const { value, complaints } = readForm(root, body)
  if (complaints.size > 0) {
    const found = allFields(root).flatMap(({ name, path }) => {
      const complaint = complaints.get(path)
      return complaint === undefined ? [] : [[name, [complaint]] as const]
    })
    return sendForm(response.status(400), contract, { isJson, body, complaints: new Map(found) })
  }
  const target = `${contract.queue}/${contract.name}`
  try {
    const { id, isNew } = await audited(shared, response, { action: 'job.add', target }, async () => {
      const asked = { formId: textOf(body, FORM_ID), options: readOptions(body) }
      const added = await addJob(producer, contract, value, asked)
      const isNew = added.deduplicated !== true
      return { count: isNew ? 1 : 0, detail: isNew ? `as ${added.id}` : `${added.id} is there`, id: added.id, isNew }
    })
    const done = isNew ? 'add' : 'known'
    response.redirect(303, `${visitOf(response).base}${jobPath(contract.queue, id)}?done=${done}`)
  } catch (error) {
    const status = refusalStatus(error)
    if (status === undefined) throw error
    sendForm(response.status(status), contract, { isJson, body, complaints: complaintsOf(error, allFields(root)) })
  }
}

/** Path of the form for a job, below the base. */
export function addPath(queue: string, job: string): string {
  return `/add/${encodeURIComponent(queue)}/${encodeURIComponent(job)}`
}

function find({ params }: Request, shared: Shared): AnyJobContract | undefined {
  const { queue = '', job = '' } = params as Record<string, string>
  return takesJobs(shared) ? contractOf(shared.contracts, job, queue) : undefined
}

function rootOf({ input }: AnyJobContract, isJson: boolean): Field {
  return isJson ? jsonField() : readFields(toJsonSchema(input, 'input'))
}

interface Form {
  readonly isJson: boolean
  readonly body: FormBody
  readonly complaints: Complaints
}

function sendForm(response: Response, contract: AnyJobContract, { isJson, body, complaints }: Form): void {
  const visit = visitOf(response)
  const { queue, name } = contract
  const own = `${visit.base}${addPath(queue, name)}`
  const root = rootOf(contract, isJson)
  const drawing: Drawing = { body, complaints }
  const isOptionUsed = OPTION_FIELDS.some(({ option }) => textOf(body, optionName(option)) !== '')
  const main = html`<nav class="crumbs" aria-label="Where this is"><a href="${visit.base}/results">Results</a> / <a href="${visit.base}/add">Add a job</a></nav>
<h1>Add ${name}</h1>
<form class="card edit add" method="post" action="${own}" autocomplete="off">
${summary(complaints)}
<input type="hidden" name="${FORM_ID}" value="${textOf(body, FORM_ID)}"><input type="hidden" name="as" value="${isJson ? AS_JSON : 'form'}">
${drawField(root, drawing)}
${root.key === '' && root.kind === 'json' && !isJson && html`<p class="hint">The schema of this job tells of no fields.</p>`}
<details${isOptionUsed && html` open`}><summary>Options</summary>
${OPTION_FIELDS.map(({ option, label, hint }) => drawOption(optionName(option), label, hint, drawing))}</details>
<p class="muted">It goes into queue ${queue}. The input is checked by the contract of the job before anything is enqueued.
${root.kind === 'object' ? html`<a href="${own}?as=json">Write it as JSON</a>` : isJson && html`<a href="${own}">Use the form</a>`}</p>
<div class="job-actions"><button type="submit" class="primary">Add the job</button> <a href="${visit.base}/add">Other jobs</a></div>
</form>`
  response.type('html').send(String(page(visit, { title: `Add ${name}`, current: 'results', main })))
}

function summary(complaints: Complaints): Html | undefined {
  if (complaints.size === 0) return undefined
  const general = complaints.get('')
  const fields = [...complaints.keys()].filter((name) => name !== '')
  return html`<div class="complaint" role="alert"><p>Nothing was enqueued.</p>
${general && html`<p>${showLines(general.join('\n'), 4_000)}</p>`}${
  fields.length > 0 &&
  html`<ul>${fields.map(
    (name) =>
      html`<li><a href="#${idOf(name)}">${showText(name.split('/').slice(1).join('.') || 'input', 120)}</a>: ${showText(complaints.get(name)?.[0] ?? '', 200)}</li>`,
  )}</ul>`
}</div>`
}

const NO_CONTRACT: Problem = {
  status: 404,
  code: 'UNKNOWN_JOB',
  message: 'No contract of this job in this queue is known here, so nothing can be added.',
}
