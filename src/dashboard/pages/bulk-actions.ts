// What the button of the page for many jobs does. Each press is one entry of the audit list, with the filter and the count.
import type { Request, Response } from 'express'
import { InvalidOptionError, isQueueName, QueueNotFoundError } from '../../job/index.js'
import { cancelMatching, checkReplay, checkTarget, discardFailed, readReplay } from '../../ledger/index.js'
import { audited } from '../access/audited.js'
import { textOf } from '../add/read-form.js'
import { untilConnected } from '../connection.js'
import type { Shared } from '../shared.js'
import { visitOf } from '../visit.js'
import { BULK_ACTIONS, BULK_RULES, type BulkFilter, isUsedQueue, jobsOf, MAX_AT_ONCE, targetOf } from './bulk.js'
import { readStages, UNDO_MS, whoAsks } from './take-errors.js'

export async function takeBulk(request: Request, response: Response, shared: Shared): Promise<void> {
  const filter = readFilter(request)
  if (!(await isUsedQueue(shared, filter.queue))) throw new QueueNotFoundError(filter.queue, shared.prefix)
  const words = ['job', 'tag', 'state'].flatMap((name) => {
    const value = filter[name as 'job' | 'tag' | 'state']
    return value === '' ? [] : [`${name} ${value}`]
  })
  const stages = filter.action === 'retry' ? String(textOf(request.body ?? {}, 'stages')) : ''
  const action = filter.action === 'cancel' ? 'jobs.cancel' : `errors.${filter.action}`
  const entry = {
    action,
    target: filter.queue,
    filter: [...words, ...(stages === '' ? [] : [`stages ${stages}`])].join(', ') || 'all',
  }
  await audited(shared, response, entry, () =>
    ACTIONS[filter.action](shared, filter, { by: whoAsks(response), stages }),
  )
  const asked = new URLSearchParams({
    do: filter.action,
    queue: filter.queue,
    job: filter.job,
    tag: filter.tag,
    state: filter.state,
  })
  response.redirect(303, `${visitOf(response).base}/bulk?${asked}`)
}

interface By {
  readonly by: string
  readonly stages: string
}

const ACTIONS = {
  async cancel(shared: Shared, filter: BulkFilter) {
    const run = <Value>(command: () => Promise<Value>) => untilConnected(shared.client).then(command)
    const room = shared.rooms.cancelRoom(filter.queue)
    const done = await cancelMatching(room, jobsOf(filter), { run, limit: MAX_AT_ONCE })
    const { cancelled, cancelling, ended, refused } = done
    const detail = `${cancelled} waited, ${cancelling} run and are aborted, ${ended} had ended, ${refused} refused`
    return { count: cancelled + cancelling, detail }
  },
  async retry({ failedJobs, client }: Shared, filter: BulkFilter, { by, stages }: By) {
    const replay = checkReplay({ stages: readStages(stages) })
    const id = await failedJobs.retry(filter.queue, checkTarget(targetOf(filter)), replay, by)
    const { total } = await readReplay(client, failedJobs.room(filter.queue).keys, filter.queue, id)
    return { count: total, detail: `replay ${id}` }
  },
  async discard({ failedJobs }: Shared, filter: BulkFilter, { by }: By) {
    const target = checkTarget(targetOf(filter))
    const { id, count } = await discardFailed(failedJobs.room(filter.queue), target, { undoMs: UNDO_MS, by })
    return { count, detail: `discard ${id}` }
  },
} as const

/** @throws InvalidOptionError for what is no action, name of a queue, job, tag or state */
function readFilter({ params, body = {} }: Request): BulkFilter {
  const { queue } = params
  if (!isQueueName(queue)) throw new InvalidOptionError('queue', 'the name of a queue', queue)
  const of = (name: keyof typeof BULK_RULES) => {
    const value = textOf(body, name).trim()
    const rule = BULK_RULES[name]
    if (value !== '' && rule !== undefined && !rule.holds(value))
      throw new InvalidOptionError(name, rule.expected, value)
    return value
  }
  const asked = of('do')
  const action = BULK_ACTIONS.find((each) => each === asked)
  if (action === undefined) throw new InvalidOptionError('do', BULK_ACTIONS.join(', '), asked)
  return { action, queue, job: of('job'), tag: of('tag'), state: of('state') }
}
