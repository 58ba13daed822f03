// The dashboard's connections to Redis: what is logged of them, and waiting for the first one.
import { once } from 'node:events'
import type { Logger } from 'pino'
import { createReaderClient, describeRedis, type RedisClient, type RedisSettings } from '../redis/index.js'

const FIRST_CONNECTION_MS = 1_000

/** A client whose commands take at most `timeoutMs`. An outage is logged once when it begins and once when it is over. */
export function openConnection(settings: RedisSettings, timeoutMs: number, logger: Logger | undefined): RedisClient {
  const redis = describeRedis(settings)
  let isDown = false
  const client = createReaderClient(settings, {
    timeoutMs,
    onError: (error) => {
      if (!isDown) logger?.warn({ redis, err: error }, 'Redis does not answer; the dashboard goes on trying')
      isDown = true
    },
  })
  client.on('ready', () => {
    if (isDown) logger?.info({ redis }, 'Redis answers again')
    isDown = false
  })
  return client
}

/**
 * Waits for a connection that is just being made, a second at most. The client rejects at once while it has none, which
 * would make the first page after a start a false alarm. Without one after that, the read that follows says why.
 */
export async function untilConnected(client: RedisClient): Promise<void> {
  if (client.status !== 'connecting' && client.status !== 'connect') return
  await once(client, 'ready', { signal: AbortSignal.timeout(FIRST_CONNECTION_MS) }).catch(() => undefined)
}
