// BullMQ's Redis backend with the ledger in it: each move to completed or failed carries what the attempt left to commit.
// The scripts are wrapped in bullmq-scripts.ts; what is committed is built in commit.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import { type MinimalJob, RedisQueueBackend, raw2NextJobData, type WorkerOptions } from 'bullmq'
import { type StoredError, serializeError } from '../job/index.js'
import { type KeysOfQueue, queuesKey } from '../redis/index.js'
import { commitWords, type FinishWords, finishWords, type Outcome } from './commit.js'
import { batchLimit, CommitBatch } from './commit-batch.js'
import { rejectionOf } from './commit-rejection.js'
import type { StagedWrite } from './effects.js'
import { pushEndingWrites, type StoredLife } from './ending-writes.js'
import { AttemptNotes } from './errors/attempt-notes.js'
import { pushErrorWrite } from './errors/failure-words.js'
import { errorOfReason } from './failed-reason.js'
import type { LedgerBackendOptions } from './ledger-backend-options.js'
import { repairLimits } from './limits/repair-limits.js'
import { createNextJobReader, type NextJob, sharedByText } from './next-job.js'
import { writeToOutbox } from './outbox/outbox.js'
import { writeOfJob } from './staged-job.js'
import type { StoredOptions } from './stored-job.js'

const FETCH_RETRY_MS = 500
/** Longest wait of one blocking read for the next job. */
const MAX_BLOCK_SECONDS = 5
const DEFAULT_KEEP_RESULT_MS = 86_400_000
/** How many finishes of one worker share one removal of old completed jobs. */
const TRIM_EVERY = 10
/** BullMQ's count for: remove none. */
const KEEP_ALL = -1

/** What a finished job has of its stalls and crashes, so that a manual retry starts afresh: none. */
const NO_CRASHES = { stc: 0, 'drover:survived': 0, 'drover:alone': 0 }

/** Where an outcome waits for its commit: with the job, so that it goes with it. */
const STAGED = Symbol('outcome to commit')
type WithOutcome = MinimalJob & { [STAGED]?: Outcome }

function hasStalled(job: MinimalJob): boolean {
  return ((job as { stalledCounter?: number }).stalledCounter ?? 0) > 0
}

function isLimited(next: NextJob): boolean {
  return (next[0] as { opts?: StoredOptions } | undefined)?.opts?.limit !== undefined
}

/**
 * A backend whose every finish commits. The worker stages an attempt's outcome before BullMQ moves the job; a job that
 * BullMQ fails by itself (stalled too often, a failed child) is committed as failed with that reason.
 */
export class LedgerBackend extends RedisQueueBackend {
  readonly #keys: KeysOfQueue
  readonly #queue: string
  readonly #options: LedgerBackendOptions
  readonly #readNextJob = createNextJobReader()
  readonly #batch: CommitBatch
  /** True when the worker keeps completed jobs up to a number of them. */
  readonly #trims: boolean
  /** Queues that staged jobs went to. */
  readonly #listed = new Set<string>()
  /** Failed attempts that others follow, until their jobs are put back. */
  readonly #notes = new AttemptNotes()
  /** While true it hands out no job: a read under way may still end with word of one. */
  isQuiet = false
  #finishes = 0
  #fetches = 0

  constructor(options: LedgerBackendOptions, ...backend: ConstructorParameters<typeof RedisQueueBackend>) {
    super(...backend)
    this.#keys = options.keys
    this.#queue = options.queue
    this.#options = options
    const { removeOnComplete, concurrency = 1 } = this.queue.opts as WorkerOptions
    this.#trims = removeOnComplete !== undefined && 'count' in removeOnComplete && (removeOnComplete.count ?? 0) > 0
    const bases = [options.keys.base, options.keys.bullBase] as const
    this.#batch = new CommitBatch(bases, this.connection.client, batchLimit(concurrency))
    this.#batch.isLimited = options.isLimited ?? false
  }

  /** Says what the next move of this job to completed or failed commits. */
  stage(job: MinimalJob, outcome: Outcome): void {
    ;(job as WithOutcome)[STAGED] = outcome
  }

  /** Says why the attempt of this job failed that another one follows: the move to it keeps that with the job. */
  noteFailedAttempt(job: MinimalJob, error: StoredError): void {
    this.#notes.add(job, error, this.#options.release)
  }

  // BullMQ's is 10 s. A blocking read whose connection fell silent is noticed when it is due, and the socket gives up later.
  override get maximumBlockTimeout(): number {
    return MAX_BLOCK_SECONDS
  }

  /** Cuts the connection of blocking reads, which `close` waits for in vain while Redis is away. */
  cut(): void {
    this.#options.blockingClient.disconnect()
  }

