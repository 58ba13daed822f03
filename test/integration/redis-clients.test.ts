import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { inspect, promisify } from 'node:util'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { RedisAuthError, RedisUnavailableError, RedisUrlError } from '../../src/job/index.js'
import {
  connectOnce,
  createProducerClient,
  createReaderClient,
  createSubscriberClient,
  createWorkerClient,
  maskRedisError,
  parseRedisUrl,
  type RedisClient,
  type RedisSettings,
} from '../../src/redis/index.js'
import { type FaultProxy, startFaultProxy } from '../../src/testing/index.js'
import { freePort, startTestRedis, type TestRedis } from '../support/redis.js'
import { rejectionOf } from '../support/rejection.js'
import { PATIENCE } from '../support/until.js'

const PASSWORD = 'p@ss w/rd%'
const LONG_MS = 60_000
const SHORT_MS = 400
/** Long enough for a refused connection to be heard of. */
const REFUSED_MS = 2_000

let redis: TestRedis
let settings: RedisSettings
const clients: RedisClient[] = []

beforeAll(async () => {
  redis = await startTestRedis({ password: PASSWORD, args: ['--databases', '8'] })
  settings = parseRedisUrl(`${redis.url}/3`)
})
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect()
})
afterAll(() => redis.close())

function opened<Client extends RedisClient>(client: Client): Client {
  clients.push(client)
  return client
}

const producer = (where: RedisSettings, timeoutMs = SHORT_MS) => opened(createProducerClient(where, { timeoutMs }))
const worker = (where: RedisSettings) => opened(createWorkerClient(where))

// Not events.once: that rejects when an "error" comes first, and one does.
function eventOf(client: RedisClient, event: string): Promise<unknown> {
  return new Promise((resolve) => client.once(event, resolve))
}

const masked = (error: Error) => maskRedisError(error, { operation: 'SET', timeoutMs: SHORT_MS })

it.each([
  [false, 'when their tick is over'],
  [true, 'when the event loop has read its sockets, for a server'],
])('a producer with gathersTurns %s holds commands back until %s', async (gathersTurns) => {
  const client = opened(createProducerClient(settings, { timeoutMs: LONG_MS, gathersTurns })) as Redis
  await eventOf(client, 'ready')
  await new Promise(setImmediate)
  const answers = [client.ping(), client.echo('one')]
  const held = () => client.stream.writableCorked
  expect(held()).toBe(1)
  await new Promise((resolve) => process.nextTick(resolve))
  expect(held()).toBe(gathersTurns ? 1 : 0)
  await new Promise(setImmediate)
  expect(held()).toBe(0)
  expect(await Promise.all(answers)).toEqual(['PONG', 'one'])
})

describe('each kind of client', () => {
  it.each([
    ['worker', (where: RedisSettings) => createWorkerClient(where)],
    ['producer', (where: RedisSettings) => createProducerClient(where, { timeoutMs: LONG_MS })],
    ['reader', (where: RedisSettings) => createReaderClient(where)],
    ['subscriber', (where: RedisSettings) => createSubscriberClient(where)],
  ])('of a %s signs in and works in the database of the URL', async (kind, create) => {
    const client = opened(create(settings))
    await connectOnce(client, LONG_MS, 'connect')
    await client.set(`written-by-${kind}`, kind)
    expect(await redis.cli('-n', '3', 'GET', `written-by-${kind}`)).toBe(kind)
    expect(await redis.cli('-n', '0', 'EXISTS', `written-by-${kind}`)).toBe('0')
  })

  it('signs in as a named user', async () => {
    await redis.cli('ACL', 'SETUSER', 'ann', 'on', '>secret:word', '~*', '&*', '+@all')
    const client = producer(parseRedisUrl(`redis://ann:secret%3Aword@${redis.host}:${redis.port}`), LONG_MS)
    await connectOnce(client, LONG_MS, 'connect')
    expect(await client.call('ACL', 'WHOAMI')).toBe('ann')
  })

  it('connects through a Unix socket', async () => {
    const password = encodeURIComponent(PASSWORD)
    const client = producer(parseRedisUrl(`redis+unix://:${password}@${redis.directory}/redis.sock?db=2`), LONG_MS)
    await connectOnce(client, LONG_MS, 'connect')
    await client.set('by-socket', '1')
    expect(await redis.cli('-n', '2', 'GET', 'by-socket')).toBe('1')
  })
})

