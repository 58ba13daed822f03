// The Redis of `drover dev`: the one that the settings name, else a server of our own with its data in the data directory.
import { join } from 'node:path'
import type { Settings } from '../../config/index.js'
import { PortInUseError, RedisStartError } from '../../job/index.js'
import {
  type EmbeddedRedis,
  type EmbeddedRedisOptions,
  parseRedisUrl,
  type RedisClient,
  type RedisSettings,
  readServerInfo,
  reportDurability,
  requireDurable,
  startEmbeddedRedis,
} from '../../redis/index.js'
import { withRedis } from '../redis-connection.js'
import { announceDev } from '../running-dev.js'

/** Where programs look for Redis that were told nothing. */
const USUAL_PORT = 6379

export interface DevRedis {
  readonly settings: RedisSettings
  /** Of our own server; undefined for one that was there. */
  readonly own: { readonly url: string; readonly dir: string; readonly isOnUsualPort: boolean } | undefined
  /** What a crash could take, in words. */
  readonly canLose: string
  close(): Promise<void>
}

/**
 * @throws RedisUnavailableError, RedisAuthError for a Redis of the settings; RedisBinaryMissingError,
 *   RedisDirInUseError, RedisStartError for one of our own; RedisNotDurableError
 */
export async function openDevRedis(settings: Settings, onLost: (reason: string) => void): Promise<DevRedis> {
  if (settings.redis !== undefined) {
    const canLose = await withRedis(settings, (client) => judge(client, settings))
    return { settings: settings.redis, own: undefined, canLose, close: async () => undefined }
  }
  const dir = join(settings.dataDir, 'redis')
  const server = await startServer({
    dir,
    appendfsync: settings.durability === 'strict' ? 'always' : 'everysec',
    onExit: ({ code, signal }) => onLost(signal === null ? `with code ${code}` : `by ${signal}`),
  })
  const own = parseRedisUrl(server.url)
  const canLose = await withRedis({ ...settings, redis: own }, (client) => judge(client, settings)).catch(
    async (error: unknown) => {
      await server.close()
      throw error
    },
  )
  const withdraw = announceDev(settings.dataDir, server.url)
  return {
    settings: own,
    own: { url: server.url, dir, isOnUsualPort: server.port === USUAL_PORT },
    canLose,
    close: async () => {
      withdraw()
      await server.close()
    },
  }
}

// On the usual port the user's own programs find it without a setting; a server that is there already is not touched.
async function startServer(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  try {
    return await startEmbeddedRedis({ ...options, port: USUAL_PORT })
  } catch (error) {
    if (error instanceof PortInUseError || error instanceof RedisStartError) return startEmbeddedRedis(options)
    throw error
  }
}

async function judge(client: RedisClient, settings: Settings): Promise<string> {
  const info = await readServerInfo(client)
  requireDurable(info, settings)
  return reportDurability(info).canLose
}
