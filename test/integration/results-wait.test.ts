import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProducer, defineJob, type Producer } from '../../src/index.js'
import { ResultWaiter } from '../../src/ledger/index.js'
import {
  createReaderClient,
  createSubscriberClient,
  parseRedisUrl,
  queueKeys,
  type RedisClient,
} from '../../src/redis/index.js'
import { startLedgerWorker, type TestOutcome } from '../support/ledger-worker.js'
import { startProxy, type TestProxy } from '../support/proxy.js'
import { freePort, startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'

let redis: TestRedis
let proxy: TestProxy
let client: Redis
let producer: Producer
const cleanups: (() => unknown)[] = []

beforeAll(async () => {
  redis = await startTestRedis()
  proxy = await startProxy(redis.port)
  client = new Redis(redis.port)
  producer = createProducer({ redis: redis.url })
})
afterEach(async () => {
  proxy.setMode('pass')
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

async function work(queue: string, outcome: TestOutcome = { status: 'completed', valueJson: '"done"' }) {
  const worker = await startLedgerWorker({ url: redis.url, queue, run: () => outcome })
  cleanups.push(() => worker.close())
}

/** A waiter whose connections go to `url`, and the clients it uses. */
function waiterAt(url: string, recheckMs = 60_000) {
  const settings = parseRedisUrl(url)
  const reader = createReaderClient(settings)
  const subscribers: RedisClient[] = []
  const openSubscriber = (onError: (error: Error) => void) => {
    const subscriber = createSubscriberClient(settings, { onError })
    subscribers.push(subscriber)
    return subscriber
  }
  const waiter = new ResultWaiter({ prefix: 'drover', reader, openSubscriber, recheckMs })
  cleanups.push(() => {
    waiter.close()
    reader.disconnect()
  })
  return { waiter, reader, subscribers }
}

async function channels(): Promise<string[]> {
  return (await client.pubsub('CHANNELS', '*done:*')) as string[]
}
async function untilSubscribed(channel: string) {
  await vi.waitFor(async () => expect(await channels()).toContain(channel), { timeout: 10_000, interval: 5 })
}

describe('waiting for a result', () => {
  it('a wait is woken by the commit', async () => {
    const contract = job()
    const { waiter, reader } = waiterAt(redis.url)
    const handle = await producer.enqueue(contract, 1)
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(queueKeys('drover', contract.queue).done(handle.id))
    // Without its reader the waiter cannot look: only the message can answer.
    reader.disconnect()
    await work(contract.queue)
    expect(await waiting).toMatchObject({ status: 'completed', value: 'done', id: handle.id })
  })

  it('a wait on a job that has finished answers without a message', async () => {
    const contract = job()
    await work(contract.queue)
    const handle = await producer.enqueue(contract, 1)
    await vi.waitFor(async () => expect(await producer.results.exists(handle)).toBe(true))
    expect(await producer.results.wait(handle)).toMatchObject({ ok: true, value: 'done' })
  })

  it('a result too large for the message is fetched', async () => {
    const contract = job()
    const text = 'ü'.repeat(20_000)
    const handle = await producer.enqueue(contract, 1)
    const waiting = producer.results.wait(handle)
    await untilSubscribed(queueKeys('drover', contract.queue).done(handle.id))
    await work(contract.queue, { status: 'completed', valueJson: JSON.stringify(text) })
    expect(await waiting).toMatchObject({ ok: true, value: text })
  })

  it('hundreds of waits begun before and while their jobs run all get their own result', async () => {
    const contract = job()
    const worker = await startLedgerWorker({
      url: redis.url,
      queue: contract.queue,
      concurrency: 20,
      run: ({ data }) => ({ status: 'completed', valueJson: JSON.stringify(data) }),
    })
    cleanups.push(() => worker.close())
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => producer.results.wait(await producer.enqueue(contract, index))),
    )
    expect(outcomes.map((outcome) => outcome.ok && outcome.value)).toEqual(outcomes.map((_, index) => index))
    await vi.waitFor(async () => expect(await channels()).toEqual([]))
  })

  it('an id that no job has is answered with ResultNotFoundError', async () => {
    const waiting = producer.results.wait({ queue: 'nowhere', id: 'no-such-job' })
    await expect(waiting).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND', id: 'no-such-job', queue: 'nowhere' })
  })

  it('a finished job whose result is gone is answered with ResultNotFoundError', async () => {
    const contract = job()
    await work(contract.queue)
    const handle = await producer.enqueue(contract, 1)
    await producer.results.wait(handle)
    await producer.results.delete(handle)
    await expect(producer.results.wait(handle)).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND' })
  })

  it('a job that is removed during the wait is answered with ResultNotFoundError', async () => {
    const contract = job()
    const { waiter } = waiterAt(redis.url, 50)
    const handle = await producer.enqueue(contract, 1)
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(queueKeys('drover', contract.queue).done(handle.id))
    const refused = expect(waiting).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND' })
    await client.del(queueKeys('drover', contract.queue).bullBase + handle.id)
    await refused
  })

  it('a result whose message was lost is found by the next look', async () => {
    const contract = job()
    const keys = queueKeys('drover', contract.queue)
    const { waiter } = waiterAt(redis.url, 50)
    const handle = await producer.enqueue(contract, 1)
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(keys.done(handle.id))
    const record = { v: 1, status: 'completed', value: 'quiet' }
    await client
      .multi()
      .hset(keys.bullBase + handle.id, 'finishedOn', 1)
      .set(keys.result(handle.id), JSON.stringify(record))
      .exec()
    expect(await waiting).toEqual(record)
  })

  it('a wait on an id that is used again takes the new result, not the one of the earlier job', async () => {
    const contract = job()
    const keys = queueKeys('drover', contract.queue)
    const earlier = { v: 1, status: 'completed', value: 'earlier' }
    await client.set(keys.result('daily'), JSON.stringify(earlier))
    const handle = await producer.enqueue(contract, 1, { id: 'daily' })
    const waiting = producer.results.wait(handle)
    await untilSubscribed(keys.done('daily'))
    await work(contract.queue)
    expect(await waiting).toMatchObject({ ok: true, value: 'done' })
  })

  it('a job that does not finish in time is answered with ResultWaitTimeoutError, and can be awaited again', async () => {
    const contract = job()
    const handle = await producer.enqueue(contract, 1)
    const waiting = producer.results.wait(handle, { timeout: 50 })
    await expect(waiting).rejects.toMatchObject({ code: 'RESULT_WAIT_TIMEOUT', timeoutMs: 50, id: handle.id })
    await work(contract.queue)
    expect(await producer.results.wait(handle)).toMatchObject({ ok: true })
  })

  it('a signal ends the wait with its reason', async () => {
    const handle = await producer.enqueue(job(), 1)
    const controller = new AbortController()
    const waiting = producer.results.wait(handle, { signal: controller.signal })
    const reason = new Error('the user left')
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await expect(producer.results.wait(handle, { signal: controller.signal })).rejects.toBe(reason)
  })

  it('many waits on one job share one subscription, and each leaves alone', async () => {
    const contract = job()
    const channel = queueKeys('drover', contract.queue).done('shared')
    const { waiter } = waiterAt(redis.url)
    const handle = await producer.enqueue(contract, 1, { id: 'shared' })
    const controller = new AbortController()
    const waits = Array.from({ length: 50 }, () => waiter.wait(handle, { timeoutMs: 60_000 }))
    const leaving = waiter.wait(handle, { timeoutMs: 60_000, signal: controller.signal })
    await untilSubscribed(channel)
    expect(await client.pubsub('NUMSUB', channel)).toEqual([channel, 1])
    controller.abort(new Error('left'))
    await expect(leaving).rejects.toThrow('left')
    expect(await client.pubsub('NUMSUB', channel)).toEqual([channel, 1])
    await work(contract.queue)
    const records = await Promise.all(waits)
    expect(new Set(records).size).toBe(1)
  })

  it('waits that ended leave no subscription, listener or timer behind', async () => {
    const contract = job()
    const { waiter, reader, subscribers } = waiterAt(redis.url, 54_321)
    const before = reader.listenerCount('ready')
    await work(contract.queue)
    const signal = new AbortController().signal
    const listens = vi.spyOn(signal, 'addEventListener')
    const leaves = vi.spyOn(signal, 'removeEventListener')
    const timers = spyOnTimers()
    await waiter.wait(await producer.enqueue(contract, 1), { timeoutMs: 3_600_000, signal })
    const unfinished = await producer.enqueue(contract, 1, { delay: '1h' })
    await expect(waiter.wait(unfinished, { timeoutMs: 20, signal })).rejects.toMatchObject({
      code: 'RESULT_WAIT_TIMEOUT',
    })
    await vi.waitFor(async () => expect(await channels()).toEqual([]))
    expect(leaves).toHaveBeenCalledTimes(listens.mock.calls.length)
    expect(reader.listenerCount('ready')).toBe(before)
    expect(subscribers).toHaveLength(1)
    expect(timers.started([3_600_000, 20, 54_321])).toHaveLength(4)
    expect(timers.left([3_600_000, 20, 54_321])).toEqual([])
  })

  it('a wait begun while Redis is away, or cut off from it, gets the result when Redis is back', async () => {
    const contract = job()
    const { waiter } = waiterAt(proxy.url)
    const handle = await producer.enqueue(contract, 1)
    proxy.setMode('cut')
    const early = waiter.wait(handle, { timeoutMs: 60_000 })
    proxy.setMode('pass')
    await untilSubscribed(queueKeys('drover', contract.queue).done(handle.id))
    proxy.setMode('cut')
    await vi.waitFor(async () => expect(await channels()).toEqual([]))
    await work(contract.queue)
    await vi.waitFor(async () => expect(await producer.results.exists(handle)).toBe(true))
    const late = waiter.wait(handle, { timeoutMs: 60_000 })
    proxy.setMode('pass')
    expect(await early).toMatchObject({ value: 'done' })
    expect(await late).toMatchObject({ value: 'done' })
  })

  it('a wait that ends while Redis is away says so', async () => {
    const { waiter } = waiterAt(proxy.url)
    proxy.setMode('cut')
    const waiting = waiter.wait({ queue: 'away', id: 'any' }, { timeoutMs: 100 })
    await expect(waiting).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
  })

  it('a wrong password ends a wait at once', async () => {
    const locked = await startTestRedis({ password: 'right' })
    cleanups.push(() => locked.close())
    const { waiter } = waiterAt(`redis://:wrong@127.0.0.1:${locked.port}`)
    const waiting = waiter.wait({ queue: 'locked', id: 'any' }, { timeoutMs: 60_000 })
    await expect(waiting).rejects.toMatchObject({ code: 'REDIS_AUTH' })
  })

  it('closing ends every wait with ClosedError and the connection with it', async () => {
    const other = createProducer({ redis: redis.url })
    const contract = job()
    const handle = await other.enqueue(contract, 1)
    const waiting = other.results.wait(handle)
    await untilSubscribed(queueKeys('drover', contract.queue).done(handle.id))
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: 'CLOSED' }), other.close()])
    await vi.waitFor(async () => expect(await channels()).toEqual([]))
    await expect(other.results.wait(handle)).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('waiting for a result on other servers', () => {
  it('a connection that cannot read while it is subscribed (RESP2) leaves the reading to the other', async () => {
    const contract = job()
    const reader = createReaderClient(parseRedisUrl(redis.url))
    const subscriber = new Redis(redis.port, { protocol: 2 })
    await vi.waitFor(() => expect([reader.status, subscriber.status]).toEqual(['ready', 'ready']))
    const waiter = new ResultWaiter({ prefix: 'drover', reader, openSubscriber: () => subscriber })
    cleanups.push(() => {
      waiter.close()
      reader.disconnect()
    })
    const handles = await Promise.all([1, 2, 3].map((input) => producer.enqueue(contract, input)))
    const early = waiter.wait(handles[0] ?? { queue: '', id: '' }, { timeoutMs: 60_000 })
    await untilSubscribed(queueKeys('drover', contract.queue).done(handles[0]?.id ?? ''))
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
    const place = ['--cluster-port', `${await freePort()}`, '--cluster-announce-ip', '127.0.0.1']
    const node = await startTestRedis({ args: ['--cluster-enabled', 'yes', ...place] })
    await node.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await vi.waitFor(async () => expect(await node.cli('CLUSTER', 'INFO')).toContain('cluster_state:ok'), {
      timeout: 20_000,
    })
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
    await vi.waitFor(async () => expect(await channelsOf()).toEqual(expected), { timeout: 20_000 })
    for (const { queue } of contracts) {
      const worker = await startLedgerWorker({ url, queue, run: () => ({ status: 'completed', valueJson: '"done"' }) })
      cleanups.push(() => worker.close())
    }
    for (const outcome of await Promise.all(waits)) expect(outcome).toMatchObject({ ok: true, value: 'done' })
    await vi.waitFor(async () => expect(await channelsOf()).toEqual(['']), { timeout: 20_000 })
    expect(await onCluster.counters.incr(contracts[0]?.queue ?? '', 'n', 2)).toBe(2)
    expect(await onCluster.counters.list(contracts[0]?.queue ?? '')).toEqual([{ name: 'n', value: 2 }])
    expect(await onCluster.counters.delete(contracts[0]?.queue ?? '', 'n')).toBe(true)
  })
})

/** Which timers of the given delays were started from now on, and which of them were not cleared. */
function spyOnTimers() {
  const starts = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'setInterval')]
  const ends = [vi.spyOn(globalThis, 'clearTimeout'), vi.spyOn(globalThis, 'clearInterval')]
  cleanups.push(() => vi.restoreAllMocks())
  const started = (delays: number[]) =>
    starts.flatMap((spy) =>
      spy.mock.results
        .filter((_, index) => delays.includes(spy.mock.calls[index]?.[1] ?? -1))
        .map(({ value }) => value),
    )
  const left = (delays: number[]) => {
    const cleared = new Set(ends.flatMap((spy) => spy.mock.calls.map(([timer]) => timer)))
    return started(delays).filter((timer) => !cleared.has(timer))
  }
  return { started, left }
}
