// The door of the worker side: connects, checks the server, works the queues, and closes all of it in order.
// queue-worker.ts runs one queue; attempt.ts runs one attempt.
import { type Logger, pino } from 'pino'
import { KeyVersionError, RedisFullError, RedisUnavailableError, serializeError } from '../job/index.js'
import {
  attachLedger,
  RESULT_VERSION,
  removeOtherSchedules,
  rollUpStats,
  setSchedule,
  specOf,
} from '../ledger/index.js'
import {
  clientAddress,
  connectOnce,
  contractKey,
  createReaderClient,
  createWorkerClient,
  DEFAULT_REDIS,
  type DurabilityDemand,
  judgeDurability,
  logDurability,
  maskRedisError,
  parseRedisUrl,
  queueKeys,
  queuesKey,
  type RedisClient,
  type RedisSettings,
  readServerInfo,
  redisSettingsFromEnv,
  requireDurable,
  requireSupportedVersion,
} from '../redis/index.js'
import type { QueueRoom } from './consumer.js'
import { refuseInIsolatedChild } from './isolated-mark.js'
import { LockKeeper } from './lock-keeper.js'
import { throttledLog } from './log-throttle.js'
import { QueueWorker } from './queue-worker.js'
import { ScheduleTicker } from './schedule-ticker.js'
import { type CheckedWorkerOptions, checkWorkerOptions, type WorkerOptions } from './worker-options.js'

const CONNECT_TIMEOUT_MS = 10_000
const PING_TIMEOUT_MS = 2_000
const START = 'the start of the worker'
const ROLL_UP_INTERVAL_MS = 600_000
/** Beyond the shutdown deadline, how long handed-back jobs may take to reach Redis before the connection is cut. */
const HAND_BACK_GRACE_MS = 2_000

/** What became of the running jobs when a worker closed. */
export interface CloseOutcome {
  /** Jobs that went back to their queue unfinished, not as failed attempts. */
  readonly handedBack: number
  /** Jobs still running when the connection was cut; their locks expire, and they are handed out again. */
  readonly abandoned: number
}

