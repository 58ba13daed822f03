// One queue's consumer: a BullMQ worker on the ledger's backend, and what happens to each job that it hands over.
import { Worker as BullWorker, type Job, type MinimalJob, WaitingError } from 'bullmq'
import type { Logger } from 'pino'
import { EffectRejectedError, NoHandlerError, ShutdownError, serializeError } from '../job/index.js'
import { type LedgerBackend, ledgerBackendFactory } from '../ledger/index.js'
import { queueKeys, type RedisClient } from '../redis/index.js'
import { Attempt, type AttemptRoom } from './attempt.js'
import { AttemptFailed, JobFailed } from './attempt-failures.js'
import type { Handler } from './handle.js'
import { openChildren, type QueueChildren } from './isolated/queue-children.js'
import { LeftBehind } from './left-behind.js'
import type { QueueLocks } from './lock-keeper.js'
import { throttledLog } from './log-throttle.js'
import { decide } from './retry-policy.js'
import { PutOff, Turns, WaitingTurn } from './turns.js'
import type { QueueSettings } from './worker-options.js'

/** Lines kept of one job's own log, the newest. */
const KEEP_LOG_LINES = 100
const DEFAULT_KEEP_RESULT_MS = 86_400_000
/** Wait between tries to finish a job while Redis is away; BullMQ's own default is 15 s. */
const FINISH_RETRY_MS = 500

/** BullMQ's codes for a finish by a run that no longer has the job: removed, lock gone, not active, another's lock. */
const STALE_RUN_CODES: readonly unknown[] = [-1, -2, -3, -6]

export class QueueWorker {
  readonly queue: string
  readonly #handlers: ReadonlyMap<string, Handler>
  readonly #room: AttemptRoom
  readonly #logger: Logger
  readonly #locks: QueueLocks
  readonly #turns: Turns
  readonly #bull: BullWorker
  readonly #children: QueueChildren | undefined
  readonly #leftBehind: LeftBehind
  #running = 0
  #handedBack = 0
  #handsBack = false

