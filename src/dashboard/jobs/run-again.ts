// Runs a job again as a new one, with an input that a person edited: checked by the contract where it is known, and stored
// as the first one was, without what ties that one to others. Its limit (docs/limits.md) is that of its contract and input, or
// the first one's where the contract is not known.
import { encodeInput, encodeJson, InvalidInputError, newJobId } from '../../job/index.js'
import { newStoredJob, planQueueing, withLimit } from '../../ledger/index.js'
import { contractOf } from '../add/add-job.js'
import type { AddOptions } from '../options.js'
import type { Shared } from '../shared.js'
import type { JobDetails } from './read-job.js'

/** Options that are of how a job runs, not of which job it is or what waits for it. */
const KEPT_OPTIONS = ['attempts', 'backoff', 'stackTraceLimit', 'priority', 'keepResult', 'version', 'tags'] as const
const PRODUCER_OPTIONS = ['attempts', 'priority', 'keepResult', 'tags'] as const

/** What a contract allows by default. */
const UNKNOWN_JOB = { maxBytes: 262_144, what: 'input' } as const

/**
 * The id of the new job. Where the app's producer is known it goes through that, and so through its middleware.
 * @throws InvalidInputError for text that is no JSON and for what the contract refuses, TooLargeError
 */
export async function runAgain(
  { rooms, contracts, producer }: Pick<Shared, 'rooms' | 'contracts' | 'producer'>,
  { job, queue, options, limit }: Pick<JobDetails, 'job' | 'queue' | 'options' | 'limit'>,
  text: string,
): Promise<string> {
  const value = parse(job, text)
  const contract = contractOf(contracts, job, queue)
  // The order of such a key knows no priority; one that the job was stored with is of a contract before.
  const isStrict = contract === undefined ? limit?.includes(',s ') : contract.limit?.order === 'strict'
  const { priority, ...others } = options
  const known = isStrict || priority === undefined ? others : options
  if (contract !== undefined && producer !== undefined) {
    return (await producer.enqueue(contract, value, optionsOf(known))).id
  }
  const input = contract === undefined ? encodeJson(value, UNKNOWN_JOB) : await encodeInput(contract, value)
  const id = newJobId()
  const kept = Object.fromEntries(KEPT_OPTIONS.flatMap((name) => (name in known ? [[name, known[name]]] : [])))
  const planned =
    contract === undefined
      ? { ...kept, ...(limit === undefined ? {} : { limit }) }
      : withLimit(contract, { ...kept, ...planQueueing(contract, undefined, Date.now()) }, value)
  const { tags } = planned as { tags?: unknown }
  const rules = Array.isArray(tags) ? { tags: tags.map(String) } : undefined
  const entry = newStoredJob(job, id, input, planned, Date.now())
  await rooms.backend(queue).addRuled([{ jobId: id, job: { ...entry, rules: rules ?? {} } }])
  return id
}

// A rule that would take it for a job that is there would run nothing.
const NO_RULES = { unique: false, debounce: false, throttle: false, cache: false } as const

function optionsOf(options: JobDetails['options']): AddOptions {
  const kept = PRODUCER_OPTIONS.flatMap((name) => (name in options ? [[name, options[name]]] : []))
  return { ...NO_RULES, ...Object.fromEntries(kept) }
}

function parse(job: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 200) : ''
    throw new InvalidInputError(job, [{ path: '$', message: `is not JSON: ${why}` }], { cause: error })
  }
}