export interface Worker {
  readonly queues: readonly string[]
  /** Jobs whose handlers run now, over all queues. */
  readonly running: number
  /** Handlers that run although their attempt is over, as they ignore its signal: they keep no place, but time and memory. */
  readonly leftBehind: number
  /** How often a queue was found unread for 15 s although Redis answered, and its consumer was built anew. More than none is worth a look. */
  readonly rebuilds: number
  /** Takes no more jobs, waits for the running ones up to the shutdown timeout, hands the rest back. Calling it again waits for the same close. */
  close(): Promise<CloseOutcome>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Connects and starts to work. Resolves once every queue is being read.
 * @throws InvalidOptionError, UnknownOptionError; RedisUnavailableError after 10 s, RedisAuthError, RedisTooOldError, RedisFullError,
 * RedisNotDurableError, KeyVersionError: then nothing is left open.
 */
export async function createWorker(options: WorkerOptions): Promise<Worker> {
  refuseInIsolatedChild()
  const checked = checkWorkerOptions(options)
  const logger = options.logger ?? pino()
  const settings =
    typeof options.redis === 'string'
      ? parseRedisUrl(options.redis)
      : (options.redis ?? redisSettingsFromEnv(process.env) ?? DEFAULT_REDIS)
  const client = createWorkerClient(settings, {
    onError: throttledLog(logger, 'warn', 'Redis connection lost, trying again'),
  })
  attachLedger(client)
  let locks: LockKeeper | undefined
  try {
    await connectOnce(client, CONNECT_TIMEOUT_MS, START)
    await checkServer(client, checked.demand, logger)
    await register(client, checked)
    await keepSchedules(client, checked, logger)
    locks = openLocks(checked, settings, logger)
    const worker = new RunningWorker({ client, locks, logger, pingRedis: () => pingRedis(settings) }, checked)
    await worker.start()
    return worker
  } catch (error) {
    client.disconnect()
    await locks?.close()
    throw startError(error, clientAddress(client))
  }
}

function openLocks({ queues, maxBlockedMs }: CheckedWorkerOptions, redis: RedisSettings, logger: Logger): LockKeeper {
  const locked = queues.map(({ queue, prefix, concurrency }) => {
    return { name: queue, bullBase: queueKeys(prefix, queue).bullBase, concurrency }
  })
  const lockMs = Math.min(...queues.map((settings) => settings.lockMs))
  return new LockKeeper({ redis, lockMs, maxBlockedMs, queues: locked, logger })
}

/** Asks over a connection that no earlier trouble can have touched. */
async function pingRedis(settings: RedisSettings): Promise<boolean> {
  const client = createReaderClient(settings, { timeoutMs: PING_TIMEOUT_MS })
  try {
    await connectOnce(client, PING_TIMEOUT_MS, 'a look whether Redis is there')
    await client.ping()
    return true
  } catch {
    // Not there, so there is nothing to be read: the client says so in the log.
    return false
  } finally {
    client.disconnect()
  }
}

function startError(error: unknown, address: string): Error {
  const masked = maskRedisError(error, { operation: START, timeoutMs: CONNECT_TIMEOUT_MS, address })
  return masked.message.startsWith('OOM ') ? new RedisFullError(START, { cause: masked }) : masked
}

async function checkServer(client: RedisClient, demand: DurabilityDemand, logger: Logger): Promise<void> {
  const info = await readServerInfo(client)
  requireSupportedVersion(info)
  requireDurable(info, demand)
  for (const finding of judgeDurability(info))
    logger.warn({ code: finding.code }, `${finding.message}; ${finding.remedy}`)
  logDurability(logger, info, demand)
}

async function register(client: RedisClient, { prefix, queues }: CheckedWorkerOptions): Promise<void> {
  const key = contractKey(prefix)
  // Only the first worker names the version; a later Drover's must not be overwritten.
  const isNew = (await client.hsetnx(key, 'version', RESULT_VERSION)) === 1
  // Nothing under this prefix is older, so that `drover verify` knows whether all of it is kept.
  if (isNew) await client.hset(key, 'since', Number((await client.time())[0]) * 1_000)
  const version = await client.hget(key, 'version')
  if (version !== String(RESULT_VERSION)) throw new KeyVersionError(String(version), String(RESULT_VERSION))
  await client.sadd(queuesKey(prefix), ...queues.map(({ queue }) => queue))
}

async function keepSchedules(client: RedisClient, options: CheckedWorkerOptions, logger: Logger): Promise<void> {
  for (const [queue, schedules] of options.schedules ?? []) {
    const keys = queueKeys(options.prefix, queue)
    for (const schedule of schedules) {
      const { name } = schedule
      const outcome = await setSchedule(client, keys, { name, spec: await specOf(schedule), origin: 'code' })
      if (outcome !== 'unchanged') logger.info({ queue, schedule: name }, `schedule ${outcome}`)
    }
    const removed = await removeOtherSchedules(client, keys, new Set(schedules.map(({ name }) => name)))
    for (const name of removed) logger.info({ queue, schedule: name }, 'schedule removed: no code has it')
  }
}

interface WorkerRoom extends Omit<QueueRoom, 'locks'> {
  readonly locks: LockKeeper
}

class RunningWorker implements Worker {
  readonly queues: readonly string[]
  readonly #client: RedisClient
  readonly #workers: readonly QueueWorker[]
  readonly #tickers: readonly ScheduleTicker[]
  readonly #locks: LockKeeper
  readonly #options: CheckedWorkerOptions
  readonly #logger: Logger
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
  }

  /** Starts to take jobs. When it rejects, no connection and no timer is left but those of the client. */
  async start(): Promise<void> {
    try {
      const ready = Promise.all([this.#locks.ready(), ...this.#workers.map((worker) => worker.ready())])
      if (!(await endsWithin(ready, CONNECT_TIMEOUT_MS))) throw new RedisUnavailableError(START, CONNECT_TIMEOUT_MS)
      await ready
    } catch (error) {
      for (const worker of this.#workers) worker.cut()
      throw error
    }
    for (const worker of this.#workers) worker.start()
    for (const ticker of this.#tickers) ticker.start()
    this.#rollUpTimer = setInterval(() => void this.#rollUp(), ROLL_UP_INTERVAL_MS)
    void this.#rollUp()
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
    this.#client.disconnect()
    await this.#locks.close()
    return outcome
  }

  async #rollUp(): Promise<void> {
    for (const queue of this.queues) {
      try {
        await rollUpStats(this.#client, queueKeys(this.#options.prefix, queue), Date.now())
      } catch (error) {
        // The next round does the same hours; minutes are kept for 48 of them.
        if (!this.#closing)
          this.#logger.warn({ queue, err: serializeError(error) }, 'stats were not rolled up, will retry')
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
