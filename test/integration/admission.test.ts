// A Redis that fills up: producers stop before it is full, what is there is worked off, and jobs are taken again.
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob, type Producer, RedisFullError } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { PATIENCE } from '../support/until.js'
import { collectLog } from '../support/worker.js'

const MEBIBYTE = 1_048_576

let server: TestRedis
let redis: Redis
beforeAll(async () => {
  server = await startTestRedis()
  redis = new Redis(server.port)
})
afterEach(async () => {
  await redis.config('SET', 'maxmemory', 0)
  await redis.flushall()
})
afterAll(async () => {
  redis.disconnect()
  await server.close()
})

function produce(): Producer {
  const producer = createProducer({ redis: server.url })
  onTestFinished(() => producer.close())
  return producer
}

const memory = async (field: string) =>
  Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(await redis.info('memory'))?.[1])
const usedMemory = async () => (await memory('used_memory')) - (await memory('mem_not_counted_for_evict'))
const calls = async (command: string) =>
  Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(await redis.info('commandstats'))?.[1] ?? 0)

const job = (queue: string) => defineJob({ name: 'job', queue, input: z.object({ text: z.string() }), attempts: 1 })
const text = 'x'.repeat(4_000)

/** Enqueues until Redis is too full, and gives the error and the ids that were accepted. */
async function fill(producer: Producer, contract: ReturnType<typeof job>): Promise<{ error: unknown; ids: string[] }> {
  const ids: string[] = []
  for (;;) {
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => producer.enqueue(contract, { text })))
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') ids.push(outcome.value.id)
    const refused = outcomes.find(({ status }) => status === 'rejected')
    if (refused?.status === 'rejected') return { error: refused.reason, ids }
  }
}

describe('a producer whose Redis is nearly full', () => {
  it('stops at 85 % of maxmemory, and workers empty the store by themselves, after which it enqueues again', async () => {
    const limit = (await usedMemory()) + 12 * MEBIBYTE
    await redis.config('SET', 'maxmemory', limit)
    const producer = produce()
    const contract = job('filling')
    const keys = queueKeys('drover', 'filling')
    const { error, ids } = await fill(producer, contract)
    expect(error).toBeInstanceOf(RedisFullError)
    expect(error).toMatchObject({ code: 'REDIS_FULL', usedPercent: expect.any(Number) })
    expect((error as RedisFullError).usedPercent).toBeGreaterThanOrEqual(85)
    // Redis itself refused nothing.
    expect((error as RedisFullError).cause).toBeUndefined()
    expect(await usedMemory()).toBeLessThan(0.95 * limit)
    // What was refused left nothing: as many jobs as were accepted, each in the list.
    expect(await redis.llen(`${keys.bullBase}wait`)).toBe(ids.length)
    expect(
      (await redis.keys(`${keys.bullBase}*`)).filter((key) => key.length > keys.bullBase.length + 12),
    ).toHaveLength(ids.length)
    await expect(producer.enqueueBulk(contract, [{ text }, { text }])).rejects.toMatchObject({ code: 'REDIS_FULL' })
    expect(await redis.llen(`${keys.bullBase}wait`)).toBe(ids.length)

    const worker = await createWorker({
      redis: server.url,
      handlers: [handle(contract, () => null)],
      keepCompleted: 0,
      logger: collectLog().logger,
    })
    onTestFinished(() => void worker.close())
    await expect.poll(() => redis.hget(keys.totals, 'job:completed')).toBe(String(ids.length))
    expect(await redis.llen(`${keys.bullBase}wait`)).toBe(0)
    const { id } = await vi.waitFor(() => producer.enqueue(contract, { text }), PATIENCE)
    expect(await producer.results.wait({ queue: 'filling', id }, { timeout: '60s' })).toMatchObject({ ok: true })
    await worker.close()
  })

  it('takes jobs again below 80 %, not as soon as it is below 85 %', async () => {
    // Made inside of Redis: a value that is sent leaves buffers, whose memory comes and goes.
    await redis.setrange('ballast', 16 * MEBIBYTE, 'x')
    const used = await usedMemory()
    const at = (share: number) => redis.config('SET', 'maxmemory', Math.round(used / share))
    await at(0.9)
    const producer = produce()
    const contract = job('hysteresis')
    const enqueue = () => producer.enqueue(contract, { text: 'x' })
    await expect(enqueue()).rejects.toMatchObject({ code: 'REDIS_FULL', usedPercent: expect.closeTo(90, -0.6) })
    await at(0.82)
    await vi.waitFor(() => expect(enqueue()).rejects.toMatchObject({ usedPercent: expect.closeTo(82, -0.6) }), PATIENCE)
    await at(0.7)
    await vi.waitFor(enqueue, PATIENCE)
    await at(0.82)
    await enqueue()
  })

  it('asks INFO at most about once a second, however many jobs it enqueues', async () => {
    await redis.config('SET', 'maxmemory', '1gb')
    const producer = produce()
    const contract = job('many')
    await producer.enqueue(contract, { text: 'x' })
    const [before, startedMs] = [await calls('info'), performance.now()]
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 100 }, () => producer.enqueue(contract, { text: 'x' })))
    }
    const seconds = (performance.now() - startedMs) / 1_000
    // One more is the INFO of this test itself.
    expect((await calls('info')) - before).toBeLessThanOrEqual(seconds + 2)
  })

  it('an evicting Redis, which never refuses, is not measured by its limit', async () => {
    await redis.config('SET', 'maxmemory', (await usedMemory()) + MEBIBYTE / 2)
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
    onTestFinished(async () => void (await redis.config('SET', 'maxmemory-policy', 'noeviction')))
    const producer = createProducer({ redis: server.url, allowVolatile: true })
    await producer.enqueue(job('evicted'), { text: 'x' })
    await producer.close()
  })
})

it('a reply of Redis that it is out of memory is the same error, and stops the producer until there is room', async () => {
  const producer = produce()
  const contract = job('surprised')
  await producer.enqueue(contract, { text })
  await redis.config('SET', 'maxmemory', 1)
  const before = await calls('evalsha')
  const errors = await Promise.all(
    Array.from({ length: 50 }, () => producer.enqueue(contract, { text }).catch((error: unknown) => error)),
  )
  for (const error of errors) expect(error).toMatchObject({ code: 'REDIS_FULL' })
  // The next ones are refused here: Redis is not asked fifty times more.
  const sent = await calls('evalsha')
  await expect(producer.enqueue(contract, { text })).rejects.toMatchObject({ code: 'REDIS_FULL' })
  expect(await calls('evalsha')).toBe(sent)
  expect(sent).toBeGreaterThan(before)
  await redis.config('SET', 'maxmemory', 0)
  await vi.waitFor(() => producer.enqueue(contract, { text }), PATIENCE)
  expect(await redis.llen(`${queueKeys('drover', 'surprised').bullBase}wait`)).toBe(2)
})
