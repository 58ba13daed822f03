// The HTTP API over a Redis cluster: every route reaches the slot of its queue.
import { expect, it } from 'vitest'
import { parseRedisUrl } from '../../src/redis/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { createHandled, greet, lookUp } from '../support/http-api.js'
import { startLoneClusterNode } from '../support/redis-topologies.js'
import { collectLog } from '../support/worker.js'

it('jobs, waits, bulks, batches, flows, schedules, caches, tags and counters work over HTTP on a cluster', async () => {
  const node = await startLoneClusterNode()
  const redis = node.url.replace('redis://', 'redis+cluster://')
  const { api, close } = await createHandled({ redis }, parseRedisUrl(redis))
  let runs = 0
  const worker = await createWorker({
    redis,
    handlers: [
      handle(greet, async ({ name }, ctx) => {
        ctx.counter('greeted').add()
        return { text: name }
      }),
      handle(lookUp, async () => ++runs),
    ],
    logger: collectLog().logger,
    shutdownTimeout: 0,
    allowVolatile: true,
  })
  try {
    const wait = { prefer: 'wait=50' }
    const one = { job: 'greet', input: { name: 'Ada' }, options: { tags: ['vip'] } }
    const queue = '/v1/queues/greetings'
    const put = { method: 'PUT', headers: { 'content-type': 'application/json' } }
    expect((await api.post('/v1/jobs', one, wait)).json()).toMatchObject({ value: { text: 'Ada' } })
    const keyed = await api.post('/v1/jobs', one, { ...wait, 'idempotency-key': 'k' })
    expect((await api.post('/v1/jobs', one, { ...wait, 'idempotency-key': 'k' })).json()).toEqual(keyed.json())
    for (const value of [1, 1]) {
      expect((await api.post('/v1/jobs', { job: 'look-up', input: { name: 'x' } }, wait)).json()).toMatchObject({
        value,
      })
    }
    expect(await api.get(`${queue}/cache/look-up`)).toMatchObject({ hits: 1, misses: 1 })
    const bulk = await api.ask('/v1/jobs/bulk', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${JSON.stringify(one)}\n${JSON.stringify({ job: 'mail.send', input: { to: 'x' } })}`,
    })
    expect(bulk.text).toContain('"summary":{"lines":2,"accepted":2')
    expect((await api.post(`${queue}/batches`, { id: 'b', jobs: [one, one] })).status).toBe(201)
    await expect.poll(() => api.get(`${queue}/batches/b`)).toMatchObject({ completed: 2 })
    const flow = { id: 'f', jobs: { a: { ...one, options: {} }, b: { ...one, options: {}, after: ['a'] } } }
    expect((await api.post('/v1/flows', flow)).status).toBe(201)
    await expect.poll(async () => (await api.ask(`${queue}/jobs/f.b/result`)).status).toBe(200)
    const schedule = JSON.stringify({ job: 'greet', input: { name: 'Eve' }, every: '30d' })
    expect((await api.ask(`${queue}/schedules/monthly`, { ...put, body: schedule })).status).toBe(201)
    expect((await api.post(`${queue}/schedules/monthly/run`)).status).toBe(201)
    expect((await api.get<{ jobs: object[] }>(`${queue}/tags/vip`)).jobs.length).toBeGreaterThan(3)
    expect((await api.get<{ queues: object[] }>('/v1/queues')).queues).toHaveLength(2)
    expect((await api.get<{ value: number }>(`${queue}/counters/greeted`)).value).toBeGreaterThan(3)
    const mixed = { jobs: { a: one, b: { job: 'mail.send', input: { to: 'x' }, after: ['a'] } } }
    const refused = await api.post('/v1/flows', { jobs: { ...mixed.jobs, a: flow.jobs.a } })
    expect(refused.json()).toMatchObject({ status: 422, code: 'INVALID_FLOW' })
  } finally {
    await worker.close()
    await close()
    await node.close()
  }
})
