// The HTTP API on real Redis: enqueue one, read it, wait for it, cancel, retry, delete.
import { describe, expect, it } from 'vitest'
import { createProducer } from '../../src/producer/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { greet, mail, useHttpApis } from '../support/http-api.js'
import { collectLog } from '../support/worker.js'

const apis = useHttpApis()
const JSON_TYPE = { 'content-type': 'application/json' }

interface Enqueued {
  readonly id: string
  readonly job: string
  readonly queue: string
}

async function work(handlers: Parameters<typeof createWorker>[0]['handlers']) {
  return createWorker({
    redis: apis.redis().url,
    handlers,
    logger: collectLog().logger,
    shutdownTimeout: 0,
    allowVolatile: true,
  } as never)
}

describe('POST /v1/jobs', () => {
  it('enqueues a job that the producer finds, and says where it is', async () => {
    const api = await apis.start()
    const answer = await api.post('/v1/jobs', {
      job: 'greet',
      input: { name: 'Ada' },
      options: { delay: '1h', priority: 3 },
    })
    expect(answer.status).toBe(201)
    const { id, job, queue } = answer.json<Enqueued>()
    expect({ job, queue }).toEqual({ job: 'greet', queue: 'greetings' })
    expect(answer.headers.location).toBe(`/v1/queues/greetings/jobs/${id}`)
    const found = await api.get(`/v1/queues/greetings/jobs/${id}`)
    expect(found).toMatchObject({
      id,
      job: 'greet',
      state: 'delayed',
      input: { name: 'Ada' },
      delayMs: 3_600_000,
      priority: 3,
      attempts: 0,
      result: null,
    })
  })

  it('gives the place of a job below the path that the router is mounted at', async () => {
    const api = await apis.start({}, { at: '/jobs-api' })
    const answer = await api.post('/v1/jobs', { job: 'greet', input: { name: 'Ada' }, options: { delay: '1h' } })
    expect(answer.headers.location).toMatch(/^\/jobs-api\/v1\/queues\/greetings\/jobs\/\w+$/)
    expect((await api.ask('/openapi.json')).json<{ openapi: string }>().openapi).toBe('3.1.0')
    expect((await api.ask('/elsewhere')).status).toBe(418)
  })

  it('holds the answer back for the result with Prefer: wait, also of a job that fails', async () => {
    const api = await apis.start()
    await using _worker = await work([
      handle(greet, async ({ name }) => ({ text: `Hello, ${name}!` })),
      handle(mail, async () => {
        throw new Error('no such mailbox')
      }),
    ])
    const wait = { prefer: 'respond-async, wait=50' }
    const done = await api.post('/v1/jobs', { job: 'greet', input: { name: 'Ada' } }, wait)
    expect(done.status).toBe(200)
    expect(done.headers['preference-applied']).toBe('wait=50')
    expect(done.json()).toMatchObject({ status: 'completed', value: { text: 'Hello, Ada!' } })
    const failed = await api.post('/v1/jobs', { job: 'mail.send', input: { to: 'x' } }, wait)
    expect(failed.json()).toMatchObject({ status: 'failed', error: { name: 'Error', message: 'no such mailbox' } })
    expect(failed.text).not.toContain('stack')
    const { id } = failed.json<{ id: string }>()
    expect(await api.get(`/v1/queues/mail/jobs/${id}/result`)).toEqual(failed.json())
  })

  it('answers without the result when the job does not end in time', async () => {
    const api = await apis.start()
    const body = { job: 'greet', input: { name: 'Ada' }, options: { delay: '1h' } }
    const answer = await api.post('/v1/jobs', body, { prefer: 'wait=0' })
    expect(answer.status).toBe(201)
    const { id } = answer.json<Enqueued>()
    const asked = await api.ask(`/v1/queues/greetings/jobs/${id}/result`, { headers: { prefer: 'wait=0' } })
    expect(asked.status).toBe(202)
    expect(asked.json()).toEqual({ id, job: 'greet', queue: 'greetings', state: 'delayed' })
  })

  it('answers at once when more wait for results than are allowed', async () => {
    const api = await apis.start({ maxWaits: 0 })
    const body = { job: 'greet', input: { name: 'Ada' }, options: { delay: '1h' } }
    const answer = await api.post('/v1/jobs', body, { prefer: 'wait=60' })
    expect(answer.status).toBe(201)
    expect(answer.headers['preference-applied']).toBeUndefined()
  })

  it('gives the same job for the same Idempotency-Key and input, and refuses another input', async () => {
    const api = await apis.start()
    const key = { 'idempotency-key': 'welcome:ada@example.com' }
    const body = (name: string) => ({ job: 'greet', input: { name }, options: { delay: '1h' } })
    const answers = await Promise.all([api.post('/v1/jobs', body('Ada'), key), api.post('/v1/jobs', body('Ada'), key)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 201])
    const [one, other] = answers.map((answer) => answer.json<Enqueued>())
    expect(one).toEqual(other)
    const conflict = await api.post('/v1/jobs', body('Grace'), key)
    expect(conflict.status).toBe(409)
    expect(conflict.json()).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', jobId: one?.id })
  })
})

