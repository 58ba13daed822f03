import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProducer, defineJob, type Producer } from '../../src/index.js'
import { ResultWaiter } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl, queueKeys } from '../../src/redis/index.js'
import { type FaultProxy, startFaultProxy } from '../../src/testing/index.js'
import { startLedgerWorker, type TestOutcome } from '../support/ledger-worker.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { startLoneClusterNode } from '../support/redis-topologies.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { doneChannels, openWaiter, type TestWaiterOptions, untilSubscribed } from '../support/waiters.js'

let redis: TestRedis
let proxy: FaultProxy
let client: Redis
let producer: Producer
const cleanups: (() => unknown)[] = []

beforeAll(async () => {
  redis = await startTestRedis()
  proxy = await startFaultProxy({ target: redis.url })
  client = new Redis(redis.port)
  producer = createProducer({ redis: redis.url })
})
afterEach(async () => {
  proxy.set('pass')
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
afterAll(async () => {
  await producer.close()
  client.disconnect()
  await proxy.close()
  await redis.close()
})

function job() {
  return defineJob({ name: 'report', queue: `q-${randomUUID().slice(0, 8)}`, input: anything })
}
function doneChannel({ queue, id }: { queue: string; id: string }): string {
  return queueKeys('drover', queue).done(id)
}
async function work(queue: string, outcome: TestOutcome = { status: 'completed', valueJson: '"done"' }) {
  const worker = await startLedgerWorker({ url: redis.url, queue, run: () => outcome })
  cleanups.push(() => worker.close())
}
function waiterAt(url: string, options: Partial<TestWaiterOptions> = {}) {
  const opened = openWaiter({ url, ...options })
  cleanups.push(() => opened.close())
  return opened
}

describe('waiting over connections that fail', () => {
  it('a wait begun while Redis is away, or cut off from it, gets the result when Redis is back', async () => {
    const contract = job()
    const { waiter } = waiterAt(proxy.url)
    const handle = await producer.enqueue(contract, 1)
    proxy.set('cut')
    const early = waiter.wait(handle, { timeoutMs: 60_000 })
    proxy.set('pass')
    await untilSubscribed(client, doneChannel(handle))
    proxy.set('cut')
    await vi.waitFor(async () => expect(await doneChannels(client)).toEqual([]), PATIENCE)
    await work(contract.queue)
    await vi.waitFor(async () => expect(await producer.results.exists(handle)).toBe(true), PATIENCE)
    const late = waiter.wait(handle, { timeoutMs: 60_000 })
    proxy.set('pass')
    expect(await early).toMatchObject({ value: 'done' })
    expect(await late).toMatchObject({ value: 'done' })
  })

  it('a finished job is found while the subscriber cannot connect', async () => {
    const contract = job()
    await work(contract.queue)
    const handle = await producer.enqueue(contract, 1)
    await vi.waitFor(async () => expect(await producer.results.exists(handle)).toBe(true), PATIENCE)
    proxy.set('cut')
    const { waiter, reader } = waiterAt(redis.url, { subscriberUrl: proxy.url })
    await vi.waitFor(() => expect(reader.status).toBe('ready'), PATIENCE)
    expect(await waiter.wait(handle, { timeoutMs: 60_000 })).toMatchObject({ value: 'done' })
  })

  it('a job that finished while the subscriber alone was cut off is found when it is back', async () => {
    const contract = job()
    const { waiter } = waiterAt(redis.url, { subscriberUrl: proxy.url })
    const handle = await producer.enqueue(contract, 1)
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(client, doneChannel(handle))
    // What comes back from another wait came behind the answer to the first subscription.
    await expect(waiter.wait({ queue: contract.queue, id: 'none' }, { timeoutMs: 60_000 })).rejects.toThrow('no result')
    proxy.set('cut')
    await vi.waitFor(async () => expect(await doneChannels(client)).toEqual([]), PATIENCE)
    await work(contract.queue)
    await vi.waitFor(async () => expect(await producer.results.exists(handle)).toBe(true), PATIENCE)
    proxy.set('pass')
    expect(await waiting).toMatchObject({ value: 'done' })
  })

  it('a finished job is found when the reader comes back later than the subscriber', async () => {
    const contract = job()
    await work(contract.queue)
    const handle = await producer.enqueue(contract, 1)
    await vi.waitFor(async () => expect(await producer.results.exists(handle)).toBe(true), PATIENCE)
    proxy.set('cut')
    const { waiter } = waiterAt(proxy.url, { subscriberUrl: redis.url })
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(client, doneChannel(handle))
    proxy.set('pass')
    expect(await waiting).toMatchObject({ value: 'done' })
  })

  it('a wait that ends while Redis is away says so', async () => {
    const { waiter } = waiterAt(proxy.url)
    proxy.set('cut')
    const waiting = waiter.wait({ queue: 'away', id: 'any' }, { timeoutMs: 100 })
    await expect(waiting).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
  })

  it('a password that is changed during the wait ends it', async () => {
    const locked = await startTestRedis({ password: 'before' })
    cleanups.push(() => locked.close())
    const admin = new Redis({ port: locked.port, password: 'before' })
    const inside = createProducer({ redis: locked.url })
    cleanups.push(
      () => admin.disconnect(),
      () => inside.close(),
    )
    const handle = await inside.enqueue(job(), 1)
    const { waiter } = waiterAt(locked.url)
    const refused = expect(waiter.wait(handle, { timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'REDIS_AUTH' })
    await vi.waitFor(async () => expect(await locked.cli('PUBSUB', 'CHANNELS')).toBe(doneChannel(handle)), PATIENCE)
    await expect(waiter.wait({ queue: handle.queue, id: 'none' }, { timeoutMs: 60_000 })).rejects.toThrow('no result')
    await admin.config('SET', 'requirepass', 'after')
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await refused
  })

  it.each([
    { right: 'subscribe', rules: ['~*', 'resetchannels', '+@all'] },
    { right: 'read', rules: ['resetkeys', '&*', '+@all'] },
  ])('a user without the right to $right is told so', async ({ right, rules }) => {
    await redis.cli('ACL', 'SETUSER', `no-${right}`, 'on', '>open', ...rules)
    const { waiter } = waiterAt(redis.url.replace('redis://', `redis://no-${right}:open@`))
    const handle = await producer.enqueue(job(), 1)
    await expect(waiter.wait(handle, { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'REDIS_REFUSED',
      reply: expect.stringContaining('NOPERM'),
    })
  })

  it('a wrong password ends a wait at once', async () => {
    const locked = await startTestRedis({ password: 'right' })
    cleanups.push(() => locked.close())
    const { waiter } = waiterAt(`redis://:wrong@127.0.0.1:${locked.port}`)
    const waiting = waiter.wait({ queue: 'locked', id: 'any' }, { timeoutMs: 60_000 })
    await expect(waiting).rejects.toMatchObject({ code: 'REDIS_AUTH' })
  })
})

describe('waiting for a result on other servers', () => {
  it('a connection that cannot read while it is subscribed (RESP2) leaves the reading to the other', async () => {
    const contract = job()
    const reader = createReaderClient(parseRedisUrl(redis.url))
    const subscriber = new Redis(redis.port, { protocol: 2 })
    await vi.waitFor(() => expect([reader.status, subscriber.status]).toEqual(['ready', 'ready']), PATIENCE)
    const waiter = new ResultWaiter({ prefix: 'drover', reader, openSubscriber: () => subscriber })
    cleanups.push(() => {
      waiter.close()
      reader.disconnect()
    })
    const handles = await Promise.all([1, 2, 3].map((input) => producer.enqueue(contract, input)))
    const early = waiter.wait(handles[0] ?? { queue: '', id: '' }, { timeoutMs: 60_000 })
    await untilSubscribed(client, queueKeys('drover', contract.queue).done(handles[0]?.id ?? ''))
    const later = handles.slice(1).map((handle) => waiter.wait(handle, { timeoutMs: 60_000 }))
    await work(contract.queue)
    for (const record of await Promise.all([early, ...later])) expect(record).toMatchObject({ value: 'done' })
    expect(await waiter.wait(handles[1] ?? { queue: '', id: '' }, { timeoutMs: 60_000 })).toMatchObject({
      value: 'done',
    })
    await expect(waiter.wait({ queue: contract.queue, id: 'none' }, { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'RESULT_NOT_FOUND',
    })
  })

  it('on a cluster the message comes over a sharded channel', async () => {
    const node = await startLoneClusterNode()
    const url = `redis+cluster://127.0.0.1:${node.port}`
    const onCluster = createProducer({ redis: url, timeout: '60s' })
    cleanups.push(
      () => node.close(),
      () => onCluster.close(),
    )
    const contracts = [job(), job()]
    const handles = await Promise.all(contracts.map((contract) => onCluster.enqueue(contract, 1)))
    const waits = handles.map((handle) => onCluster.results.wait(handle))
    const channelsOf = async () => (await node.cli('PUBSUB', 'SHARDCHANNELS')).split('\n').sort()
    const expected = handles.map(({ queue, id }) => queueKeys('drover', queue).done(id)).sort()
    await vi.waitFor(async () => expect(await channelsOf()).toEqual(expected), PATIENCE)
    for (const { queue } of contracts) {
      const worker = await startLedgerWorker({ url, queue, run: () => ({ status: 'completed', valueJson: '"done"' }) })
      cleanups.push(() => worker.close())
    }
    for (const outcome of await Promise.all(waits)) expect(outcome).toMatchObject({ ok: true, value: 'done' })
    await vi.waitFor(async () => expect(await channelsOf()).toEqual(['']), PATIENCE)
    expect(await onCluster.counters.incr(contracts[0]?.queue ?? '', 'n', 2)).toBe(2)
    expect(await onCluster.counters.list(contracts[0]?.queue ?? '')).toEqual([{ name: 'n', value: 2 }])
    expect(await onCluster.counters.delete(contracts[0]?.queue ?? '', 'n')).toBe(true)
  })
})
