// A worker that is connected: its queues are worked, it is steered and tells of itself, and it closes all of it in order.
// create-worker.ts connects it; queue-worker.ts runs one queue; fleet/ is how others see and steer it.
import type { Logger } from 'pino'
import { flushThrottled, InvalidOptionError, logThinned, RedisUnavailableError, serializeError } from '../job/index.js'
import { rollUpStats, type WorkerState } from '../ledger/index.js'
import { queueKeys, type RedisClient } from '../redis/index.js'
import { AutoscaleTicker } from './autoscale-ticker.js'
import type { QueueRoom } from './consumer.js'
import { FleetMember, type SteeredWorker } from './fleet/fleet-member.js'
import { answersPing, readDepths } from './health/ask-redis.js'
import type { HealthQuestion, WorkerHealth } from './health/worker-health.js'
import type { LockKeeper } from './lock-keeper.js'
import { QueueWorker } from './queue-worker.js'
import { ScheduleTicker } from './schedule-ticker.js'
import { type CheckedWorkerOptions, checkConcurrency } from './worker-options.js'

export const CONNECT_TIMEOUT_MS = 10_000
/** For what follows once Redis has answered: further connections, and a thread that a busy machine may start slowly. */
const READY_TIMEOUT_MS = 60_000
export const START = 'the start of the worker'
const ROLL_UP_INTERVAL_MS = 600_000
/** Beyond the shutdown deadline, how long handed-back jobs may take to reach Redis before the connection is cut. */
const HAND_BACK_GRACE_MS = 4_000
/** How long a closing worker tries to leave the list of workers; its heartbeat expires by itself. */
const FAREWELL_MS = 1_000

/** What became of the running jobs when a worker closed. */
export interface CloseOutcome {
  /** Jobs that went back to their queue unfinished, not as failed attempts. */
  readonly handedBack: number
  /** Jobs still running when the connection was cut; their locks expire, and they are handed out again. */
  readonly abandoned: number
}

export interface Worker {
  /** Names this worker among all: host, process id and a random part. */
  readonly id: string
  /** `quiet` while it takes no jobs, `close` from the moment that it closes, whoever asked for it. */
  readonly state: WorkerState
  readonly queues: readonly string[]
  /** Jobs whose handlers run now, over all queues. */
  readonly running: number
  /** Handlers that run although their attempt is over, as they ignore its signal: they keep no place, but time and memory. */
  readonly leftBehind: number
  /** How often a queue was found unread for 15 s although Redis answered, and its consumer was built anew. More than none is worth a look. */
  readonly rebuilds: number
  /** Attempts that ended since its start, however they ended. */
  readonly handled: number
  /** How it is doing: what its health answers and metrics are made of. Never rejects; what Redis does not tell is missing. */
  health(question?: HealthQuestion): Promise<WorkerHealth>
  /**
   * Takes no more jobs until `resume`; the running ones go on. On a worker that closes it does nothing. With `signal`,
   * `resume('signal')` ends it as well, unless somebody else asked for it before or since.
   */
  quiet(by?: 'signal'): void
  /** Takes jobs again; with `signal` only where nobody but a signal made it quiet. */
  resume(by?: 'signal'): void
  /**
   * Changes how many jobs of a queue run at once, 1 to 10,000. More are taken at once; with fewer, running jobs go on and
   * no more are taken until there is room.
   * @throws InvalidOptionError for another number, or a queue that it does not work
   */
  setConcurrency(queue: string, concurrency: number): void
  /** Resolves when it has closed, whoever asked for it: `close`, or an order of `drover workers close`. */
  readonly closed: Promise<CloseOutcome>
  /** Takes no more jobs, waits for the running ones up to the shutdown timeout, hands the rest back. Calling it again waits for the same close. */
  close(): Promise<CloseOutcome>
  [Symbol.asyncDispose](): Promise<void>
}

interface WorkerRoom extends Omit<QueueRoom, 'locks'> {
  readonly locks: LockKeeper
}

export class RunningWorker implements Worker, SteeredWorker {
  readonly queues: readonly string[]
  readonly closed: Promise<CloseOutcome>
  readonly #client: RedisClient
  readonly #workers: readonly QueueWorker[]
  readonly #tickers: readonly ScheduleTicker[]
  readonly #autoscale: AutoscaleTicker | undefined
  readonly #locks: LockKeeper
  readonly #options: CheckedWorkerOptions
  readonly #logger: Logger
  readonly #member: FleetMember
  #resolveClosed: (outcome: CloseOutcome) => void = () => undefined
  #quietBy: 'signal' | 'order' | undefined
  #rollUpTimer: NodeJS.Timeout | undefined
  #closing: Promise<CloseOutcome> | undefined

