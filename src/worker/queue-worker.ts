// One queue's worker: what happens to each job that its consumer hands over, from its turn to its end.
import { type Job, type MinimalJob, WaitingError } from 'bullmq'
import type { Logger } from 'pino'
import { logThinned, NoHandlerError, ShutdownError, serializeError, throttledLine, versionOf } from '../job/index.js'
import { type LedgerBackend, type RunningJob, readResult, type ScheduleRoom } from '../ledger/index.js'
import { queueKeys } from '../redis/index.js'
import { Attempt } from './attempt.js'
import { AttemptFailed, JobFailed } from './attempt-failures.js'
import type { AttemptRoom } from './attempt-room.js'
import { Consumer, type QueueRoom } from './consumer.js'
import type { Handler } from './handle.js'
import { JobTallies } from './health/job-tally.js'
import type { QueueHealth } from './health/worker-health.js'
import { openChildren, type QueueChildren } from './isolated/queue-children.js'
import { LeftBehind } from './left-behind.js'
import type { QueueLocks } from './lock-keeper.js'
import { NewerInputs } from './newer-inputs.js'
import { askRetryDelay } from './retry-delay.js'
import { type AskDelay, type Decision, decide } from './retry-policy.js'
import { Snoozes } from './snoozes.js'
import { createKeptStores } from './steps/kept-store.js'
import { PutOff, Turns, WaitingTurn } from './turns.js'
import type { QueueSettings } from './worker-options.js'

/** Lines kept of one job's own log, the newest. */
const KEEP_LOG_LINES = 100
const DEFAULT_KEEP_RESULT_MS = 86_400_000

export class QueueWorker {
  readonly queue: string
  /** Newest version of the inputs of each job name that it has a handler for. */
  readonly handles: Readonly<Record<string, number>>
  readonly #handlers: ReadonlyMap<string, Handler>
  readonly #room: AttemptRoom
  readonly #logger: Logger
  readonly #locks: QueueLocks
  readonly #scheduling: Omit<ScheduleRoom, 'backend'>
  readonly #turns: Turns
  readonly #logLost: (fields: object) => void
  readonly #logNotHandedBack: (fields: object) => void
  readonly #newer: NewerInputs
  readonly #snoozes: Snoozes
  readonly #consumer: Consumer
  readonly #children: QueueChildren | undefined
  readonly #leftBehind: LeftBehind
  readonly #tallies: JobTallies
  #running = 0
  #handled = 0
  #handedBack = 0
  #handsBack = false

