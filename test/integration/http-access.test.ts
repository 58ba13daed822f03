// Who may do what over the HTTP API: every route with every scope, limited tokens, tokens that end, and rate limits.
import { describe, expect, it } from 'vitest'
import { listTokens, revokeToken, SCOPES, type Scope } from '../../src/producer/http/index.js'
import type { Route } from '../../src/producer/http/route.js'
import { ROUTES } from '../../src/producer/http/routes.js'
import { tokensKey } from '../../src/redis/index.js'
import { ask } from '../support/dashboard-http.js'
import { type TestApi, useHttpApis } from '../support/http-api.js'
import { collectLog } from '../support/worker.js'

const apis = useHttpApis()
const GREETING = { job: 'greet', input: { name: 'Ada' }, options: { delay: '1h' } }

const BODIES: Readonly<Record<string, { type: string; body: string }>> = {
  EnqueueRequest: { type: 'application/json', body: JSON.stringify(GREETING) },
  BulkRequest: { type: 'application/x-ndjson', body: JSON.stringify(GREETING) },
  CancelRequest: { type: 'application/json', body: '{"job":"greet","dryRun":true}' },
  LimitsRequest: { type: 'application/json', body: '{"concurrency":1000}' },
  CounterChange: { type: 'application/json', body: '{"by":1}' },
  ScheduleRequest: { type: 'application/json', body: '{"job":"greet","input":{"name":"Ada"},"every":"30d"}' },
  BatchRequest: { type: 'application/json', body: JSON.stringify({ id: 'held', jobs: [GREETING] }) },
  BatchClose: { type: 'application/json', body: '{"total":1}' },
  FlowRequest: {
    type: 'application/json',
    body: JSON.stringify({ jobs: { one: { job: 'greet', input: { name: 'Ada' } } } }),
  },
  RetryRequest: { type: 'application/json', body: '{"job":"greet","dryRun":true}' },
  DiscardRequest: { type: 'application/json', body: '{"job":"greet","dryRun":true}' },
  CachedInput: { type: 'application/json', body: '{"key":"Ada"}' },
}

async function enqueue(api: TestApi): Promise<string> {
  return (await api.post('/v1/jobs', GREETING)).json<{ id: string }>().id
}

/** A request that the route would serve; HEAD where GET would open a stream. */
async function requestOf({ method, path, body }: Route, api: TestApi) {
  const id = path.includes(':id') ? await enqueue(api) : ''
  const query = path === '/queues/:queue/jobs' ? '?state=delayed' : ''
  const words = {
    queue: 'greetings',
    id,
    name: 'seen',
    tag: 'vip',
    job: 'greet',
    schedule: 'daily',
    batch: 'held',
    worker: 'all',
    action: 'quiet',
  }
  const place = `/v1${path.replace(/:(\w+)/g, (_, word: keyof typeof words) => words[word])}${query}`
  const { type, body: text } = BODIES[body ?? ''] ?? {}
  return {
    place,
    ask: {
      method: path.endsWith('/events') ? 'HEAD' : method.toUpperCase(),
      headers: type === undefined ? {} : { 'content-type': type },
      ...(text === undefined ? {} : { body: text }),
    },
  }
}

