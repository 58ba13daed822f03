// What is wrong with a server that is to be trusted with jobs, each finding with its remedy. `drover doctor` shows them
// all, a starting worker logs them.
import type { Durability } from './durability.js'
import type { ServerInfo } from './server-info.js'

/** One thing to know about the server before trusting it with jobs. */
export interface DurabilityFinding {
  /** `error`: accepted jobs can be lost or work is impossible; `warning`: less is certain than could be. */
  readonly level: 'error' | 'warning'
  readonly code: string
  readonly message: string
  readonly remedy: string
}

/** From this share of its memory limit on, a server is too full for new jobs: jobs that are there need room to end. */
export const FULL_SHARE = 0.85

/**
 * What a crash or a full memory of this server could take from accepted jobs, and what makes it refuse writes; empty
 * when nothing is wrong.
 */
export function judgeDurability(info: ServerInfo, durability: Durability = 'standard'): DurabilityFinding[] {
  const judgements = [
    judgeRole(info),
    judgeLink(info),
    judgeReplicas(info),
    judgeEviction(info),
    judgeMemory(info),
    judgePersistence(info),
    judgeSnapshot(info),
    judgeAof(info, durability),
  ]
  return judgements.filter((finding) => finding !== undefined)
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

function judgeLink({ masterLinkUp }: ServerInfo): Judgement {
  if (masterLinkUp !== false) return undefined
  return {
    level: 'error',
    code: 'REPLICA_LINK_DOWN',
    message: 'this replica has lost its master: it falls behind, and a failover to it loses what it lacks',
    remedy: 'look at the log of Redis, at masterauth, and at the network between the two',
  }
}

function judgeReplicas({ replicasWanted, replicasGood }: ServerInfo): Judgement {
  if (!replicasWanted || replicasGood === null || replicasGood >= replicasWanted) return undefined
  return {
    level: 'error',
    code: 'REPLICAS_MISSING',
    message: `min-replicas-to-write is ${replicasWanted} and ${replicasGood} replicas are in step: Redis refuses every write`,
    remedy: 'start the replicas again, or lower min-replicas-to-write',
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
  if (!maxmemoryBytes || usedMemoryBytes === null || usedMemoryBytes < maxmemoryBytes * FULL_SHARE) return undefined
  return {
    level: 'error',
    code: 'MEMORY_NEARLY_FULL',
    message: `${usedMemoryBytes} of ${maxmemoryBytes} bytes are used: producers refuse new jobs until jobs are done`,
    remedy: 'start workers, raise maxmemory, or keep results for a shorter time (keepResult)',
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
  return { level: 'error', code: 'SNAPSHOTS_ONLY', message, remedy }
}

function judgeSnapshot({ snapshotOk, stopsWrites }: ServerInfo): Judgement {
  if (snapshotOk !== false) return undefined
  const isStopped = stopsWrites === true
  const then = isStopped ? 'Redis refuses every write (MISCONF) until one succeeds' : 'what is on disk is old'
  return {
    level: isStopped ? 'error' : 'warning',
    code: 'SNAPSHOT_FAILED',
    message: `the last snapshot (bgsave) failed: ${then}`,
    remedy: 'free disk space and memory, read the log of Redis, then BGSAVE',
  }
}

function judgeAof({ aofEnabled, aofLastWriteOk, appendfsync }: ServerInfo, durability: Durability): Judgement {
  if (aofEnabled !== true) return undefined
  if (aofLastWriteOk === false) {
    const message = 'the last write to the append-only file failed: Redis refuses writes (MISCONF) until it works again'
    return { level: 'error', code: 'AOF_WRITE_FAILED', message, remedy: 'free disk space and read the log of Redis' }
  }
  if (durability === 'strict' && appendfsync !== null && appendfsync !== 'always') {
    const message = `durability strict is asked for, and appendfsync is ${appendfsync}: workers and producers refuse this server`
    return { level: 'error', code: 'NOT_STRICT', message, remedy: 'CONFIG SET appendfsync always, and in redis.conf' }
  }
  if (appendfsync !== 'no') return undefined
  const message = 'appendfsync is no: a crash of the machine loses what the kernel has not written, often 30 s'
  return { level: 'warning', code: 'APPENDFSYNC_NO', message, remedy: 'set appendfsync everysec or always' }
}
