// Steering over the HTTP API: workers that are told what to do, and job names that are paused.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createProducer } from '../../src/producer/index.js'
import { createWorker, handle, type Worker } from '../../src/worker/index.js'
import { greet, mail, useHttpApis } from '../support/http-api.js'
import { PATIENCE } from '../support/until.js'
import { collectLog } from '../support/worker.js'

const apis = useHttpApis()
const workers: Worker[] = []
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.close()
})

async function start(): Promise<Worker> {
  const handlers = [handle(greet, () => ({ text: 'hello' })), handle(mail, () => null)]
  const worker = await createWorker({ redis: apis.redis().url, handlers, logger: collectLog().logger })
  workers.push(worker)
  return worker
}

describe('a worker', () => {
  it('is listed with what it handles, follows its orders, and is left alone by wrong ones', async () => {
    const api = await apis.start()
    const worker = await start()
    await vi.waitFor(
      async () => expect((await api.get<{ workers: object[] }>('/v1/workers')).workers).toHaveLength(1),
      PATIENCE,
    )
    const [listed] = (await api.get<{ workers: { id: string; queues: object[] }[] }>('/v1/workers')).workers
    expect(listed).toMatchObject({ id: worker.id, pid: process.pid })
    expect(listed?.queues).toContainEqual({ queue: 'mail', concurrency: 10, running: 0, handles: { 'mail.send': 1 } })
    const tell = async (path: string, body?: unknown) => {
      const answer = await api.post(`/v1/workers/${path}`, body)
      return [answer.status, answer.json()] as const
    }
    expect(await tell('all/quiet')).toEqual([200, { action: 'quiet', told: [worker.id] }])
    await vi.waitFor(() => expect(worker.state).toBe('quiet'), PATIENCE)
    const order = { queue: 'mail', jobs: 3 }
    expect(await tell(`${worker.id}/concurrency`, order)).toEqual([200, { action: 'concurrency', told: [worker.id] }])
    expect(await tell(`${worker.id}/resume`)).toMatchObject([200, {}])
    await vi.waitFor(() => expect(worker.state).toBe('run'), PATIENCE)
    expect(await tell('all/drain')).toEqual([200, { action: 'drain', told: [worker.id] }])
    await vi.waitFor(async () => {
      const queues = [{ running: 0 }, { running: 0 }]
      expect((await api.get<{ workers: object[] }>('/v1/workers')).workers).toMatchObject([{ state: 'quiet', queues }])
    }, PATIENCE)
    expect(await tell(`${worker.id}/quite`)).toMatchObject([422, { code: 'INVALID_OPTION' }])
    expect((await tell(`${worker.id}/quite`))[1]).toMatchObject({
      detail: expect.stringContaining('did you mean quiet?'),
    })
    expect(await tell('nobody/quiet')).toMatchObject([404, { code: 'NOT_FOUND' }])
    expect(await tell('all/concurrency', { queue: 'mail', jobs: 0 })).toMatchObject([422, { code: 'INVALID_OPTION' }])
    expect(await tell('all/concurrency', { queue: 'other', jobs: 1 })).toMatchObject([404, { code: 'NOT_FOUND' }])
    expect(await tell('all/concurrency', { queu: 'mail' })).toMatchObject([422, { code: 'UNKNOWN_OPTION' }])
    const limited = await apis.token({ scopes: ['admin'], queues: ['mail'] })
    expect((await api.ask('/v1/workers', { token: limited })).json()).toEqual({ workers: [] })
    expect(await tell(`${worker.id}/close`)).toMatchObject([200, {}])
    await worker.closed
  })
})

describe('the limits of a queue', () => {
  it('are set, read with the keys in use, and left alone by wrong ones', async () => {
    const api = await apis.start()
    const limited = defineJob({ name: 'limited', queue: 'mail', input: z.object({}), limit: { concurrency: 1 } })
    const producer = createProducer({ redis: apis.redis().url })
    const job = await producer.enqueue(limited, {})
    const path = '/v1/queues/mail/limits'
    const headers = { 'content-type': 'application/json' }
    const put = async (body: unknown) => {
      const answer = await api.ask(path, { method: 'PUT', headers, body: JSON.stringify(body) })
      return [answer.status, answer.json()] as const
    }
    const rate = { limit: 9, windowMs: 1000 }
    expect(await put({ concurrency: 5, rate: { limit: 9, window: '1s' } })).toEqual([200, { concurrency: 5, rate }])
    const key = { id: 'limited:', key: '', job: 'limited', concurrency: 1, order: 'free', weight: 1 }
    const line = { rate: null, held: 0, parked: 1, waitsFor: 'worker', freeAt: null }
    expect(await api.get(path)).toEqual({
      ...{ concurrency: 5, rate, keys: 1, held: 0, parked: 1 },
      limits: [{ ...key, ...line }],
    })
    expect(await put({ concurrency: 0 })).toMatchObject([422, { code: 'INVALID_OPTION' }])
    expect(await put({ rate: 5 })).toMatchObject([422, { code: 'INVALID_OPTION' }])
    expect(await put({ rates: null })).toMatchObject([422, { code: 'UNKNOWN_OPTION' }])
    expect(await put({ rate: { limit: 1, window: 'soon' } })).toMatchObject([422, {}])
    expect(await put({ rate: null })).toEqual([200, { concurrency: 5, rate: null }])
    await producer.jobs.cancel(job)
    await producer.close()
  })
})

describe('a job name', () => {
  it('is paused and resumed, and its queue tells so', async () => {
    const api = await apis.start()
    await api.post('/v1/jobs', { job: 'greet', input: { name: 'Ada' } })
    expect((await api.post('/v1/queues/greetings/pause?job=greet')).status).toBe(204)
    expect(await api.get('/v1/queues/greetings')).toMatchObject({
      isPaused: false,
      pausedJobs: [{ job: 'greet', jobs: 0 }],
    })
    await start()
    await vi.waitFor(async () => {
      expect(await api.get('/v1/queues/greetings')).toMatchObject({
        pausedJobs: [{ job: 'greet', jobs: 1 }],
        counts: { waiting: 0, delayed: 1 },
      })
    }, PATIENCE)
    expect((await api.post('/v1/queues/greetings/resume?job=greet')).status).toBe(204)
    await vi.waitFor(async () => {
      expect(await api.get('/v1/queues/greetings')).toMatchObject({ pausedJobs: [], counts: { completed: 1 } })
    }, PATIENCE)
    expect((await api.post('/v1/queues/greetings/pause?job=a|b')).json()).toMatchObject({ code: 'INVALID_OPTION' })
    expect((await api.post('/v1/queues/greetings/pause?jobs=x')).json()).toMatchObject({ code: 'UNKNOWN_OPTION' })
  })
})
