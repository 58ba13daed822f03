// Where Redis is and how to sign in: the settings object, and the URL forms it is read from and shown as.
// The environment is read in settings-env.ts; clients.ts turns settings into connections.
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { RedisUrlError } from '../job/index.js'

/** One host and port of a Redis server, sentinel or cluster node. */
export interface RedisAddress {
  readonly host: string
  readonly port: number
}

interface SignIn {
  /** ACL user; without one Redis takes `default`. */
  readonly username?: string
  readonly password?: string
  /** Present when the connection is encrypted; its fields go to `tls.connect`, `{}` takes Node's defaults. */
  readonly tls?: TlsOptions
}

/** One Redis or Valkey server, by host and port, or by Unix socket when `path` is there. */
export interface SingleRedisSettings extends SignIn, RedisAddress {
  readonly kind: 'single'
  readonly db: number
  readonly path?: string
}

/** Servers watched by sentinels, which are asked for the present master of `masterName`. */
export interface SentinelRedisSettings extends SignIn {
  readonly kind: 'sentinel'
  readonly sentinels: readonly RedisAddress[]
  readonly masterName: string
  readonly db: number
  /** Sign-in at the sentinels themselves, where they ask for one. */
  readonly sentinelUsername?: string
  readonly sentinelPassword?: string
}

/** A Redis Cluster, found through any of `nodes`. A cluster has database 0 only. */
export interface ClusterRedisSettings extends SignIn {
  readonly kind: 'cluster'
  readonly nodes: readonly RedisAddress[]
}

export type RedisSettings = SingleRedisSettings | SentinelRedisSettings | ClusterRedisSettings

/** What is connected to when nothing says otherwise: 127.0.0.1, port 6379, database 0, no password. */
export const DEFAULT_REDIS: SingleRedisSettings = { kind: 'single', host: '127.0.0.1', port: 6379, db: 0 }

const ENCODE_HINT = 'expected host or host:port; a "/" or "?" in a user name or password must be percent-encoded'
const REDIS_PORT = 6379
const SENTINEL_PORT = 26379

/** The URL forms that `parseRedisUrl` reads, as messages and help show them. */
export const REDIS_URL_FORMS =
  'redis://, rediss:// (TLS), redis+sentinel://h1,h2/master, redis+cluster://h1,h2 or redis+unix:///path'

const SCHEMES = {
  'redis:': { kind: 'single', tls: false },
  'rediss:': { kind: 'single', tls: true },
  'redis+unix:': { kind: 'unix', tls: false },
  'redis+sentinel:': { kind: 'sentinel', tls: false },
  'rediss+sentinel:': { kind: 'sentinel', tls: true },
  'redis+cluster:': { kind: 'cluster', tls: false },
  'rediss+cluster:': { kind: 'cluster', tls: true },
} as const

const PARAMETERS: Record<string, readonly string[]> = {
  single: [],
  unix: ['db'],
  sentinel: ['sentinelUsername', 'sentinelPassword'],
  cluster: [],
}

interface UrlParts {
  readonly kind: string
  readonly signIn: SignIn
  readonly hosts: string
  readonly path: string
  readonly query: URLSearchParams
}

/**
 * Settings from a connection URL. User and password are percent-decoded, the database is the last part of the path:
 *
 * - `redis://[user:password@]host[:6379][/db]`, and `rediss://` with TLS
 * - `redis+sentinel://[user:password@]host[:26379],host2/masterName[/db]`, and `rediss+sentinel://`
 *   (`?sentinelUsername=` and `?sentinelPassword=` sign in at the sentinels)
 * - `redis+cluster://[user:password@]host[:6379],host2`, and `rediss+cluster://`
 * - `redis+unix://[user:password@]/path/of/socket[?db=1]`
 *
 * @throws RedisUrlError naming the part that is wrong; never with the URL, which may hold a password.
 */
