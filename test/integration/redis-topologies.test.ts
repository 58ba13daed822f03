import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { RedisAuthError, RedisUnavailableError } from '../../src/job/index.js'
import {
  connectOnce,
  createProducerClient,
  createReaderClient,
  createSubscriberClient,
  createWorkerClient,
  maskRedisError,
  parseRedisUrl,
  queueKeys,
  type RedisClient,
  type RedisSettings,
  readServerInfo,
} from '../../src/redis/index.js'
import { freePort, startTestRedis, type TestRedis } from '../support/redis.js'
import { startLoneClusterNode } from '../support/redis-topologies.js'
import { rejectionOf } from '../support/rejection.js'

const LONG_MS = 60_000
const WAIT = { timeout: LONG_MS, interval: 50 }
const TIMEOUT_MS = 2_000

const clients: RedisClient[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect()
})

function opened<Client extends RedisClient>(client: Client): Client {
  clients.push(client)
  return client
}

const EACH_KIND: [string, (where: RedisSettings) => RedisClient][] = [
  ['worker', (where) => createWorkerClient(where)],
  ['producer', (where) => createProducerClient(where, { timeoutMs: TIMEOUT_MS })],
  ['reader', (where) => createReaderClient(where)],
  ['subscriber', (where) => createSubscriberClient(where)],
]

describe('a cluster', () => {
  let node: TestRedis
  let settings: RedisSettings
  beforeAll(async () => {
    node = await startLoneClusterNode({ password: 'cluster pw' })
    settings = parseRedisUrl(node.url.replace('redis://', 'redis+cluster://'))
  })
  afterAll(() => node.close())

  /** Publishes until a message arrives: one that meets the subscriber while it changes its connection is lost for good. */
  async function hears(subscriber: RedisClient, channel: string) {
    const received: unknown[][] = []
    subscriber.on('smessage', (...message: unknown[]) => received.push(message.slice(0, 2)))
    await vi.waitFor(async () => {
      await node.cli('SPUBLISH', channel, 'done')
      expect(received).toContainEqual([channel, 'done'])
    }, WAIT)
  }

  it.each(EACH_KIND)('serves a client of a %s', async (kind, create) => {
    const client = opened(create(settings))
    await connectOnce(client, LONG_MS, 'connect')
    await client.set(`by-${kind}`, '1')
    expect(await node.cli('GET', `by-${kind}`)).toBe('1')
  })

  it('keeps all keys of a queue in one slot', async () => {
    const keys = queueKeys('drover', 'media')
    const all = [keys.result('a'), keys.counter('b'), keys.counterNames, keys.totals, keys.stats(1), keys.statsHour(1)]
    const slots = await Promise.all(
      [...all, keys.done('a'), `${keys.bullBase}wait`].map((key) => node.cli('CLUSTER', 'KEYSLOT', key)),
    )
    expect(new Set(slots).size).toBe(1)
  })

  it('brings sharded messages to a subscriber', async () => {
    const subscriber = opened(createSubscriberClient(settings))
    await connectOnce(subscriber, LONG_MS, 'connect')
    const channel = queueKeys('drover', 'media').done('a')
    await subscriber.ssubscribe(channel)
    await hears(subscriber, channel)
  })

  it('brings them again after it was away', async () => {
    const subscriber = opened(createSubscriberClient(settings))
    await connectOnce(subscriber, LONG_MS, 'connect')
    const channel = queueKeys('drover', 'media').done('b')
    await subscriber.ssubscribe(channel)
    await node.kill()
    await node.restart()
    await hears(subscriber, channel)
  })

  it('that refuses the password rejects with a RedisAuthError', async () => {
    const client = opened(createWorkerClient({ ...settings, password: 'hunter2' }))
    const error = await rejectionOf(connectOnce(client, LONG_MS, 'connect'))
    expect(error).toBeInstanceOf(RedisAuthError)
    expect(error.message).toContain(`redis+cluster://127.0.0.1:${node.port}`)
  })

  it('that is not there rejects, and a command of a producer too', async () => {
    const nowhere = { kind: 'cluster', nodes: [{ host: '127.0.0.1', port: await freePort() }] } as const
    const client = opened(createProducerClient(nowhere, { timeoutMs: TIMEOUT_MS }))
    const error = await rejectionOf(client.set('a', '1'))
    expect(maskRedisError(error, { operation: 'SET', timeoutMs: TIMEOUT_MS })).toBeInstanceOf(RedisUnavailableError)
    expect(await rejectionOf(connectOnce(client, 500, 'connect'))).toBeInstanceOf(RedisUnavailableError)
  })

  it("that goes away rejects a producer's command and makes a worker's wait for its return", async () => {
    const [patient, hasty] = [
      opened(createWorkerClient(settings)),
      opened(createReaderClient(settings, { timeoutMs: TIMEOUT_MS })),
    ]
    await Promise.all([connectOnce(patient, LONG_MS, 'connect'), connectOnce(hasty, LONG_MS, 'connect')])
    await node.kill()
    const waiting = patient.set('patient', '1')
    const error = await rejectionOf(hasty.set('hasty', '1'))
    expect(maskRedisError(error, { operation: 'SET', timeoutMs: TIMEOUT_MS })).toBeInstanceOf(RedisUnavailableError)
    await node.restart()
    expect(await waiting).toBe('OK')
  })

  it('says that it is one', async () => {
    const client = opened(createReaderClient(settings))
    await connectOnce(client, LONG_MS, 'connect')
    expect(await readServerInfo(client)).toMatchObject({ clusterEnabled: true, role: 'master' })
  })
})

