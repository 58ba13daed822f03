// What a worker answers to /livez, /readyz and /metrics.
import { request } from 'node:http'
import { Queue } from 'bullmq'
import { expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob, InvalidOptionError, PortInUseError } from '../../src/job/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { handle, PermanentError, retryIn, startHealthServer, type Worker } from '../../src/worker/index.js'
import { parseMetrics, sampleValue } from '../support/metrics-text.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })

interface Asked {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, unknown>>
}

function ask(port: number, path: string, { method = 'GET', host = `127.0.0.1:${port}` } = {}): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, method, headers: { Host: host }, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }))
    })
    asked.on('error', reject).end()
  })
}

function serve(worker: Worker) {
  const read = async (question: object) => [{ process: 1, health: await worker.health(question), silentMs: 0 }]
  return startHealthServer({ port: 0, read })
}

it('jobs that completed, failed and were retried are in /metrics by queue and job, with their times, and those that wait', async () => {
  const good = defineJob({ name: 'good', queue: 'counted', input, attempts: 3 })
  const bad = defineJob({ name: 'bad', queue: 'counted', input })
  const gate = createGate()
  const worker = await shop.work(
    [
      handle(good, async ({ n }, ctx) => {
        if (n === 1 && ctx.attempt === 1) throw retryIn('1ms')
        if (n === 3) await gate.promise
      }),
      handle(bad, () => {
        throw new PermanentError('no')
      }),
    ],
    { concurrency: 1 },
  )
  const server = await serve(worker)
  const jobs = await Promise.all([1, 2].map((n) => shop.producer.enqueue(good, { n })))
  for (const job of [...jobs, await shop.producer.enqueue(bad, { n: 1 })]) await shop.end(job)
  // What others enqueue makes no series of its own, whatever it is called.
  const queue = new Queue('counted', { connection: shop.redis as never, prefix: shop.keys('counted').bull })
  const alien = await queue.add('"} 1\nevil_total 5', {}, { jobId: 'alien' })
  await shop.end({ queue: 'counted', id: String(alien.id) })
  await shop.producer.enqueue(good, { n: 3 })
  await vi.waitFor(() => expect(worker.running).toBe(1), PATIENCE)
  for (let n = 10; n < 13; n++) await shop.producer.enqueue(good, { n })

  const { status, text, headers } = await ask(server.port, '/metrics')
  expect(status).toBe(200)
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(text).not.toContain('evil')
  const samples = parseMetrics(text)
  const of = (name: string, labels = {}) => sampleValue(samples, name, { process: '1', ...labels })
  expect(of('drover_worker_jobs_completed_total', { queue: 'counted', job: 'good' })).toBe(2)
  expect(of('drover_worker_attempts_retried_total', { job: 'good' })).toBe(1)
  expect(of('drover_worker_jobs_failed_total', { job: 'bad' })).toBe(1)
  expect(of('drover_worker_jobs_failed_total', { job: '(no handler)' })).toBe(1)
  expect(of('drover_worker_job_run_seconds_count', { job: 'good' })).toBe(2)
  expect(of('drover_worker_job_wait_seconds_count', { job: 'good' })).toBe(1)
  expect(of('drover_worker_running_jobs', { queue: 'counted' })).toBe(1)
  expect(of('drover_worker_concurrency', { queue: 'counted' })).toBe(1)
  expect(of('drover_worker_rebuilds_total', { queue: 'counted' })).toBe(0)
  expect(of('drover_worker_redis_up')).toBe(1)
  expect(of('drover_worker_resident_memory_bytes')).toBeGreaterThan(1e7)
  expect(of('drover_worker_state', { state: 'run' })).toBe(1)
  expect(sampleValue(samples, 'drover_queue_jobs', { queue: 'counted', state: 'waiting' })).toBe(3)
  expect(sampleValue(samples, 'drover_queue_jobs', { state: 'active' })).toBe(1)
  expect(sampleValue(samples, 'drover_queue_oldest_waiting_seconds')).toBeGreaterThan(0)
  gate.open()
  await queue.close()
  await server.close()
})