describe('each route', () => {
  // Made before the server first reads the list: to an address that sent many wrong ones, newer ones are unknown for 2 s.
  const RIGHTS = [
    ...SCOPES.map((scope) => ({ scopes: [scope] })),
    { scopes: ['admin'] as const, jobs: ['greet'] },
    { jobs: ['mail.send'] },
    { queues: ['mail'] },
  ]
  const tokens = new Map<string, string>()
  const tokenOf = (rights: (typeof RIGHTS)[number]) => tokens.get(JSON.stringify(rights)) ?? ''
  let shared: Promise<TestApi> | undefined
  const start = async () => {
    for (const rights of RIGHTS) tokens.set(JSON.stringify(rights), await apis.token(rights))
    return apis.start({ rateLimit: { requests: 100_000, per: '1m' } })
  }
  const open = () => {
    shared ??= start()
    return shared
  }
  const table = ROUTES.flatMap((route) => SCOPES.map((scope) => ({ ...route, token: scope, needed: route.scope })))
  it.each(table)('$method $path needs $needed: a token with $token', async (row) => {
    const api = await open()
    await enqueue(api)
    const { place, ask: sent } = await requestOf(row, api)
    const token = tokenOf({ scopes: [row.token] })
    const answer = await api.ask(place, { ...sent, token })
    const isAllowed = row.token === row.needed || row.token === 'admin'
    if (!isAllowed) {
      expect(answer.status).toBe(403)
      if (sent.method !== 'HEAD') expect(answer.json()).toMatchObject({ code: 'FORBIDDEN', scope: row.needed })
    } else expect([401, 403, 405, 415, 500]).not.toContain(answer.status)
  })

  it.each(ROUTES)(
    '$method $path is closed without a token, and $reach wide for tokens of single jobs',
    async (route) => {
      const api = await open()
      await enqueue(api)
      const { place, ask: sent } = await requestOf(route, api)
      const refused = await api.ask(place, { ...sent, token: '' })
      expect(refused.status).toBe(401)
      expect(refused.headers['www-authenticate']).toBe('Bearer realm="drover"')
      const limited = tokenOf({ scopes: ['admin'], jobs: ['greet'] })
      const answer = await api.ask(place, { ...sent, token: limited })
      if (route.reach === 'queue') expect(answer.status).toBe(403)
      else expect([401, 403]).not.toContain(answer.status)
      const stranger = await api.ask(place, { ...sent, token: tokenOf({ jobs: ['mail.send'] }) })
      expect(route.reach === 'queue' ? [403] : [404, 422, 207]).toContain(stranger.status)
      if (stranger.status === 207) expect(stranger.text).toContain('UNKNOWN_JOB')
      const elsewhere = await api.ask(place, { ...sent, token: tokenOf({ queues: ['mail'] }) })
      expect(/^\/(queues|errors|workers.*)$/.test(route.path) ? [200] : [404, 422, 207]).toContain(elsewhere.status)
    },
  )
})

describe('a token', () => {
  it('that waits for results needs to read too', async () => {
    const api = await apis.start()
    const token = await apis.token({ scopes: ['enqueue'] })
    const sent = { method: 'POST', headers: { 'content-type': 'application/json', prefer: 'wait=1' } }
    const answer = await api.ask('/v1/jobs', { ...sent, body: JSON.stringify(GREETING), token })
    expect(answer.json()).toMatchObject({ status: 403, scope: 'read' })
  })

  it('is refused alike when it is wrong, expired, revoked, malformed or not there', async () => {
    const api = await apis.start()
    const revoked = await apis.token()
    const expired = await apis.token({ expiresAt: Date.now() + 1_000 })
    await expect.poll(async () => (await api.ask('/v1/queues', { token: expired })).status).toBe(401)
    await revokeToken(apis.client(), 'drover', revoked.split('_')[1] ?? '')
    await expect
      .poll(async () => (await api.ask('/v1/queues', { token: revoked })).status, { timeout: 60_000 })
      .toBe(401)
    const other = await apis.start()
    const texts = new Set<string>()
    const wrong = revoked.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
    for (const token of [wrong, expired, revoked, 'short', 'x'.repeat(512), '']) {
      const answer = await other.ask('/v1/queues', { token, headers: { 'x-request-id': 'same' } })
      expect(answer.status).toBe(401)
      texts.add(answer.text)
    }
    for (const authorization of ['Basic dTpw', 'Bearer', 'Bearer a b', `Bearer ${'x'.repeat(600)}`]) {
      const headers = { authorization, 'x-request-id': 'same' }
      texts.add((await ask(other.url, '/v1/queues', { headers })).text)
    }
    expect(texts.size).toBe(1)
  })

  it('and its successor both hold, until the first is revoked', async () => {
    const api = await apis.start()
    const [first, second] = [await apis.token({ name: 'shop' }), await apis.token({ name: 'shop' })]
    for (const token of [first, second]) expect((await api.ask('/v1/queues', { token })).status).toBe(200)
    expect(await revokeToken(apis.client(), 'drover', first.split('_')[1] ?? '')).toBe(true)
    await expect.poll(async () => (await api.ask('/v1/queues', { token: first })).status).toBe(401)
    expect((await api.ask('/v1/queues', { token: second })).status).toBe(200)
  })

  it('is in Redis as a SHA-256 alone, and in no list', async () => {
    const token = await apis.token({ name: 'canary' })
    const secret = token.split('_').at(-1) ?? ''
    const stored = await apis.client().hgetall(tokensKey('drover'))
    expect(JSON.stringify(stored)).not.toContain(secret)
    const listed = await listTokens(apis.client(), 'drover')
    expect(listed.find(({ name }) => name === 'canary')).toMatchObject({ scopes: ['admin'] })
    expect(JSON.stringify(listed)).not.toMatch(/digest|[0-9a-f]{64}/)
  })

  it('gives no rights when another program wrote its record', async () => {
    const token = await apis.token()
    const id = token.split('_')[1] ?? ''
    const text = (await apis.client().hget(tokensKey('drover'), id)) ?? ''
    const record = JSON.parse(text) as Record<string, unknown>
    const broken = ['', 'null', '[]', '{}', JSON.stringify({ ...record, scopes: ['root'] })]
    broken.push(JSON.stringify({ ...record, digest: 17 }), JSON.stringify({ ...record, expiresAt: 'never' }))
    for (const value of broken) {
      await apis.client().hset(tokensKey('drover'), id, value)
      const api = await apis.start()
      expect((await api.ask('/v1/queues', { token })).status, value).toBe(401)
    }
  })
})

