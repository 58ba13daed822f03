import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import {
  connectOnce,
  createReaderClient,
  judgeDurability,
  parseRedisUrl,
  type RedisClient,
  readServerInfo,
  requireSupportedVersion,
  type ServerInfo,
} from '../../src/redis/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const LONG_MS = 60_000

let redis: TestRedis
beforeAll(async () => {
  redis = await startTestRedis({ appendonly: false })
  await redis.cli('ACL', 'SETUSER', 'limited', 'on', '>pw', '~*', '+@all', '-config')
})
afterAll(() => redis.close())

const clients: RedisClient[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect()
})

async function readInfo(signIn = ''): Promise<ServerInfo> {
  const client = createReaderClient(parseRedisUrl(`redis://${signIn}${redis.host}:${redis.port}`))
  clients.push(client)
  await connectOnce(client, LONG_MS, 'connect')
  return await readServerInfo(client)
}

async function codes(): Promise<string[]> {
  return judgeDurability(await readInfo()).map(({ code }) => code)
}

it('a server tells its version, role, memory and persistence', async () => {
  const info = await readInfo()
  expect(info).toMatchObject({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    flavour: expect.stringMatching(/^(redis|valkey)$/),
    role: 'master',
    maxmemoryBytes: 0,
    usedMemoryBytes: expect.any(Number),
    evictionPolicy: 'noeviction',
    aofEnabled: false,
    appendfsync: 'everysec',
    rdbSaves: '',
    aofLastWriteOk: true,
    clusterEnabled: false,
    uptimeSeconds: expect.any(Number),
    connectedClients: expect.any(Number),
    opsPerSecond: expect.any(Number),
    fragmentation: expect.any(Number),
  })
  expect(() => requireSupportedVersion(info)).not.toThrow()
})

it('a user who may not read CONFIG gets null for what only CONFIG tells', async () => {
  expect(await readInfo('limited:pw@')).toMatchObject({
    appendfsync: null,
    rdbSaves: null,
    evictionPolicy: 'noeviction',
  })
})

it('the findings follow the settings of a live server', async () => {
  expect(await codes()).toEqual(['NO_PERSISTENCE'])
  await redis.cli('CONFIG', 'SET', 'save', '3600 1')
  expect(await codes()).toEqual(['SNAPSHOTS_ONLY'])
  await redis.cli('CONFIG', 'SET', 'appendonly', 'yes')
  expect(await codes()).toEqual([])
  await redis.cli('CONFIG', 'SET', 'appendfsync', 'no')
  expect(await codes()).toEqual(['APPENDFSYNC_NO'])
  await redis.cli('CONFIG', 'SET', 'appendfsync', 'always')
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1gb')
  await redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  expect(await codes()).toEqual(['EVICTION_POLICY'])
})