describe('a job', () => {
  const enqueue = async (api: Awaited<ReturnType<typeof apis.start>>, options: object = {}) =>
    (await api.post('/v1/jobs', { job: 'mail.send', input: { to: 'ada' }, options })).json<Enqueued>().id

  it.each([
    ['waiting', {}],
    ['delayed', { delay: '1h' }],
    ['prioritized', { priority: 5 }],
  ])('that is %s is cancelled: it leaves its queue, and who waits for it hears of it', async (state, options) => {
    const api = await apis.start()
    const id = await enqueue(api, options)
    expect(await api.get(`/v1/queues/mail/jobs/${id}`)).toMatchObject({ state })
    await using producer = createProducer({ redis: apis.redis().url, timeout: '60s', allowVolatile: true })
    const outcome = producer.results.wait({ queue: 'mail', id }, { timeout: '60s' })
    const answer = await api.post(`/v1/queues/mail/jobs/${id}/cancel`)
    expect(answer.status).toBe(200)
    const error = { name: 'CancelledError', message: 'the job was cancelled', code: 'CANCELLED' }
    expect(answer.json()).toMatchObject({ id, job: 'mail.send', status: 'failed', error, attempts: 0 })
    expect(await outcome).toMatchObject({ ok: false, error })
    expect(await api.get(`/v1/queues/mail/jobs/${id}`)).toMatchObject({ state: 'failed' })
    expect(await api.get(`/v1/queues/mail/jobs/${id}/result`)).toEqual(answer.json())
    const again = await api.post(`/v1/queues/mail/jobs/${id}/cancel`)
    expect([again.status, again.json()]).toMatchObject([409, { code: 'JOB_STATE', state: 'failed' }])
  })

  it('that is active is neither retried nor deleted; cancelled, it is aborted where it runs', async () => {
    const api = await apis.start()
    let finish: () => void = () => undefined
    const hold = new Promise<void>((resolve) => {
      finish = resolve
    })
    let begun: () => void = () => undefined
    const start = new Promise<void>((resolve) => {
      begun = resolve
    })
    await using _worker = await work([
      handle(mail, async () => {
        begun()
        await hold
      }),
    ])
    const id = await enqueue(api)
    await start
    for (const [method, path] of [
      ['POST', '/retry'],
      ['DELETE', ''],
    ] as const) {
      const answer = await api.ask(`/v1/queues/mail/jobs/${id}${path}`, { method })
      expect(answer.status, path).toBe(409)
      expect(answer.json()).toMatchObject({ code: 'JOB_STATE', state: 'active' })
    }
    const cancelled = await api.post(`/v1/queues/mail/jobs/${id}/cancel`)
    expect([cancelled.status, cancelled.json()]).toMatchObject([202, { id, state: 'active' }])
    const ended = await api.ask(`/v1/queues/mail/jobs/${id}/result`, { headers: { prefer: 'wait=60' } })
    expect(ended.json()).toMatchObject({ status: 'failed', error: { code: 'CANCELLED' } })
    finish()
  })

  it('that failed is retried, and its result is pending until the new run ends', async () => {
    const api = await apis.start()
    let isBroken = true
    const handler = handle(mail, async () => {
      if (isBroken) throw new Error('the mailbox is full')
      return 'sent'
    })
    let worker = await work([handler])
    const id = await enqueue(api)
    const path = `/v1/queues/mail/jobs/${id}`
    const wait = { headers: { prefer: 'wait=60' } }
    expect((await api.ask(`${path}/result`, wait)).json()).toMatchObject({ status: 'failed' })
    await worker.close()
    isBroken = false
    expect((await api.post(`${path}/retry`)).status).toBe(202)
    expect((await api.ask(`${path}/result`)).status).toBe(202)
    expect((await api.post(`${path}/retry`)).json()).toMatchObject({ code: 'JOB_STATE', state: 'waiting' })
    worker = await work([handler])
    expect((await api.ask(`${path}/result`, wait)).json()).toMatchObject({ status: 'completed', value: 'sent' })
    await worker.close()
    expect((await api.ask(path, { method: 'DELETE' })).status).toBe(204)
    await api.get(path, 404)
    await api.get(`${path}/result`, 404)
    expect((await api.ask(path, { method: 'DELETE' })).status).toBe(404)
  })

  it('whose result was deleted or expired says so', async () => {
    const api = await apis.start()
    await using _worker = await work([handle(mail, async () => 'sent')])
    const id = await enqueue(api)
    const path = `/v1/queues/mail/jobs/${id}/result`
    expect((await api.ask(path, { headers: { prefer: 'wait=60' } })).status).toBe(200)
    expect((await api.ask(path, { method: 'DELETE' })).status).toBe(204)
    expect((await api.ask(path, { method: 'DELETE' })).status).toBe(404)
    expect(await api.get(path, 410)).toMatchObject({ code: 'RESULT_EXPIRED' })
  })

  it('is explained: why it does not run now, to tokens that may see it', async () => {
    const api = await apis.start()
    const id = await enqueue(api)
    const path = `/v1/queues/mail/jobs/${id}/explain`
    expect(await api.get(path)).toMatchObject({ id, reasons: [{ code: 'NO_WORKER' }, { code: 'IN_LINE' }] })
    const other = await apis.token({ scopes: ['read'], queues: ['mail'], jobs: ['other'] })
    expect((await api.ask(path, { token: other })).json()).toMatchObject({ code: 'JOB_NOT_FOUND' })
    expect(await api.get('/v1/queues/mail/jobs/nobody/explain', 404)).toMatchObject({ code: 'JOB_NOT_FOUND' })
    expect(await api.get('/v1/queues/mail/jobs/a%0Ab/explain', 422)).toMatchObject({ code: 'INVALID_JOB_ID' })
  })

  it('is not found under an id that nobody gave, and BullMQ’s own keys are no jobs', async () => {
    const api = await apis.start()
    await enqueue(api)
    expect(await api.get('/v1/queues/mail/jobs/nobody', 404)).toMatchObject({ code: 'JOB_NOT_FOUND' })
    expect(await api.get('/v1/queues/mail/jobs/12345', 404)).toMatchObject({ code: 'JOB_NOT_FOUND' })
    for (const id of ['meta', 'wait', 'a%3Alock', 'a%0Ab', '%00', 'a%2Fb', 'x'.repeat(129)]) {
      expect(await api.get(`/v1/queues/mail/jobs/${id}`, 422), id).toMatchObject({ code: 'INVALID_JOB_ID' })
    }
    expect(await api.get('/v1/queues/mali/jobs/x', 404)).toMatchObject({ code: 'QUEUE_NOT_FOUND', suggestion: 'mail' })
    expect(await api.get('/v1/queues/a%3Ab/jobs/x', 422)).toMatchObject({ code: 'INVALID_QUEUE_NAME' })
    expect((await api.ask('/v1/queues/%zz/jobs/x', { headers: JSON_TYPE })).json()).toMatchObject({ code: 'BAD_URL' })
  })
})