  constructor(settings: QueueSettings, client: RedisClient, locks: QueueLocks, logger: Logger) {
    this.queue = settings.queue
    this.#handlers = settings.handlers
    this.#locks = locks
    this.#logger = logger
    const keys = queueKeys(settings.prefix, settings.queue)
    this.#children = openChildren(settings, client.isCluster, logger)
    this.#leftBehind = new LeftBehind(logger)
    this.#room = {
      keys,
      queue: settings.queue,
      cluster: client.isCluster,
      logger,
      addLog: (id, line) => this.#backend.addLog(id, line, KEEP_LOG_LINES),
      children: this.#children,
      leftBehind: this.#leftBehind,
    }
    this.#turns = new Turns(client, keys, settings.lockMs * 2, logger)
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
        // BullMQ fails a job for its stalls, whoever caused them; turns.ts tells its own crashes from those of neighbours.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        runRetryDelay: FINISH_RETRY_MS,
        removeOnComplete: { count: settings.keepCompleted },
        removeOnFail: { count: settings.keepFailed },
        settings: {
          backoffStrategy: (_attempts, _type, error, job) => this.#retryDelayMs(error, job as MinimalJob),
        },
      },
      ledgerBackendFactory(client, settings.prefix, {
        keepResultMs: (job) => this.#handlers.get(job)?.contract.keepResultMs,
        onSettled: (job, isRefused) => {
          locks.remove(job)
          if (isRefused) this.#turns.cameBack(job as Job, true)
        },
      }),
    )
    locks.setOwner(this.#bull.id)
    this.#logEvents()
  }

  get #backend(): LedgerBackend {
    return this.#bull.getBackend() as LedgerBackend
  }

  /** Resolves when its connections are there and BullMQ is one the ledger knows; else rejects. */
  async ready(): Promise<void> {
    await this.#bull.waitUntilReady()
  }

  /** Starts to take jobs. */
  start(): void {
    this.#children?.warm(this.#handlers.values())
    this.#bull
      .run()
      .catch((error: unknown) =>
        this.#logger.error({ queue: this.queue, err: serializeError(error) }, 'the worker stopped'),
      )
  }

  /** Jobs whose handler is running now. */
  get running(): number {
    return this.#running
  }

  /** Handlers that ignore the signal of their attempt, which is over. */
  get leftBehind(): number {
    return this.#leftBehind.running
  }

  /** Takes no more jobs; resolves when the running ones are finished, the connections closed and no child is left. */
  close(): Promise<void> {
    return this.#bull.close().then(() => this.#children?.close())
  }

  /** Ends what `close` still waits for, and leaves no timer and no connection of its own. */
  cut(): void {
    this.#backend.cut()
    this.#children?.kill()
    // BullMQ ends its timer of stalled jobs at the end of a close, which does not come while Redis is away.
    void this.#bull.pause(true)
  }

  /** Hands the running jobs back to the queue, not as failed attempts, and those that BullMQ still hands over too. */
  handBack(): void {
    this.#handsBack = true
    for (const attempt of this.#locks.holders) attempt.abort(new ShutdownError())
  }

  /** How many jobs went back to the queue unfinished. */
  get handedBack(): number {
    return this.#handedBack
  }

  async #process(job: Job, token: string): Promise<null> {
    const handler = this.#handlers.get(job.name)
    if (!handler) return this.#fail(new NoHandlerError(job.name, this.queue), job, undefined, 0)
    if (!this.#turns.tryEnter(job)) await this.#waitForTurn(job, token, handler)
    const attempt = new Attempt(job, token, handler, this.#room)
    this.#locks.add(job, attempt, handler.contract.timeoutMs)
    this.#running++
    try {
      if (this.#handsBack) attempt.abort(new ShutdownError())
      // The lock is kept until the commit was answered: a neighbour may block the event loop before it is sent.
      this.#backend.stage(job, await attempt.run())
      return null
    } catch (error) {
      return await this.#settle(attempt, error, job, handler)
    } finally {
      this.#running--
      this.#turns.leave()
    }
  }

  /** Waits until a job may start that crashed its workers, or that met one which did. Its lock is kept meanwhile. */
  async #waitForTurn(job: Job, token: string, handler: Handler): Promise<void> {
    const waiting = new WaitingTurn(String(job.id), token)
    this.#locks.add(job, waiting, handler.contract.timeoutMs)
    if (this.#handsBack) waiting.abort(new ShutdownError())
    try {
      await this.#turns.enter(job, waiting)
    } catch (error) {
      if (error instanceof PutOff) this.#locks.remove(job)
      if (error instanceof PutOff) throw new WaitingError()
      await this.#settle(waiting, error, job, handler)
    }
  }

  /** Acts on the decision about an attempt that did not complete, and throws what makes BullMQ do its part of it. */
  async #settle(
    attempt: Pick<Attempt, 'abortReason' | 'token' | 'runMs'>,
    thrown: unknown,
    job: Job,
    handler: Handler,
  ): Promise<never> {
    const error = attempt.abortReason ?? thrown
    const { kind } = decide(error, job, handler.contract, attempt.abortReason)
    if (kind !== 'fail') this.#turns.cameBack(job, kind === 'abandon')
    if (kind === 'hand-back') await this.#handBackOne(job, attempt.token)
    if (kind === 'abandon') {
      this.#logger.warn({ ...this.#fields(job), err: serializeError(error) }, 'lock lost, attempt abandoned')
    }
    if (kind !== 'fail') this.#locks.remove(job)
    // Leaves the job as it is: back in its queue, or another run's.
    if (kind === 'hand-back' || kind === 'abandon') throw new WaitingError()
    return this.#fail(error, job, handler, attempt.runMs)
  }

  async #handBackOne(job: Job, token: string): Promise<void> {
    try {
      await job.moveToWait(token)
      this.#handedBack++
      this.#logger.info(this.#fields(job), 'job handed back unfinished')
    } catch (error) {
      // Its lock runs out, and it is handed out again then.
      this.#logger.warn(
        { ...this.#fields(job), err: serializeError(error) },
        'job was not handed back, its lock must expire',
      )
    }
  }

  #fail(thrown: unknown, job: Job, handler: Handler | undefined, runMs: number): never {
    const error = serializeError(thrown)
    const decision = decide(thrown, job, handler?.contract)
    const fields = { ...this.#fields(job), attempts: job.opts.attempts, err: error }
    if (decision.kind === 'retry') {
      this.#logger.warn({ ...fields, retryInMs: decision.delayMs }, 'attempt failed')
      throw new AttemptFailed(error, decision.delayMs)
    }
    this.#logger.error(fields, 'job failed')
    const keepResultMs = handler?.contract.keepResultMs ?? DEFAULT_KEEP_RESULT_MS
    this.#backend.stage(job, { status: 'failed', error, keepResultMs, runMs })
    throw new JobFailed(error)
  }

  // Not ours is the error of a commit that was refused, which BullMQ takes for a failed attempt.
  #retryDelayMs(error: unknown, job: MinimalJob): number {
    if (error instanceof AttemptFailed) return error.retryDelayMs
    const decision = decide(error, job, this.#handlers.get(job.name)?.contract)
    return decision.kind === 'retry' ? decision.delayMs : 1
  }

  #fields(job: Job): { queue: string; job: string; id: string | undefined; attempt: number } {
    return { queue: this.queue, job: job.name, id: job.id, attempt: job.attemptsMade + 1 }
  }

  #logEvents(): void {
    const logError = throttledLog(this.#logger, 'error', 'worker error', { queue: this.queue })
    const logStale = throttledLog(this.#logger, 'warn', 'a run without the lock ended, nothing of it counts', {
      queue: this.queue,
    })
    this.#bull.on('error', (error) => {
      if (STALE_RUN_CODES.includes((error as { code?: unknown }).code)) logStale(error)
      else if (!(error instanceof EffectRejectedError)) logError(error)
    })
    this.#bull.on('stalled', (id) => this.#logger.warn({ queue: this.queue, id }, 'job stalled, it runs again'))
    this.#bull.on('failed', (job, error) => {
      if (!job || error instanceof AttemptFailed || error instanceof JobFailed) return
      // BullMQ has counted the attempt by now.
      const fields = { ...this.#fields(job), attempt: job.attemptsMade, err: serializeError(error) }
      if (job.finishedOn) this.#logger.error(fields, 'job failed')
      else this.#logger.warn(fields, 'attempt failed')
    })
  }
}