describe('the token of the settings', () => {
  it('may do all, and 10 wrong tokens from an address lock out guesses, not made tokens', async () => {
    const api = await apis.start({ adminToken: 'open-sesame-17' })
    const made = await apis.token({ scopes: ['read'] })
    expect((await api.ask('/v1/queues', { token: 'open-sesame-17' })).status).toBe(200)
    const statuses: number[] = []
    for (let guess = 0; guess < 12; guess++) {
      statuses.push((await api.ask('/v1/queues', { token: `guess-number-${guess}` })).status)
    }
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429])
    const locked = await api.ask('/v1/queues', { token: 'open-sesame-17' })
    expect(locked.status).toBe(429)
    expect(Number(locked.headers['retry-after'])).toBeGreaterThan(0)
    expect((await api.ask('/v1/queues', { token: made })).status).toBe(200)
  })

  it('costs Redis nothing when it is wrong again and again, and right ones from the address still work', async () => {
    const api = await apis.start()
    const made = await apis.token({ scopes: ['read'] })
    expect((await api.ask('/v1/queues', { token: made })).status).toBe(200)
    const reads = async () =>
      Number(/cmdstat_hget:calls=(\d+)/.exec(await apis.redis().cli('INFO', 'commandstats'))?.[1] ?? 0)
    const before = await reads()
    for (let guess = 0; guess < 30; guess++) {
      const token = `drover_${guess.toString(16).padStart(12, '0')}_${'x'.repeat(43)}`
      expect((await api.ask('/v1/queues', { token })).status).toBe(guess < 10 ? 401 : 429)
    }
    expect((await reads()) - before).toBeLessThanOrEqual(10)
    expect((await api.ask('/v1/queues', { token: made })).status).toBe(200)
    const newer = await apis.token({ scopes: ['read'] })
    await expect.poll(async () => (await api.ask('/v1/queues', { token: newer })).status).toBe(200)
  })

  it('is none when none is set', async () => {
    const api = await apis.start()
    expect((await api.ask('/v1/queues', { token: 'undefined' })).status).toBe(401)
  })
})

describe('the rate limit', () => {
  const rateLimit = { requests: 5, per: '1h' } as const

  it('counts per token: one that is over it leaves others alone', async () => {
    const api = await apis.start({ rateLimit })
    const [first, second] = [await apis.token(), await apis.token()]
    const statuses: number[] = []
    for (let sent = 0; sent < 7; sent++) statuses.push((await api.ask('/v1/queues', { token: first })).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429])
    const refused = await api.ask('/v1/queues', { token: first })
    expect(refused.json()).toMatchObject({ code: 'RATE_LIMITED' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3_000)
    expect((await api.ask('/v1/queues', { token: second })).status).toBe(200)
  })

  it('counts who has no token by address, whatever X-Forwarded-For says', async () => {
    const api = await apis.start({ rateLimit })
    const statuses: number[] = []
    for (let sent = 0; sent < 7; sent++) {
      const headers = { 'x-forwarded-for': `203.0.113.${sent}` }
      statuses.push((await api.ask('/v1/queues', { token: '', headers })).status)
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429])
  })

  it('takes the address of a trusted proxy, and the /56 of an IPv6 address for one', async () => {
    const api = await apis.start({ rateLimit }, { trustProxy: 1 })
    const from = async (address: string) =>
      (await api.ask('/v1/queues', { token: '', headers: { 'x-forwarded-for': address } })).status
    for (let sent = 0; sent < 5; sent++) await from(`2001:db8:1:ff${sent}0::${sent}`)
    expect(await from('2001:db8:1:ff99::1')).toBe(429)
    expect(await from('2001:db8:1:fe00::1')).toBe(401)
    expect(await from('203.0.113.1')).toBe(401)
  })
})

