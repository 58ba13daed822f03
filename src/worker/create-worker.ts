// The door of the worker side: connects, checks the server, keeps the schedules, and starts a worker.
// running-worker.ts is that worker; queue-worker.ts runs one queue; attempt.ts runs one attempt.
import { type Logger, pino } from 'pino'
import { canonicalJson, decodeJson, KeyVersionError, RedisFullError, throttledLog } from '../job/index.js'
import {
  attachLedger,
  RESULT_VERSION,
  readSchedule,
  removeOtherSchedules,
  type Schedule,
  type ScheduleSpec,
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
  type KeysOfQueue,
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
import { refuseInIsolatedChild } from './isolated-mark.js'
import { LockKeeper } from './lock-keeper.js'
import { CONNECT_TIMEOUT_MS, RunningWorker, START, type Worker } from './running-worker.js'
import { type CheckedWorkerOptions, checkWorkerOptions, type WorkerOptions } from './worker-options.js'

const PING_TIMEOUT_MS = 2_000

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
      const spec = await specKept(client, keys, schedule, options)
      const outcome = await setSchedule(client, keys, { name, spec, origin: 'code' })
      if (outcome !== 'unchanged') logger.info({ queue, schedule: name }, `schedule ${outcome}`)
    }
    const removed = await removeOtherSchedules(client, keys, new Set(schedules.map(({ name }) => name)))
    for (const name of removed) logger.info({ queue, schedule: name }, 'schedule removed: no code has it')
  }
}

/** What is to be kept of it; with its stored input where that is still the same, as a text sealed anew would be another. */
async function specKept(
  client: RedisClient,
  keys: KeysOfQueue,
  schedule: Schedule,
  { enqueueMiddleware, openInput }: CheckedWorkerOptions,
): Promise<ScheduleSpec> {
  if (enqueueMiddleware === undefined) return specOf(schedule)
  const plain = await specOf(schedule)
  const kept = await readSchedule(client, keys, schedule.name)
  if (kept !== undefined && openInput !== undefined) {
    try {
      const opened = await openInput(schedule.contract, decodeJson(kept.spec.input))
      const isSame = canonicalJson(JSON.stringify(opened)) === canonicalJson(plain.input)
      if (isSame && kept.spec.input !== plain.input) return { ...plain, input: kept.spec.input }
    } catch {
      // What does not open, or is no JSON, is set anew.
    }
  }
  return specOf(schedule, enqueueMiddleware)
}
