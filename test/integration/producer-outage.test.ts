import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProducer, defineJob, isDroverError, type Producer, type ProducerOptions } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { type FaultProxy, startFaultProxy } from '../../src/testing/index.js'
import { freePort, startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'

let redis: TestRedis
let proxy: FaultProxy
let client: Redis
const open: Producer[] = []

beforeAll(async () => {
  redis = await startTestRedis()
  proxy = await startFaultProxy({ target: redis.url })
  client = new Redis(redis.port)
})
afterEach(async () => {
  proxy.set('pass')
  await Promise.all(open.splice(0).map((producer) => producer.close()))
})
afterAll(async () => {
  client.disconnect()
  await proxy.close()
  await redis.close()
})

function produce(options: ProducerOptions): Producer {
  const producer = createProducer(options)
  open.push(producer)
  return producer
}
function job() {
  return defineJob({ name: 'report', queue: `q-${randomUUID().slice(0, 8)}`, input: anything })
}
function waiting(queue: string) {
  return client.lrange(`${queueKeys('drover', queue).bullBase}wait`, 0, -1)
}
const unavailable = { code: 'REDIS_UNAVAILABLE', jobId: expect.stringMatching(/^[a-z][0-9a-z]{19}$/) }

describe('a producer whose Redis is away', () => {
  it('rejects within its timeout when Redis was never there', async () => {
    const producer = produce({ redis: `redis://127.0.0.1:${await freePort()}`, timeout: 200 })
    const calls = Array.from({ length: 20 }, () => producer.enqueue(job(), 1))
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { ...unavailable, timeoutMs: 200 } })
    }
  })

  it('leaves nothing open when it is closed, with Redis away, silent or there', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const silentPort = (silent.address() as AddressInfo).port
    const run = async (port: number, timeoutMs: number) => {
      const script = fileURLToPath(new URL('../support/enqueue-once.ts', import.meta.url))
      const args = ['--import', 'tsx', script, `redis://127.0.0.1:${port}`, `${timeoutMs}`]
      return (await promisify(execFile)(process.execPath, args)).stdout.trim().split('\n')
    }
    const away = ['REDIS_UNAVAILABLE', 'REDIS_UNAVAILABLE']
    const outcomes = await Promise.all([run(await freePort(), 200), run(silentPort, 200), run(redis.port, 60_000)])
    expect(outcomes).toEqual([away, away, ['done', 'RESULT_NOT_FOUND']])
    silent.close()
  })

  it('enqueues once Redis comes within the timeout', async () => {
    proxy.set('cut')
    const producer = produce({ redis: proxy.url, timeout: '60s' })
    const contract = job()
    const enqueuing = Promise.all([producer.enqueue(contract, 1), producer.enqueue(contract, 2)])
    const reading = producer.counters.get(contract.queue, 'none')
    const counting = producer.counters.incr(contract.queue, 'some')
    await expect(Promise.race([enqueuing, settledSoon()])).resolves.toBe('still waiting')
    proxy.set('pass')
    expect(await enqueuing).toHaveLength(2)
    expect(await waiting(contract.queue)).toHaveLength(2)
    expect(await reading).toBe(0)
    expect(await counting).toBe(1)
    await vi.waitFor(async () => expect(await client.sismember('drover:queues', contract.queue)).toBe(1), PATIENCE)
  })

  it('rejects when Redis went away after the start, and enqueues again when it is back', async () => {
    const producer = produce({ redis: proxy.url, timeout: 300 })
    const contract = job()
    await vi.waitFor(() => producer.enqueue(contract, 1), PATIENCE)
    proxy.set('cut')
    await expect(producer.enqueue(contract, 2, { id: 'two' })).rejects.toMatchObject({ ...unavailable, jobId: 'two' })
    await expect(producer.enqueueBulk(contract, [3, 4])).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await expect(producer.results.get({ queue: 'a', id: 'b' })).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await expect(producer.counters.get('a', 'b')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await expect(producer.counters.incr('a', 'b')).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    proxy.set('pass')
    await vi.waitFor(() => producer.enqueue(contract, 2, { id: 'two' }), PATIENCE)
    expect(await waiting(contract.queue)).toContain('two')
  })

  it('answers at once when Redis has been away for longer than the timeout already', async () => {
    const producer = produce({ redis: `redis://127.0.0.1:${await freePort()}`, timeout: 400 })
    await expect(producer.enqueue(job(), 1)).rejects.toMatchObject(unavailable)
    await vi.waitFor(async () => {
      const timers = vi.spyOn(globalThis, 'setTimeout')
      const refusal = producer.enqueue(job(), 1).catch((error: unknown) => error)
      await Promise.resolve()
      const waits = timers.mock.calls.some(([, ms]) => Number(ms) > 300 && Number(ms) <= 400)
      timers.mockRestore()
      expect(await refusal).toMatchObject(unavailable)
      expect(waits).toBe(false)
    }, PATIENCE)
  })

  it('rejects within its timeout when Redis is silent behind an open connection', async () => {
    const producer = produce({ redis: proxy.url, timeout: 300 })
    const contract = job()
    await vi.waitFor(() => producer.enqueue(contract, 1), PATIENCE)
    proxy.set('silent')
    await expect(producer.enqueue(contract, 2)).rejects.toMatchObject(unavailable)
    await expect(producer.results.exists({ queue: 'a', id: 'b' })).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    proxy.set('cut', 'open')
    proxy.set('pass')
    await vi.waitFor(() => producer.enqueue(contract, 3), PATIENCE)
  })

  it('ends its calls within their timeout when it is closed meanwhile', async () => {
    const producer = createProducer({ redis: `redis://127.0.0.1:${await freePort()}`, timeout: 200 })
    const refused = expect(producer.enqueue(job(), 1)).rejects.toMatchObject(unavailable)
    await Promise.all([refused, producer.close()])
  })
})

