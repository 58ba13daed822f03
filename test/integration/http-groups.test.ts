// The HTTP API on real Redis: result cache, schedules, batches, flows and tags.
import { describe, expect, it } from 'vitest'
import { createWorker, handle } from '../../src/worker/index.js'
import { greet, lookUp, type TestApi, useHttpApis } from '../support/http-api.js'
import { collectLog } from '../support/worker.js'

const apis = useHttpApis()
const WAIT = { prefer: 'wait=50' }
const QUEUE = '/v1/queues/greetings'

function work() {
  let runs = 0
  return createWorker({
    redis: apis.redis().url,
    handlers: [handle(greet, async ({ name }) => ({ text: `Hello, ${name}!` })), handle(lookUp, async () => ++runs)],
    logger: collectLog().logger,
    shutdownTimeout: 0,
    allowVolatile: true,
  })
}

const send = (api: TestApi, method: string, path: string, body?: unknown) =>
  api.ask(`${QUEUE}${path}`, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
/** Locks and the like of an earlier worker expire meanwhile. */
const jobCount = async () => {
  const lua =
    "local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do if redis.call('PTTL', k) < 0 then n = n + 1 end end return n"
  return Number(await apis.redis().cli('EVAL', lua, '0'))
}

describe('the cache of a job', () => {
  it('serves an equal input with Prefer: wait, says so without, and is counted, invalidated and cleared', async () => {
    const api = await apis.start()
    await using _worker = await work()
    const ask = (name: string, headers: Readonly<Record<string, string>> = WAIT) =>
      api.post('/v1/jobs', { job: 'look-up', input: { name } }, headers)
    const first = (await ask('Ada')).json<{ id: string; value: number }>()
    expect((await ask('Ada')).json()).toEqual(first)
    const hit = await ask('Ada', {})
    expect(hit.status).toBe(200)
    expect(hit.json()).toEqual({ id: first.id, job: 'look-up', queue: 'greetings', cached: true })
    const lines = await api.ask('/v1/jobs/bulk', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: '{"job":"look-up","input":{"name":"Ada"}}\n{"job":"look-up","input":{"name":"Ada"},"options":{"cache":false}}',
    })
    expect(
      lines.text
        .split('\n')
        .slice(0, 2)
        .map((line) => JSON.parse(line).cached),
    ).toEqual([true, undefined])
    expect(await api.get(`${QUEUE}/cache/look-up`)).toEqual({
      queue: 'greetings',
      job: 'look-up',
      hits: 3,
      shared: 0,
      misses: 1,
    })
    const invalidate = async (body: object) => (await send(api, 'POST', '/cache/look-up/invalidate', body)).json()
    expect(await invalidate({ key: 'Ada' })).toEqual({ invalidated: true })
    expect(await invalidate({ input: { name: 'Ada' } })).toEqual({ invalidated: false })
    const second = (await ask('Ada')).json<{ id: string }>()
    expect(second.id).not.toBe(first.id)
    expect((await send(api, 'DELETE', '/cache/look-up')).status).toBe(204)
    expect((await ask('Ada')).json<{ id: string }>().id).not.toBe(second.id)
  })

  it.each<[string, string, object, number, string]>([
    ['of a job without one', '/cache/greet/invalidate', { key: 'x' }, 422, 'INVALID_OPTION'],
    ['of an unknown job', '/cache/gret/invalidate', { key: 'x' }, 422, 'UNKNOWN_JOB'],
    ['of a job of another queue', '/cache/mail.send/invalidate', { key: 'x' }, 422, 'INVALID_OPTION'],
    ['with neither input nor key', '/cache/look-up/invalidate', {}, 422, 'INVALID_OPTION'],
    ['with both', '/cache/look-up/invalidate', { key: 'x', input: {} }, 422, 'INVALID_OPTION'],
    ['with a key of another type', '/cache/look-up/invalidate', { key: 7 }, 422, 'INVALID_OPTION'],
    ['with a bad input', '/cache/look-up/invalidate', { input: 7 }, 422, 'INVALID_INPUT'],
    ['with a field too many', '/cache/look-up/invalidate', { key: 'x', all: true }, 422, 'UNKNOWN_OPTION'],
  ])('%s is refused', async (_what, path, body, status, code) => {
    const api = await apis.start()
    await api.post('/v1/jobs', { job: 'greet', input: { name: 'Ada' } })
    expect((await send(api, 'POST', path, body)).json()).toMatchObject({ status, code })
  })
})