describe('the answer', () => {
  it('has the request’s id where it is safe, else one of its own', async () => {
    const api = await apis.start()
    const given = async (id: string) => (await api.ask('/v1/queues', { headers: { 'x-request-id': id } })).headers
    expect((await given('order-17.a_b'))['x-request-id']).toBe('order-17.a_b')
    for (const id of ['a b', 'x'.repeat(65), '"', '<b>']) {
      expect((await given(id))['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  it('is one line in the log, under the id, with who asked, and with no header, query or body', async () => {
    const { logger, lines } = collectLog()
    const api = await apis.start({ logger })
    const token = await apis.token({ name: 'ann' })
    const body = JSON.stringify({ job: 'greet', input: { name: 'private-input' } })
    const headers = { 'content-type': 'application/json', 'x-request-id': 'order-17', 'idempotency-key': 'private-key' }
    expect((await api.ask('/v1/jobs', { method: 'POST', token, headers, body })).status).toBe(201)
    await api.ask('/v1/queues?cursor=private-query', {
      token: 'private-token',
      headers: { 'x-request-id': 'order-18' },
    })
    const lineOf = (id: string) => lines.find(({ requestId }) => requestId === id)
    await expect.poll(() => lineOf('order-17') && lineOf('order-18')).toBeDefined()
    const [, tokenId] = token.split('_')
    const served = { level: 30, method: 'POST', path: '/v1/jobs', status: 201, token: tokenId }
    expect(lineOf('order-17')).toMatchObject(served)
    expect(lineOf('order-18')).toMatchObject({ level: 40, path: '/v1/queues', status: 401 })
    expect(JSON.stringify(lines)).not.toContain('private')
  })

  it('says what a path takes, to HEAD and OPTIONS, and 405 to the rest', async () => {
    const api = await apis.start()
    const other = await api.ask('/v1/queues', { method: 'PUT' })
    expect(other.status).toBe(405)
    expect(other.headers.allow).toBe('GET, HEAD, OPTIONS')
    expect(other.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED' })
    const options = await api.ask('/v1/jobs', { method: 'OPTIONS', token: '' })
    expect([options.status, options.headers.allow, options.text]).toEqual([204, 'POST, OPTIONS', ''])
    expect(options.headers['access-control-allow-origin']).toBeUndefined()
    const head = await api.ask('/v1/queues', { method: 'HEAD' })
    expect([head.status, head.text]).toEqual([200, ''])
    expect((await api.ask('/openapi.json', { method: 'POST' })).headers.allow).toBe('GET, HEAD, OPTIONS')
  })

  it('is 404 for any other path, also one that differs by case or slash, and 401 before that', async () => {
    const api = await apis.start()
    for (const path of [
      '/v1',
      '/v1/',
      '/v1/Jobs',
      '/v1/queues/',
      '/v1/../secret',
      '/v1/jobs/x/y',
      '/v1/livez?x=/v1/queues',
    ]) {
      const answer = await api.ask(path)
      expect(answer.json(), path).toMatchObject({ code: 'NOT_FOUND', status: 404 })
      expect((await api.ask(path, { token: '' })).status, path).toBe(401)
    }
  })

  it('has no header that tells who made it, and is kept by no cache', async () => {
    const api = await apis.start()
    const { headers } = await api.ask('/v1/queues')
    expect(headers['x-powered-by']).toBeUndefined()
    expect(headers.etag).toBeUndefined()
    expect(headers['cache-control']).toBe('no-store')
    expect(headers['x-content-type-options']).toBe('nosniff')
  })
})

it('a scope is one of those that are documented', async () => {
  await expect(apis.token({ scopes: ['root' as Scope] })).rejects.toThrow(/option scopes: expected one or more of/)
  await expect(apis.token({ scopes: [] })).rejects.toThrow(/option scopes/)
  await expect(apis.token({ name: 'a b' })).rejects.toThrow(/option name/)
  await expect(apis.token({ expiresAt: 5 })).rejects.toThrow(/option expiresAt/)
  await expect(apis.token({ jobs: ['a b'] })).rejects.toThrow(/option jobs/)
  await expect(apis.token({ queues: ['a:b'] })).rejects.toThrow(/option queues/)
})
