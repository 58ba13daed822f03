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
  clusterEnabled: false,
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
    [{ maxmemoryBytes: 1_000, usedMemoryBytes: 900 }, 'warning MEMORY_NEARLY_FULL'],
    [{ aofEnabled: false, rdbSaves: '' }, 'error NO_PERSISTENCE'],
    [{ aofEnabled: false, rdbSaves: '3600 1' }, 'warning SNAPSHOTS_ONLY'],
    [{ aofEnabled: false, rdbSaves: null }, 'warning PERSISTENCE_UNKNOWN'],
    [{ aofEnabled: null }, 'warning PERSISTENCE_UNKNOWN'],
    [{ aofLastWriteOk: false }, 'error AOF_WRITE_FAILED'],
    [{ appendfsync: 'no' }, 'warning APPENDFSYNC_NO'],
  ])('with %j has the finding %s alone', (changes, finding) => {
    expect(findings(changes)).toEqual([finding])
  })

  it('below nine tenths of its memory limit has no finding', () => {
    expect(findings({ maxmemoryBytes: 1_000, usedMemoryBytes: 899 })).toEqual([])
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