it('a process that connected and disconnected ends by itself, long before the time to connect is over', async () => {
  const { stdout } = await runProcess(`
    const client = redis.createWorkerClient(redis.parseRedisUrl(${JSON.stringify(redis.url)}))
    await redis.connectOnce(client, 3_600_000, 'connect')
    client.disconnect()
    console.log('connected')`)
  expect(stdout.trim()).toBe('connected')
})

describe('a connection that Redis refuses', () => {
  it.each([
    ['a wrong password', () => `redis://:hunter2@${redis.host}:${redis.port}`],
    ['no password', () => `redis://${redis.host}:${redis.port}`],
    ['an unknown user', () => `redis://bob:hunter2@${redis.host}:${redis.port}`],
  ])('for %s rejects at once with a RedisAuthError that shows no password', async (_, url) => {
    const before = await redis.cli('INFO', 'clients')
    const told: Error[] = []
    const client = opened(createWorkerClient(parseRedisUrl(url()), { onError: (error) => told.push(error) }))
    const error = await rejectionOf(connectOnce(client, LONG_MS, 'connect'))
    expect(error).toBeInstanceOf(RedisAuthError)
    expect(error.message).toContain(`redis://${redis.host}:${redis.port}/0`)
    expect(told[0]).toBeInstanceOf(RedisAuthError)
    expect(inspect([error, told], { depth: 9, showHidden: true })).not.toContain('hunter2')
    await vi.waitFor(async () => {
      const connected = connectedClients(await redis.cli('INFO', 'clients'))
      expect(connected).toBeLessThanOrEqual(connectedClients(before))
    }, PATIENCE)
  })

  it('for a database it does not have rejects with a RedisUrlError', async () => {
    const client = worker({ kind: 'single', host: redis.host, port: redis.port, db: 8, password: PASSWORD })
    expect(await rejectionOf(connectOnce(client, LONG_MS, 'connect'))).toBeInstanceOf(RedisUrlError)
  })

  it('for a database it does not have ends the client, and nothing is written to database 0', async () => {
    const client = worker({ kind: 'single', host: redis.host, port: redis.port, db: 8, password: PASSWORD })
    expect(masked(await rejectionOf(client.set('lost', '1')))).toBeInstanceOf(RedisUnavailableError)
    expect(await redis.cli('-n', '0', 'EXISTS', 'lost')).toBe('0')
  })
})

