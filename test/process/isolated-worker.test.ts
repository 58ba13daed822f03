// Isolated handlers of `drover worker`: TypeScript job files without a word about their file, and what becomes of a busy
// process when its worker ends in order or is killed.
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { buildDrover, isAlive, makeProject, type RunningCommand, startDrover } from '../support/drover-cli.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const JOBS = `
import { threadId } from 'node:worker_threads'
import { defineJob } from 'drover'
import { handle } from 'drover/worker'
import { z } from 'zod'
enum Kind { Thread = 'thread', Process = 'process' }
const contract = (name: string) => defineJob({ name, queue: 'isolated', input: z.object({ n: z.number() }), attempts: 2 })
const where = async ({ n }: { n: number }): Promise<object> => ({ n, pid: process.pid, threadId })
export const inThread = handle(contract('in-thread'), where, { isolate: Kind.Thread })
export const inProcess = handle(contract('in-process'), where, { isolate: Kind.Process })
export default handle(contract('busy'), async (_input, ctx) => {
  ctx.log.info({ pid: process.pid }, 'busy')
  await ctx.progress(1)
  for (;;);
}, { isolate: Kind.Process, killGrace: 100 })
`

let server: TestRedis
let producer: Producer
let redis: Redis
let cwd: string

beforeAll(async () => {
  await buildDrover()
  server = await startTestRedis()
  producer = createProducer({ redis: server.url, timeout: '60s' })
  redis = new Redis(server.url)
  cwd = makeProject({ 'jobs/isolated.ts': JOBS })
})
afterAll(async () => {
  await producer?.close()
  redis?.disconnect()
  await server?.close()
})

const contractOf = (name: string) =>
  defineJob({ name, queue: 'isolated', input: z.object({ n: z.number() }), attempts: 2 })

async function startWorker(): Promise<RunningCommand> {
  const words = ['worker', '--log-format', 'json', '--shutdown-timeout', '100ms']
  const worker = startDrover(words, { cwd, env: { REDIS_URL: server.url } })
  await worker.until(/worker ready/)
  return worker
}

/** Starts a handler that never ends by itself; its job and the pid of its process. */
async function startBusy(worker: RunningCommand): Promise<{ id: string; pid: number }> {
  const { id } = await producer.enqueue(contractOf('busy'), { n: 1 })
  const [, line = ''] = await worker.until(/\n([^\n]*"msg":"busy"[^\n]*)\n/)
  return { id, pid: (JSON.parse(line) as { pid: number }).pid }
}

it('TypeScript job files run in a thread and in a process, found by the glob they were loaded with', async () => {
  const worker = await startWorker()
  const run = async (name: string) => {
    const job = await producer.enqueue(contractOf(name), { n: 5 })
    const outcome = await producer.results.wait(job, { timeout: '60s' })
    return outcome.record.status === 'completed' ? (outcome.record.value as Record<string, number>) : outcome.record
  }
  const inThread = await run('in-thread')
  expect(inThread).toMatchObject({ n: 5, pid: worker.pid })
  expect(inThread).not.toMatchObject({ threadId: 0 })
  const inProcess = await run('in-process')
  expect(inProcess).toMatchObject({ n: 5, threadId: 0 })
  expect(inProcess).not.toMatchObject({ pid: worker.pid })
  worker.kill('SIGTERM')
  expect((await worker.finished).code).toBe(0)
  await until('its idle process is gone', () => !isAlive((inProcess as { pid: number }).pid))
})

it('a worker that shuts down ends its busy process and hands the job back', async () => {
  const worker = await startWorker()
  const { id, pid } = await startBusy(worker)
  worker.kill('SIGTERM')
  expect((await worker.finished).code).toBe(0)
  await until('its busy process is gone', () => !isAlive(pid))
  const { bullBase } = queueKeys('drover', 'isolated')
  expect(await redis.lrange(`${bullBase}wait`, 0, -1)).toEqual([id])
  expect(await redis.hget(`${bullBase}${id}`, 'atm')).toBeNull()
  await redis.del(`${bullBase}wait`)
})

it('the busy process of a worker that is killed does not outlive it', async () => {
  const worker = await startWorker()
  const { pid } = await startBusy(worker)
  worker.kill('SIGKILL')
  await worker.finished
  await until('it is gone', () => !isAlive(pid))
})
