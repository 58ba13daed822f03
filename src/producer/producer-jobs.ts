// producer.jobs: jobs found by the tags that they were enqueued with.
import { checkWhole, InvalidOptionError, refuseUnknown } from '../job/index.js'
import { listTags, readTagged, type TaggedJob } from '../ledger/index.js'
import { checkQueueName, queueKeys } from '../redis/index.js'
import { checkTag } from './enqueue-options.js'
import type { JobReference } from './job-handle.js'
import type { RedisGate } from './redis-gate.js'

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
const AFTER = /^\d{1,16}:[^:]+$/

/** Finds jobs. Reads are repeated while Redis is away, up to the producer's timeout. */
export class ProducerJobs {
  readonly #gate: RedisGate
  readonly #prefix: string

  constructor(gate: RedisGate, prefix: string) {
    this.#gate = gate
    this.#prefix = prefix
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