describe('with no Redis there', () => {
  it('connecting rejects with a RedisUnavailableError that has the reason as cause', async () => {
    const port = await freePort()
    const client = worker({ kind: 'single', host: '127.0.0.1', port, db: 0 })
    const error = await rejectionOf(connectOnce(client, REFUSED_MS, 'the connection of a worker'))
    expect(error).toBeInstanceOf(RedisUnavailableError)
    expect(error).toMatchObject({ operation: 'the connection of a worker', timeoutMs: REFUSED_MS })
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('nothing is printed, and a process whose connecting failed ends by itself', async () => {
    const { stdout, stderr } = await runProcess(`
      const settings = { kind: 'single', host: '127.0.0.1', port: ${await freePort()}, db: 0 }
      const clients = [
        redis.createWorkerClient(settings), redis.createProducerClient(settings, { timeoutMs: 300 }),
        redis.createReaderClient(settings), redis.createSubscriberClient(settings),
      ]
      const outcomes = await Promise.allSettled(clients.map((client) => redis.connectOnce(client, 300, 'connect')))
      console.log(outcomes.map(({ reason }) => reason.code).join())`)
    expect(stdout.trim()).toBe(Array(4).fill('REDIS_UNAVAILABLE').join())
    expect(stderr).toBe('')
  })

  it("a producer's command rejects before anything has connected", async () => {
    const client = producer({ kind: 'single', host: '127.0.0.1', port: await freePort(), db: 0 })
    const error = await rejectionOf(client.set('a', '1'))
    expect(error.message).toContain("Stream isn't writeable")
    expect(masked(error)).toBeInstanceOf(RedisUnavailableError)
  })
})

describe('a Redis that goes away', () => {
  let own: TestRedis
  beforeAll(async () => {
    own = await startTestRedis()
  })
  afterAll(() => own.close())

  it("a worker's command waits for its return, a producer's rejects and works again after it", async () => {
    const where = parseRedisUrl(own.url)
    const [patient, hasty] = [worker(where), producer(where)]
    await Promise.all([connectOnce(patient, LONG_MS, 'connect'), connectOnce(hasty, LONG_MS, 'connect')])
    await own.kill()
    const waiting = patient.set('patient', '1')
    expect(masked(await rejectionOf(hasty.set('hasty', '1')))).toBeInstanceOf(RedisUnavailableError)
    await own.restart()
    expect(await waiting).toBe('OK')
    await connectOnce(hasty, LONG_MS, 'connect')
    await vi.waitFor(() => hasty.set('hasty', '2'), PATIENCE)
  })

  it('a subscription is taken up again', async () => {
    const subscriber = opened(createSubscriberClient(parseRedisUrl(own.url)))
    await subscriber.subscribe('news')
    await own.kill()
    await own.restart()
    const message = once(subscriber, 'message')
    await vi.waitFor(async () => expect(await own.cli('PUBLISH', 'news', 'again')).toBe('1'), LONG_MS)
    expect(await message).toEqual(['news', 'again'])
  })

  it("a hung one rejects a producer's command within its timeout, and serves the next when it wakes up", async () => {
    const client = producer(parseRedisUrl(own.url))
    await connectOnce(client, LONG_MS, 'connect')
    await own.kill('SIGSTOP')
    const closed = eventOf(client, 'close')
    try {
      const error = await rejectionOf(client.set('hung', '1'))
      // Its own timeout, which also holds where the connection is not dropped.
      expect(error.message).toBe('Command timed out')
      expect(masked(error)).toBeInstanceOf(RedisUnavailableError)
      await closed
    } finally {
      await own.kill('SIGCONT')
    }
    await connectOnce(client, LONG_MS, 'connect')
    await vi.waitFor(() => client.set('hung', '2'), PATIENCE)
  })

  it("one that became a replica makes a worker's write wait for the master, and rejects a producer's", async () => {
    const where = parseRedisUrl(own.url)
    const [patient, hasty] = [worker(where), producer(where)]
    await Promise.all([connectOnce(patient, LONG_MS, 'connect'), connectOnce(hasty, LONG_MS, 'connect')])
    await own.cli('REPLICAOF', '127.0.0.1', `${await freePort()}`)
    const reconnecting = eventOf(patient, 'reconnecting')
    const write = patient.set('after-failover', '1')
    await reconnecting
    const closed = eventOf(hasty, 'close')
    expect(masked(await rejectionOf(hasty.set('after-failover', '2')))).toBeInstanceOf(RedisUnavailableError)
    await closed
    await own.cli('REPLICAOF', 'NO', 'ONE')
    expect(await write).toBe('OK')
    expect(await own.cli('GET', 'after-failover')).toBe('1')
  })
})

describe('a connection that falls silent', () => {
  let proxy: FaultProxy
  beforeAll(async () => {
    proxy = await startFaultProxy({ target: redis.url })
  })
  afterAll(() => proxy.close())

  it.each([
    ['producer', (where: RedisSettings) => createProducerClient(where, { timeoutMs: SHORT_MS })],
    ['worker', (where: RedisSettings) => createWorkerClient(where)],
    ['subscriber', (where: RedisSettings) => createSubscriberClient(where)],
  ])('is replaced by a %s, which then works again', async (kind, create) => {
    proxy.set('pass')
    const client = opened(create({ kind: 'single', host: '127.0.0.1', port: proxy.port, db: 0, password: PASSWORD }))
    await connectOnce(client, LONG_MS, 'connect')
    proxy.set('silent')
    const closed = eventOf(client, 'close')
    const command = client.set(`silent-${kind}`, '1').catch((error: Error) => error)
    await closed
    proxy.set('pass')
    await connectOnce(client, LONG_MS, 'connect')
    const outcome = await command
    if (kind === 'producer') expect(masked(outcome as Error)).toBeInstanceOf(RedisUnavailableError)
    else expect(outcome).toBe('OK')
    await vi.waitFor(() => client.set(`silent-${kind}`, '2'), PATIENCE)
  })
})

// Runs code with `redis`, the door of src/redis, in a process of its own, and resolves when that process has ended.
function runProcess(code: string): Promise<{ stdout: string; stderr: string }> {
  const door = new URL('../../src/redis/index.ts', import.meta.url).href
  const script = `const redis = await import(${JSON.stringify(door)})\n${code}`
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script]
  return promisify(execFile)(process.execPath, args)
}

function connectedClients(info: string): number {
  return Number(/connected_clients:(\d+)/.exec(info)?.[1])
}
