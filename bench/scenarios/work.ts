// One measurement of processing, in a process of its own: `work.ts KIND CONCURRENCY JOBS REDIS_URL`.
// KIND is bare (BullMQ, nothing written), drover (result, totals, stats and one counter committed) or by-hand (BullMQ,
// a SET and an HINCRBY in the handler). All three work the same inputs with the same options.
import { Queue, Worker } from 'bullmq'
import { createProducer } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { inputs, KEEP_COMPLETED, PREFIX, QUEUE, redisCpuSeconds, work, workerOptions } from './shared.js'

type Stop = () => Promise<unknown>
const [kind = 'bare', concurrencyText = '100', jobsText = '10000', url = ''] = process.argv.slice(2)
const concurrency = Number(concurrencyText)
const measured = Number(jobsText)
/** Jobs before the clock starts: connections are open and the code is compiled then. */
const warmUp = Math.min(2_000, measured)
const jobs = warmUp + measured
const redis = new Redis(url, { maxRetriesPerRequest: null })
let handled = 0
let started: { at: number; cpu: NodeJS.CpuUsage; redisCpu: Promise<number> } | undefined

function countHandled(): void {
  if (++handled === warmUp) {
    started = { at: performance.now(), cpu: process.cpuUsage(), redisCpu: redisCpuSeconds(redis) }
  }
}

async function startDrover(): Promise<Stop> {
  const handler = handle(work, async (input, ctx) => {
    countHandled()
    ctx.counter('handled').add(1)
    return { ok: true, n: input.n }
  })
  const logger = pino({ level: 'error' })
  const worker = await createWorker({
    redis: url,
    handlers: [handler],
    concurrency,
    keepCompleted: KEEP_COMPLETED,
    logger,
  })
  return () => worker.close()
}

async function startBullmq(run: (n: number, id: string) => Promise<unknown>): Promise<Stop> {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const worker = new Worker(QUEUE, (job) => run(job.data.n, String(job.id)), {
    connection,
    prefix: PREFIX,
    concurrency,
    ...workerOptions,
  })
  return () => worker.close().finally(() => connection.disconnect())
}

async function startByHand(): Promise<Stop> {
  const own = new Redis(url, { maxRetriesPerRequest: null })
  const stop = await startBullmq(async (n, id) => {
    countHandled()
    const result = { ok: true, n }
    await own.set(`${PREFIX}:result:${id}`, JSON.stringify(result), 'EX', 86_400)
    await own.hincrby(`${PREFIX}:totals`, 'handled', 1)
    return result
  })
  return () => stop().finally(() => own.disconnect())
}

async function preload(): Promise<void> {
  if (kind === 'drover') {
    const producer = createProducer({ redis: url, timeout: '60s' })
    await producer.enqueueBulk(work, inputs(jobs))
    await producer.close()
    return
  }
  const queue = new Queue(QUEUE, { connection: redis, prefix: PREFIX })
  let chunk: Parameters<Queue['addBulk']>[0] = []
  for (const data of inputs(jobs)) {
    chunk.push({ name: 'work', data, opts: { jobId: `job-${data.n}`, attempts: work.attempts, backoff: 1_000 } })
    if (chunk.length < 500 && data.n < jobs - 1) continue
    await queue.addBulk(chunk)
    chunk = []
  }
}

/** Resolves when every job has left the active list: finished, not only handled. */
async function untilFinished(): Promise<void> {
  for (;;) {
    if (handled >= jobs && (await redis.llen(`${PREFIX}:${QUEUE}:active`)) === 0) return
    await new Promise((resolve) => setTimeout(resolve, handled >= jobs ? 0 : 2))
  }
}

await redis.flushall()
await preload()
const bare = () =>
  startBullmq(async (n) => {
    countHandled()
    return { ok: true, n }
  })
const stop = await (kind === 'drover' ? startDrover() : kind === 'by-hand' ? startByHand() : bare())
await untilFinished()
if (!started) throw new Error('no job was handled')
const seconds = (performance.now() - started.at) / 1_000
const cpu = process.cpuUsage(started.cpu)
const redisCpu = (await redisCpuSeconds(redis)) - (await started.redisCpu)
await stop()
redis.disconnect()
console.log(
  JSON.stringify({
    perSecond: measured / seconds,
    nodeMicros: (cpu.user + cpu.system) / measured,
    redisMicros: (redisCpu * 1e6) / measured,
  }),
)