describe('all jobs that match', () => {
  it('are counted, cancelled, and refused for a filter that is wrong', async () => {
    const api = await apis.start()
    for (let n = 0; n < 3; n++) {
      await api.post('/v1/jobs', { job: 'mail.send', input: { to: 'x' }, options: { delay: '1h', tags: ['many'] } })
    }
    const cancel = (body: unknown) => api.post('/v1/queues/mail/cancel', body)
    const none = { matched: 0, cancelled: 0, cancelling: 0, ended: 0, refused: 0 }
    expect((await cancel({ tag: 'many', dryRun: true })).json()).toEqual({ ...none, matched: 3 })
    expect((await cancel({ tag: 'many', states: ['waiting'] })).json()).toEqual(none)
    expect((await cancel({ tag: 'many', job: 'mail.send' })).json()).toEqual({ ...none, matched: 3, cancelled: 3 })
    for (const [body, code] of [
      [[], 'INVALID_OPTION'],
      [{ states: ['delayd'] }, 'INVALID_OPTION'],
      [{ states: 'delayed' }, 'INVALID_OPTION'],
      [{ job: 7 }, 'INVALID_OPTION'],
      [{ dryRun: 'yes' }, 'INVALID_OPTION'],
      [{ queue: 'greetings' }, 'UNKNOWN_OPTION'],
    ] as const) {
      const answer = await cancel(body)
      expect([answer.status, answer.json()]).toMatchObject([422, { code }])
    }
  })
})
