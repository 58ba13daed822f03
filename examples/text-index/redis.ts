// The Redis of one run: the user's own where one is named, else a server started for this example, and a plain client
// that reads it as any other program would.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { parseRedisUrl, RedisDirInUseError, type RedisSettings, RedisUnavailableError } from 'drover'
import { startEmbeddedRedis } from 'drover/testing'
import { Redis } from 'ioredis'
import type { Settings } from './options.js'

export interface RunRedis {
  readonly settings: RedisSettings
  /** First part of every key of this run. No other run writes under it, so its numbers are those of this run alone. */
  readonly prefix: string
  /** True when the server was started for this run and ends with it. */
  readonly isOwn: boolean
  /** What to type to look into it. */
  readonly cli: string
  readonly client: Redis
  close(): Promise<void>
}

type SingleSettings = Extract<RedisSettings, { kind: 'single' }>

const CONNECT_TIMEOUT_MS = 5_000
/** Runs at the same time on one checkout, each with a data directory of its own. */
const MAX_RUNS = 20

/** `onLost` is called when a server of our own ends by itself. */
export async function openRedis(settings: Settings, onLost: () => void): Promise<RunRedis> {
  if (settings.redis !== undefined) {
    const single = settings.redis as SingleSettings
    const prefix = `${settings.prefix.slice(0, 20)}-${randomBytes(4).toString('hex')}`
    const client = await connect(single)
    return {
      settings: single,
      prefix,
      isOwn: false,
      cli: cliOf(single),
      client,
      close: async () => client.disconnect(),
    }
  }
  const server = await startServer(settings.dataDir, onLost)
  const own = parseRedisUrl(server.url) as SingleSettings
  const client = await connect(own)
  // What the last run left, which was kept until now for whoever wants to look at it.
  await client.flushall()
  const close = async () => {
    client.disconnect()
    await server.close()
  }
  return { settings: own, prefix: settings.prefix, isOwn: true, cli: cliOf(own), client, close }
}

/** A server on a data directory of this example, or on a further one when other runs are under way. */
async function startServer(dataDir: string, onLost: () => void): ReturnType<typeof startEmbeddedRedis> {
  for (let run = 1; ; run += 1) {
    try {
      return await startEmbeddedRedis({ dir: join(dataDir, `text-index-${run}`), onExit: onLost })
    } catch (error) {
      if (!(error instanceof RedisDirInUseError) || run === MAX_RUNS) throw error
    }
  }
}

async function connect({ kind: _, ...settings }: SingleSettings): Promise<Redis> {
  const client = new Redis({
    ...settings,
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: null,
  })
  let lastError: Error | undefined
  client.on('error', (error: Error) => {
    // While Redis is away the client goes on trying; worker and producer say that it is.
    lastError = error
  })
  try {
    await client.connect()
    await client.ping()
    return client
  } catch (error) {
    client.disconnect()
    const cause = lastError ?? error
    throw new RedisUnavailableError('the start of the run', CONNECT_TIMEOUT_MS, { cause })
  }
}

function cliOf({ host, port, path, db, username, password, tls }: SingleSettings): string {
  const words = ['redis-cli', ...(path === undefined ? ['-h', host, '-p', String(port)] : ['-s', path])]
  if (tls !== undefined) words.push('--tls')
  if (db !== 0) words.push('-n', String(db))
  if (username !== undefined) words.push('--user', username)
  if (password !== undefined) words.push('--askpass')
  return words.join(' ')
}