  constructor({ client, locks, logger, pingRedis }: WorkerRoom, options: CheckedWorkerOptions) {
    this.#client = client
    this.#locks = locks
    this.#options = options
    this.#logger = logger
    this.queues = options.queues.map(({ queue }) => queue)
    this.#workers = options.queues.map((settings, index) => {
      return new QueueWorker(settings, { client, locks: locks.forQueue(index), logger, pingRedis })
    })
    this.#tickers = this.#workers.map((worker) => new ScheduleTicker(() => worker.scheduleRoom, worker.queue, logger))
    const { prefix, release } = options
    this.#member = new FleetMember({ client, prefix, worker: this, logger, release })
    const rules = options.autoscale
    if (rules) this.#autoscale = new AutoscaleTicker({ client, prefix, queues: this.queues, rules, logger })
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  /** Starts to take jobs. When it rejects, no connection and no timer is left but those of the client. */
  async start(): Promise<void> {
    try {
      const ready = Promise.all([this.#locks.ready(), ...this.#workers.map((worker) => worker.ready())])
      if (!(await endsWithin(ready, READY_TIMEOUT_MS))) throw new RedisUnavailableError(START, READY_TIMEOUT_MS)
      await ready
    } catch (error) {
      for (const worker of this.#workers) worker.cut()
      throw error
    }
    for (const worker of this.#workers) worker.start()
    for (const ticker of this.#tickers) ticker.start()
    this.#rollUpTimer = setInterval(() => void this.#rollUp(), ROLL_UP_INTERVAL_MS)
    void this.#rollUp()
    this.#member.start()
    this.#autoscale?.start()
  }

  get id(): string {
    return this.#member.id
  }

  get state(): WorkerState {
    if (this.#closing) return 'close'
    return this.#quietBy === undefined ? 'run' : 'quiet'
  }

  get handled(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.handled, 0)
  }

  get loads(): SteeredWorker['loads'] {
    return this.#workers.map(({ queue, concurrency, running, handles }) => ({ queue, concurrency, running, handles }))
  }

  get runningJobs(): SteeredWorker['runningJobs'] {
    return this.#workers.flatMap((worker) => worker.runningJobs)
  }

  async health({ redis = false, depths = false }: HealthQuestion = {}): Promise<WorkerHealth> {
    const { id, state, handled, leftBehind } = this
    const { user, system } = process.cpuUsage()
    const { prefix } = this.#options
    const [isRedisThere, read] = await Promise.all([
      redis ? answersPing(this.#client) : undefined,
      depths ? readDepths(this.#client, prefix, this.queues) : undefined,
    ])
    return {
      id,
      pid: process.pid,
      version: this.#member.version,
      state,
      isRedisThere,
      handled,
      leftBehind,
      loopLagMs: this.#member.loopLagMs,
      rssBytes: process.memoryUsage.rss(),
      cpuMs: (user + system) / 1_000,
      startedAt: this.#member.startedAt,
      queues: this.#workers.map((worker) => worker.health),
      depths: read,
    }
  }

  quiet(by: 'signal' | 'order' = 'order'): void {
    if (this.#closing) return
    const before = this.#quietBy
    this.#quietBy = by === 'order' ? by : (before ?? by)
    if (before !== undefined) return
    this.#logger.info({ running: this.running }, 'worker quiet, it takes no more jobs')
    for (const worker of this.#workers) worker.quiet()
  }

  resume(by: 'signal' | 'order' = 'order'): void {
    if (this.#closing || this.#quietBy === undefined || (by === 'signal' && this.#quietBy !== by)) return
    this.#quietBy = undefined
    this.#logger.info('worker resumed')
    for (const worker of this.#workers) worker.resume()
  }

  setConcurrency(queue: string, concurrency: number): void {
    const worker = this.#workers.find((each) => each.queue === queue)
    if (!worker) throw new InvalidOptionError('queue', `a queue of this worker: ${this.queues.join(', ')}`, queue)
    worker.setConcurrency(checkConcurrency('concurrency', concurrency))
    this.#logger.info({ queue, concurrency }, 'concurrency changed')
  }

  get running(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.running, 0)
  }

  get rebuilds(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.rebuilds, 0)
  }

  get leftBehind(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.leftBehind, 0)
  }

  close(): Promise<CloseOutcome> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<CloseOutcome> {
    clearInterval(this.#rollUpTimer)
    for (const ticker of this.#tickers) void ticker.close()
    this.#autoscale?.close()
    const closed = Promise.all(this.#workers.map((worker) => worker.close()))
    if (!(await endsWithin(closed, this.#options.shutdownMs))) {
      this.#logger.warn({ running: this.running }, 'shutdown deadline passed, handing running jobs back')
      for (const worker of this.#workers) worker.handBack()
      await endsWithin(closed, HAND_BACK_GRACE_MS)
    }
    const outcome = {
      handedBack: this.#workers.reduce((sum, worker) => sum + worker.handedBack, 0),
      abandoned: this.running,
    }
    for (const worker of this.#workers) worker.cut()
    await this.#leaveFleet()
    this.#client.disconnect()
    await this.#locks.close()
    flushThrottled(this.#logger)
    this.#resolveClosed(outcome)
    return outcome
  }

  // Not worth waiting for a Redis that is away.
  async #leaveFleet(): Promise<void> {
    const left = this.#member.close()
    if (this.#client.status === 'ready') await endsWithin(left, FAREWELL_MS)
  }

  async #rollUp(): Promise<void> {
    for (const queue of this.queues) {
      try {
        await rollUpStats(this.#client, queueKeys(this.#options.prefix, queue), Date.now())
      } catch (error) {
        // The next round does the same hours; minutes are kept for 48 of them.
        if (!this.#closing) {
          const fields = { queue, err: serializeError(error) }
          logThinned(this.#logger, 'warn', fields, 'stats were not rolled up, will retry')
        }
      }
    }
  }
}

function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms)
    work
      .then(
        () => resolve(true),
        () => resolve(true),
      )
      .finally(() => clearTimeout(timer))
  })
}
