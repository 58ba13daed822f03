// producer.jobs: jobs found by the tags that they were enqueued with, and the cancel of one or of all that match.
import {
  checkWhole,
  InvalidJobIdError,
  InvalidOptionError,
  isJobName,
  JOB_NAME_RULE,
  JobNotFoundError,
  JobStateError,
  refuseUnknown,
  suggest,
} from '../job/index.js'
import {
  CANCEL_STATES,
  type CancelCounts,
  type CancelRoom,
  type CancelState,
  cancelJob,
  cancelMatching,
  countMatching,
  type Explanation,
  explainJob,
  listTags,
  readTagged,
  type TaggedJob,
} from '../ledger/index.js'
import { checkQueueName, queueKeys } from '../redis/index.js'
import type { BullQueues } from './bull-queues.js'
import { checkTag } from './enqueue-options.js'
import type { JobReference } from './job-handle.js'
import type { RedisGate } from './redis-gate.js'

export interface CancelOptions {
  /** How long the result of a job that had not begun is kept, unless its enqueue said so. Default 24 h. */
  readonly keepResultMs?: number | undefined
}

/** Which jobs of a queue: those that are all of what is given. */
export interface CancelFilter {
  readonly queue: string
  /** Their job name. Default: any. */
  readonly job?: string | undefined
  /** A tag that they were enqueued with. Default: any or none. */
  readonly tag?: string | undefined
  /** The states that they are in. Default: all but completed and failed. */
  readonly states?: readonly CancelState[] | undefined
}

export interface CancelManyOptions extends CancelOptions {
  /** True: only counts those that match, as `matched`. Default false. */
  readonly dryRun?: boolean | undefined
  /** Most jobs that one call cancels, or a dry run counts, 1 to 1,000,000,000. Default: all. */
  readonly limit?: number | undefined
  /** About how many jobs a dry run looks at, 1 to 1,000,000,000; beyond them it is `isPartial`. Default: all. */
  readonly maxRead?: number | undefined
}

export interface JobsByTagOptions {
  /** Most jobs of one page, 1 to 1000. Default 100. */
  readonly limit?: number | undefined
  /** The `next` of the page before. Default: the newest jobs. */
  readonly after?: string | undefined
}

export interface JobsByTag {
  /** Newest first. A job of it may have been removed since, and its result may have expired. */
  readonly jobs: readonly (JobReference & TaggedJob)[]
  /** Gives the next page as `after`; undefined on the last one. */
  readonly next: string | undefined
}

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
const MAX_CANCELLED = 1_000_000_000
/** Ids of Drover, and those that BullMQ gives itself. */
const ANY_ID = /^[A-Za-z0-9_.:-]{1,160}$/
const AFTER = /^\d{1,16}:[^:]+$/

/** Finds jobs. Reads are repeated while Redis is away, up to the producer's timeout. */
export class ProducerJobs {
  readonly #gate: RedisGate
  readonly #prefix: string
  readonly #queues: BullQueues

  constructor(gate: RedisGate, prefix: string, queues: BullQueues) {
    this.#gate = gate
    this.#prefix = prefix
    this.#queues = queues
  }

