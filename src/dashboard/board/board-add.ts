// bull-board's form for a new job, and its copy of one: what they send goes the way of our own form, through the contract
// and the producer. Where no contract is known nothing is added.
import type { RequestHandler } from 'express'
import { InvalidOptionError } from '../../job/index.js'
import { contractOf } from '../add/add-job.js'
import { refusalStatus } from '../add/complaints.js'
import { whyNotInput } from '../bull-board-cut.js'
import type { AddOptions } from '../options.js'
import { answerProblem } from '../problems.js'
import type { Shared } from '../shared.js'
import { tell } from './board-tally.js'

const TAKEN = ['delay', 'priority', 'attempts', 'lifo', 'keepResult', 'tags'] as const
/** What a copy of a job carries and the enqueue sets by itself, and what bull-board's form starts with. */
const LEFT_OUT = [
  ...['backoff', 'stackTraceLimit', 'version', 'limit', 'timestamp', 'removeOnComplete', 'removeOnFail', 'batch'],
  ...[
    'countsIn',
    'needs',
    'key',
    'keyTtl',
    'cache',
    'cacheTtl',
    'deduplication',
    'startBy',
    'telemetry',
    'tm',
    'repeat',
  ],
]

export function addThroughProducer({ contracts, producer }: Pick<Shared, 'contracts' | 'producer'>): RequestHandler {
  return async (request, response) => {
    const { name, data, options } = (request.body ?? {}) as { name?: unknown; data?: unknown; options?: unknown }
    const queue = String(request.params.queue)
    const contract = typeof name === 'string' ? contractOf(contracts, name, queue) : undefined
    if (contract === undefined || producer === undefined) {
      const message =
        'No contract of this job in this queue is known to the dashboard, so its input cannot be checked and nothing was added.'
      return answerProblem(request, response, { status: 409, code: 'UNKNOWN_JOB', message })
    }
    const why = whyNotInput(data)
    if (why !== undefined)
      return answerProblem(request, response, { status: 409, code: 'INPUT_NOT_SHOWN', message: why })
    try {
      const { id, deduplicated } = await producer.enqueue(contract, data, readOptions(options))
      tell(deduplicated ? -1 : 0, deduplicated ? `${id} is there` : `as ${id}`)
      response.json({ job: { id, name: contract.name, data }, status: 'waiting' })
    } catch (error) {
      const status = refusalStatus(error)
      if (status === undefined) throw error
      const { code, message } = error as { code: string; message: string }
      answerProblem(request, response, { status, code, message })
    }
  }
}

/** @throws InvalidOptionError for options that a copy of a job does not carry and an enqueue does not take */
function readOptions(given: unknown): AddOptions {
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object' || Array.isArray(given)) throw new InvalidOptionError('options', 'an object', given)
  const { jobId, ...options } = given as Record<string, unknown>
  const read: Record<string, unknown> = jobId === undefined ? {} : { id: jobId }
  for (const [name, value] of Object.entries(options)) {
    if (TAKEN.some((each) => each === name)) {
      // Stored as 0 where a job has none.
      if (value !== 0) read[name] = value
    } else if (!LEFT_OUT.includes(name)) {
      const expected = `one of ${['jobId', ...TAKEN].join(', ')}`
      throw new InvalidOptionError('options', expected, name)
    }
  }
  return read
}