it('/readyz is 503 while the worker is quiet, when Redis is silent or gone, and once it closes; /livez stays 200', async () => {
  const contract = defineJob({ name: 'job', queue: 'ready', input })
  const proxy = await startFaultProxy({ target: shop.server.url })
  const worker = await shop.work([handle(contract, () => undefined)], { redis: proxy.url })
  const server = await serve(worker)
  const reasons = async () => {
    const { status, text } = await ask(server.port, '/readyz')
    expect((await ask(server.port, '/livez')).status).toBe(200)
    return [status, ...(JSON.parse(text) as { problems: { reason: string }[] }).problems.map(({ reason }) => reason)]
  }
  await expect.poll(reasons).toEqual([200])
  worker.quiet()
  await expect.poll(reasons).toEqual([503, 'it is quiet'])
  worker.resume()
  await expect.poll(reasons).toEqual([200])
  for (const fault of ['silent', 'cut'] as const) {
    proxy.set(fault)
    expect(await reasons()).toEqual([503, 'Redis does not answer'])
    const { text } = await ask(server.port, '/metrics')
    expect(sampleValue(parseMetrics(text), 'drover_worker_redis_up')).toBe(0)
    proxy.set('pass')
    await vi.waitFor(async () => expect(await reasons()).toEqual([200]), PATIENCE)
  }
  const closing = worker.close()
  expect(await reasons()).toEqual([503, 'it closes'])
  await closing
  await server.close()
  await proxy.close()
})

it('a process that is stuck, or has not answered for 30 s, is not live; one that starts is live and not ready', async () => {
  const contract = defineJob({ name: 'job', queue: 'stuck', input })
  const worker = await shop.work([handle(contract, () => undefined)])
  const health = await worker.health()
  const stuck = { ...health, queues: health.queues.map((queue) => ({ ...queue, isStuck: true })) }
  let now: { health: typeof health | undefined; silentMs: number } = { health: undefined, silentMs: 0 }
  const server = await startHealthServer({ port: 0, read: async () => [{ process: 2, ...now }] })
  const statuses = async () => [(await ask(server.port, '/livez')).status, (await ask(server.port, '/readyz')).status]
  expect(await statuses()).toEqual([200, 503])
  now = { health: undefined, silentMs: 29_999 }
  expect(await statuses()).toEqual([200, 503])
  now = { health: undefined, silentMs: 30_000 }
  expect(await statuses()).toEqual([503, 503])
  now = { health: stuck, silentMs: 0 }
  expect(await statuses()).toEqual([503, 503])
  const { text } = await ask(server.port, '/livez')
  const reason = 'it takes nothing from stuck although Redis answers'
  expect(JSON.parse(text)).toEqual({ status: 'not ok', processes: 1, problems: [{ process: 2, reason }] })
  now = { health, silentMs: 0 }
  expect(await statuses()).toEqual([200, 200])
  await server.close()
})

it('other hosts, methods and paths are refused, and so is a port or host that cannot be had', async () => {
  const server = await startHealthServer({ port: 0, read: async () => [] })
  const { port } = server
  for (const host of ['localhost', `LOCALHOST:${port}`, '127.0.0.1', `[::1]:${port}`]) {
    expect((await ask(port, '/metrics', { host })).status).toBe(200)
  }
  for (const host of ['evil.example', `localhost.evil.example:${port}`, '127.0.0.1.evil.example', '10.0.0.1']) {
    expect((await ask(port, '/metrics', { host })).status).toBe(403)
  }
  expect((await ask(port, '/metrics', { method: 'HEAD' })).text).toBe('')
  expect(await ask(port, '/metrics', { method: 'POST' })).toMatchObject({
    status: 405,
    headers: { allow: 'GET, HEAD' },
  })
  for (const path of ['/', '/metrics/', '/METRICS', '/livez/..', '//metrics', '/%6Civez']) {
    const { status, text, headers } = await ask(port, path)
    expect([status, headers['content-type']]).toEqual([404, 'application/problem+json'])
    expect(JSON.parse(text)).toMatchObject({ type: 'about:blank', title: 'Not Found', status, code: 'NOT_FOUND' })
  }
  expect((await ask(port, '/metrics?x=1')).status).toBe(200)
  await expect(startHealthServer({ port, read: async () => [] })).rejects.toThrow(PortInUseError)
  await expect(startHealthServer({ port: 0, host: 'no.such.invalid', read: async () => [] })).rejects.toThrow(
    InvalidOptionError,
  )
  await server.close()
})
