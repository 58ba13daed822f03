// What kind of server this is: version, role, memory and persistence, as INFO and CONFIG tell. What follows from it is
// judged in server-findings.ts and durability.ts.
import { Cluster, type Redis } from 'ioredis'
import { RedisTooOldError } from '../job/index.js'
import type { RedisClient } from './clients.js'

export interface ServerInfo {
  /** The server's own version: `7.0.15`, for Valkey `8.1.0`; for Dragonfly the Redis version it claims to be. */
  readonly version: string
  readonly flavour: 'redis' | 'valkey' | 'dragonfly' | 'unknown'
  readonly role: string | null
  /** 0 when there is no limit. */
  readonly maxmemoryBytes: number | null
  readonly usedMemoryBytes: number | null
  readonly evictionPolicy: string | null
  readonly aofEnabled: boolean | null
  /** `always`, `everysec` or `no`. */
  readonly appendfsync: string | null
  /** The `save` setting as Redis writes it, such as `3600 1 300 100`; empty when there are no snapshots. */
  readonly rdbSaves: string | null
  readonly aofLastWriteOk: boolean | null
  /** False: the last snapshot failed, and with `stop-writes-on-bgsave-error` Redis takes no writes. */
  readonly snapshotOk: boolean | null
  readonly clusterEnabled: boolean | null
  readonly connectedReplicas: number | null
  /** Of a replica: whether it is connected to its master. Null on a master. */
  readonly masterLinkUp: boolean | null
  /** `min-replicas-to-write`, and how many replicas are good enough for it. */
  readonly replicasWanted: number | null
  readonly replicasGood: number | null
  /** `stop-writes-on-bgsave-error`: whether a snapshot that failed makes Redis refuse writes. */
  readonly stopsWrites: boolean | null
  readonly uptimeSeconds: number | null
  readonly connectedClients: number | null
  /** Commands a second, as Redis counts them over the last moments. */
  readonly opsPerSecond: number | null
  /** Memory that the system gave Redis, as a multiple of what it uses. */
  readonly fragmentation: number | null
}

/** The oldest server that has every command BullMQ and Drover send. */
export const MINIMUM_REDIS_VERSION = '6.2.0'

/**
 * Reads INFO, and CONFIG where the server allows it: a field that the server does not tell is null. On a cluster, one
 * master speaks for all.
 * @throws what the client rejects INFO with
 */
export async function readServerInfo(client: RedisClient): Promise<ServerInfo> {
  const node = client instanceof Cluster ? firstMaster(client) : client
  const [info, appendfsync, rdbSaves, stopsWrites, replicasWanted] = await Promise.all([
    readInfo(node),
    readConfig(node, 'appendfsync'),
    readConfig(node, 'save'),
    readConfig(node, 'stop-writes-on-bgsave-error'),
    readConfig(node, 'min-replicas-to-write'),
  ])
  const flavour = flavourOf(info)
  return {
    version: info.get(flavour === 'valkey' ? 'valkey_version' : 'redis_version') ?? '',
    flavour,
    role: info.get('role') ?? null,
    maxmemoryBytes: readNumber(info.get('maxmemory')),
    usedMemoryBytes: readNumber(info.get('used_memory')),
    evictionPolicy: info.get('maxmemory_policy') ?? null,
    aofEnabled: readFlag(info.get('aof_enabled'), '1'),
    appendfsync,
    rdbSaves,
    aofLastWriteOk: readFlag(info.get('aof_last_write_status'), 'ok'),
    snapshotOk: readFlag(info.get('rdb_last_bgsave_status'), 'ok'),
    clusterEnabled: readFlag(info.get('cluster_enabled'), '1'),
    connectedReplicas: readNumber(info.get('connected_slaves')),
    masterLinkUp: readFlag(info.get('master_link_status'), 'up'),
    replicasWanted: readNumber(replicasWanted ?? undefined),
    replicasGood: readNumber(info.get('min_slaves_good_slaves')),
    stopsWrites: readFlag(stopsWrites ?? undefined, 'yes'),
    uptimeSeconds: readNumber(info.get('uptime_in_seconds')),
    connectedClients: readNumber(info.get('connected_clients')),
    opsPerSecond: readNumber(info.get('instantaneous_ops_per_sec')),
    fragmentation: readRatio(info.get('mem_fragmentation_ratio')),
  }
}

/**
 * How much of its memory limit Redis has used, from 0 to 1 and above; on a cluster, the fullest master. 0 without a
 * limit, with an evicting policy, and where the server does not tell.
 */
export async function readMemoryShare(client: RedisClient): Promise<MemoryShare> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client]
  const shares = await Promise.all(nodes.map(async (node) => shareOf(await readInfo(node, 'memory'))))
  return shares.reduce((fullest, share) => (share.share > fullest.share ? share : fullest), NO_LIMIT)
}

export interface MemoryShare {
  readonly share: number
  readonly maxmemoryBytes: number
}

const NO_LIMIT: MemoryShare = { share: 0, maxmemoryBytes: 0 }

function shareOf(info: Map<string, string>): MemoryShare {
  const maxmemoryBytes = readNumber(info.get('maxmemory'))
  const used = readNumber(info.get('used_memory'))
  if (!maxmemoryBytes || used === null || info.get('maxmemory_policy') !== 'noeviction') return NO_LIMIT
  // Redis itself leaves out its buffers for the append-only file and for replicas.
  const counted = used - (readNumber(info.get('mem_not_counted_for_evict')) ?? 0)
  return { share: counted / maxmemoryBytes, maxmemoryBytes }
}

/** @throws RedisTooOldError when the server is older than `MINIMUM_REDIS_VERSION`; one that hides its version passes */
export function requireSupportedVersion(info: ServerInfo): void {
  const found = versionNumbers(info.version)
  if (found === undefined) return
  const minimum = versionNumbers(MINIMUM_REDIS_VERSION) ?? []
  for (const [index, least] of minimum.entries()) {
    const number = found[index] ?? 0
    if (number > least) return
    if (number < least) throw new RedisTooOldError(info.version, MINIMUM_REDIS_VERSION)
  }
}

function firstMaster(cluster: Cluster): Redis {
  const [master] = cluster.nodes('master')
  if (master === undefined) throw new Error('the cluster client is not connected: wait for connectOnce first')
  return master
}

// A user without the right to INFO gets nothing told.
async function readInfo(node: Redis, section?: 'memory'): Promise<Map<string, string>> {
  try {
    return parseInfo(await (section === undefined ? node.info() : node.info(section)))
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError' && error.message.startsWith('NOPERM')) return new Map()
    throw error
  }
}

function parseInfo(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return fields
}

// Managed Redis forbids CONFIG, or knows it by another name: then the setting is not known.
async function readConfig(node: Redis, name: string): Promise<string | null> {
  try {
    const reply = (await node.config('GET', name)) as unknown
    return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : null
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return null
    throw error
  }
}

function flavourOf(info: Map<string, string>): ServerInfo['flavour'] {
  if (info.has('valkey_version')) return 'valkey'
  if (info.has('dragonfly_version')) return 'dragonfly'
  return info.has('redis_version') ? 'redis' : 'unknown'
}

function readNumber(text: string | undefined): number | null {
  return text === undefined || !/^\d+$/.test(text) ? null : Number(text)
}

function readRatio(text: string | undefined): number | null {
  return text === undefined || !/^\d+(\.\d+)?$/.test(text) ? null : Number(text)
}

function readFlag(text: string | undefined, yes: string): boolean | null {
  return text === undefined ? null : text === yes
}

function versionNumbers(version: string): number[] | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version)
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)]
}
