// A Redis that has no memory left: a worker finishes what it runs, does not hammer the server, and goes on by itself.
import { Queue } from 'bullmq'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { collectLog, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const fill = () => shop.redis.config('SET', 'maxmemory', '1')
const makeRoom = () => shop.redis.config('SET', 'maxmemory', '0')
const scriptCalls = async () => {
  const calls = (await shop.redis.info('commandstats')).matchAll(/cmdstat_(?:evalsha|fcall):calls=(\d+)/g)
  return [...calls].reduce((sum, [, count]) => sum + Number(count), 0)
}

it('jobs that run are committed though Redis is full, and those behind them follow', async () => {
  const contract = defineJob({ name: 'job', queue: 'running', input })
  const handler = handle(contract, async ({ n }, ctx) => {
    if (n === 1) await fill()
    ctx.counter('sum').add(n)
  })
  const { ids } = await shop.producer.enqueueBulk(
    contract,
    [1, 2, 3].map((n) => ({ n })),
  )
  await shop.work([handler], { concurrency: 1 })
  await expect.poll(() => shop.redis.hgetall(shop.keys('running').totals)).toEqual({ 'job:completed': '3' })
  expect(await shop.redis.get(shop.keys('running').counter('sum'))).toBe('6')
  expect(await shop.redis.exists(ids.map((id) => shop.keys('running').result(id)))).toBe(3)
  await makeRoom()
})

it('a worker that is refused its next job asks again slowly, says so, and takes it when there is room', async () => {
  const contract = defineJob({ name: 'job', queue: 'refused', input })
  let runs = 0
  const handler = handle(contract, async () => {
    runs++
    if (runs > 1) return 'done'
    await fill()
    throw new Error('once more')
  })
  const worker = await shop.work([handler], { concurrency: 1 })
  const queue = new Queue('refused', { connection: { port: shop.server.port }, prefix: shop.keys('refused').bull })
  // Without a backoff: BullMQ asks for the next job in a call of its own.
  await queue.add('job', { n: 1 }, { attempts: 2, jobId: 'r1' })
  await queue.close()
  await expect
    .poll(() => worker.lines.map(({ err }) => String((err as Error | undefined)?.message)))
    .toContainEqual(expect.stringContaining('OOM command not allowed'))
  const [before, from] = [await scriptCalls(), performance.now()]
  while (performance.now() - from < 500) await shop.redis.ping()
  const calls = (await scriptCalls()) - before
  // Of the time that it really took: a machine may stand still meanwhile.
  expect(calls / ((performance.now() - from) / 500)).toBeLessThan(20)
  await makeRoom()
  expect(await shop.end({ queue: 'refused', id: 'r1' })).toMatchObject({
    status: 'completed',
    value: 'done',
    attempts: 2,
  })
})

it('a worker does not start on a Redis that is full, and says that it is', async () => {
  await fill()
  const { logger } = collectLog()
  const handler = handle(defineJob({ name: 'job', queue: 'unstarted', input }), () => 1)
  const starting = createWorker({ redis: shop.server.url, handlers: [handler], logger })
  await expect(starting).rejects.toMatchObject({ code: 'REDIS_FULL', operation: 'the start of the worker' })
  await makeRoom()
})
