// The Redis of `drover dev`: the one that the settings name, else a server of our own with its data in the data directory.
import { join } from 'node:path'
import type { Settings } from '../../config/index.js'
import { PortInUseError, RedisStartError } from '../../job/index.js'
import {
  type EmbeddedRedis,
  type EmbeddedRedisOptions,
  parseRedisUrl,
  type RedisSettings,
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
  close(): Promise<void>
}

/**
 * @throws RedisUnavailableError, RedisAuthError for a Redis of the settings; RedisBinaryMissingError,
 *   RedisDirInUseError, RedisStartError for one of our own
 */
export async function openDevRedis(settings: Settings, onLost: (reason: string) => void): Promise<DevRedis> {
  if (settings.redis !== undefined) {
    await withRedis(settings, (client) => client.ping())
    return { settings: settings.redis, own: undefined, close: async () => undefined }
  }
  const dir = join(settings.dataDir, 'redis')
  const server = await startServer({
    dir,
    onExit: ({ code, signal }) => onLost(signal === null ? `with code ${code}` : `by ${signal}`),
  })
  const withdraw = announceDev(settings.dataDir, server.url)
  return {
    settings: parseRedisUrl(server.url),
    own: { url: server.url, dir, isOnUsualPort: server.port === USUAL_PORT },
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
