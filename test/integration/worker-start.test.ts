// The start of a worker: what it asks of Redis and of BullMQ before it takes a job, and that a failed start leaves nothing.
import { RedisConnection } from 'bullmq'
import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { freePort, startTestRedis } from '../support/redis.js'
import { collectLog, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const handlerOf = (queue: string) => handle(defineJob({ name: 'job', queue, input }), ({ n }) => n)

it('a worker that has started is taking jobs, is listed with its queues, and has named the version of its keys', async () => {
  const { logger } = collectLog()
  const worker = await createWorker({
    redis: shop.server.url,
    prefix: 'other',
    handlers: [handlerOf('first'), handlerOf('second')],
    logger,
  })
  expect((await shop.redis.smembers('other:queues')).sort()).toEqual(['first', 'second'])
  expect(await shop.redis.hgetall('other:contract')).toEqual({ version: '1', since: expect.stringMatching(/^\d{13}$/) })
  expect(worker.queues).toEqual(['first', 'second'])
  await worker.close()
})

it('a BullMQ that the ledger does not know is refused before a job is taken, and nothing stays open', async () => {
  const server = await startTestRedis()
  const redis = new Redis(server.url)
  const load = Reflect.get(RedisConnection.prototype, 'loadCommands')
  // As a later release would define its scripts.
  Reflect.set(RedisConnection.prototype, 'loadCommands', function (this: unknown) {
    return Reflect.apply(load, this, ['6.8.0'])
  })
  onTestFinished(() => void Reflect.set(RedisConnection.prototype, 'loadCommands', load))
  const starting = createWorker({ redis: server.url, handlers: [handlerOf('later')], logger: collectLog().logger })
  await expect(starting).rejects.toMatchObject({
    code: 'UNSUPPORTED_BULLMQ',
    message: expect.stringMatching(/expected BullMQ 6\.7\.0 with .* found BullMQ 6\.8\.0 with/),
  })
  await expect
    .poll(
      async () =>
        String(await redis.client('LIST'))
          .trim()
          .split('\n').length,
    )
    .toBe(1)
  redis.disconnect()
  await server.close()
})

it('a wrong password is an error at once, and is never shown', async () => {
  const guarded = await startTestRedis({ password: 'right-one' })
  const { logger, lines } = collectLog()
  const redis = `redis://:wrong-one@127.0.0.1:${guarded.port}`
  const refusal: Error = await createWorker({ redis, handlers: [handlerOf('none')], logger }).then(
    () => new Error('it started'),
    (error) => error,
  )
  expect(refusal).toMatchObject({ code: 'REDIS_AUTH' })
  expect(JSON.stringify([refusal.message, refusal.stack, lines])).not.toContain('wrong-one')
  await guarded.close()
})

it('wrong options are an error before Redis is touched', async () => {
  const redis = `redis://127.0.0.1:${await freePort()}`
  await expect(createWorker({ redis, handlers: [] })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(createWorker(undefined as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(createWorker({ redis: 'http://x', handlers: [handlerOf('a')] })).rejects.toMatchObject({
    code: 'REDIS_URL_INVALID',
  })
})

it('a worker outlives its connections: jobs go on when they are cut, and what was finished meanwhile counts once', async () => {
  const proxy = await startFaultProxy({ target: shop.server.url })
  const contract = defineJob({ name: 'job', queue: 'cut', input, attempts: 1 })
  const handler = handle(contract, async ({ n }, ctx) => {
    ctx.counter('sum').add(n)
    return n
  })
  const worker = await shop.work([handler], { redis: proxy.url, concurrency: 4 })
  const { ids } = await shop.producer.enqueueBulk(
    contract,
    Array.from({ length: 300 }, (_, n) => ({ n })),
  )
  for (let cut = 0; cut < 6; cut++) {
    const done = Number((await shop.redis.hget(shop.keys('cut').totals, 'job:completed')) ?? 0)
    if (cut % 2 === 0) proxy.set('cut', 'open')
    else proxy.set({ mode: 'dropReply', count: 1, matching: 'fcall' })
    await expect
      .poll(async () => Number((await shop.redis.hget(shop.keys('cut').totals, 'job:completed')) ?? 0), {
        timeout: 60_000,
      })
      .toBeGreaterThanOrEqual(Math.min(300, done + 20))
  }
  for (const id of ids) expect(await shop.end({ queue: 'cut', id })).toMatchObject({ status: 'completed' })
  expect(await shop.redis.hgetall(shop.keys('cut').totals)).toEqual({ 'job:completed': '300' })
  expect(await shop.producer.counters.get('cut', 'sum')).toBe((299 * 300) / 2)
  await worker.close()
  await proxy.close()
})
