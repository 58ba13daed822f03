// producer.errors: jobs that failed for good, in groups of one cause; run again in stages, discarded and brought back.
import {
  checkWhole,
  type Duration,
  ErrorGroupNotFoundError,
  InvalidOptionError,
  isJobName,
  isQueueName,
  parseDuration,
  readTimeMs,
  refuseUnknown,
} from '../job/index.js'
import {
  type CommonField,
  checkReplay,
  checkTarget,
  commonFields,
  type DiscardRecord,
  discardFailed,
  type ErrorGroup,
  type ErrorGroupPage,
  type ErrorRoom,
  type FailedJobDetails,
  type FailedTarget,
  isErrorPlace,
  isGroupId,
  listDiscards,
  listErrorGroups,
  listReplays,
  newestOfGroup,
  planReplay,
  type ReplayOptions,
  type ReplayPlan,
  type ReplayRecord,
  readErrorGroup,
  readFailedJob,
  readInputs,
  readReplay,
  runReplay,
  startReplay,
  stopReplay,
  type UndoOutcome,
  undoDiscard,
} from '../ledger/index.js'
import { checkQueueName, queueKeys, queuesKey } from '../redis/index.js'
import type { BullQueues } from './bull-queues.js'
import type { RedisGate } from './redis-gate.js'

export interface ListErrorsOptions {
  /** Only of this queue. Default: all of them. */
  readonly queue?: string | undefined
  /** Only of this job. */
  readonly job?: string | undefined
  /** Only those seen at or after this time: a Date, milliseconds since 1970 or ISO 8601 with its zone. */
  readonly since?: Date | number | string | undefined
  /** Most groups of one page, 1 to 500. Default 50. */
  readonly limit?: number | undefined
  /** The `next` of the page before. */
  readonly after?: string | undefined
}

export interface ErrorGroupDetails {
  readonly group: ErrorGroup
  /** The newest of its jobs that are still failed. */
  readonly samples: readonly FailedJobDetails[]
  /** What the inputs of its newest 50 jobs have in common. */
  readonly common: readonly CommonField[]
}

export interface RetryErrorsOptions extends ReplayOptions {
  /** Who asks, for the record of the replay; at most 100 characters. Default: `library`. */
  readonly by?: string | undefined
  /** Stops it between two steps; what is back in the queue stays there. */
  readonly signal?: AbortSignal | undefined
  /** Told of each step. */
  readonly onProgress?: ((replay: ReplayRecord) => void) | undefined
}

export interface PlanErrorsOptions extends ReplayOptions {
  /** About how many failed jobs are looked at, the oldest first, 1 to 1,000,000,000; beyond them it is `isPartial`. Default 100,000. */
  readonly maxRead?: number | undefined
}

export interface DiscardErrorsOptions {
  /** How long it can be undone, 1 min to 30 days; then the jobs are gone. Default 7 days. */
  readonly undo?: Duration | undefined
  readonly by?: string | undefined
}

const LIST_NAMES = ['queue', 'job', 'since', 'limit', 'after']
const PLAN_NAMES = ['stages', 'wait', 'maxRead']
const MAX_READ = 1_000_000_000
const RETRY_NAMES = ['stages', 'wait', 'by', 'signal', 'onProgress']
const MAX_GROUPS = 500
const MAX_SAMPLES = 50
const MAX_BY = 100
const UNDO = { option: 'undo', minMs: 60_000, maxMs: 30 * 86_400_000 }

/** Reads are repeated while Redis is away, up to the producer's timeout; so is each step of what acts. */
export class ProducerErrors {
  readonly #gate: RedisGate
  readonly #prefix: string
  readonly #queues: BullQueues

  constructor(gate: RedisGate, prefix: string, queues: BullQueues) {
    this.#gate = gate
    this.#prefix = prefix
    this.#queues = queues
  }

  /** Error groups, the one seen last first. @throws InvalidOptionError, UnknownOptionError, InvalidQueueNameError */
  async list(options: ListErrorsOptions = {}): Promise<ErrorGroupPage> {
    refuseUnknown(options, LIST_NAMES, 'errors.list')
    const { queue, job, since, limit = 50, after } = options
    checkWhole('limit', limit, 1, MAX_GROUPS)
    if (job !== undefined && !isJobName(job)) throw new InvalidOptionError('job', 'the name of a job', job)
    if (after !== undefined && !isErrorPlace(after)) {
      throw new InvalidOptionError('after', 'the next of an earlier page', after)
    }
    const sinceMs = since === undefined ? undefined : readTimeMs(since)
    if (sinceMs !== undefined && !Number.isFinite(sinceMs)) {
      throw new InvalidOptionError('since', 'a Date, milliseconds since 1970, or ISO 8601 with its zone', since)
    }
    if (queue !== undefined) checkQueueName(queue)
    return this.#gate.run('the list of errors', async () => {
      const { client } = this.#gate
      const queues =
        queue === undefined ? (await client.smembers(queuesKey(this.#prefix))).filter(isQueueName) : [queue]
      const keysOf = (name: string) => queueKeys(this.#prefix, name)
      return listErrorGroups(client, keysOf, queues, { job, sinceMs, limit, after })
    })
  }

  /** A group with its newest failed jobs, 5 unless told, 50 at most. @throws ErrorGroupNotFoundError, InvalidOptionError */
  async get(queue: string, group: string, { samples = 5 }: { samples?: number } = {}): Promise<ErrorGroupDetails> {
    checkWhole('samples', samples, 0, MAX_SAMPLES)
    const { client, keys } = this.#room(queue)
    return this.#gate.run('the read of an error group', async () => {
      const found = isGroupId(group) ? await readErrorGroup(client, keys, queue, group) : null
      if (found === null) throw new ErrorGroupNotFoundError(group, queue)
      const places = await newestOfGroup(client, keys, group, MAX_SAMPLES)
      const shown = await Promise.all(places.slice(0, samples).map(({ id }) => readFailedJob(client, keys, id)))
      const inputs = await readInputs(
        client,
        keys,
        places.map(({ id }) => id),
      )
      return { group: found, samples: shown.filter((job) => job !== null), common: commonFields(inputs) }
    })
  }