describe('schedules', () => {
  const nightly = { job: 'greet', input: { name: 'Ada' }, cron: '0 3 * * *', timezone: 'Europe/Rome', missed: 'skip' }

  it('are set, read, listed, paused, resumed, run and removed', async () => {
    await apis.redis().cli('FLUSHALL')
    const api = await apis.start()
    const created = await send(api, 'PUT', '/schedules/nightly', nightly)
    expect(created.status, created.text).toBe(201)
    expect(created.json()).toMatchObject({ name: 'nightly', cron: '0 3 * * *', origin: 'api', input: { name: 'Ada' } })
    const { next, nextAt } = created.json<{ next: number[]; nextAt: number }>()
    expect(next).toHaveLength(5)
    expect(next[0]).toBe(nextAt)
    expect((await send(api, 'PUT', '/schedules/nightly', { ...nightly, overlap: 'skip' })).status).toBe(200)
    await send(api, 'PUT', '/schedules/often', { job: 'greet', input: { name: 'Eve' }, every: '1h' })
    const page = await api.get<{ schedules: { name: string }[]; next: string }>(`${QUEUE}/schedules?limit=1`)
    expect(page.schedules.map(({ name }) => name)).toEqual(['nightly'])
    const rest = await api.get<{ schedules: object[] }>(`${QUEUE}/schedules?cursor=${page.next}`)
    expect(rest.schedules).toMatchObject([{ name: 'often', everyMs: 3_600_000 }])
    expect(JSON.stringify([page, rest])).not.toContain('Ada')
    expect((await send(api, 'POST', '/schedules/nightly/pause')).status).toBe(204)
    expect(await api.get(`${QUEUE}/schedules/nightly`)).toMatchObject({ paused: true, nextAt: null })
    expect((await send(api, 'POST', '/schedules/nightly/resume')).status).toBe(204)
    expect(await api.get(`${QUEUE}/schedules/nightly`)).toMatchObject({ paused: false, nextAt })
    const run = await send(api, 'POST', '/schedules/nightly/run')
    expect(run.status).toBe(201)
    const { id } = run.json<{ id: string }>()
    expect(await api.get(`${QUEUE}/jobs/${id}`)).toMatchObject({ job: 'greet', input: { name: 'Ada' } })
    expect((await send(api, 'DELETE', '/schedules/nightly')).status).toBe(204)
    expect((await send(api, 'DELETE', '/schedules/nightly')).json()).toMatchObject({ code: 'SCHEDULE_NOT_FOUND' })
  })

  it.each<[string, string, object, string]>([
    ['a bad cron', 'a', { ...nightly, cron: '0 25 * * *' }, 'INVALID_OPTION'],
    ['an unknown zone', 'a', { ...nightly, timezone: 'Mars/Base' }, 'INVALID_OPTION'],
    ['cron and every', 'a', { ...nightly, every: '1h' }, 'INVALID_OPTION'],
    ['neither of them', 'a', { job: 'greet', input: { name: 'Ada' } }, 'INVALID_OPTION'],
    ['a bad input', 'a', { ...nightly, input: {} }, 'INVALID_INPUT'],
    ['no input', 'a', { job: 'greet', every: '1h' }, 'INVALID_OPTION'],
    ['an unknown job', 'a', { ...nightly, job: 'gret' }, 'UNKNOWN_JOB'],
    ['a job of another queue', 'a', { ...nightly, job: 'mail.send' }, 'INVALID_OPTION'],
    ['a field too many', 'a', { ...nightly, name: 'b' }, 'UNKNOWN_OPTION'],
    ['a bad name', 'a%20b', nightly, 'INVALID_OPTION'],
    ['a missedLimit of text', 'a', { ...nightly, missedLimit: '5' }, 'INVALID_OPTION'],
    ['an unknown overlap', 'a', { ...nightly, overlap: 'never' }, 'INVALID_OPTION'],
  ])('with %s are refused, and nothing is kept', async (_what, name, body, code) => {
    const api = await apis.start()
    await apis.redis().cli('DEL', '{drover:greetings}:schedules')
    expect((await send(api, 'PUT', `/schedules/${name}`, body)).json()).toMatchObject({ status: 422, code })
    expect(await apis.redis().cli('EXISTS', '{drover:greetings}:schedules')).toBe('0')
  })
})

