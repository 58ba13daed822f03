// Takes the forms that steer a worker: quiet, resume, stop, concurrency. Each writes itself into the audit list.
import type { Request, Response } from 'express'
import { MAX_CONCURRENCY, orderConcurrency, orderState, readWorkers, type WorkerState } from '../../ledger/index.js'
import { audited } from '../access/audited.js'
import { untilConnected } from '../connection.js'
import { answerProblem, type Problem } from '../problems.js'
import type { Page, Shared } from '../shared.js'
import { visitOf } from '../visit.js'

/** The page that tells a worker one state, as `POST /workers/<id>/<action>`. */
export function tellState(action: 'quiet' | 'resume' | 'stop', state: WorkerState): Page {
  return async (request, response, shared) => {
    const id = await knownWorker(request, shared)
    if (id === undefined) return answerProblem(request, response, NO_WORKER)
    await audited(shared, response, { action: `worker ${action}`, target: id }, async () => {
      await orderState(shared.client, shared.prefix, id, state)
      return { count: 1 }
    })
    goBack(request, response)
  }
}

export async function tellConcurrency(request: Request, response: Response, shared: Shared): Promise<void> {
  const { queue, concurrency } = (request.body ?? {}) as { queue?: unknown; concurrency?: unknown }
  const jobs = typeof concurrency === 'string' && /^\d{1,5}$/.test(concurrency) ? Number(concurrency) : 0
  if (typeof queue !== 'string' || jobs < 1 || jobs > MAX_CONCURRENCY) {
    return answerProblem(request, response, BAD_CONCURRENCY)
  }
  const id = await knownWorker(request, shared, queue)
  if (id === undefined) return answerProblem(request, response, NO_WORKER)
  const action = { action: 'worker concurrency', target: id, filter: `${queue} ${jobs}` }
  await audited(shared, response, action, async () => {
    await orderConcurrency(shared.client, shared.prefix, id, queue, jobs)
    return { count: 1 }
  })
  goBack(request, response)
}

// An order for a worker that is not there would wait for a minute for one of that name, and count as done.
async function knownWorker(request: Request, shared: Shared, queue?: string): Promise<string | undefined> {
  await untilConnected(shared.client)
  const workers = await readWorkers(shared.client, shared.prefix, { isReadOnly: true })
  const worker = workers.find(({ id }) => id === request.params.worker)
  const isOfQueue = queue === undefined || worker?.queues.some((each) => each.queue === queue) === true
  return isOfQueue ? worker?.id : undefined
}

function goBack(request: Request, response: Response): void {
  const { base } = visitOf(response)
  response.redirect(303, `${base}/workers/${encodeURIComponent(String(request.params.worker))}`)
}

const NO_WORKER: Problem = {
  status: 404,
  code: 'NO_WORKER',
  message: 'No worker of this name, with this queue, has sent a heartbeat in the last 15 seconds. Nothing was told.',
}
const BAD_CONCURRENCY: Problem = {
  status: 400,
  code: 'BAD_REQUEST',
  message: `The form needs a queue, and as concurrency a whole number from 1 to ${MAX_CONCURRENCY}.`,
}
