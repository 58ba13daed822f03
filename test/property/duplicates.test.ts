// The same ids from several producers at once, one by one and in bulk, while workers end jobs in between: each id is one
// job and runs once.
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { openKernel } from '../support/kernel.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { report, runsOf, settings } from './runs.js'

const RUNS = 200
const contract = defineJob({ name: 'resize', queue: 'media', input: anything })
let server: TestRedis
let client: Redis
let producers: Producer[]

beforeAll(async () => {
  server = await startTestRedis()
  client = new Redis(server.url)
  producers = [1, 2, 3].map(() => createProducer({ redis: server.url, timeout: '60s' }))
})
afterAll(async () => {
  await Promise.all((producers ?? []).map((producer) => producer.close()))
  client?.disconnect()
  await server?.close()
})

it('ids that several producers enqueue at once are one job each, and each counts once', async () => {
  const kernel = await openKernel(server.url)
  const sent = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'daily.2026-01-01', 'user-7', 'A'),
    by: fc.nat({ max: 2 }),
    order: fc.constantFrom({}, {}, { lifo: true }, { priority: 3 }, { delay: '1h' } as const),
  })
  const counts = { sent: 0, jobs: 0 }
  const property = fc.asyncProperty(fc.array(sent, { minLength: 1, maxLength: 24 }), async (all) => {
    await client.flushdb()
    await Promise.all(
      all.map(({ id, by, order }) => (producers[by] as Producer).enqueue(contract, { id }, { id, ...order })),
    )
    const ids = new Set(all.map(({ id }) => id))
    const [wait, delayed, prioritized] = await Promise.all([
      client.lrange(kernel.bull('wait'), 0, -1),
      client.zrange(kernel.bull('delayed'), '0', '-1'),
      client.zrange(kernel.bull('prioritized'), '0', '-1'),
    ])
    expect([...wait, ...delayed, ...prioritized].sort()).toEqual([...ids].sort())
    for (let left = wait.length + prioritized.length; left > 0; left--) {
      const job = await kernel.take()
      expect(job.data).toEqual({ id: job.id })
      await kernel.complete(job, { counters: new Map([['runs', 1]]) })
      // Enqueued again after its end: the queue still knows it, so nothing runs twice.
      await (producers[0] as Producer).enqueue(contract, { id: String(job.id) }, { id: String(job.id) })
    }
    await expect(kernel.take()).rejects.toThrow('no job was there')
    const done = wait.length + prioritized.length
    expect(Number(await client.get(kernel.keys.counter('runs')))).toBe(done)
    expect(Number(await client.hget(kernel.keys.totals, 'resize:completed'))).toBe(done)
    counts.sent += all.length
    counts.jobs += ids.size
  })
  try {
    await fc.assert(property, settings(RUNS))
  } finally {
    await kernel.close()
  }
  report('ids enqueued several times', { runs: runsOf(RUNS), ...counts })
  expect(counts.sent).toBeGreaterThan(counts.jobs)
})
