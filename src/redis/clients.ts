// The four kinds of Redis client, for one server, sentinels and a cluster: they differ in who may wait for Redis.
// settings.ts says where Redis is; mask-error.ts says what goes wrong in Drover's words.
import { Cluster, type CommonRedisOptions, Redis } from 'ioredis'
import { RedisUnavailableError, RedisUrlError } from '../job/index.js'
import { GatheringRedis } from './gathering-redis.js'
import { bareRedisError, refusedSettings } from './mask-error.js'
import { describeRedis, type RedisSettings } from './settings.js'
import { guardSlotMoves } from './slot-guard.js'

export type RedisClient = Redis | Cluster

export interface ClientOptions {
  /** Told of each connection error, without password or command. Default: dropped; the client reconnects by itself. */
  readonly onError?: (error: Error) => void
}

export interface FailFastClientOptions extends ClientOptions {
  /** Milliseconds one command may take before it rejects. */
  readonly timeoutMs: number
  /** Milliseconds Redis may be silent, when it owes an answer, before a reconnect. Default `timeoutMs`. */
  readonly silenceMs?: number
  /** True: commands leave when the event loop has read all its sockets, not at the end of their tick. Not for clusters. */
  readonly gathersTurns?: boolean
}

// Reply shapes stay ioredis's default: they are part of a client's type.
type CommonOptions = Omit<CommonRedisOptions, 'replyMapping'>

interface Behaviour {
  /** Commands given while there is no connection: kept until there is one, or rejected at once. */
  readonly waitsForRedis: boolean
  readonly shardedSubscribers?: boolean
  readonly gathersTurns?: boolean
  readonly common: CommonOptions
}

const DEFAULT_READER_TIMEOUT_MS = 5_000
const CONNECT_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MS = 10_000
const FIRST_RETRY_MS = 50
const MAX_RETRY_MS = 1_000
// Above the 5 s that a worker's blocking read waits at most, so that only a silent Redis trips it.
const WORKER_SOCKET_TIMEOUT_MS = 8_000
// Above the 10 s that a subscriber is left alone.
const SUBSCRIBER_SOCKET_TIMEOUT_MS = 15_000

const addresses = new WeakMap<RedisClient, string>()

/** Client for workers: waits for Redis as long as it takes, and sends again what a lost connection left open. */
export function createWorkerClient(settings: RedisSettings, options: ClientOptions = {}): RedisClient {
  return createClient(settings, options, {
    waitsForRedis: true,
    common: {
      maxRetriesPerRequest: null,
      socketTimeout: WORKER_SOCKET_TIMEOUT_MS,
      // 2: reconnect and send the refused command again.
      reconnectOnError: (error) => (isReadOnlyReply(error) ? 2 : false),
    },
  })
}

/** Client for producers: a command rejects within `timeoutMs`, and at once while there is no connection. */
export function createProducerClient(settings: RedisSettings, options: FailFastClientOptions): RedisClient {
  return createClient(settings, options, {
    waitsForRedis: false,
    gathersTurns: options.gathersTurns ?? false,
    common: {
      // A command whose reply was lost with its connection is never sent again unseen: it may have added to a counter.
      maxRetriesPerRequest: 0,
      commandTimeout: options.timeoutMs,
      socketTimeout: options.silenceMs ?? options.timeoutMs,
      // 1: reconnect and reject the refused command.
      reconnectOnError: (error) => (isReadOnlyReply(error) ? 1 : false),
    },
  })
}

/** Client for the reads of dashboard and command line: fails as fast as a producer's; `timeoutMs` is 5 s by default. */
export function createReaderClient(settings: RedisSettings, options: Partial<FailFastClientOptions> = {}): RedisClient {
  return createProducerClient(settings, { timeoutMs: DEFAULT_READER_TIMEOUT_MS, ...options })
}

/** Client for subscriptions, which are taken up again after each reconnect; on a cluster, sharded ones too. */
export function createSubscriberClient(settings: RedisSettings, options: ClientOptions = {}): RedisClient {
  return createClient(settings, options, {
    waitsForRedis: true,
    shardedSubscribers: true,
    common: { maxRetriesPerRequest: null, autoResubscribe: true, socketTimeout: SUBSCRIBER_SOCKET_TIMEOUT_MS },
  })
}

/** `describeRedis` of the settings that one of the functions above made this client from. */
export function clientAddress(client: RedisClient): string {
  return addresses.get(client) ?? 'the server'
}

/**
 * Resolves when the client is ready. When it rejects, the client is disconnected and leaves no socket or timer.
 * @throws RedisAuthError at once when Redis refuses the sign-in
 * @throws RedisUrlError at once when the server has no such database
 * @throws RedisUnavailableError when Redis is not ready within `timeoutMs`; `cause` is the last connection error
 */
export async function connectOnce(client: RedisClient, timeoutMs: number, operation: string): Promise<void> {
  if (client.status === 'ready') return
  try {
    await waitUntilReady(client, timeoutMs, operation)
  } catch (error) {
    client.disconnect()
    throw error
  }
}

