// A real worker process behind a TCP proxy that does to its connections all that it can: each time the worker takes jobs
// again by itself, in the same process, and nothing is counted twice.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob, type Producer } from '../../src/index.js'
import { type FaultOrMode, type FaultProxy, startFaultProxy } from '../../src/testing/index.js'
import { buildDrover, makeProject, type RunningCommand, startDrover } from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'
import { parseMetrics, sampleValue } from '../support/metrics-text.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const greet = defineJob({ name: 'greet', queue: 'greetings', input: z.object({ name: z.string() }) })
const LONG_MS = 120_000

let redis: TestRedis
let proxy: FaultProxy
let producer: Producer
let worker: RunningCommand
let port: string
let enqueued = 0

beforeAll(async () => {
  await buildDrover()
  redis = await startTestRedis()
  proxy = await startFaultProxy({ target: redis.url })
  producer = createProducer({ redis: redis.url, timeout: '60s' })
  const env = { REDIS_URL: proxy.url, DROVER_QUEUES: 'greetings' }
  worker = startDrover(['worker', '--health-port', '0'], { cwd: makeProject(GREETING_FILES), env })
  const [, found = ''] = await worker.until(/"port":(\d+),"msg":"health checks/)
  port = found
  await worker.until(/"msg":"worker ready"/)
})
afterAll(async () => {
  await producer.close()
  await proxy.close()
  await redis.close()
})

async function enqueue() {
  enqueued++
  return producer.enqueue(greet, { name: 'Ada' })
}

const ends = async (job: { queue: string; id: string }) => {
  expect(await producer.results.wait(job as never, { timeout: `${LONG_MS}ms` })).toMatchObject({ ok: true })
}
const statusOf = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status

// Faults that end by themselves, and faults that last until they are taken away.
const PASSING: [what: string, fault: FaultOrMode, scope: 'all' | 'open'][] = [
  ['its connections fall silent and new ones pass (half-open)', 'silent', 'open'],
  ['all its connections are cut', 'cut', 'open'],
  ['each connection is cut in the middle of a reply', { mode: 'cut', afterBytes: 7 }, 'open'],
  ['each connection is cut in the middle of a request', { mode: 'cut', afterBytes: 7, of: 'requests' }, 'open'],
  ['replies to three scripts are lost', { mode: 'dropReply', matching: 'EVALSHA', count: 3 }, 'all'],
  ['replies to three commits are lost', { mode: 'dropReply', matching: 'FCALL', count: 3 }, 'all'],
  ['the replies to two blocking reads are lost', { mode: 'dropReply', matching: 'BZPOPMIN', count: 2 }, 'all'],
  ['everything comes late and in drops', { mode: 'throttle', delayMs: 50, bytesPerSecond: 20_000 }, 'all'],
]

it.each(PASSING)('when %s, it takes the next job by itself', { timeout: LONG_MS }, async (_what, fault, scope) => {
  await ends(await enqueue())
  proxy.set(fault, scope)
  await ends(await enqueue())
  proxy.set('pass')
  await ends(await enqueue())
})

const LASTING: [what: string, fault: FaultOrMode][] = [
  ['Redis is silent', 'silent'],
  ['every connection is cut as it comes', 'cut'],
  ['every connection is cut after some replies', { mode: 'cut', afterBytes: 200 }],
]

it.each(LASTING)(
  'while %s it is live and not ready, and takes jobs again once that ends',
  { timeout: LONG_MS },
  async (_what, fault) => {
    proxy.set(fault)
    await until('it says that it is not ready', async () => (await statusOf('/readyz')) === 503)
    expect(await statusOf('/livez')).toBe(200)
    const job = await enqueue()
    proxy.set('pass')
    await ends(job)
    await until('it is ready', async () => (await statusOf('/readyz')) === 200)
  },
)

it('it is the process that was started, and each job counted once', { timeout: LONG_MS }, async () => {
  expect(await redis.cli('GET', '{drover:greetings}:counter:greeted')).toBe(String(enqueued))
  const samples = parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
  expect(sampleValue(samples, 'drover_worker_redis_up')).toBe(1)
  expect(sampleValue(samples, 'drover_worker_info', { pid: String(worker.pid) })).toBe(1)
  worker.kill('SIGTERM')
  expect(await worker.finished).toMatchObject({ code: 0 })
  await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow()
})
