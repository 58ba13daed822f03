// Which Redis a verb talks to, and one short connection to it.
import type { Settings } from '../config/index.js'
import { RedisRefusedError } from '../job/index.js'
import {
  connectOnce,
  createReaderClient,
  DEFAULT_REDIS,
  describeRedis,
  maskRedisError,
  type RedisClient,
  type RedisSettings,
} from '../redis/index.js'
import { findRunningDev } from './running-dev.js'

/** The Redis of the settings; without one that of a `drover dev` running on this directory, else 127.0.0.1:6379. */
export function redisOf(settings: Settings): RedisSettings {
  return settings.redis ?? findRunningDev(settings.dataDir)?.redis ?? DEFAULT_REDIS
}

/**
 * Connects, does the work and disconnects.
 * @throws RedisUnavailableError, RedisAuthError, RedisUrlError, RedisRefusedError, and what the work throws
 */
export async function withRedis<Result>(
  settings: Settings,
  work: (client: RedisClient, redis: RedisSettings) => Promise<Result>,
): Promise<Result> {
  const redis = redisOf(settings)
  const { timeoutMs } = settings
  const address = describeRedis(redis)
  const client = createReaderClient(redis, { timeoutMs })
  try {
    await connectOnce(client, timeoutMs, `at ${address}`)
    return await work(client, redis)
  } catch (error) {
    const masked = maskRedisError(error, { operation: `at ${address}`, timeoutMs, address })
    throw masked.name === 'ReplyError' ? new RedisRefusedError('a read', masked.message, { cause: masked }) : masked
  } finally {
    client.disconnect()
  }
}
