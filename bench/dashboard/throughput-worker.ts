// The worker of the bench "dashboard throughput", in a process of its own, so that neither the tabs nor the dashboard take its
// thread: `throughput-worker.ts REDIS_URL`. Sent `{ jobs }`, it enqueues that many while it is quiet, and answers `ready`;
// sent `go`, it works them, and answers how fast it did.
import { createProducer } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { inputs, QUEUE, redisCpuSeconds, work } from '../scenarios/shared.js'

export interface Worked {
  readonly perSecond: number
  /** Microseconds of CPU per job: of the worker's process, and of Redis for whoever asked it meanwhile. */
  readonly nodeMicros: number
  readonly redisMicros: number
}

const CONCURRENCY = 100
const url = process.argv[2] ?? ''
const redis = new Redis(url, { maxRetriesPerRequest: null })
const producer = createProducer({ redis: url, timeout: '60s' })
let handled = 0
const handler = handle(work, (input, ctx) => {
  handled++
  ctx.counter('handled').add(1)
  return { ok: true, n: input.n }
})
const worker = await createWorker({
  redis: url,
  handlers: [handler],
  concurrency: CONCURRENCY,
  logger: pino({ level: 'error' }),
})

async function workAll(jobs: number): Promise<Worked> {
  const before = { at: performance.now(), node: process.cpuUsage(), redis: await redisCpuSeconds(redis) }
  worker.resume()
  while (handled < jobs || (await redis.llen(`{drover:${QUEUE}}:${QUEUE}:active`)) > 0) {
    await new Promise((resolve) => setTimeout(resolve, handled < jobs ? 5 : 0))
  }
  const seconds = (performance.now() - before.at) / 1_000
  const node = process.cpuUsage(before.node)
  const redisCpu = (await redisCpuSeconds(redis)) - before.redis
  worker.quiet()
  return {
    perSecond: jobs / seconds,
    nodeMicros: (node.user + node.system) / jobs,
    redisMicros: (redisCpu * 1e6) / jobs,
  }
}

process.on('disconnect', () => {
  void Promise.all([worker.close(), producer.close()]).then(() => redis.disconnect())
})
let jobs = 0
process.on('message', (message: { readonly jobs: number } | 'go') => void answer(message))
worker.quiet()
process.send?.('started')

async function answer(message: { readonly jobs: number } | 'go'): Promise<void> {
  if (message === 'go') {
    process.send?.(await workAll(jobs))
    return
  }
  jobs = message.jobs
  // One that was asked for before the worker became quiet may come still.
  handled = 0
  await producer.enqueueBulk(work, inputs(jobs))
  process.send?.('ready')
}
