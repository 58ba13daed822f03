// A worker on a Redis cluster: all it writes for a job lies in the slot of the queue, and its message on a shard's channel.
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { createWorker, handle, type Worker } from '../../src/worker/index.js'
import type { TestRedis } from '../support/redis.js'
import { startLoneClusterNode } from '../support/redis-topologies.js'
import { PATIENCE } from '../support/until.js'
import { collectLog } from '../support/worker.js'

const contract = defineJob({ name: 'job', queue: 'media', input: z.object({ key: z.string() }), attempts: 1 })
let node: TestRedis
let producer: Producer
let worker: Worker

beforeAll(async () => {
  node = await startLoneClusterNode()
  const redis = node.url.replace('redis://', 'redis+cluster://')
  const handler = handle(contract, async ({ key }, ctx) => {
    ctx.counter('n').add()
    ctx.effects.sadd('{drover:media}:own', key)
    ctx.effects.incrby(key, 1)
    return key
  })
  worker = await createWorker({ redis, handlers: [handler], logger: collectLog().logger })
  producer = createProducer({ redis, timeout: '60s' })
})
afterAll(async () => {
  await producer.close()
  await worker.close()
  await node.close()
})

it('a job on a cluster commits result, counts and staged writes of its slot, and wakes who waits for it', async () => {
  const job = await producer.enqueue(contract, { key: 'sum{drover:media}' })
  expect(await producer.results.wait(job, { timeout: '60s' })).toMatchObject({ ok: true, value: 'sum{drover:media}' })
  expect(await producer.counters.get('media', 'n')).toBe(1)
  expect(await node.cli('GET', 'sum{drover:media}')).toBe('1')
  expect(await node.cli('HGETALL', '{drover:media}:totals')).toBe('job:completed\n1')
})

it('a staged write outside of that slot is refused, also where the tag stands behind another one', async () => {
  for (const key of ['sum', '{other}:sum', 'x{a}{drover:media}']) {
    const outcome = await producer.results.wait(await producer.enqueue(contract, { key }), { timeout: '60s' })
    expect(outcome).toMatchObject({ ok: false, error: { code: 'EFFECT_REJECTED' } })
  }
  expect(await node.cli('HGETALL', '{drover:media}:totals')).toBe('job:completed\n1\njob:failed\n3')
  expect(await node.cli('SMEMBERS', '{drover:media}:own')).toBe('sum{drover:media}')
})

it('limits by key hold over two workers, with a rate, a strict order and a look at them', async () => {
  const input = z.object({ tenant: z.string(), n: z.number() })
  const options = { queue: 'limited', input, attempts: 2, backoff: { type: 'fixed', delay: 5 } } as const
  const shared = defineJob({ name: 'shared', ...options, limit: { key: 'tenant', concurrency: 2 } })
  const rate = { limit: 4, window: 200 }
  const ordered = defineJob({ name: 'ordered', ...options, limit: { key: 'tenant', order: 'strict', rate } })
  const running = new Map<string, number>()
  let most = 0
  const order: number[] = []
  const handlers = [
    handle(shared, async ({ tenant }) => {
      running.set(tenant, (running.get(tenant) ?? 0) + 1)
      most = Math.max(most, running.get(tenant) ?? 0)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running.set(tenant, (running.get(tenant) ?? 0) - 1)
    }),
    handle(ordered, ({ n }, { attempt }) => {
      order.push(n)
      if (n === 2 && attempt === 1) throw new Error('once')
    }),
  ]
  const redis = node.url.replace('redis://', 'redis+cluster://')
  const start = () => createWorker({ redis, handlers, logger: collectLog().logger })
  const workers = [await start(), await start()]
  const jobs = Array.from({ length: 20 }, (_, n) => ({ tenant: `t${n % 2}`, n }))
  await producer.enqueueBulk(shared, jobs)
  for (let n = 0; n < 6; n++) await producer.enqueue(ordered, { tenant: 'a', n })
  const totals = 'ordered:completed\n6\nordered:retried\n1\nshared:completed\n20'
  const sorted = async () => {
    const words = (await node.cli('HGETALL', '{drover:limited}:totals')).split('\n')
    return words
      .flatMap((word, at) => (at % 2 === 0 ? [`${word}\n${words[at + 1]}`] : []))
      .sort()
      .join('\n')
  }
  await vi.waitFor(async () => expect(await sorted()).toBe(totals), PATIENCE)
  expect([most, order]).toEqual([2, [0, 1, 2, 2, 3, 4, 5]])
  expect(await producer.limits.setQueue('limited', { concurrency: 3 })).toMatchObject({ concurrency: 3 })
  expect(await producer.limits.list('limited')).toEqual([])
  expect(await producer.limits.counts('limited')).toEqual({ keys: 0, held: 0, parked: 0 })
  for (const each of workers) await each.close()
})

it('a cancel of one job and of all that match reaches the slot of the queue', async () => {
  const idle = defineJob({ name: 'idle', queue: 'idle', input: z.object({}) })
  const job = await producer.enqueue(idle, {})
  expect(await producer.jobs.cancel(job)).toBe('cancelled')
  expect(await producer.results.get(job)).toMatchObject({ status: 'failed', error: { code: 'CANCELLED' } })
  for (let n = 0; n < 3; n++) await producer.enqueue(idle, {}, { delay: '1h' })
  expect(await producer.jobs.cancelMany({ queue: 'idle', job: 'idle' })).toMatchObject({ matched: 3, cancelled: 3 })
})