  /**
   * Cancels a job. `cancelled`: it had not begun, or waited for its next attempt; it has failed with CancelledError, and
   * counts, batch and who waits for it know. `cancelling`: it runs; its worker aborts it within a second, and nothing
   * that it staged is written; should it complete before, it has completed. Wait for its result to know. An interrupted run
   * of it does not start again. Calling it again is safe.
   * @throws JobNotFoundError; JobStateError for a job that has ended; InvalidQueueNameError; else as the reads
   */
  async cancel(
    { queue, id }: Pick<JobReference, 'queue' | 'id'>,
    options: CancelOptions = {},
  ): Promise<'cancelled' | 'cancelling'> {
    refuseUnknown(options, ['keepResultMs'], 'jobs.cancel')
    const room = this.#room(queue)
    if (typeof id !== 'string' || !ANY_ID.test(id)) throw new InvalidJobIdError(id)
    let calls = 0
    const told = await this.#gate.run('the cancel of a job', () => {
      calls++
      return cancelJob(room, id, options.keepResultMs)
    })
    // Cancelled before: by the first of two calls, whose answer was lost; else it is a job that has failed.
    const outcome = told === 'before' ? (calls > 1 ? 'cancelled' : 'failed') : told
    if (outcome === 'unknown') throw new JobNotFoundError(id, queue)
    if (outcome === 'marked') return 'cancelling'
    if (outcome !== 'cancelled') throw new JobStateError(id, queue, outcome, 'cancelled')
    return outcome
  }

  /**
   * Cancels all jobs of a queue that match, each as `cancel` does, 100 in one script call. Jobs that are enqueued meanwhile
   * may be among them. Calling it again is safe, also after it was killed: it goes on with those that are left.
   * @throws InvalidOptionError, UnknownOptionError, InvalidQueueNameError; else as the reads: those that were reached by then
   *   are cancelled
   */
  async cancelMany(filter: CancelFilter, options: CancelManyOptions = {}): Promise<CancelCounts> {
    refuseUnknown(filter, ['queue', 'job', 'tag', 'states'], 'the filter of jobs.cancelMany')
    refuseUnknown(options, ['keepResultMs', 'dryRun', 'limit', 'maxRead'], 'jobs.cancelMany')
    const { dryRun = false, limit = MAX_CANCELLED, maxRead = MAX_CANCELLED, keepResultMs } = options
    checkFilter(filter)
    checkWhole('limit', limit, 1, MAX_CANCELLED)
    checkWhole('maxRead', maxRead, 1, MAX_CANCELLED)
    if (typeof dryRun !== 'boolean') throw new InvalidOptionError('dryRun', 'true or false', dryRun)
    const room = this.#room(filter.queue)
    const run = <Value>(command: () => Promise<Value>) => this.#gate.run('the cancel of jobs', command)
    if (!dryRun) return cancelMatching(room, filter, { run, limit, keepResultMs })
    const counted = await countMatching(room, filter, { run, limit, maxRead })
    return { ...counted, cancelled: 0, cancelling: 0, ended: 0, refused: 0 }
  }

  /**
   * Why a job does not run now, in codes, and when it may be expected to start. It reads little, whatever the queue holds.
   * @throws JobNotFoundError, InvalidJobIdError, InvalidQueueNameError; else as the reads
   */
  async explain({ queue, id }: Pick<JobReference, 'queue' | 'id'>): Promise<Explanation> {
    checkQueueName(queue)
    if (typeof id !== 'string' || !ANY_ID.test(id)) throw new InvalidJobIdError(id)
    const room = { client: this.#gate.client, prefix: this.#prefix }
    return this.#gate.run('the look at a job', () => explainJob(room, queue, id))
  }

  #room(queue: string): CancelRoom {
    const { keys, backend } = this.#queues.get(checkQueueName(queue))
    return { client: this.#gate.client, keys, queue, backend }
  }

  /**
   * The jobs of a queue that were enqueued with a tag: the newest 10,000 of the last 30 days, without a scan.
   * @throws InvalidOptionError, UnknownOptionError, InvalidQueueNameError
   */
  async byTag(queue: string, tag: string, options: JobsByTagOptions = {}): Promise<JobsByTag> {
    refuseUnknown(options, ['limit', 'after'], 'jobs.byTag')
    const { limit = DEFAULT_LIMIT, after } = options
    checkTag(tag)
    checkWhole('limit', limit, 1, MAX_LIMIT)
    if (after !== undefined && (typeof after !== 'string' || !AFTER.test(after))) {
      throw new InvalidOptionError('after', 'the next of an earlier page', after)
    }
    const keys = queueKeys(this.#prefix, checkQueueName(queue))
    const read = () => readTagged(this.#gate.client, keys, tag, { limit, after })
    const { jobs, next } = await this.#gate.run('the search by tag', read)
    return { jobs: jobs.map((job) => ({ ...job, queue })), next }
  }

  /** The tags of a queue, the one used last first: the newest 1,000 of the last 30 days. @throws InvalidQueueNameError */
  async tags(queue: string): Promise<string[]> {
    const keys = queueKeys(this.#prefix, checkQueueName(queue))
    return this.#gate.run('the list of tags', () => listTags(this.#gate.client, keys))
  }
}

function checkFilter({ job, tag, states }: CancelFilter): void {
  if (job !== undefined && !isJobName(job)) throw new InvalidOptionError('job', JOB_NAME_RULE, job)
  if (tag !== undefined) checkTag(tag)
  if (states === undefined) return
  if (!Array.isArray(states) || states.length === 0) {
    throw new InvalidOptionError('states', `an array of ${CANCEL_STATES.join(', ')}`, states)
  }
  for (const state of states) {
    if ((CANCEL_STATES as readonly unknown[]).includes(state)) continue
    const nearest = typeof state === 'string' ? suggest(state, CANCEL_STATES) : undefined
    const meant = nearest === undefined ? '' : `; did you mean ${nearest}?`
    throw new InvalidOptionError('states', `some of ${CANCEL_STATES.join(', ')}${meant}`, state)
  }
}