  constructor(settings: QueueSettings, room: QueueRoom) {
    const { client, locks, logger } = room
    this.queue = settings.queue
    this.#handlers = settings.handlers
    const versions = [...settings.handlers].map(([job, { contract }]) => [job, contract.version] as const)
    this.handles = Object.fromEntries(versions)
    this.#tallies = new JobTallies(settings.handlers.keys())
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
      middleware: settings.middleware,
      enqueueMiddleware: settings.enqueueMiddleware,
      leftBehind: this.#leftBehind,
      openKept: createKeptStores(client, keys),
      readResult: (queue, id) => readResult(client, queueKeys(settings.prefix, queue), id),
    }
    this.#scheduling = { client, keys, prefix: settings.prefix, queue: settings.queue }
    this.#turns = new Turns(client, keys, settings.lockMs * 2, logger)
    this.#logLost = throttledLine(logger, 'warn', 'lock lost, attempt abandoned')
    this.#logNotHandedBack = throttledLine(logger, 'warn', 'job was not handed back, its lock must expire')
    this.#newer = new NewerInputs(logger)
    this.#snoozes = new Snoozes(logger)
    this.#consumer = new Consumer(settings, room, {
      process: (job, token) => this.#process(job, token),
      retryDelayMs: (error, job) => this.#retryDelayMs(error, job),
      keepResultMs: (job) => this.#handlers.get(job)?.contract.keepResultMs,
      onCommitted: (job, outcome) => this.#tallies.ended(job, outcome),
      onRefused: (job) => this.#turns.cameBack(job, true),
      describe: (job) => this.#fields(job),
    })
  }

  /** What fires the queue's schedules. */
  get scheduleRoom(): ScheduleRoom {
    return { ...this.#scheduling, backend: this.#backend }
  }

  get #backend(): LedgerBackend {
    return this.#consumer.backend
  }

  /** Resolves when its connections are there and BullMQ is one the ledger knows; else rejects. */
  ready(): Promise<void> {
    return this.#consumer.ready()
  }

  /** Starts to take jobs. */
  start(): void {
    this.#children?.warm(this.#handlers.values())
    this.#consumer.run()
  }

  /** How often its consumer was built anew, as it did not read the queue although Redis was there. */
  get rebuilds(): number {
    return this.#consumer.rebuilds
  }

  get health(): QueueHealth {
    const { queue, concurrency, running, rebuilds } = this
    return { queue, concurrency, running, rebuilds, isStuck: this.#consumer.isStuck, jobs: this.#tallies.read() }
  }

  /** Jobs whose handler is running now. */
  get running(): number {
    return this.#running
  }

  /** Attempts that ended so far. */
  get handled(): number {
    return this.#handled
  }

  get concurrency(): number {
    return this.#consumer.concurrency
  }

  get runningJobs(): RunningJob[] {
    const now = Date.now()
    return this.#locks.holders
      .filter((holder) => holder instanceof Attempt)
      .map(({ queue, id, job, attempt, runMs }) => ({ queue, id, job, attempt, startedAt: Math.round(now - runMs) }))
  }

  setConcurrency(concurrency: number): void {
    this.#consumer.setConcurrency(concurrency)
  }

  quiet(): void {
    this.#consumer.quiet()
  }

  resume(): void {
    this.#consumer.resume()
  }

  /** Handlers that ignore the signal of their attempt, which is over. */
  get leftBehind(): number {
    return this.#leftBehind.running
  }

  /** Takes no more jobs; resolves when the running ones are finished, the connections closed and no child is left. */
  close(): Promise<void> {
    return this.#consumer.close().then(() => this.#children?.close())
  }

  /** Ends what `close` still waits for, and leaves no timer and no connection of its own. */
  cut(): void {
    this.#consumer.cut()
    this.#children?.kill()
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
    if (!handler) {
      const error = new NoHandlerError(job.name, this.queue)
      return this.#fail(error, job, undefined, 0, decide(error, job, undefined))
    }
    if (versionOf(job.opts) > handler.contract.version) await this.#newer.putBack(job, token, handler.contract)
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
      this.#handled++
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
    const decision = this.#decide(error, job, handler, attempt.abortReason)
    const { kind } = decision
    if (kind !== 'fail') this.#turns.cameBack(job, kind === 'abandon')
    if (kind === 'hand-back') await this.#handBackOne(job, attempt.token)
    if (kind === 'abandon') {
      this.#logLost({ ...this.#fields(job), err: serializeError(error) })
    }
    // With the lock, so that a cancel or a lost lock is seen while Redis is away.
    if (kind === 'snooze')
      await this.#snoozes
        .put(this.#backend, job, attempt.token, decision.delayMs, this.#fields(job))
        .finally(() => this.#locks.remove(job))
    if (kind !== 'fail') this.#locks.remove(job)
    // Leaves the job as it is: back in its queue, or another run's.
    if (kind === 'hand-back' || kind === 'abandon') throw new WaitingError()
    return this.#fail(error, job, handler, attempt.runMs, decision)
  }

  #decide(thrown: unknown, job: MinimalJob, handler: Handler | undefined, abortReason?: Error): Decision {
    const { contract, retryDelay } = handler ?? {}
    const askDelay: AskDelay | undefined =
      retryDelay &&
      ((error, attempt) => {
        return askRetryDelay(retryDelay, error, attempt, (bad) => {
          const fields = { ...this.#fields(job), err: serializeError(bad) }
          logThinned(this.#logger, 'warn', fields, 'retryDelay gave no wait, the backoff stands in')
        })
      })
    return decide(thrown, job as Job, contract, abortReason, askDelay)
  }

  async #handBackOne(job: Job, token: string): Promise<void> {
    try {
      await job.moveToWait(token)
      this.#handedBack++
      this.#logger.info(this.#fields(job), 'job handed back unfinished')
    } catch (error) {
      // Its lock runs out, and it is handed out again then.
      this.#logNotHandedBack({ ...this.#fields(job), err: serializeError(error) })
    }
  }

  #fail(thrown: unknown, job: Job, handler: Handler | undefined, runMs: number, decision: Decision): never {
    const error = serializeError((decision.kind === 'fail' && decision.error) || thrown)
    const fields = { ...this.#fields(job), attempts: job.opts.attempts, err: error }
    if (decision.kind === 'retry') {
      logThinned(this.#logger, 'warn', { ...fields, retryInMs: decision.delayMs }, 'attempt failed')
      this.#backend.noteFailedAttempt(job, error)
      this.#tallies.retried(job.name)
      throw new AttemptFailed(error, decision.delayMs)
    }
    logThinned(this.#logger, 'error', fields, 'job failed')
    const keepResultMs = handler?.contract.keepResultMs ?? DEFAULT_KEEP_RESULT_MS
    this.#backend.stage(job, { status: 'failed', error, keepResultMs, runMs })
    throw new JobFailed(error)
  }

  // Not ours is the error of a commit that was refused, which BullMQ takes for a failed attempt.
  #retryDelayMs(error: unknown, job: MinimalJob): number {
    if (error instanceof AttemptFailed) return error.retryDelayMs
    const decision = this.#decide(error, job, this.#handlers.get(job.name))
    return decision.kind === 'retry' ? decision.delayMs : 1
  }

  #fields(job: MinimalJob): { queue: string; job: string; id: string | undefined; attempt: number } {
    return { queue: this.queue, job: job.name, id: job.id, attempt: job.attemptsMade + 1 }
  }
}
