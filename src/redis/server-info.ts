// What kind of server this is and what a crash of it could lose. Reads only; `drover doctor` and a starting worker
// decide what follows from the findings.
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
  readonly clusterEnabled: boolean | null
}

/** One thing to know about the server before trusting it with jobs. */
export interface DurabilityFinding {
  /** `error`: accepted jobs can be lost or work is impossible; `warning`: less is certain than could be. */
  readonly level: 'error' | 'warning'
  readonly code: string
  readonly message: string
  readonly remedy: string
}

/** The oldest server that has every command BullMQ and Drover send. */
export const MINIMUM_REDIS_VERSION = '6.2.0'

const NEARLY_FULL = 0.9

/**
 * Reads INFO, and CONFIG where the server allows it: a field that the server does not tell is null. On a cluster, one
 * master speaks for all.
 * @throws what the client rejects INFO with
 */
export async function readServerInfo(client: RedisClient): Promise<ServerInfo> {
  const node = client instanceof Cluster ? firstMaster(client) : client
  const [info, appendfsync, rdbSaves] = await Promise.all([
    node.info().then(parseInfo),
    readConfig(node, 'appendfsync'),
    readConfig(node, 'save'),
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
    clusterEnabled: readFlag(info.get('cluster_enabled'), '1'),
  }
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

/** What a crash or a full memory of this server could take from accepted jobs; empty when nothing is wrong. */
export function judgeDurability(info: ServerInfo): DurabilityFinding[] {
  return [judgeRole(info), judgeEviction(info), judgeMemory(info), judgePersistence(info), judgeAof(info)].filter(
    (finding) => finding !== undefined,
  )
}

type Judgement = DurabilityFinding | undefined

function judgeRole({ role }: ServerInfo): Judgement {
  if (role !== 'slave' && role !== 'replica') return undefined
  return {
    level: 'error',
    code: 'IS_REPLICA',
    message: 'this server is a replica: it refuses every write',
    remedy: 'connect to the master, or through redis+sentinel:// which finds it',
  }
}

function judgeEviction({ evictionPolicy, maxmemoryBytes }: ServerInfo): Judgement {
  if (evictionPolicy === 'noeviction') return undefined
  const remedy = 'set maxmemory-policy noeviction in redis.conf, or CONFIG SET maxmemory-policy noeviction'
  if (evictionPolicy === null) {
    const message = 'the server does not tell its eviction policy'
    return { level: 'warning', code: 'EVICTION_UNKNOWN', message, remedy: 'make sure that it is noeviction' }
  }
  const message = `maxmemory-policy is ${evictionPolicy}: at its memory limit Redis drops keys of jobs, locks or results`
  // Without a limit the policy sleeps, until somebody sets one.
  return { level: maxmemoryBytes === 0 ? 'warning' : 'error', code: 'EVICTION_POLICY', message, remedy }
}

function judgeMemory({ maxmemoryBytes, usedMemoryBytes }: ServerInfo): Judgement {
  if (!maxmemoryBytes || usedMemoryBytes === null || usedMemoryBytes < maxmemoryBytes * NEARLY_FULL) return undefined
  return {
    level: 'warning',
    code: 'MEMORY_NEARLY_FULL',
    message: `${usedMemoryBytes} of ${maxmemoryBytes} bytes are used: when they are full, Redis refuses new jobs`,
    remedy: 'raise maxmemory, or keep results for a shorter time (keepResult)',
  }
}

function judgePersistence({ aofEnabled, rdbSaves }: ServerInfo): Judgement {
  if (aofEnabled === true) return undefined
  const remedy = 'set appendonly yes and appendfsync everysec'
  if (aofEnabled === null || rdbSaves === null) {
    const message = 'the server does not tell whether it writes jobs to disk'
    return { level: 'warning', code: 'PERSISTENCE_UNKNOWN', message, remedy: `make sure that it does: ${remedy}` }
  }
  if (rdbSaves === '') {
    const message = 'nothing is written to disk: when Redis ends, all jobs, results and counters are gone'
    return { level: 'error', code: 'NO_PERSISTENCE', message, remedy }
  }
  const message = `only snapshots are written to disk (save ${rdbSaves}): a crash loses everything since the last one`
  return { level: 'warning', code: 'SNAPSHOTS_ONLY', message, remedy }
}

function judgeAof({ aofEnabled, aofLastWriteOk, appendfsync }: ServerInfo): Judgement {
  if (aofEnabled !== true) return undefined
  if (aofLastWriteOk === false) {
    const message = 'the last write to the append-only file failed: Redis refuses writes until it works again'
    return { level: 'error', code: 'AOF_WRITE_FAILED', message, remedy: 'free disk space and read the log of Redis' }
  }
  if (appendfsync !== 'no') return undefined
  const message = 'appendfsync is no: a crash of the machine loses what the kernel has not written, often 30 s'
  return { level: 'warning', code: 'APPENDFSYNC_NO', message, remedy: 'set appendfsync everysec or always' }
}

function firstMaster(cluster: Cluster): Redis {
  const [master] = cluster.nodes('master')
  if (master === undefined) throw new Error('the cluster client is not connected: wait for connectOnce first')
  return master
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

function readFlag(text: string | undefined, yes: string): boolean | null {
  return text === undefined ? null : text === yes
}

function versionNumbers(version: string): number[] | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version)
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)]
}
