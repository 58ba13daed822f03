// What is to be said about the server: version, memory, eviction, persistence, cluster. clock-skew.ts compares its clock.
import { isDroverError } from '../../job/index.js'
import {
  type Durability,
  judgeDurability,
  MINIMUM_REDIS_VERSION,
  type RedisSettings,
  requireSupportedVersion,
  type ServerInfo,
} from '../../redis/index.js'
import { type Finding, ok } from './finding.js'

const MEBIBYTE = 1_048_576

/** Findings about what INFO and CONFIG tell. */
export function judgeServer(info: ServerInfo, redis: RedisSettings, durability: Durability): Finding[] {
  const found = judgeDurability(info, durability).map(({ level, code, message, remedy }) => ({
    level,
    code,
    evidence: message,
    remedy,
  }))
  const isFine = (...codes: string[]) => !found.some(({ code }) => codes.includes(code))
  return [
    findVersion(info),
    ...found,
    ...(isFine('EVICTION_POLICY', 'EVICTION_UNKNOWN')
      ? [ok('EVICTION_POLICY', `maxmemory-policy is ${info.evictionPolicy}: Redis drops no keys to free memory`)]
      : []),
    ...(info.aofEnabled && isFine('AOF_WRITE_FAILED', 'APPENDFSYNC_NO', 'NOT_STRICT')
      ? [ok('PERSISTENCE', `append-only file, appendfsync ${info.appendfsync ?? 'unknown'}: ${canLose(info)}`)]
      : []),
    ...(isFine('MEMORY_NEARLY_FULL') ? [judgeLimit(info)] : []),
    ...findCluster(info, redis),
  ]
}

function findVersion(info: ServerInfo): Finding {
  const name = `${info.flavour} ${info.version || 'of an unknown version'}`
  try {
    requireSupportedVersion(info)
    return ok('VERSION', `${name}, at least ${MINIMUM_REDIS_VERSION} is needed`)
  } catch (error) {
    if (!isDroverError(error)) throw error
    const remedy = `upgrade to ${MINIMUM_REDIS_VERSION} or later`
    return { level: 'error', code: 'VERSION_TOO_OLD', evidence: `${name} lacks commands that jobs need`, remedy }
  }
}

function canLose({ appendfsync }: ServerInfo): string {
  if (appendfsync === 'always') return 'a crash loses nothing that was accepted'
  return 'a crash of Redis loses what came since an unfinished sync began, one of its machine up to the last second'
}

function judgeLimit(info: ServerInfo): Finding {
  if (info.maxmemoryBytes !== 0) return ok('MEMORY', describeMemory(info))
  const evidence = `${describeMemory(info)}: a backlog can grow until the system ends Redis`
  return {
    level: 'warning',
    code: 'MAXMEMORY_UNSET',
    evidence,
    remedy: 'set maxmemory below the memory of the machine',
  }
}

function describeMemory({ usedMemoryBytes, maxmemoryBytes }: ServerInfo): string {
  const used = usedMemoryBytes === null ? 'an unknown amount' : `${(usedMemoryBytes / MEBIBYTE).toFixed(1)} MiB`
  if (maxmemoryBytes === null) return `${used} used, the limit is not told`
  if (maxmemoryBytes === 0) return `${used} used, no limit is set (maxmemory 0)`
  return `${used} of ${(maxmemoryBytes / MEBIBYTE).toFixed(1)} MiB used`
}

// Every key of a queue carries the queue's hash tag, so all that is left to go wrong is the way to connect.
function findCluster({ clusterEnabled }: ServerInfo, redis: RedisSettings): Finding[] {
  if (clusterEnabled !== true) return [ok('CLUSTER', 'a single server: queues need no hash slots')]
  if (redis.kind === 'cluster')
    return [ok('CLUSTER', 'a cluster; each queue lives in one hash slot, by the tag in its keys')]
  return [
    {
      level: 'error',
      code: 'CLUSTER_URL_NEEDED',
      evidence:
        'this server is part of a cluster, and the URL is one of a single server: keys of other nodes are refused',
      remedy: 'use redis+cluster://host:port in REDIS_URL',
    },
  ]
}
