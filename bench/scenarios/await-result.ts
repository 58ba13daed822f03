// One measurement of an awaited job, in a process of its own: `await-result.ts KIND JOBS REDIS_URL`. Producer and worker
// share the process; one job is awaited after the other. KIND is bare (`add` and `waitUntilFinished`) or drover
// (`enqueue` and `results.wait`). Times are milliseconds from the call of enqueue to the result in hand.
import { Queue, QueueEvents, Worker } from 'bullmq'
import { createProducer } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { inputs, PREFIX, QUEUE, quantile, work, workerOptions } from './shared.js'

const [kind = 'bare', jobsText = '1000', url = ''] = process.argv.slice(2)
const measured = Number(jobsText)
const warmUp = Math.min(300, measured)
type AwaitOne = (input: { n: number; text: string }) => Promise<unknown>

async function startDrover(): Promise<{ one: AwaitOne; stop: () => Promise<unknown> }> {
  const handler = handle(work, async (input) => ({ ok: true, n: input.n }))
  const worker = await createWorker({
    redis: url,
    handlers: [handler],
    concurrency: 10,
    logger: pino({ level: 'error' }),
  })
  const producer = createProducer({ redis: url, timeout: '60s' })
  return {
    one: async (input) => producer.results.wait(await producer.enqueue(work, input), { timeout: '60s' }),
    stop: () => producer.close().finally(() => worker.close()),
  }
}

async function startBare(): Promise<{ one: AwaitOne; stop: () => Promise<unknown> }> {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const options = { connection, prefix: PREFIX }
  const worker = new Worker(QUEUE, async (job) => ({ ok: true, n: job.data.n }), {
    ...options,
    concurrency: 10,
    ...workerOptions,
  })
  const queue = new Queue(QUEUE, options)
  const listening = connection.duplicate()
  const events = new QueueEvents(QUEUE, { ...options, connection: listening })
  await Promise.all([worker.waitUntilReady(), events.waitUntilReady()])
  return {
    one: async (input) => {
      const job = await queue.add('work', input, { jobId: `job-${input.n}`, attempts: work.attempts, backoff: 1_000 })
      return job.waitUntilFinished(events, 60_000)
    },
    stop: async () => {
      await Promise.all([worker.close(), queue.close(), events.close()])
      connection.disconnect()
      listening.disconnect()
    },
  }
}

const cleaner = new Redis(url)
await cleaner.flushall()
cleaner.disconnect()
const { one, stop } = await (kind === 'drover' ? startDrover() : startBare())
const times: number[] = []
for (const input of inputs(warmUp + measured)) {
  const startedAt = performance.now()
  await one(input)
  if (input.n >= warmUp) times.push(performance.now() - startedAt)
}
await stop()
times.sort((a, b) => a - b)
console.log(JSON.stringify({ p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) }))
