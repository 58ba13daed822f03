// One measurement of enqueueing, in a process of its own: `enqueue.ts KIND MODE JOBS REDIS_URL`.
// KIND is bare or drover; MODE is single (100 calls in flight), bulk (chunks of 500) or keyed (as single, where bare is
// Drover without an idempotency key, and drover gives each job one).
import { Queue } from 'bullmq'
import { createProducer } from 'drover'
import { Redis } from 'ioredis'
import { inputs, PREFIX, QUEUE, redisCpuSeconds, work } from './shared.js'

const IN_FLIGHT = 100
const CHUNK = 500
const [kind = 'bare', mode = 'single', jobsText = '10000', url = ''] = process.argv.slice(2)
const measured = Number(jobsText)
const warmUp = Math.min(2_000, measured)
const redis = new Redis(url, { maxRetriesPerRequest: null })

type Enqueue = {
  one(n: number, input: object): Promise<unknown>
  bulk(count: number): Promise<unknown>
  close(): Promise<unknown>
}

function createDrover(isKeyed: boolean): Enqueue {
  const producer = createProducer({ redis: url, timeout: '60s' })
  return {
    one: (n, input) =>
      producer.enqueue(work, input as { n: number; text: string }, isKeyed ? { key: `k${runs}-${n}` } : undefined),
    bulk: (count) => producer.enqueueBulk(work, inputs(count), { chunkSize: CHUNK }),
    close: () => producer.close(),
  }
}

function createBare(): Enqueue {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const queue = new Queue(QUEUE, { connection, prefix: PREFIX })
  let ids = 0
  const options = () => ({ jobId: `job-${ids++}`, attempts: work.attempts, backoff: 1_000 })
  return {
    one: (_n, input) => queue.add('work', input, options()),
    async bulk(count) {
      let chunk: Parameters<Queue['addBulk']>[0] = []
      for (const data of inputs(count)) {
        chunk.push({ name: 'work', data, opts: options() })
        if (chunk.length < CHUNK && data.n < count - 1) continue
        await queue.addBulk(chunk)
        chunk = []
      }
    },
    close: () => queue.close().finally(() => connection.disconnect()),
  }
}

let runs = 0

async function run(enqueue: Enqueue, count: number): Promise<void> {
  runs++
  if (mode === 'bulk') {
    await enqueue.bulk(count)
    return
  }
  const source = inputs(count)
  const lane = async () => {
    for (const input of source) await enqueue.one(input.n, input)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
}

await redis.flushall()
const isKeyed = mode === 'keyed'
const enqueue = isKeyed || kind === 'drover' ? createDrover(isKeyed && kind === 'drover') : createBare()
await run(enqueue, warmUp)
const redisBefore = await redisCpuSeconds(redis)
const cpuBefore = process.cpuUsage()
const startedAt = performance.now()
await run(enqueue, measured)
const seconds = (performance.now() - startedAt) / 1_000
const cpu = process.cpuUsage(cpuBefore)
const redisCpu = (await redisCpuSeconds(redis)) - redisBefore
const waiting = await redis.llen(`${PREFIX}:${QUEUE}:wait`)
if (waiting !== warmUp + measured) throw new Error(`${waiting} jobs are waiting, ${warmUp + measured} were enqueued`)
await enqueue.close()
redis.disconnect()
console.log(
  JSON.stringify({
    perSecond: measured / seconds,
    nodeMicros: (cpu.user + cpu.system) / measured,
    redisMicros: (redisCpu * 1e6) / measured,
  }),
)