  /** What `retry` would run; nothing is changed. @throws as `retry` */
  async plan(queue: string, target: FailedTarget, options: PlanErrorsOptions = {}): Promise<ReplayPlan> {
    refuseUnknown(options, PLAN_NAMES, 'errors.plan')
    const { maxRead, ...replay } = options
    if (maxRead !== undefined) checkWhole('maxRead', maxRead, 1, MAX_READ)
    return planReplay(this.#room(queue), checkTarget(target), checkReplay(replay), maxRead)
  }

  /**
   * Runs failed jobs again, one attempt each: one job first, then ten, then the rest, unless `stages` says otherwise. Each
   * stage waits until its jobs have ended, and it stops when one fails with the error that it had before. Each job that is
   * run again is a new run, with a commit of its own. Called again it goes on with what is failed then.
   * @throws ErrorGroupNotFoundError, NoFailedJobsError, JobNotFoundError, JobStateError, InvalidOptionError: nothing was
   *   changed; else as the reads
   */
  async retry(queue: string, target: FailedTarget, options: RetryErrorsOptions = {}): Promise<ReplayRecord> {
    return (await this.start(queue, target, options)).ended
  }

  /** As `retry`, and gives the replay's id as soon as it has begun. */
  async start(
    queue: string,
    target: FailedTarget,
    options: RetryErrorsOptions = {},
  ): Promise<{ readonly id: string; readonly ended: Promise<ReplayRecord> }> {
    refuseUnknown(options, RETRY_NAMES, 'errors.retry')
    const { by, signal, onProgress, ...staging } = options
    const replay = checkReplay(staging)
    const checked = checkTarget(target)
    const room = this.#room(queue)
    const id = await startReplay(room, checked, replay, checkBy(by))
    const watch = { ...(signal && { signal }), ...(onProgress && { onProgress }) }
    return { id, ended: runReplay(room, id, checked, replay, watch) }
  }

  /** The newest 20 replays of a queue. */
  async replays(queue: string): Promise<ReplayRecord[]> {
    const { client, keys } = this.#room(queue)
    return this.#gate.run('the list of replays', () => listReplays(client, keys, queue))
  }

  /** @throws ReplayNotFoundError */
  async replay(queue: string, id: string): Promise<ReplayRecord> {
    const { client, keys } = this.#room(queue)
    return this.#gate.run('the read of a replay', () => readReplay(client, keys, queue, id))
  }

  /** Tells a replay to put no further job back, whoever runs it. @throws ReplayNotFoundError */
  async stop(queue: string, id: string): Promise<ReplayRecord> {
    await this.replay(queue, id)
    await stopReplay(this.#room(queue), id)
    return this.replay(queue, id)
  }

  /**
   * Takes failed jobs out of their queue and keeps them aside until `undo` has passed.
   * @throws as `retry`
   */
  async discard(queue: string, target: FailedTarget, options: DiscardErrorsOptions = {}): Promise<DiscardRecord> {
    refuseUnknown(options, ['undo', 'by'], 'errors.discard')
    const undoMs = parseDuration(options.undo ?? '7d', UNDO)
    return discardFailed(this.#room(queue), checkTarget(target), { undoMs, by: checkBy(options.by) })
  }

  /** Brings discarded jobs back as they were; those whose id has been enqueued again stay aside. @throws DiscardNotFoundError */
  async undo(queue: string, id: string): Promise<UndoOutcome> {
    return undoDiscard(this.#room(queue), id)
  }

  /** The discards of a queue that can be undone, the newest first. */
  async discards(queue: string): Promise<DiscardRecord[]> {
    const { client, keys } = this.#room(queue)
    return this.#gate.run('the list of discards', () => listDiscards(client, keys, queue))
  }

  #room(queue: string): ErrorRoom {
    const { keys, backend } = this.#queues.get(checkQueueName(queue))
    const run: ErrorRoom['run'] = (operation, command) => this.#gate.run(operation, command)
    return { client: this.#gate.client, keys, queue, scripts: backend.client as never, run }
  }
}

function checkBy(by: unknown = 'library'): string {
  if (typeof by === 'string' && by !== '' && by.length <= MAX_BY) return by
  throw new InvalidOptionError('by', `1 to ${MAX_BY} characters`, by)
}