  /** As BullMQ's, which asks again at once when Redis refuses (its memory is full, say): that would keep both busy. */
  override async moveToActive(...request: Parameters<RedisQueueBackend['moveToActive']>): Promise<NextJob> {
    try {
      if (this.isQuiet) {
        // The read has taken BullMQ's marker, which another worker waits for.
        await this.#options.client.zadd(`${this.#keys.bullBase}marker`, 0, '0')
        return raw2NextJobData([])
      }
      const next = await super.moveToActive(...request)
      if (isLimited(next)) this.#batch.isLimited = true
      return next
    } catch (error) {
      await sleep(FETCH_RETRY_MS)
      throw error
    } finally {
      this.#fetches++
    }
  }

  override async waitForJob(seconds: number): ReturnType<RedisQueueBackend['waitForJob']> {
    try {
      return await super.waitForJob(seconds)
    } finally {
      this.#fetches++
    }
  }

  /** How many requests for a job were answered so far, whatever the answer. */
  get fetches(): number {
    return this.#fetches
  }

  override async moveToDelayed(
    ...[id, timestamp, delay, token, options = {}]: Parameters<RedisQueueBackend['moveToDelayed']>
  ): ReturnType<RedisQueueBackend['moveToDelayed']> {
    const moved = await super.moveToDelayed(id, timestamp, delay, token, this.#notes.into(id, options))
    this.#notes.delete(id)
    if (Array.isArray(moved) && isLimited(moved as NextJob)) this.#batch.isLimited = true
    return moved
  }

  override async moveToCompleted<T, R, N extends string>(
    job: MinimalJob<T, R, N>,
    _returnValue: R,
    removeOnComplete: Parameters<RedisQueueBackend['moveToCompleted']>[2],
    token: string,
    fetchNext: boolean,
  ): ReturnType<RedisQueueBackend['moveToCompleted']> {
    const staged = (job as WithOutcome)[STAGED]
    const outcome: Outcome =
      staged?.status === 'completed'
        ? staged
        : { status: 'completed', valueJson: 'null', keepResultMs: DEFAULT_KEEP_RESULT_MS, runMs: 0 }
    // BullMQ copies a return value into the job and into the event stream; the result key has the whole.
    const reference = JSON.stringify(this.#keys.result(String(job.id))) as R & string
    const keep = removeOnComplete ?? this.#trimInTurns()
    return this.#commit(this.#completionWords(job, reference, keep, token, fetchNext), job, outcome)
  }

  /** What BullMQ packs for a completion is the same for all jobs of one options text, but for the token, which goes beside it. */
  #completionWords(
    job: MinimalJob,
    reference: string,
    keep: Parameters<RedisQueueBackend['moveToCompleted']>[2],
    token: string,
    fetchNext: boolean,
  ): FinishWords {
    const shared = sharedByText(job.opts)
    const kind = keep === undefined ? 'trimming' : 'keeping'
    const fields = hasStalled(job) ? NO_CRASHES : undefined
    if (shared?.[kind] !== undefined && fields === undefined) {
      const fetches = fetchNext && !this.queue.closing ? 1 : 0
      return [String(job.id), Date.now(), token, shared[kind], reference, 'completed', fetches, '']
    }
    const rest = [keep, 'completed', token, Date.now(), fetchNext, fields] as const
    const words = finishWords(this.moveToFinishedArgs(job, reference, 'returnvalue', ...rest), token)
    if (shared) shared[kind] = words[3]
    return words
  }

  override async moveToFailed<T, R, N extends string>(
    job: MinimalJob<T, R, N>,
    failedReason: string,
    removeOnFail: Parameters<RedisQueueBackend['moveToFailed']>[2],
    token: string,
    fetchNext: boolean,
    fieldsToUpdate?: Record<string, unknown>,
  ): ReturnType<RedisQueueBackend['moveToFailed']> {
    const staged = (job as WithOutcome)[STAGED]
    const outcome: Outcome =
      staged?.status === 'failed'
        ? staged
        : {
            status: 'failed',
            error: errorOfReason(failedReason),
            keepResultMs: staged?.keepResultMs ?? this.#options.keepResultMs?.(job.name) ?? DEFAULT_KEEP_RESULT_MS,
            runMs: staged?.runMs ?? 0,
          }
    const fields = hasStalled(job) ? { ...fieldsToUpdate, ...NO_CRASHES } : fieldsToUpdate
    const args = this.moveToFailedArgs(job, failedReason, removeOnFail, token, fetchNext, fields)
    return this.#commit(finishWords(args, token), job, outcome)
  }

  /**
   * Delays an active job that asked for it: no attempt is counted, and count-retried.lua counts it as snoozed.
   * @throws BullMQ's error when this run does not have the job any more
   */
  async snooze(id: string, token: string, delayMs: number): Promise<void> {
    const now = Date.now()
    const fieldsToUpdate = { 'drover:snoozedAt': now }
    await this.moveToDelayed(id, now, delayMs, token, { skipAttempt: true, fieldsToUpdate })
  }

  /**
   * Which completed jobs BullMQ removes with this one, when only the worker's limit counts: a worker's first finish and
   * each tenth after it remove those beyond it, so that the others are spared the look. Undefined leaves it to the worker's own option.
   */
  #trimInTurns(): { count: number } | undefined {
    if (!this.#trims || this.#finishes++ % TRIM_EVERY === 0) return undefined
    return { count: KEEP_ALL }
  }

  #jobsOf(outcome: Outcome): StagedWrite[] | undefined {
    if (outcome.status === 'failed') return undefined
    return outcome.jobs?.map((job) => {
      this.#listQueue(job.queue)
      const write = writeOfJob(this, this.#options.prefix, job)
      // On a cluster each other queue is in a slot of its own, which this commit does not reach.
      return this.#options.client.isCluster && job.queue !== this.#queue ? writeToOutbox(job, write) : write
    })
  }

  // Lists the queue as one that is used, as a producer does with its first enqueue; when it fails, the next job tries again.
  #listQueue(queue: string): void {
    if (this.#listed.has(queue)) return
    this.#listed.add(queue)
    const client = this.#options.client
    client.sadd(queuesKey(this.#options.prefix), queue).catch(() => this.#listed.delete(queue))
  }

  /** Gives a job back that was taken without a look at its limit, which none of this worker's contracts has. */
  async #putBack([, id]: NextJob, token: string): Promise<NextJob> {
    this.#batch.isLimited = true
    // The finish before it is done. Should this fail, the lock of the job runs out, and it is handed out again.
    await this.moveJobFromActiveToWait(String(id), token).catch(() => undefined)
    return raw2NextJobData([])
  }

  /** BullMQ's look for stalled jobs, and ours for permits whose job is gone. */
  override async moveStalledJobsToWait(): ReturnType<RedisQueueBackend['moveStalledJobsToWait']> {
    const stalled = await super.moveStalledJobsToWait()
    const { stalledInterval = 0 } = this.queue.opts as WorkerOptions
    if (this.#batch.isLimited) await repairLimits(this.#options.client, this.#keys, Math.max(500, stalledInterval / 2))
    return stalled
  }

  async #commit(finish: FinishWords, job: MinimalJob, outcome: Outcome): ReturnType<RedisQueueBackend['moveToFailed']> {
    const [id, finishedOn, token] = finish
    const finishing = {
      id,
      name: job.name,
      queue: this.#queue,
      attemptsMade: job.attemptsMade,
      timestamp: job.timestamp,
      processedOn: job.processedOn ?? finishedOn,
      delayMs: job.opts.delay ?? 0,
    }
    const life = job.opts as StoredLife
    let isRefused = false
    let committed: Outcome | undefined
    try {
      const words: unknown[] = [...finish]
      const kept = life.keepResult === undefined ? outcome : { ...outcome, keepResultMs: life.keepResult }
      for (const word of commitWords(finishing, kept, finishedOn, this.#jobsOf(outcome))) words.push(word)
      pushEndingWrites(words, this.#keys, job.name, life, kept)
      pushErrorWrite(words, finishing, kept, finishedOn, this.#options.release)
      const reply = await this.#batch.commit(this.#keys.bullBase + id, words).catch((error: unknown) => {
        const rejection = rejectionOf(error, outcome, this.#keys)
        if (!rejection) throw error
        // Should this have been the last attempt, BullMQ fails the job next: with this for its record.
        const { keepResultMs, runMs } = outcome
        const stored = serializeError(rejection)
        this.stage(job, { status: 'failed', error: stored, keepResultMs, runMs })
        this.noteFailedAttempt(job, stored)
        throw rejection
      })
      isRefused = typeof reply === 'number' && reply < 0
      if (isRefused) {
        const refused = { code: reply as number, jobId: finishing.id, command: 'moveToFinished', state: 'active' }
        throw this.finishedErrors(refused)
      }
      committed = outcome
      const result = this.#readNextJob(reply)
      if (!this.#batch.isLimited && isLimited(result)) return { result: await this.#putBack(result, token), finishedOn }
      return { result, finishedOn }
    } finally {
      this.#fetches++
      this.#options.onSettled?.(job, isRefused, committed)
    }
  }
}
