import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createProducer, defineJob, type Producer } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { type FaultProxy, startFaultProxy } from '../../src/testing/index.js'
import { startLedgerWorker } from '../support/ledger-worker.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
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

function produce(timeoutMs = 60_000): Producer {
  const producer = createProducer({ redis: proxy.url, timeout: timeoutMs })
  open.push(producer)
  return producer
}
function job() {
  return defineJob({ name: 'report', queue: `q-${randomUUID().slice(0, 8)}`, input: anything, maxInputBytes: 100_000 })
}
async function inputsOf(queue: string): Promise<number[]> {
  const { bullBase } = queueKeys('drover', queue)
  const ids = await client.lrange(`${bullBase}wait`, 0, -1)
  const inputs = await Promise.all(ids.map(async (id) => Number(await client.hget(bullBase + id, 'data'))))
  return inputs.sort((a, b) => a - b)
}
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('replies lost with their connection', () => {
  it('enqueues lose nothing and double nothing', async () => {
    const producer = produce()
    const contract = job()
    const lost = proxy.counts.lostReplies
    await producer.enqueue(contract, 0)
    for (const start of numbers(20)) {
      proxy.set({ mode: 'dropReply', count: 1, matching: 'evalsha' })
      await Promise.all(numbers(10).map((index) => producer.enqueue(contract, 1 + start * 10 + index)))
    }
    expect(proxy.counts.lostReplies - lost).toBe(20)
    expect(await inputsOf(contract.queue)).toEqual(numbers(201))
  })

  it('enqueues lose nothing and double nothing while their connection is cut again and again', async () => {
    const producer = produce()
    const contract = job()
    let enqueued = 0
    const enqueueFrom = async (start: number) => {
      for (let index = start; index < 1_000; index += 50) {
        await producer.enqueue(contract, index)
        enqueued++
        if (enqueued % 40 === 0) proxy.set('cut', 'open')
      }
    }
    await Promise.all(numbers(50).map(enqueueFrom))
    expect(await inputsOf(contract.queue)).toEqual(numbers(1_000))
  })

  it('a bulk loses nothing and doubles nothing', async () => {
    const producer = produce()
    const contract = job()
    const lost = proxy.counts.lostReplies
    const { count } = await producer.enqueueBulk(contract, numbers(500), {
      chunkSize: 50,
      onProgress: () => proxy.set({ mode: 'dropReply', count: 1, matching: 'evalsha' }),
    })
    expect(count).toBe(500)
    expect(proxy.counts.lostReplies - lost).toBeGreaterThan(3)
    expect(await inputsOf(contract.queue)).toEqual(numbers(500))
  })

  it('a job that ran and was removed before its enqueue was answered does not run twice', async () => {
    const producer = produce()
    const contract = job()
    let runs = 0
    const worker = await startLedgerWorker({
      url: redis.url,
      queue: contract.queue,
      removesJobs: true,
      run: () => {
        runs++
        return undefined
      },
    })
    await producer.enqueue(contract, 0)
    proxy.set({ mode: 'dropReply', count: 1, matching: 'evalsha' })
    const stop = holdNewConnections()
    const enqueuing = producer.enqueue(contract, 1, { id: 'quick' })
    const { result, bullBase } = queueKeys('drover', contract.queue)
    await vi.waitFor(async () => expect(await client.exists(result('quick'))).toBe(1), PATIENCE)
    expect(await client.exists(`${bullBase}quick`)).toBe(0)
    stop()
    await enqueuing
    await producer.enqueue(contract, 2)
    await vi.waitFor(() => expect(runs).toBeGreaterThanOrEqual(3), PATIENCE)
    await worker.close()
    expect(runs).toBe(3)
  })

  it('the result of an earlier job with the same id does not pass for the new one', async () => {
    const producer = produce()
    const contract = job()
    await producer.enqueue(contract, 0)
    const record = { v: 1, status: 'completed', value: 'earlier', enqueuedAt: 1_700_000_000_000 }
    await client.set(queueKeys('drover', contract.queue).result('daily'), JSON.stringify(record))
    proxy.set('cut')
    const enqueuing = producer.enqueue(contract, 1, { id: 'daily' })
    proxy.set('pass')
    await enqueuing
    expect(await inputsOf(contract.queue)).toEqual([0, 1])
  })

  it('an increment whose reply is lost is made once, and told as uncertain', async () => {
    const producer = produce()
    const contract = job()
    await producer.counters.incr(contract.queue, 'n', 5)
    proxy.set({ mode: 'dropReply', count: 1, matching: 'incrby' })
    await expect(producer.counters.incr(contract.queue, 'n', 5)).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await vi.waitFor(async () => expect(await producer.counters.get(contract.queue, 'n')).toBe(10), PATIENCE)
  })
})

/** Silences the proxy as soon as the next reply is lost, so that nothing is sent again before the returned call. */
function holdNewConnections(): () => void {
  const before = proxy.counts.lostReplies
  const watch = setInterval(() => {
    if (proxy.counts.lostReplies > before) proxy.set('cut')
  }, 0)
  return () => {
    clearInterval(watch)
    proxy.set('pass')
  }
}