export function parseRedisUrl(url: string): RedisSettings {
  const { kind, signIn, hosts, path, query } = splitUrl(url)
  const segments = path.split('/').filter((segment) => segment !== '')
  if (kind === 'unix') {
    if (hosts !== '' || segments.length === 0)
      throw new RedisUrlError('redis+unix:// needs an absolute path: redis+unix:///run/redis.sock')
    return {
      ...DEFAULT_REDIS,
      ...signIn,
      path: decode(path, 'the path'),
      db: readDatabase(query.get('db') ?? undefined),
    }
  }
  if (kind === 'sentinel') {
    const [masterName, db, ...rest] = segments
    if (masterName === undefined || rest.length > 0) {
      throw new RedisUrlError('redis+sentinel:// needs a master name and may have a database after it: /mymaster/0')
    }
    const sentinelUsername = query.get('sentinelUsername')
    const sentinelPassword = query.get('sentinelPassword')
    return {
      kind,
      ...signIn,
      sentinels: readAddresses(hosts, SENTINEL_PORT),
      masterName: decode(masterName, 'the master name'),
      db: readDatabase(db),
      ...(sentinelUsername === null ? {} : { sentinelUsername }),
      ...(sentinelPassword === null ? {} : { sentinelPassword }),
    }
  }
  if (path.includes('@')) throw new RedisUrlError(ENCODE_HINT)
  if (segments.length > 1) throw new RedisUrlError('only a database number may follow the host: redis://host:6379/0')
  const db = readDatabase(segments[0])
  const addresses = readAddresses(hosts, REDIS_PORT)
  if (kind === 'cluster') {
    if (db !== 0) throw new RedisUrlError('a cluster has database 0 only')
    return { kind, ...signIn, nodes: addresses }
  }
  const [address, second] = addresses
  if (address === undefined || second !== undefined) {
    throw new RedisUrlError('redis:// takes one host; several need redis+sentinel:// or redis+cluster://')
  }
  return { kind: 'single', ...signIn, ...address, db }
}

/** The settings as one URL for logs and messages: no user name, no password. */
export function describeRedis(settings: RedisSettings): string {
  const scheme = settings.tls === undefined ? 'redis' : 'rediss'
  if (settings.kind === 'cluster') return `${scheme}+cluster://${showAddresses(settings.nodes)}`
  if (settings.kind === 'sentinel') {
    return `${scheme}+sentinel://${showAddresses(settings.sentinels)}/${settings.masterName}/${settings.db}`
  }
  if (settings.path !== undefined) return `redis+unix://${settings.path}?db=${settings.db}`
  return `${scheme}://${showAddresses([settings])}/${settings.db}`
}

/** A database number: a whole number from 0; none means 0. Redis itself refuses one past its `databases` setting. */
export function readDatabase(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  if (!/^\d{1,9}$/.test(text)) throw new RedisUrlError('the database must be a whole number from 0')
  return Number(text)
}

/** A TCP port, 1 to 65535. */
export function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new RedisUrlError('a port must be a whole number from 1 to 65535')
  return port
}

// Not `new URL()`: it refuses a list of hosts, and its error holds the whole URL.
function splitUrl(url: string): UrlParts {
  const match = /^([a-z+]+:)\/\/([^/?]*)([^?]*)(?:\?(.*))?$/is.exec(String(url).trim())
  const scheme = SCHEMES[(match?.[1] ?? '').toLowerCase() as keyof typeof SCHEMES]
  if (match === null || scheme === undefined) throw new RedisUrlError(`the URL must start with ${REDIS_URL_FORMS}`)
  const [, , authority = '', path = '', search = ''] = match
  const query = new URLSearchParams(search)
  const known = PARAMETERS[scheme.kind] ?? []
  for (const name of query.keys()) {
    if (!known.includes(name)) {
      const expected = known.length === 0 ? 'this form takes none' : `this form takes ${known.join(', ')}`
      throw new RedisUrlError(`unknown parameter after "?": ${expected}`)
    }
  }
  // The last @ ends the sign-in: a password with a bare @ in it still works.
  const at = authority.lastIndexOf('@')
  const tls = scheme.tls ? { tls: {} } : {}
  const signIn = { ...(at === -1 ? {} : readSignIn(authority.slice(0, at))), ...tls }
  return { kind: scheme.kind, signIn, hosts: authority.slice(at + 1), path, query }
}

function readSignIn(text: string): SignIn {
  const colon = text.indexOf(':')
  const username = decode(colon === -1 ? text : text.slice(0, colon), 'the user name')
  const password = colon === -1 ? '' : decode(text.slice(colon + 1), 'the password')
  if (username !== '' && password === '')
    throw new RedisUrlError('a user name needs a password after it: user:password@host')
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function readAddresses(hosts: string, defaultPort: number): RedisAddress[] {
  return hosts.split(',').map((text) => {
    const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^[\]:@\s]+))(?::(.*))?$/.exec(text)
    const host = match?.[1] ?? match?.[2]
    if (match === null || host === undefined) {
      throw new RedisUrlError(ENCODE_HINT)
    }
    return { host, port: match[3] === undefined ? defaultPort : readPort(match[3]) }
  })
}

function showAddresses(addresses: readonly RedisAddress[]): string {
  return addresses.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RedisUrlError(`${part} has a "%" that starts no percent-encoding: write it as %25`)
  }
}