function waitUntilReady(client: RedisClient, timeoutMs: number, operation: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let cause: Error | undefined
    const settle = (error?: Error) => {
      clearTimeout(timer)
      client.off('ready', succeed).off('end', giveUp).off('error', note)
      if (error === undefined) resolve()
      else reject(error)
    }
    const succeed = () => settle()
    const giveUp = () => settle(new RedisUnavailableError(operation, timeoutMs, cause === undefined ? {} : { cause }))
    const note = (error: unknown) => {
      cause = bareRedisError(error)
      const refusal = refusedSettings(error, clientAddress(client))
      if (refusal !== undefined) settle(refusal)
    }
    const timer = setTimeout(giveUp, timeoutMs)
    client.on('ready', succeed).on('end', giveUp).on('error', note)
  })
}

/**
 * Connects again what ioredis gives up: news of a failover that come while it asks a sentinel for the master end the client
 * for good. For each copy of a client too. A close of our own gives no such error.
 */
export function outliveFailover(client: RedisClient): void {
  if (client instanceof Cluster) return
  client.on('error', (error: Error) => {
    // ioredis has no code for it.
    if (error.message !== 'Connection is closed.') return
    client.once('end', () => void client.connect().catch(() => undefined))
  })
}

function createClient(settings: RedisSettings, options: ClientOptions, behaviour: Behaviour): RedisClient {
  const common: CommonOptions = {
    ...(settings.username === undefined ? {} : { username: settings.username }),
    ...(settings.password === undefined ? {} : { password: settings.password }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: KEEP_ALIVE_MS,
    enableReadyCheck: true,
    ...behaviour.common,
  }
  const client =
    settings.kind === 'cluster' ? openCluster(settings, common, behaviour) : openRedis(settings, common, behaviour)
  addresses.set(client, describeRedis(settings))
  if (client instanceof Cluster) client.on('+node', surviveLateErrors)
  else surviveLateErrors(client)
  outliveFailover(client)
  client.on('error', (error: unknown) => {
    const refusal = refusedSettings(error, clientAddress(client))
    // ioredis would go on in database 0 when SELECT is refused.
    if (refusal instanceof RedisUrlError) client.disconnect()
    options.onError?.(refusal ?? bareRedisError(error))
  })
  return client
}

// ioredis listens to the first error of a socket only. A refused TLS connection can have a second, when the other side's
// alert arrives after the certificate was refused: without a listener that would end the process.
function surviveLateErrors(client: Redis): void {
  client.on('error', () => client.stream?.on('error', () => undefined))
}

function openRedis(
  settings: Exclude<RedisSettings, { kind: 'cluster' }>,
  common: CommonOptions,
  behaviour: Behaviour,
): Redis {
  const { tls } = settings
  const shared = {
    ...common,
    db: settings.db,
    enableOfflineQueue: behaviour.waitsForRedis,
    retryStrategy: retryDelayMs,
    ...(tls === undefined ? {} : { tls }),
  }
  const client = behaviour.waitsForRedis
    ? new Redis({ ...shared, ...placeOf(settings) })
    : new GatheringRedis({ ...shared, ...placeOf(settings) })
  if (client instanceof GatheringRedis) client.gathersTurns = behaviour.gathersTurns ?? false
  return client
}

function placeOf(settings: Exclude<RedisSettings, { kind: 'cluster' }>) {
  if (settings.kind === 'single') {
    const { path, host, port } = settings
    return path === undefined ? { host, port } : { path }
  }
  const { tls } = settings
  return {
    sentinels: [...settings.sentinels],
    name: settings.masterName,
    failoverDetector: true,
    ...(settings.sentinelUsername === undefined ? {} : { sentinelUsername: settings.sentinelUsername }),
    ...(settings.sentinelPassword === undefined ? {} : { sentinelPassword: settings.sentinelPassword }),
    ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
  }
}

function openCluster(
  settings: Extract<RedisSettings, { kind: 'cluster' }>,
  common: CommonOptions,
  behaviour: Behaviour,
): Cluster {
  const { tls } = settings
  const cluster = new Cluster([...settings.nodes], {
    enableOfflineQueue: behaviour.waitsForRedis,
    enableReadyCheck: true,
    clusterRetryStrategy: retryDelayMs,
    // 0: what a lost connection left open is rejected, not sent to another node, as maxRetriesPerRequest says above.
    ...(behaviour.waitsForRedis ? {} : { retryDelayOnFailover: 0 }),
    shardedSubscribers: behaviour.shardedSubscribers ?? false,
    redisOptions: { ...common, ...(tls === undefined ? {} : { tls }) },
    // With TLS the host name must stay a name: the certificate is checked against it.
    ...(tls === undefined ? {} : { dnsLookup: (host, callback) => callback(null, host) }),
    // A slot on its way is asked for again and again: 16 times, the client's own limit, make 3 s of it.
    retryDelayOnTryAgain: 200,
  })
  guardSlotMoves(cluster)
  return cluster
}

// Exponential, at most 1 s so that recovery is noticed soon, with half of it random so that clients do not come at once.
function retryDelayMs(times: number): number {
  const ceiling = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(times - 1, 10))
  return Math.round(ceiling * (0.5 + Math.random() / 2))
}

// After a failover, the server that was the master answers so.
function isReadOnlyReply(error: Error): boolean {
  return error.message.startsWith('READONLY')
}
