// A worker process that is told to close ends by itself, whatever Redis does: no timer and no socket keeps it alive.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { buildDrover } from '../support/drover-cli.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const SCRIPT = fileURLToPath(new URL('../support/worker-script.mjs', import.meta.url))
const input = z.object({ ms: z.number(), deaf: z.boolean().optional() })
let server: TestRedis
let producer: Producer
const running = new Set<ChildProcess>()

beforeAll(async () => {
  await buildDrover()
  server = await startTestRedis()
  producer = createProducer({ redis: server.url, timeout: '60s' })
})
afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
})
afterAll(async () => {
  await producer.close()
  await server.close()
})

interface Script {
  readonly lines: Record<string, unknown>[]
  readonly process: ChildProcess
  /** Waits for a line with this field. */
  line(field: string): Promise<Record<string, unknown>>
  close(): void
  readonly ended: Promise<number | null>
}

function startScript(queue: string, shutdownTimeout: string): Script {
  const child = spawn(process.execPath, [SCRIPT, server.url, queue, shutdownTimeout], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  const lines: Record<string, unknown>[] = []
  const reader = createInterface({ input: child.stdout }).on('line', (text) => lines.push(JSON.parse(text)))
  const line = async (field: string) => {
    for (;;) {
      const found = lines.find((entry) => field in entry)
      if (found) return found
      if (child.exitCode !== null) throw new Error(`the worker ended without ${field}: ${JSON.stringify(lines)}`)
      await Promise.race([once(reader, 'line'), once(child, 'exit')])
    }
  }
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  return { lines, process: child, line, ended, close: () => child.stdin?.write('close\n') }
}

const contractOf = (queue: string) => defineJob({ name: 'wait', queue, input })

it('an idle worker ends, and so does one that has just finished its last job', async () => {
  const worker = startScript('idle', '25s')
  await worker.line('ready')
  const job = await producer.enqueue(contractOf('idle'), { ms: 200 })
  await worker.line('started')
  worker.close()
  expect(await worker.ended).toBe(0)
  expect(await worker.line('closed')).toEqual({ closed: { handedBack: 0, abandoned: 0 }, same: true })
  expect(await producer.results.get(job)).toMatchObject({ status: 'completed', value: 'done' })
})

it('a worker whose job ignores its signal hands the job back and ends as soon as that lets go', async () => {
  const worker = startScript('deaf', '100ms')
  await worker.line('ready')
  await producer.enqueue(contractOf('deaf'), { ms: 1_000, deaf: true })
  await worker.line('started')
  worker.close()
  expect(await worker.line('closed')).toMatchObject({ closed: { handedBack: 1, abandoned: 0 } })
  expect(await worker.ended).toBe(0)
})

it('a worker with a running job ends when Redis is gone', async () => {
  const worker = startScript('gone', '100ms')
  await worker.line('ready')
  await producer.enqueue(contractOf('gone'), { ms: 60_000 })
  await worker.line('started')
  await server.kill('SIGKILL')
  worker.close()
  expect(await worker.line('closed')).toEqual({ closed: { handedBack: 0, abandoned: 1 }, same: true })
  expect(await worker.ended).toBe(0)
  await server.restart()
})

it('a worker with a running job, and one whose commit waits, ends when Redis is silent; the commit counts once or not at all', async () => {
  const worker = startScript('silent', '500ms')
  await worker.line('ready')
  await producer.enqueue(contractOf('silent'), { ms: 60_000 })
  const job = await producer.enqueue(contractOf('silent'), { ms: 300 }, { id: 'short' })
  await worker.line('started')
  await server.kill('SIGSTOP')
  worker.close()
  expect(await worker.line('closed')).toMatchObject({ closed: { handedBack: 0 }, same: true })
  expect(await worker.ended).toBe(0)
  await server.kill('SIGCONT')
  // Redis has done by then what it was sent while it stood still.
  await server.cli('PING')
  const record = await producer.results.get(job)
  const totals = await server.cli('HGETALL', '{drover:silent}:totals')
  expect([record?.status ?? 'none', totals]).toEqual(record ? ['completed', 'wait:completed\n1'] : ['none', ''])
})
