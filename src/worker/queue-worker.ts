// One queue's consumer: a BullMQ worker on the ledger's backend, and what happens to each job that it hands over.
import { Worker as BullWorker, type Job, UnrecoverableError, WaitingError } from 'bullmq'
import type { Logger } from 'pino'
import { NoHandlerError, ShutdownError, serializeError } from '../job/index.js'
import { type LedgerBackend, ledgerBackendFactory } from '../ledger/index.js'
import { queueKeys, type RedisClient } from '../redis/index.js'
import { Attempt, type AttemptRoom } from './attempt.js'
import type { Handler } from './handle.js'
import { LockKeeper } from './lock-keeper.js'
import { throttledLog } from './log-throttle.js'
import { type Decision, decide } from './retry-policy.js'
import type { QueueSettings } from './worker-options.js'

/** Lines kept of one job's own log, the newest. */
const KEEP_LOG_LINES = 100
const DEFAULT_KEEP_RESULT_MS = 86_400_000
/** Wait between tries to finish a job while Redis is away; BullMQ's own default is 15 s. */
const FINISH_RETRY_MS = 500

/** Tells BullMQ that an attempt failed, and carries the wait until the next one to its backoff strategy. */
class AttemptFailed extends Error {
  readonly retryDelayMs: number
  constructor(message: string, stack: string | undefined, retryDelayMs: number) {
    super(message)
    this.stack = stack ?? message
    this.retryDelayMs = retryDelayMs
  }
}

export class QueueWorker {
  readonly queue: string
  readonly #handlers: ReadonlyMap<string, Handler>
  readonly #room: AttemptRoom
  readonly #logger: Logger
  readonly #locks: LockKeeper
  readonly #bull: BullWorker
  #handedBack = 0

  constructor(settings: QueueSettings, client: RedisClient, logger: Logger) {
    this.queue = settings.queue
    this.#handlers = settings.handlers
    this.#logger = logger
    const keys = queueKeys(settings.prefix, settings.queue)
    this.#room = {
      keys,
      queue: settings.queue,
      cluster: client.isCluster,
      logger,
      addLog: (id, line) => this.#backend.addLog(id, line, KEEP_LOG_LINES),
    }
    this.#bull = new BullWorker(
      settings.queue,
      (job, token) => this.#process(job, token ?? ''),
      {
        connection: client,
        prefix: keys.bull,
        autorun: false,
        concurrency: settings.concurrency,
        lockDuration: settings.lockMs,
        skipLockRenewal: true,
        stalledInterval: settings.stalledIntervalMs,
        maxStalledCount: settings.maxStalledCount,
        runRetryDelay: FINISH_RETRY_MS,
        removeOnComplete: { count: settings.keepCompleted },
        removeOnFail: { count: settings.keepFailed },
        settings: {
          backoffStrategy: (_attempts, _type, error) => (error instanceof AttemptFailed ? error.retryDelayMs : 1),
        },
      },
      ledgerBackendFactory(client, settings.prefix),
    )
    this.#locks = new LockKeeper({
      lockMs: settings.lockMs,
      extend: (ids, tokens, lockMs) => this.#backend.extendLocks(ids, tokens, lockMs),
      onError: throttledLog(logger, 'warn', 'locks were not renewed, will retry', { queue: this.queue }),
    })
    this.#logEvents()
  }

  get #backend(): LedgerBackend {
    return this.#bull.getBackend() as LedgerBackend
  }

  /** Starts to take jobs. */
  start(): void {
    this.#bull
      .run()
      .catch((error: unknown) =>
        this.#logger.error({ queue: this.queue, err: serializeError(error) }, 'the worker stopped'),
      )
  }

  /** Jobs whose handler is running now. */
  get running(): number {
    return this.#locks.size
  }

  /** Takes no more jobs; resolves when the running ones are finished and the connections are closed. */
  close(): Promise<void> {
    return this.#bull.close().finally(() => this.#locks.close())
  }

  /** Hands the running jobs back to the queue, not as failed attempts. */
  handBack(): void {
    for (const attempt of this.#locks.attempts) attempt.abort(new ShutdownError())
  }

  /** How many jobs went back to the queue unfinished. */
  get handedBack(): number {
    return this.#handedBack
  }

  async #process(job: Job, token: string): Promise<null> {
    const handler = this.#handlers.get(job.name)
    if (!handler) return this.#settle(new NoHandlerError(job.name, this.queue), job, token, undefined, 0)
    const attempt = new Attempt(job, token, handler, this.#room)
    this.#locks.add(attempt)
    try {
      this.#backend.stage(job, await attempt.run())
      return null
    } catch (error) {
      return await this.#settle(error, job, token, handler, attempt.runMs)
    } finally {
      this.#locks.remove(attempt)
    }
  }

  /** Acts on the decision about a thrown error, and throws what makes BullMQ do its part of it. */
  async #settle(thrown: unknown, job: Job, token: string, handler: Handler | undefined, runMs: number): Promise<never> {
    const decision = decide(thrown, job, handler?.contract)
    if (decision.kind === 'hand-back') {
      await job.moveToWait(token)
      this.#handedBack++
      this.#logger.info(this.#fields(job), 'job handed back unfinished')
      throw new WaitingError()
    }
    if (decision.kind === 'abandon') {
      this.#logger.warn({ ...this.#fields(job), err: serializeError(thrown) }, 'lock lost, attempt abandoned')
      throw new WaitingError()
    }
    const error = serializeError(thrown)
    this.#logDecision(job, decision, error)
    if (decision.kind === 'retry') throw new AttemptFailed(error.message, error.stack, decision.delayMs)
    this.#backend.stage(job, {
      status: 'failed',
      error,
      keepResultMs: handler?.contract.keepResultMs ?? DEFAULT_KEEP_RESULT_MS,
      runMs,
    })
    const unrecoverable = new UnrecoverableError(error.message)
    unrecoverable.stack = error.stack ?? error.message
    throw unrecoverable
  }

  #logDecision(job: Job, decision: Decision, error: ReturnType<typeof serializeError>): void {
    const fields = { ...this.#fields(job), attempts: job.opts.attempts, err: error }
    if (decision.kind === 'retry') this.#logger.warn({ ...fields, retryInMs: decision.delayMs }, 'attempt failed')
    else this.#logger.error(fields, 'job failed')
  }

  #fields(job: Job): { queue: string; job: string; id: string | undefined; attempt: number } {
    return { queue: this.queue, job: job.name, id: job.id, attempt: job.attemptsMade + 1 }
  }

  #logEvents(): void {
    this.#bull.on('error', throttledLog(this.#logger, 'error', 'worker error', { queue: this.queue }))
    this.#bull.on('stalled', (id) => this.#logger.warn({ queue: this.queue, id }, 'job stalled, it runs again'))
    this.#bull.on('failed', (job, error) => {
      if (job?.deferredFailure) this.#logger.error({ ...this.#fields(job), err: serializeError(error) }, 'job failed')
    })
  }
}
