// One queue's BullMQ worker on the ledger's backend: opened, listened to, built anew when it hangs, and closed. What
// happens to a job that it hands over is queue-worker.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import { type WorkerOptions as BullOptions, Worker as BullWorker, type Job, type MinimalJob } from 'bullmq'
import type { Logger } from 'pino'
import { EffectRejectedError, logThinned, serializeError, throttledLine, throttledLog } from '../job/index.js'
import { type LedgerBackend, ledgerBackendFactory, type Outcome } from '../ledger/index.js'
import { queueKeys, type RedisClient } from '../redis/index.js'
import { AttemptFailed, JobFailed } from './attempt-failures.js'
import { FetchWatch, SILENT_MS } from './fetch-watch.js'
import type { QueueLocks } from './lock-keeper.js'
import { OutboxDrainer } from './outbox-drainer.js'
import type { QueueSettings } from './worker-options.js'

/** Wait between tries to finish a job while Redis is away; BullMQ's own default is 15 s. */
const FINISH_RETRY_MS = 500
/** A queue that is rate limited for longer is asked meanwhile, so that the watch hears of it. */
const MAX_RATE_LIMIT_DELAY_MS = 5_000
const RETIRED_POLL_MS = 50

/** BullMQ's codes for a finish by a run that no longer has the job: removed, lock gone, not active, another's lock. */
const STALE_RUN_CODES: readonly unknown[] = [-1, -2, -3, -6]

/** What the queues of one worker share, and the locks of this one. */
export interface QueueRoom {
  readonly client: RedisClient
  readonly locks: QueueLocks
  readonly logger: Logger
  /** Asks Redis whether it is there, over a connection of its own. */
  readonly pingRedis: () => Promise<boolean>
}

export interface ConsumerHooks {
  readonly process: (job: Job, token: string) => Promise<null>
  readonly retryDelayMs: (error: unknown, job: MinimalJob) => number
  readonly keepResultMs: (job: string) => number | undefined
  /** Told of a finish that was answered, and what it committed. */
  readonly onCommitted: (job: MinimalJob, outcome: Outcome) => void
  /** Told of a finish that was refused, since the run had lost its job. */
  readonly onRefused: (job: Job) => void
  /** The fields of a log line about a job. */
  readonly describe: (job: Job) => object
}

export class Consumer {
  readonly #queue: string
  readonly #room: QueueRoom
  readonly #open: () => BullWorker
  readonly #watch: FetchWatch
  /** Those that were replaced, while they end. */
  readonly #retired: Promise<unknown>[] = []
  readonly #outbox: OutboxDrainer
  #bull: BullWorker
  #rebuilds = 0
  #isClosing = false
  #isQuiet = false
  #concurrency: number

