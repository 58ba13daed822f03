// The number of workers as it is read from Redis, kept there, and told to other programs.
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob, InvalidOptionError } from '../../src/job/index.js'
import { askAutoscale, attachLedger, readAutoscaleRules } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl, type RedisClient } from '../../src/redis/index.js'
import { handle } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { createGate, openWorkshop, type Workshop } from '../support/worker.js'

let shop: Workshop
let client: RedisClient
beforeAll(async () => {
  shop = await openWorkshop()
  client = createReaderClient(parseRedisUrl(shop.server.url), { timeoutMs: 60_000 })
  attachLedger(client)
})
afterAll(async () => {
  client.disconnect()
  await shop.close()
})

const input = z.object({ n: z.number() })
const rules = readAutoscaleRules({ waitTarget: '30s', maxWorkers: 100 })
const ask = (queues: readonly string[], keeps: 'nothing' | 'state' | 'number') => {
  return askAutoscale(client, { prefix: 'drover', queues, rules, keeps })
}
const many = (contract: Parameters<typeof shop.producer.enqueue>[0], count: number, options = {}) =>
  Promise.all(Array.from({ length: count }, (_, n) => shop.producer.enqueue(contract, { n }, options)))

it('waiting, prioritized and soon due jobs are what there is to do, in the hungriest queue of the pool; a paused queue has none', async () => {
  const [a, b] = ['pool-a', 'pool-b'].map((queue) => defineJob({ name: 'job', queue, input }))
  if (!a || !b) throw new Error('two contracts')
  await Promise.all([
    many(a, 200),
    many(a, 100, { priority: 1 }),
    many(a, 100, { delay: '10s' }),
    many(a, 50, { delay: '10m' }),
  ])
  await many(b, 20)
  const { queues, ...answer } = await ask(['pool-b', 'pool-a', 'pool-a'], 'nothing')
  // 400 jobs of an unknown time, taken for 1 s, ten at once, in 20 s.
  expect(answer).toEqual({ workers: 0, desired: 2, wanted: 2 })
  expect(queues).toMatchObject([
    { queue: 'pool-a', backlog: 300, due: 100, active: 0, ended: 0, runMs: 1_000, concurrency: 10 },
    { queue: 'pool-b', backlog: 20, due: 0 },
  ])
  expect(await shop.redis.keys('drover:autoscale:*')).toEqual([])
  await shop.redis.hset(`${shop.keys('pool-a').bullBase}meta`, 'paused', '1')
  expect(await ask(['pool-a', 'pool-b'], 'nothing')).toMatchObject({ desired: 1 })
})

it('the number is told as the length of a list, up and down, and what was known is kept for the next', async () => {
  const contract = defineJob({ name: 'job', queue: 'told', input })
  const key = 'drover:autoscale:{told}:30000'
  const length = () => shop.redis.llen(`${key}:workers`)
  await many(contract, 1_000)
  expect(await ask(['told'], 'state')).toMatchObject({ desired: 5 })
  expect([await length(), await shop.redis.pttl(key)]).toEqual([0, expect.any(Number)])
  await ask(['told'], 'number')
  expect(await length()).toBe(5)
  expect(await shop.redis.pttl(`${key}:workers`)).toBeGreaterThan(0)
  // Gone down within the window: the most that was wanted stays.
  await shop.redis.ltrim(`${shop.keys('told').bullBase}wait`, 0, 0)
  expect(await ask(['told'], 'number')).toMatchObject({ desired: 5, wanted: 1 })
  // What others leave there is no past; then the present number of workers, none, is all that is known.
  await shop.redis.set(key, '{"at":1,"queues":{"told":{}},"wanted":[["x"]]}')
  expect(await ask(['told'], 'number')).toMatchObject({ desired: 1 })
  expect(await length()).toBe(1)
  await shop.redis.del(`${shop.keys('told').bullBase}wait`, key)
  expect(await ask(['told'], 'number')).toMatchObject({ desired: 0 })
  expect(await length()).toBe(0)
  await shop.redis.set(key, 'rubbish')
  expect(await ask(['told'], 'number')).toMatchObject({ desired: 0 })
})

it('of two that ask at the same time one keeps what it found', async () => {
  await many(defineJob({ name: 'job', queue: 'both', input }), 400)
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask(['both'], 'number')))
  expect(new Set(answers.map(({ desired }) => desired))).toEqual(new Set([2]))
  expect(await shop.redis.llen('drover:autoscale:{both}:30000:workers')).toBe(2)
})

it('a worker with autoscale tells it, by its own concurrency and within its limits', async () => {
  const contract = defineJob({ name: 'job', queue: 'auto', input })
  const gate = createGate()
  await many(contract, 40)
  const handler = handle(contract, () => gate.promise)
  const worker = await shop.work([handler], { concurrency: 1, autoscale: { waitTarget: '30s', maxWorkers: 3 } })
  const length = () => shop.redis.llen('drover:autoscale:{auto}:30000:workers')
  await vi.waitFor(async () => expect(await length()).toBe(3), PATIENCE)
  const told = () => worker.lines.filter(({ msg }) => msg === 'number of workers wanted')
  await vi.waitFor(() => expect(told().at(-1)).toMatchObject({ queues: ['auto'], desired: 3 }), PATIENCE)
  gate.open()
  await worker.close()
  await expect(shop.work([handler], { autoscale: { waitTarget: 0 } })).rejects.toThrow(InvalidOptionError)
})