describe('a producer that Redis refuses', () => {
  it('a wrong password is told at once, without it, and every call says so', async () => {
    const locked = await startTestRedis({ password: 'right' })
    const producer = produce({ redis: `redis://:wrong-secret@127.0.0.1:${locked.port}`, timeout: '60s' })
    const error = await producer.enqueue(job(), 1).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'REDIS_AUTH' })
    expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain('secret')
    await expect(producer.counters.get('a', 'b')).rejects.toMatchObject({ code: 'REDIS_AUTH' })
    await locked.close()
  })

  it('a password that becomes right is used from then on', async () => {
    const locked = await startTestRedis({ password: 'right' })
    const admin = new Redis({ port: locked.port, password: 'right' })
    const producer = produce({ redis: `redis://:soon@127.0.0.1:${locked.port}`, timeout: '60s' })
    const contract = job()
    await expect(producer.enqueue(contract, 1)).rejects.toMatchObject({ code: 'REDIS_AUTH' })
    await admin.config('SET', 'requirepass', 'soon')
    await vi.waitFor(() => producer.enqueue(contract, 1), PATIENCE)
    // The old refusal does not come back with the next lost connection.
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await Promise.all(Array.from({ length: 20 }, () => producer.enqueue(contract, 2)))
    expect(await admin.llen(`${queueKeys('drover', contract.queue).bullBase}wait`)).toBe(21)
    admin.disconnect()
    await locked.close()
  })

  it('a queue that could not be listed is listed by a later enqueue', async () => {
    const rights = ['on', '>open', '~*', '&*', '+@all']
    await redis.cli('ACL', 'SETUSER', 'unlisted', ...rights, '-sadd')
    const producer = produce({ redis: redis.url.replace('redis://', 'redis://unlisted:open@') })
    const contract = job()
    await producer.enqueue(contract, 1)
    await redis.cli('ACL', 'SETUSER', 'unlisted', '+sadd')
    await vi.waitFor(async () => {
      await producer.enqueue(contract, 2)
      expect(await client.sismember('drover:queues', contract.queue)).toBe(1)
    }, PATIENCE)
  })

  it('a database that the server does not have is told at once', async () => {
    const producer = produce({ redis: `${redis.url}/99`, timeout: '60s' })
    await expect(producer.enqueue(job(), 1)).rejects.toMatchObject({ code: 'REDIS_URL_INVALID' })
    await expect(producer.enqueue(job(), 1)).rejects.toMatchObject({ code: 'REDIS_URL_INVALID' })
  })

  it('a full Redis refuses with RedisFullError, and nothing is half-written', async () => {
    const full = await startTestRedis({ args: ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'] })
    const producer = produce({ redis: full.url })
    const contract = job()
    await expect(producer.enqueue(contract, 1)).rejects.toMatchObject({ code: 'REDIS_FULL' })
    await expect(producer.enqueueBulk(contract, [1, 2])).rejects.toMatchObject({ code: 'REDIS_FULL' })
    await expect(producer.counters.incr(contract.queue, 'n')).rejects.toMatchObject({ code: 'REDIS_FULL' })
    expect(await full.cli('KEYS', '*')).toBe('')
    await full.cli('CONFIG', 'SET', 'maxmemory', '0')
    await vi.waitFor(() => producer.enqueue(contract, 1), PATIENCE)
    await full.close()
  })

  it('a right that is missing is told with what Redis said', async () => {
    await redis.cli('ACL', 'SETUSER', 'reader', 'on', '>open', '~*', '&*', '+@read', '+@connection', '+info')
    const producer = produce({ redis: redis.url.replace('redis://', 'redis://reader:open@') })
    const error = await producer.enqueue(job(), 1).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'REDIS_REFUSED', reply: expect.stringContaining('NOPERM') })
  })

  it('a replica that takes no writes is waited for, as a failover may be under way', async () => {
    const other = await startTestRedis()
    await other.cli('REPLICAOF', '127.0.0.1', `${redis.port}`)
    const producer = produce({ redis: other.url, timeout: '60s' })
    const contract = job()
    const enqueuing = producer.enqueue(contract, 1)
    await expect(Promise.race([enqueuing, settledSoon()])).resolves.toBe('still waiting')
    await other.cli('REPLICAOF', 'NO', 'ONE')
    const handle = await enqueuing
    expect(await other.cli('EXISTS', queueKeys('drover', contract.queue).bullBase + handle.id)).toBe('1')
    await other.close()
  })

  it('a loading Redis is waited for', async () => {
    const server = await startTestRedis({ appendonly: true })
    const producer = produce({ redis: server.url, timeout: '60s' })
    const contract = job()
    await producer.enqueue(contract, 1)
    const restarting = server.restart()
    await vi.waitFor(() => producer.enqueue(contract, 2), PATIENCE)
    await restarting
    const key = `${queueKeys('drover', contract.queue).bullBase}wait`
    expect(await server.cli('LLEN', key)).toBe('2')
    await server.close()
  })
})

it('every error of a producer without Redis is one of ours', async () => {
  const producer = produce({ redis: `redis://127.0.0.1:${await freePort()}`, timeout: 50 })
  const calls = [
    producer.enqueue(job(), 1),
    producer.enqueueBulk(job(), [1]),
    producer.results.get({ queue: 'a', id: 'b' }),
    producer.results.exists({ queue: 'a', id: 'b' }),
    producer.results.delete({ queue: 'a', id: 'b' }),
    producer.results.wait({ queue: 'a', id: 'b' }, { timeout: 50 }),
    producer.counters.get('a', 'b'),
    producer.counters.incr('a', 'b'),
    producer.counters.exists('a', 'b'),
    producer.counters.delete('a', 'b'),
    producer.counters.list('a'),
    producer.counters.read('a', 'b'),
  ]
  for (const outcome of await Promise.allSettled(calls)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'REDIS_UNAVAILABLE' } })
    expect(isDroverError((outcome as PromiseRejectedResult).reason)).toBe(true)
  }
})

/** Resolves after a few turns of the event loop and round trips to a Redis that answers. */
async function settledSoon(): Promise<string> {
  for (let turn = 0; turn < 20; turn++) await client.ping()
  return 'still waiting'
}