describe('a batch', () => {
  const jobs = [
    { job: 'greet', input: { name: 'Ada' } },
    { job: 'greet', input: { name: 'Eve' }, options: { attempts: 1 } },
  ]

  it('is made with its jobs, sent again enqueues nothing twice, and tells how far it is', async () => {
    await apis.redis().cli('FLUSHALL')
    const api = await apis.start()
    const body = { id: 'import-7', jobs, onSuccess: { job: 'greet', input: { name: 'all' } } }
    const made = await send(api, 'POST', '/batches', body)
    expect(made.status, made.text).toBe(201)
    expect(made.json()).toMatchObject({ id: 'import-7', total: 2, completed: 0, fired: [] })
    expect((await send(api, 'POST', '/batches', body)).json()).toEqual(made.json())
    expect(await apis.redis().cli('LLEN', '{drover:greetings}:greetings:wait')).toBe('2')
    await using _worker = await work()
    await expect
      .poll(() => api.get(`${QUEUE}/batches/import-7`), { timeout: 60_000 })
      .toMatchObject({ completed: 2, fired: ['success'] })
    expect(await api.get(`${QUEUE}/jobs/import-7.success`)).toMatchObject({ input: { name: 'all' } })
  })

  it('is opened alone, gets members by the option batch, and is closed with their number', async () => {
    const api = await apis.start()
    const { id } = (await send(api, 'POST', '/batches', {})).json<{ id: string }>()
    const line = JSON.stringify({ ...jobs[0], options: { batch: id, delay: '1h' } })
    await api.ask('/v1/jobs/bulk', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${line}\n${line}\n`,
    })
    const close = async (total: unknown, of = id) => send(api, 'POST', `/batches/${of}/close`, { total })
    expect((await close(2)).json()).toMatchObject({ total: 2 })
    expect((await close(2)).status).toBe(200)
    expect((await close(3)).json()).toMatchObject({ status: 409, code: 'BATCH_CLOSED' })
    expect((await close('2')).json()).toMatchObject({ status: 422, code: 'INVALID_OPTION' })
    expect((await close(2, 'other')).json()).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    expect((await send(api, 'GET', '/batches/other')).json()).toMatchObject({ status: 404, code: 'NOT_FOUND' })
  })

  it('comes in a list, the newest first, page by page', async () => {
    await apis.redis().cli('FLUSHALL')
    const api = await apis.start()
    // Batches of one millisecond are in the order of their ids.
    for (const id of ['c-one', 'b-two', 'a-three']) {
      await send(api, 'POST', '/batches', { id })
      await apis.redis().cli('ZINCRBY', '{drover:greetings}:batches', String(id.charCodeAt(0) * -1), id)
    }
    const idsOf = (page: { batches: { id: string }[] }) => page.batches.map(({ id }) => id)
    const first = await api.get<{ batches: { id: string }[]; next: string }>(`${QUEUE}/batches?limit=2`)
    expect(idsOf(first)).toEqual(['a-three', 'b-two'])
    const second = await api.get<{ batches: { id: string }[]; next: null }>(`${QUEUE}/batches?cursor=${first.next}`)
    expect([idsOf(second), second.next]).toEqual([['c-one'], null])
  })

  it.each<[string, object, string]>([
    ['a bad member after a good one', { jobs: [jobs[0], { job: 'greet', input: {} }] }, 'INVALID_INPUT'],
    ['a member with a bad option', { jobs: [jobs[0], { ...jobs[0], options: { delay: -1 } }] }, 'INVALID_OPTION'],
    ['a member with a key', { jobs: [{ ...jobs[0], options: { key: 'k' } }] }, 'UNKNOWN_OPTION'],
    ['a member of another queue', { jobs: [{ job: 'mail.send', input: { to: 'x' } }] }, 'INVALID_OPTION'],
    ['no member', { jobs: [] }, 'INVALID_OPTION'],
    ['1,001 members', { jobs: Array(1_001).fill(jobs[0]) }, 'INVALID_OPTION'],
    ['an unknown job that follows', { jobs, onSuccess: { job: 'gret', input: {} } }, 'UNKNOWN_JOB'],
    ['a bad input of one that follows', { jobs, onDeath: { job: 'greet', input: {} } }, 'INVALID_INPUT'],
    ['no input of one that follows', { jobs, onDeath: { job: 'greet' } }, 'INVALID_OPTION'],
    ['a bad id', { id: 'a b', jobs }, 'INVALID_JOB_ID'],
    ['an id of another type', { id: 7, jobs }, 'INVALID_JOB_ID'],
    ['a field too many', { parent: 'x', jobs }, 'UNKNOWN_OPTION'],
  ])('with %s is refused, and nothing is enqueued', async (_what, body, code) => {
    const api = await apis.start()
    await api.post('/v1/jobs', { job: 'greet', input: { name: 'Ada' } })
    const before = await jobCount()
    expect((await send(api, 'POST', '/batches', body)).json()).toMatchObject({ status: 422, code })
    expect(await jobCount()).toBe(before)
  })
})

describe('a flow', () => {
  const one = { job: 'greet', input: { name: 'Ada' } }

  it('starts its jobs in their order, sent again with its id nothing twice, and tells of a result that is to come', async () => {
    const stranger = await apis.token({ jobs: ['mail.send'] })
    const api = await apis.start()
    const jobs = { first: one, second: { ...one, after: ['first'], options: { attempts: 1 } } }
    const started = await api.post('/v1/flows', { id: 'order-7', jobs })
    expect(started.status, started.text).toBe(201)
    expect(started.json()).toEqual({
      id: 'order-7',
      jobs: {
        first: { id: 'order-7.first', job: 'greet', queue: 'greetings' },
        second: { id: 'order-7.second', job: 'greet', queue: 'greetings' },
      },
    })
    expect((await api.post('/v1/flows', { id: 'order-7', jobs })).json()).toEqual(started.json())
    const path = `${QUEUE}/jobs/order-7.second/result`
    const held = { id: 'order-7.second', job: null, queue: 'greetings', state: 'waiting-children' }
    expect(await api.ask(path).then((answer) => [answer.status, answer.json()])).toEqual([202, held])
    expect((await api.ask(path, { token: stranger })).status).toBe(404)
    await using _worker = await work()
    await expect.poll(async () => (await api.ask(path)).status).toBe(200)
  })

  it.each<[string, unknown, string]>([
    ['a cycle', { a: { ...one, after: ['b'] }, b: { ...one, after: ['a'] } }, 'INVALID_FLOW'],
    ['a missing dependency', { a: { ...one, after: ['z'] } }, 'INVALID_FLOW'],
    ['no jobs', {}, 'EMPTY_FLOW'],
    ['jobs of another type', [one], 'INVALID_OPTION'],
    ['a job of another type', { a: 'greet' }, 'INVALID_OPTION'],
    ['an unknown job', { a: { ...one, job: 'gret' } }, 'UNKNOWN_JOB'],
    ['a bad input', { a: one, b: { ...one, input: {} } }, 'INVALID_INPUT'],
    ['a bad name', { 'a b': one }, 'INVALID_OPTION'],
    ['an option that flows do not have', { a: { ...one, options: { delay: '1h' } } }, 'UNKNOWN_OPTION'],
    ['a field too many', { a: { ...one, needs: [] } }, 'UNKNOWN_OPTION'],
    ['an after of text', { a: one, b: { ...one, after: 'a' } }, 'INVALID_OPTION'],
  ])('with %s is refused, and nothing is enqueued', async (_what, jobs, code) => {
    const api = await apis.start()
    const before = await jobCount()
    expect((await api.post('/v1/flows', { jobs })).json()).toMatchObject({ status: 422, code })
    expect(await jobCount()).toBe(before)
  })
})

it('jobs are found by their tags, page by page', async () => {
  await apis.redis().cli('FLUSHALL')
  const api = await apis.start()
  const ids: string[] = []
  for (let n = 0; n < 3; n++) {
    const options = { tags: ['team/a b'.replace(' ', '+')], delay: '1h' }
    ids.push((await api.post('/v1/jobs', { job: 'greet', input: { name: 'Ada' }, options })).json<{ id: string }>().id)
  }
  expect(await api.get(`${QUEUE}/tags`)).toEqual({ tags: ['team/a+b'] })
  const path = `${QUEUE}/tags/${encodeURIComponent('team/a+b')}`
  const first = await api.get<{ jobs: { id: string }[]; next: string }>(`${path}?limit=2`)
  const second = await api.get<{ jobs: { id: string }[]; next: null }>(`${path}?cursor=${first.next}`)
  expect([...first.jobs, ...second.jobs].map(({ id }) => id).sort()).toEqual([...ids].sort())
  expect(second.next).toBeNull()
  expect(await api.get(`${QUEUE}/tags/none`)).toEqual({ jobs: [], next: null })
  expect((await api.ask(`${QUEUE}/tags/a%20b`)).json()).toMatchObject({ status: 422, code: 'INVALID_OPTION' })
  expect((await api.ask(`${path}?cursor=abc`)).json()).toMatchObject({ status: 422, code: 'INVALID_OPTION' })
})
