import { describe, expect, it } from 'vitest'
import { RedisTooOldError } from '../../../src/job/index.js'
import { judgeDurability, requireSupportedVersion, type ServerInfo } from '../../../src/redis/index.js'

const SAFE: ServerInfo = {
  version: '7.0.15',
  flavour: 'redis',
  role: 'master',
  maxmemoryBytes: 0,
  usedMemoryBytes: 1_000,
  evictionPolicy: 'noeviction',
  aofEnabled: true,
  appendfsync: 'everysec',
  rdbSaves: '',
  aofLastWriteOk: true,
  snapshotOk: true,
  clusterEnabled: false,
  connectedReplicas: 0,
  masterLinkUp: null,
  replicasWanted: 0,
  replicasGood: null,
  stopsWrites: true,
  uptimeSeconds: 1,
  connectedClients: 1,
  opsPerSecond: 1,
  fragmentation: 1,
}

function findings(changes: Partial<ServerInfo>): string[] {
  return judgeDurability({ ...SAFE, ...changes }).map(({ level, code }) => `${level} ${code}`)
}

describe('the durability of a server', () => {
  it('has no finding when it is append-only, does not evict and is a master', () => {
    expect(findings({})).toEqual([])
    expect(findings({ appendfsync: 'always' })).toEqual([])
    expect(findings({ appendfsync: null })).toEqual([])
  })

  it.each<[Partial<ServerInfo>, string]>([
    [{ role: 'slave' }, 'error IS_REPLICA'],
    [{ evictionPolicy: 'allkeys-lru', maxmemoryBytes: 1_000_000 }, 'error EVICTION_POLICY'],
    [{ evictionPolicy: 'volatile-ttl', maxmemoryBytes: 0 }, 'warning EVICTION_POLICY'],
    [{ evictionPolicy: null }, 'warning EVICTION_UNKNOWN'],
    [{ maxmemoryBytes: 1_000, usedMemoryBytes: 850 }, 'error MEMORY_NEARLY_FULL'],
    [{ aofEnabled: false, rdbSaves: '' }, 'error NO_PERSISTENCE'],
    [{ aofEnabled: false, rdbSaves: '3600 1' }, 'error SNAPSHOTS_ONLY'],
    [{ aofEnabled: false, rdbSaves: null }, 'warning PERSISTENCE_UNKNOWN'],
    [{ aofEnabled: null }, 'warning PERSISTENCE_UNKNOWN'],
    [{ aofLastWriteOk: false }, 'error AOF_WRITE_FAILED'],
    [{ appendfsync: 'no' }, 'warning APPENDFSYNC_NO'],
    [{ role: 'master', masterLinkUp: false }, 'error REPLICA_LINK_DOWN'],
    [{ replicasWanted: 1, replicasGood: 0 }, 'error REPLICAS_MISSING'],
    [{ snapshotOk: false }, 'error SNAPSHOT_FAILED'],
    [{ snapshotOk: false, stopsWrites: false }, 'warning SNAPSHOT_FAILED'],
  ])('with %j has the finding %s alone', (changes, finding) => {
    expect(findings(changes)).toEqual([finding])
  })

  it('that is only standard is an error where strict is asked for', () => {
    expect(judgeDurability(SAFE, 'strict').map(({ code }) => code)).toEqual(['NOT_STRICT'])
    expect(judgeDurability({ ...SAFE, appendfsync: 'always' }, 'strict')).toEqual([])
    expect(judgeDurability({ ...SAFE, appendfsync: null }, 'strict')).toEqual([])
  })

  it('below 85 hundredths of its memory limit has no finding', () => {
    expect(findings({ maxmemoryBytes: 1_000, usedMemoryBytes: 849 })).toEqual([])
  })
})

describe('the version', () => {
  it.each(['5.0.14', '6.0.20', '6.1.99'])('%s is too old', (version) => {
    expect(() => requireSupportedVersion({ ...SAFE, version })).toThrow(RedisTooOldError)
  })

  it.each(['6.2.0', '6.2', '7.0.15', '8.1.0', '10.0.0', '6.10.0', ''])('%j is not', (version) => {
    expect(() => requireSupportedVersion({ ...SAFE, version })).not.toThrow()
  })
})