describe('sentinels', () => {
  let master: TestRedis
  let replica: TestRedis
  let sentinel: TestRedis
  const settings = (): RedisSettings => ({
    kind: 'sentinel',
    sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
    masterName: 'mymaster',
    db: 2,
    sentinelPassword: 'sentinel pw',
  })
  beforeAll(async () => {
    master = await startTestRedis()
    replica = await startTestRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] })
    sentinel = await startTestRedis({ sentinelOf: master.port, password: 'sentinel pw' })
    await vi.waitFor(async () => expect(await replica.cli('INFO', 'replication')).toContain('link_status:up'), WAIT)
  })
  afterAll(() => Promise.all([master, replica, sentinel].map((server) => server.close())))

  it.each(EACH_KIND)('lead a client of a %s to the master, in the database of the settings', async (kind, create) => {
    const client = opened(create(settings()))
    await connectOnce(client, LONG_MS, 'connect')
    await client.set(`by-${kind}`, '1')
    expect(await master.cli('-n', '2', 'GET', `by-${kind}`)).toBe('1')
  })

  it('that do not know the master name reject with a RedisUnavailableError', async () => {
    const client = opened(createWorkerClient({ ...settings(), masterName: 'other' } as RedisSettings))
    expect(await rejectionOf(connectOnce(client, 500, 'connect'))).toBeInstanceOf(RedisUnavailableError)
  })

  it('that report a failover while a client looks for the master do not end it, and its own close does', async () => {
    const client = opened(createWorkerClient(settings())) as Redis
    await connectOnce(client, LONG_MS, 'connect')
    // What ioredis does at the report, just when a sentinel was asked.
    const { connector } = client as unknown as { connector: { disconnect(): void } }
    client.once('connecting', () => setImmediate(() => connector.disconnect()))
    const ended = new Promise((resolve) => client.once('end', resolve))
    client.disconnect(true)
    await ended
    await connectOnce(client, LONG_MS, 'connect')
    expect(await client.set('again', '1')).toBe('OK')
    const closed = once(client, 'end')
    client.disconnect()
    await closed
    expect(client.status).toBe('end')
  })

  it('lead a connected client to the new master after a failover', async () => {
    const client = opened(createWorkerClient(settings()))
    await connectOnce(client, LONG_MS, 'connect')
    await vi.waitFor(async () => expect(await sentinel.cli('SENTINEL', 'REPLICAS', 'mymaster')).toContain('slave'), {
      ...WAIT,
    })
    await vi.waitFor(async () => expect(await sentinel.cli('SENTINEL', 'FAILOVER', 'mymaster')).toBe('OK'), WAIT)
    await vi.waitFor(async () => {
      await client.set('after-failover', '1')
      expect(await replica.cli('INFO', 'replication')).toContain('role:master')
      expect(await replica.cli('-n', '2', 'GET', 'after-failover')).toBe('1')
    }, WAIT)
  })
})

describe('TLS', () => {
  let directory: string
  let redis: TestRedis
  let tlsPort: number
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'drover-tls-'))
    const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', certificate]
    await promisify(execFile)('openssl', [...args, ...subject])
    tlsPort = await freePort()
    const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no']
    redis = await startTestRedis({ password: 'tls pw', args: ['--tls-port', `${tlsPort}`, ...files] })
  })
  afterAll(async () => {
    await redis.close()
    rmSync(directory, { recursive: true })
  })

  it('carries a rediss:// connection whose certificate is known', async () => {
    const ca = readFileSync(join(directory, 'certificate.pem'))
    const settings = { ...parseRedisUrl(`rediss://:tls%20pw@localhost:${tlsPort}/1`), tls: { ca } }
    const client = opened(createWorkerClient(settings))
    await connectOnce(client, LONG_MS, 'connect')
    await client.set('by-tls', '1')
    expect(await redis.cli('-n', '1', 'GET', 'by-tls')).toBe('1')
  })

  it('is refused when the certificate is not known', async () => {
    const client = opened(createWorkerClient(parseRedisUrl(`rediss://:tls%20pw@localhost:${tlsPort}`)))
    const error = await rejectionOf(connectOnce(client, 2_500, 'connect'))
    expect(error).toBeInstanceOf(RedisUnavailableError)
    expect(error.cause).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  })
})
