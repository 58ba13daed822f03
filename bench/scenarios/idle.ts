// What a worker costs whose queues are empty, after its start: `idle.ts KIND QUEUES REDIS_URL`. KIND is bare, a BullMQ worker
// for each queue with the defaults of BullMQ, or drover. Percent of a core that Redis and Node take together.
import { Worker } from 'bullmq'
import { defineJob } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { redisCpuSeconds, work } from './shared.js'

const MEASURED_MS = 20_000
/** By then connections are there, and what the first looks find has been seen to. */
const SETTLED_MS = 3_000
const [kind = 'bare', queuesText = '10', url = ''] = process.argv.slice(2)
const queues = Array.from({ length: Number(queuesText) }, (_, n) => `bench-${n}`)
const redis = new Redis(url)
await redis.flushall()
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function open(): Promise<() => Promise<unknown>> {
  if (kind === 'bare') {
    const connection = new Redis(url, { maxRetriesPerRequest: null })
    const workers = queues.map((queue) => {
      return new Worker(queue, async () => null, { connection, prefix: `{drover:${queue}}`, concurrency: 10 })
    })
    await Promise.all(workers.map((worker) => worker.waitUntilReady()))
    return () => Promise.all(workers.map((worker) => worker.close())).finally(() => connection.disconnect())
  }
  const handlers = queues.map((queue) => {
    return handle(defineJob({ name: 'work', queue, input: work.input }), () => null)
  })
  const worker = await createWorker({ redis: url, handlers, concurrency: 10, logger: pino({ level: 'silent' }) })
  return () => worker.close()
}

const close = await open()
await pause(SETTLED_MS)
const before = { redis: await redisCpuSeconds(redis), node: process.cpuUsage(), at: performance.now() }
await pause(MEASURED_MS)
const seconds = (performance.now() - before.at) / 1_000
const redisMicros = (((await redisCpuSeconds(redis)) - before.redis) * 1e6) / seconds
const { user, system } = process.cpuUsage(before.node)
const nodeMicros = (user + system) / seconds
await close()
redis.disconnect()
console.log(JSON.stringify({ percent: (redisMicros + nodeMicros) / 10_000, nodeMicros, redisMicros }))
