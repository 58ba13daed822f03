// One measurement of jobs under a limit by key, in a process of its own: `limited.ts KIND JOBS REDIS_URL`. KIND is bare
// (Drover's same contract without the limit) or drover (two jobs at once of each of 10,000 keys).
import { createProducer, defineJob } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { z } from 'zod'
import { KEEP_COMPLETED, PREFIX, QUEUE, redisCpuSeconds } from './shared.js'

const KEYS = 10_000
const CONCURRENCY = 100
const [kind = 'bare', jobsText = '20000', url = ''] = process.argv.slice(2)
const measured = Number(jobsText)
/** Jobs before the clock starts: connections are open and the code is compiled then. */
const warmUp = Math.min(2_000, measured)
const jobs = warmUp + measured
const input = z.object({ n: z.number(), tenant: z.string() })
const plain = { name: 'work', queue: QUEUE, input, attempts: 3 }
const work = kind === 'drover' ? defineJob({ ...plain, limit: { key: 'tenant', concurrency: 2 } }) : defineJob(plain)
const redis = new Redis(url, { maxRetriesPerRequest: null })
await redis.flushall()

const producer = createProducer({ redis: url, timeout: '60s' })
const enqueueStarted = performance.now()
await producer.enqueueBulk(
  work,
  Array.from({ length: jobs }, (_, n) => ({ n, tenant: `tenant-${n % KEYS}` })),
)
const enqueueSeconds = (performance.now() - enqueueStarted) / 1_000
await producer.close()

let handled = 0
let started: { at: number; cpu: NodeJS.CpuUsage; redisCpu: Promise<number> } | undefined
const worker = await createWorker({
  redis: url,
  handlers: [
    handle(work, async ({ n }) => {
      if (++handled === warmUp) {
        started = { at: performance.now(), cpu: process.cpuUsage(), redisCpu: redisCpuSeconds(redis) }
      }
      return { ok: true, n }
    }),
  ],
  concurrency: CONCURRENCY,
  keepCompleted: KEEP_COMPLETED,
  logger: pino({ level: 'error' }),
})
// Until every job is finished, not only handled.
while (handled < jobs || (await redis.llen(`${PREFIX}:${QUEUE}:active`)) > 0) {
  await new Promise((resolve) => setTimeout(resolve, handled >= jobs ? 0 : 2))
}
if (!started) throw new Error('no job was handled')
const seconds = (performance.now() - started.at) / 1_000
const cpu = process.cpuUsage(started.cpu)
const redisCpu = (await redisCpuSeconds(redis)) - (await started.redisCpu)
await worker.close()
redis.disconnect()
console.log(
  JSON.stringify({
    perSecond: measured / seconds,
    enqueuedPerSecond: jobs / enqueueSeconds,
    nodeMicros: (cpu.user + cpu.system) / measured,
    redisMicros: (redisCpu * 1e6) / measured,
  }),
)
