// The redis-cli command that reads a key, ready for a shell. It never holds a password: redis-cli takes that from
// REDISCLI_AUTH.
import { DEFAULT_REDIS, type RedisSettings } from '../redis/index.js'

/** `redis-cli GET '<key>'`, with where the server is when that is not redis-cli's own default. */
export function redisCliGet(settings: RedisSettings, key: string): string {
  return redisCli(settings, 'GET', key)
}

/** Any command of redis-cli, likewise. */
export function redisCli(settings: RedisSettings, ...words: readonly string[]): string {
  return ['redis-cli', ...connectionFlags(settings), ...words.map(quote)].join(' ')
}

function connectionFlags(settings: RedisSettings): string[] {
  const tls = settings.tls === undefined ? [] : ['--tls']
  if (settings.kind === 'cluster') {
    const [node] = settings.nodes
    return ['-c', ...(node === undefined ? [] : addressFlags(node.host, node.port)), ...tls]
  }
  const db = settings.db === 0 ? [] : ['-n', `${settings.db}`]
  // Only the sentinels know where the master is now.
  if (settings.kind === 'sentinel') return [...db, ...tls]
  if (settings.path !== undefined) return ['-s', quote(settings.path), ...db]
  return [...addressFlags(settings.host, settings.port), ...db, ...tls]
}

function addressFlags(host: string, port: number): string[] {
  const isLocal = host === DEFAULT_REDIS.host || host === 'localhost'
  return [...(isLocal ? [] : ['-h', quote(host)]), ...(port === DEFAULT_REDIS.port ? [] : ['-p', `${port}`])]
}

// Inside single quotes a shell takes everything as it is but the single quote itself.
function quote(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
