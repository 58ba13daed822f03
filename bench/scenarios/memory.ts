// Memory that Redis holds per kept result, in a process of its own: `memory.ts KIND JOBS REDIS_URL`. KIND is bare (BullMQ
// keeps the finished job) or drover (the result key is kept, BullMQ's job is not).
import { Queue, Worker } from 'bullmq'
import { createProducer } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { inputs, PREFIX, QUEUE, work, workerOptions } from './shared.js'

const [kind = 'bare', jobsText = '10000', url = ''] = process.argv.slice(2)
const jobs = Number(jobsText)
const redis = new Redis(url, { maxRetriesPerRequest: null })

const usedBytes = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])

async function untilDone(): Promise<void> {
  const [wait, active] = [`${PREFIX}:${QUEUE}:wait`, `${PREFIX}:${QUEUE}:active`]
  while ((await redis.llen(wait)) + (await redis.llen(active)) > 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
}

async function runDrover(): Promise<void> {
  const producer = createProducer({ redis: url, timeout: '60s' })
  await producer.enqueueBulk(work, inputs(jobs))
  await producer.close()
  const handler = handle(work, async (input) => ({ ok: true, n: input.n }))
  const logger = pino({ level: 'error' })
  const worker = await createWorker({ redis: url, handlers: [handler], concurrency: 50, keepCompleted: 0, logger })
  await untilDone()
  await worker.close()
}

async function runBare(): Promise<void> {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const queue = new Queue(QUEUE, { connection, prefix: PREFIX })
  for (let first = 0; first < jobs; first += 500) {
    const chunk = [...inputs(Math.min(500, jobs - first))].map((data) => ({
      name: 'work',
      data,
      opts: { jobId: `job-${first + data.n}`, attempts: work.attempts, backoff: 1_000 },
    }))
    await queue.addBulk(chunk)
  }
  const worker = new Worker(QUEUE, async (job) => ({ ok: true, n: job.data.n }), {
    connection,
    prefix: PREFIX,
    concurrency: 50,
    ...workerOptions,
    removeOnComplete: { count: -1 },
  })
  await untilDone()
  await worker.close()
  await queue.close()
  connection.disconnect()
}

await redis.flushall()
const before = await usedBytes()
await (kind === 'drover' ? runDrover() : runBare())
// Both leave the same trimmed event stream behind; it is not part of what is kept per job.
await redis.del(`${PREFIX}:${QUEUE}:events`)
const bytes = ((await usedBytes()) - before) / jobs
redis.disconnect()
console.log(JSON.stringify({ bytes }))
