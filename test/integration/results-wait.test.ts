import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProducer, defineJob, type Producer } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startLedgerWorker, type TestOutcome } from '../support/ledger-worker.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { doneChannels, openWaiter, type TestWaiterOptions, untilSubscribed } from '../support/waiters.js'

let redis: TestRedis
let client: Redis
let producer: Producer
const cleanups: (() => unknown)[] = []

beforeAll(async () => {
  redis = await startTestRedis()
  client = new Redis(redis.port)
  producer = createProducer({ redis: redis.url })
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
afterAll(async () => {
  await producer.close()
  client.disconnect()
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

describe('waiting for a result', () => {
  it('a wait is woken by the commit', async () => {
    const contract = job()
    const { waiter, reader } = waiterAt(redis.url)
    const handle = await producer.enqueue(contract, 1)
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(client, doneChannel(handle))
    // Without its reader the waiter cannot look: only the message can answer.
    reader.disconnect()
    await work(contract.queue)
    expect(await waiting).toMatchObject({ status: 'completed', value: 'done', id: handle.id })
  })

  it('a wait on a job that has finished answers without a message', async () => {
    const contract = job()
    await work(contract.queue)
    const handle = await producer.enqueue(contract, 1)
    await vi.waitFor(async () => expect(await producer.results.exists(handle)).toBe(true), PATIENCE)
    expect(await producer.results.wait(handle)).toMatchObject({ ok: true, value: 'done' })
  })

  it('a result too large for the message is fetched', async () => {
    const contract = job()
    const text = 'ü'.repeat(20_000)
    const { waiter } = waiterAt(redis.url)
    const handle = await producer.enqueue(contract, 1)
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(client, doneChannel(handle))
    await work(contract.queue, { status: 'completed', valueJson: JSON.stringify(text) })
    expect(await waiting).toMatchObject({ value: text })
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
    await vi.waitFor(async () => expect(await doneChannels(client)).toEqual([]), PATIENCE)
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
    const { waiter } = waiterAt(redis.url, { recheckMs: 50 })
    const handle = await producer.enqueue(contract, 1)
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(client, doneChannel(handle))
    const refused = expect(waiting).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND' })
    await client.del(queueKeys('drover', contract.queue).bullBase + handle.id)
    await refused
  })

  it('a result whose message was lost is found by the next look', async () => {
    const contract = job()
    const keys = queueKeys('drover', contract.queue)
    const { waiter } = waiterAt(redis.url, { recheckMs: 50 })
    const handle = await producer.enqueue(contract, 1)
    const waiting = waiter.wait(handle, { timeoutMs: 60_000 })
    await untilSubscribed(client, keys.done(handle.id))
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
    await untilSubscribed(client, keys.done('daily'))
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
    await untilSubscribed(client, channel)
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
    const { waiter, reader, subscribers } = waiterAt(redis.url, { recheckMs: 54_321 })
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
    await vi.waitFor(async () => expect(await doneChannels(client)).toEqual([]), PATIENCE)
    expect(leaves).toHaveBeenCalledTimes(listens.mock.calls.length)
    expect(reader.listenerCount('ready')).toBe(before)
    expect(subscribers).toHaveLength(1)
    expect(timers.started([3_600_000, 20, 54_321])).toHaveLength(4)
    expect(timers.left([3_600_000, 20, 54_321])).toEqual([])
  })
  it('closing ends every wait with ClosedError and the connection with it', async () => {
    const other = createProducer({ redis: redis.url })
    const contract = job()
    const handle = await other.enqueue(contract, 1)
    const waiting = other.results.wait(handle)
    await untilSubscribed(client, doneChannel(handle))
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: 'CLOSED' }), other.close()])
    await vi.waitFor(async () => expect(await doneChannels(client)).toEqual([]), PATIENCE)
    await expect(other.results.wait(handle)).rejects.toMatchObject({ code: 'CLOSED' })
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