  constructor(settings: QueueSettings, room: QueueRoom, hooks: ConsumerHooks) {
    const { client, locks } = room
    const { prefix: ownPrefix, queue } = settings
    this.#queue = queue
    this.#room = room
    this.#concurrency = settings.concurrency
    const keys = queueKeys(ownPrefix, queue)
    const prefix = keys.bull
    this.#outbox = new OutboxDrainer({ client, prefix: ownPrefix, queue, keys }, room.logger)
    const options = { ...bullOptions(settings, hooks), connection: client, prefix }
    const factory = ledgerBackendFactory(client, settings.prefix, {
      keepResultMs: hooks.keepResultMs,
      release: settings.release,
      isLimited: [...settings.handlers.values()].some(({ contract }) => contract.limit !== undefined),
      onSettled: (job, isRefused, committed) => {
        locks.remove(job)
        if (committed) hooks.onCommitted(job, committed)
        if (committed?.status === 'completed' && committed.jobs !== undefined) this.#outbox.noteJobs(committed.jobs)
        if (isRefused) hooks.onRefused(job as Job)
      },
    })
    const listen = createListeners(settings.queue, room, hooks)
    this.#open = () => {
      const bull = new BullWorker(settings.queue, (job, token) => hooks.process(job, token ?? ''), options, factory)
      bull.concurrency = this.#concurrency
      locks.setOwner(bull.id)
      listen(bull)
      return bull
    }
    this.#bull = this.#open()
    this.#watch = new FetchWatch({
      fetches: () => this.backend.fetches,
      isFull: () => this.#isQuiet || locks.size >= this.#concurrency,
      pingRedis: room.pingRedis,
      onStuck: () => this.#rebuild(),
    })
  }

  get backend(): LedgerBackend {
    return this.#bull.getBackend() as LedgerBackend
  }

  /** How often the queue was found unread although Redis was there, and its BullMQ worker was built anew. */
  get rebuilds(): number {
    return this.#rebuilds
  }

  /** True when building it anew has not helped. */
  get isStuck(): boolean {
    return this.#watch.isStuck
  }

  /** Resolves when its connections are there and BullMQ is one the ledger knows; else rejects. */
  async ready(): Promise<void> {
    await this.#bull.waitUntilReady()
  }

  get concurrency(): number {
    return this.#concurrency
  }

  /** Changes how many jobs run at once. BullMQ's loop takes more of them at once only when it is woken. */
  setConcurrency(concurrency: number): void {
    const isMore = concurrency > this.#concurrency
    this.#concurrency = concurrency
    this.#bull.concurrency = concurrency
    if (isMore && !this.#isQuiet && !this.#isClosing) void this.#bull.pause(true).then(() => this.#wake())
  }

  /** Takes no more jobs until `resume`; the running ones go on. */
  quiet(): void {
    this.#isQuiet = true
    this.backend.isQuiet = true
    void this.#bull.pause(true)
  }

  resume(): void {
    this.#isQuiet = false
    this.backend.isQuiet = false
    void this.#wake()
  }

  async #wake(): Promise<void> {
    if (!this.#isClosing && !this.#isQuiet) await this.#bull.resume()
  }

  /** Starts to take jobs. */
  run(): void {
    this.#watch.start()
    this.#outbox.start()
    this.#run()
  }

  /** Takes no more jobs; resolves when the running ones are finished, and the connections closed. */
  async close(): Promise<void> {
    this.#isClosing = true
    // Else a read under way takes the very job that is handed back.
    this.backend.isQuiet = true
    this.#watch.close()
    await this.#bull.close()
    await this.#untilRetired()
    await this.#outbox.close()
  }

  /** Ends what `close` still waits for, and leaves no timer and no connection of its own. */
  cut(): void {
    this.#isClosing = true
    this.#watch.close()
    this.#outbox.cut()
    this.backend.cut()
    // BullMQ ends its timer of stalled jobs at the end of a close, which does not come while Redis is away.
    void this.#bull.pause(true)
  }

  #run(): void {
    this.#bull
      .run()
      .catch((error: unknown) =>
        this.#room.logger.error({ queue: this.#queue, err: serializeError(error) }, 'the worker stopped'),
      )
  }

  // Jobs that run finish over the old BullMQ worker, which takes no more.
  #rebuild(): void {
    if (this.#isClosing || this.#isQuiet) return
    const { fetches } = this.backend
    this.#rebuilds++
    this.#room.logger.error(
      { queue: this.#queue, silentMs: SILENT_MS, rebuilds: this.#rebuilds },
      'the queue was not read although Redis answers: its consumer is built anew',
    )
    this.#retired.push(this.#bull.close())
    this.backend.cut()
    // One that never heard anything has the connection for commands to blame, which all queues share.
    if (fetches === 0) this.#room.client.disconnect(true)
    this.#bull = this.#open()
    this.#run()
  }

  // One that hangs never ends, but its running jobs do.
  async #untilRetired(): Promise<void> {
    let isOver = this.#retired.length === 0
    void Promise.all(this.#retired).then(() => {
      isOver = true
    })
    while (!isOver && this.#room.locks.size > 0) await sleep(RETIRED_POLL_MS)
  }
}

function bullOptions(settings: QueueSettings, hooks: ConsumerHooks): Omit<BullOptions, 'connection'> {
  return {
    autorun: false,
    concurrency: settings.concurrency,
    lockDuration: settings.lockMs,
    skipLockRenewal: true,
    stalledInterval: settings.stalledIntervalMs,
    // BullMQ fails a job for its stalls, whoever caused them; turns.ts tells its own crashes from those of neighbours.
    maxStalledCount: Number.MAX_SAFE_INTEGER,
    maximumRateLimitDelay: MAX_RATE_LIMIT_DELAY_MS,
    runRetryDelay: FINISH_RETRY_MS,
    removeOnComplete: { count: settings.keepCompleted },
    removeOnFail: { count: settings.keepFailed },
    settings: {
      backoffStrategy: (_attempts, _type, error, job) => hooks.retryDelayMs(error, job as MinimalJob),
    },
  }
}

/** Gives the function that listens to a BullMQ worker. All of one queue share the lines, which are one a second at most. */
function createListeners(
  queue: string,
  { client, logger }: QueueRoom,
  hooks: ConsumerHooks,
): (bull: BullWorker) => void {
  const logError = throttledLog(logger, 'error', 'worker error', { queue })
  const logStale = throttledLog(logger, 'warn', 'a run without the lock ended, nothing of it counts', { queue })
  const logStalled = throttledLine<string>(logger, 'warn', 'job stalled, it runs again', (id) => ({ queue, id }))
  return (bull) => {
    bull.on('error', (error) => {
      if (STALE_RUN_CODES.includes((error as { code?: unknown }).code)) logStale(error)
      // While Redis is away, the client's own line says so, once for all queues.
      else if (!(error instanceof EffectRejectedError) && client.status === 'ready') logError(error)
    })
    bull.on('stalled', logStalled)
    bull.on('failed', (job, error) => {
      if (!job || error instanceof AttemptFailed || error instanceof JobFailed) return
      // BullMQ has counted the attempt by now.
      const fields = { ...hooks.describe(job), attempt: job.attemptsMade, err: serializeError(error) }
      if (job.finishedOn) logThinned(logger, 'error', fields, 'job failed')
      else logThinned(logger, 'warn', fields, 'attempt failed')
    })
  }
}
