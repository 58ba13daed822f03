// A queue with its ledger against its model, on a real Redis: whatever is called in whatever order, states, order, totals,
// counters, results and staged writes are what the model says, after every single call.
import { Queue } from 'bullmq'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { type Kernel, openKernel } from '../support/kernel.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { beginning, drain, type Real, sequences } from './queue-commands.js'
import { Model } from './queue-model.js'
import { report, runsOf, settings } from './runs.js'

const contracts = ['resize', 'crop'].map((name) => defineJob({ name, queue: 'media', input: anything }))
const RUNS = 1_000
const backoff = { ms: 0 }
let server: TestRedis
let kernel: Kernel
let producer: Producer
let queue: Queue
let client: Redis

beforeAll(async () => {
  server = await startTestRedis()
  kernel = await openKernel(server.url, 'media', 'drover', { backoffMs: () => backoff.ms })
  producer = createProducer({ redis: server.url, timeout: '60s' })
  client = new Redis(server.url, { maxRetriesPerRequest: null })
  queue = new Queue('media', { connection: client as never, prefix: kernel.keys.tag })
})
afterAll(async () => {
  await queue?.close()
  client?.disconnect()
  await producer?.close()
  await kernel?.close()
  await server?.close()
})

const ran: Record<string, number> = {}

it('a queue does what its model says, whatever is called in whatever order', async () => {
  const property = fc.asyncProperty(beginning, sequences, async (first, commands) => {
    await client.flushdb()
    const model = new Model()
    const real: Real = { kernel, producer, contracts: contracts as never, queue, running: new Map(), backoff, ran }
    for (const command of first) await command.run(model, real)
    await fc.asyncModelRun(() => ({ model, real }), commands)
    await drain(model, real)
  })
  await fc.assert(property, settings(RUNS))
  report('the model of a queue', { runs: runsOf(RUNS), ...ran })
  // Nothing of what is listed in queue-commands.ts was left out by chance.
  expect(Math.min(...Object.values(ran))).toBeGreaterThan(0)
  expect(Object.keys(ran).length).toBe(16)
})
