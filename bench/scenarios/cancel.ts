// One measurement of the cancel of one job among many that wait, in a process of its own: `cancel.ts KIND JOBS REDIS_URL`.
// KIND is bare, where BullMQ removes the job, or drover, where it fails with its record, counts and message.
import { Queue } from 'bullmq'
import { createProducer } from 'drover'
import { Redis } from 'ioredis'
import { inputs, PREFIX, QUEUE, quantile, redisCpuSeconds, work } from './shared.js'

const [kind = 'bare', jobsText = '100000', url = ''] = process.argv.slice(2)
const count = Number(jobsText)
const CANCELLED = Math.min(1_000, count / 10)
const redis = new Redis(url, { maxRetriesPerRequest: null })
await redis.flushall()
const producer = createProducer({ redis: url, timeout: '60s' })
await producer.enqueueBulk(work, inputs(count), { chunkSize: 1_000 })
// Spread over the whole list: what the next one to run costs tells nothing.
const ids: string[] = []
for (let n = 0; n < CANCELLED; n++) {
  ids.push((await redis.lindex(`${PREFIX}:${QUEUE}:wait`, Math.floor(((n + 0.5) / CANCELLED) * count))) ?? '')
}
// Redis may rewrite its append-only file after so many writes: that is no part of a cancel.
while (/aof_rewrite_(in_progress|scheduled):1/.test(await redis.info('persistence')))
  await new Promise((go) => setTimeout(go, 100))
const queue = new Queue(QUEUE, { connection: redis, prefix: PREFIX })
await queue.waitUntilReady()
const cancel = (id: string) => (kind === 'drover' ? producer.jobs.cancel({ queue: QUEUE, id }) : queue.remove(id))
await cancel(ids.shift() ?? '')

const times: number[] = []
const redisBefore = await redisCpuSeconds(redis)
const cpuBefore = process.cpuUsage()
for (const id of ids) {
  const startedAt = performance.now()
  await cancel(id)
  times.push(performance.now() - startedAt)
}
const cpu = process.cpuUsage(cpuBefore)
const redisCpu = (await redisCpuSeconds(redis)) - redisBefore
const waiting = await redis.llen(`${PREFIX}:${QUEUE}:wait`)
if (waiting !== count - CANCELLED) throw new Error(`${waiting} jobs wait after ${CANCELLED} of ${count} were cancelled`)
await queue.close()
await producer.close()
redis.disconnect()
times.sort((a, b) => a - b)
console.log(
  JSON.stringify({
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    nodeMicros: (cpu.user + cpu.system) / times.length,
    redisMicros: (redisCpu * 1e6) / times.length,
  }),
)
