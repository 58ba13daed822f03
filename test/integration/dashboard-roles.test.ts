// Who is who in the dashboard: roles by tokens, by a proxy and by the app around; what each may; and the audit list.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import type { DashboardOptions } from '../../src/dashboard/index.js'
import { createToken, readAudit, revokeToken, type Scope, writeAudit } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl, type RedisClient } from '../../src/redis/index.js'
import { change } from '../support/dashboard-board.js'
import { ask, BROWSER, form, signIn } from '../support/dashboard-http.js'
import { problemOf, useDashboards } from '../support/dashboards.js'

const TOKEN = 'correct-horse-battery'
const { redis, start, create, openQueue, closeAfter } = useDashboards()

async function openClient(): Promise<RedisClient> {
  const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000, onError: () => undefined })
  closeAfter({ close: async () => client.disconnect() })
  if ((client as Redis).status !== 'ready') await once(client as Redis, 'ready')
  return client
}

async function makeToken(scopes: readonly Scope[], limits: { jobs?: string[]; queues?: string[] } = {}) {
  return createToken(await openClient(), 'drover', { name: 'ann', scopes, ...limits })
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const pause = (url: string, headers: Record<string, string>) =>
  ask(url, '/queues/api/queues/media/pause', { method: 'PUT', headers: { origin: url, ...headers } })

describe('a token of drover token create', () => {
  it.each([
    [['read'], 'viewer'],
    [['read', 'enqueue'], 'viewer'],
    [['read', 'operate'], 'operator'],
    [['admin'], 'admin'],
  ] as const)('with the scopes %j signs in as %s', async (scopes, role) => {
    await openQueue('media')
    const url = await start({ token: TOKEN })
    const { token } = await makeToken(scopes)
    const cookie = await signIn(url, token)
    const page = await ask(url, '/', { headers: { ...BROWSER, cookie } })
    expect(page.text).toContain(`ann · ${role}`)
    const { status, text } = await pause(url, { cookie, accept: 'text/html' })
    if (role !== 'viewer') return expect(status).toBe(200)
    expect(status).toBe(403)
    expect(text).toContain('This needs the role operator. You are ann, with the role viewer.')
    expect(problemOf(await pause(url, bearer(token))).code).toBe('ROLE_NEEDED')
  })

  it.each([
    [['enqueue'], {}],
    [['operate'], {}],
    [['read'], { jobs: ['image.resize'] }],
    [['admin'], { queues: ['media'] }],
  ] as const)('with the scopes %j and the limits %j does not open the dashboard', async (scopes, limits) => {
    const url = await start({ token: TOKEN })
    const { token } = await makeToken(scopes, limits as { jobs?: string[]; queues?: string[] })
    const answer = await ask(url, '/overview.json', { headers: bearer(token) })
    expect([answer.status, problemOf(answer).code]).toEqual([403, 'NO_ROLE'])
    const page = await ask(url, '/sign-in', {
      method: 'POST',
      headers: { ...form(url), accept: 'text/html' },
      body: `token=${token}`,
    })
    expect([page.status, page.headers['set-cookie']]).toEqual([403, undefined])
    expect(page.text).toContain('This token is not for the dashboard')
  })

  it('ends its sessions when it is revoked, and the others go on', async () => {
    const url = await start({ token: TOKEN })
    const { token, record } = await makeToken(['read'])
    const [mine, other] = [await signIn(url, token), await signIn(url, TOKEN)]
    expect((await ask(url, '/overview.json', { headers: { cookie: mine } })).status).toBe(200)
    await revokeToken(await openClient(), 'drover', record.id)
    const statusOf = async (cookie: string) => (await ask(url, '/overview.json', { headers: { cookie } })).status
    await expect.poll(() => statusOf(mine)).toBe(401)
    expect(await statusOf(other)).toBe(200)
  })

  it('is nothing to a dashboard without a token of its own', async () => {
    const url = await start()
    const answer = await ask(url, '/overview.json', {
      headers: { ...bearer((await makeToken(['read'])).token), via: 'x' },
    })
    expect(problemOf(answer).code).toBe('NOT_FROM_THIS_MACHINE')
  })
})

describe('a proxy that signs people in', () => {
  const proxyUser = { header: 'X-User', groupsHeader: 'X-Groups', from: ['10.9.8.7', '127.0.0.0/8'] }
  const overview = (url: string, headers: Record<string, string>) =>
    ask(url, '/', { headers: { ...BROWSER, ...headers } })

  it('says who somebody is, and by their groups which role they have', async () => {
    const url = await start({ proxyUser })
    expect((await overview(url, { 'x-user': 'ann' })).text).toContain('ann · viewer')
    expect((await overview(url, { 'x-user': 'ann', 'x-groups': 'dev, operator' })).text).toContain('ann · operator')
    expect((await overview(url, { 'x-user': 'ann', 'x-groups': 'admin,operator' })).text).toContain('ann · admin')
    const own = await start({ proxyUser: { ...proxyUser, role: 'none', roles: { sre: 'operator' } } })
    expect((await overview(own, { 'x-user': 'ann', 'x-groups': 'sre' })).text).toContain('ann · operator')
    expect((await overview(own, { 'x-user': 'ann', 'x-groups': 'admin' })).status).toBe(403)
    expect((await overview(own, { 'x-user': 'ann' })).status).toBe(403)
  })

  it('is believed from its addresses alone', async () => {
    const url = await start({ proxyUser: { ...proxyUser, from: ['10.9.8.7', '::ffff:10.9.8.6'] } })
    const answer = await ask(url, '/overview.json', { headers: { 'x-user': 'ann', 'x-forwarded-for': '10.9.8.7' } })
    expect([answer.status, problemOf(answer).code]).toEqual([403, 'NOT_LET_IN'])
  })

  it('that names nobody, or two, lets in only who has a token', async () => {
    const closed = await start({ proxyUser })
    for (const name of ['', '\u00a0', 'x'.repeat(101)]) {
      expect((await overview(closed, { 'x-user': name })).status, name).toBe(403)
    }
    const url = await start({ proxyUser, token: TOKEN })
    expect((await overview(url, {})).status).toBe(303)
    expect((await ask(url, '/overview.json', { headers: bearer(TOKEN) })).status).toBe(200)
  })
})

describe('inside an app', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  async function mount(options: DashboardOptions, path = '/admin/jobs'): Promise<string> {
    const app = express()
    app.use(path, create(options))
    const server = createServer(app).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  it('below any path, authorize says who somebody is', async () => {
    const url = await mount({
      authorize: async ({ headers }) =>
        headers['x-session'] === 'ann' ? { name: 'ann@example.com', role: 'operator' } : undefined,
    })
    const page = await ask(url, '/admin/jobs/', { headers: { ...BROWSER, 'x-session': 'ann' } })
    expect(page.text).toContain('ann@example.com · operator')
    expect(page.text).toContain('href="/admin/jobs/audit"')
    expect(page.text).not.toContain('Sign out')
    const refused = await ask(url, '/admin/jobs/overview.json')
    expect([refused.status, problemOf(refused).code]).toEqual([403, 'NOT_LET_IN'])
    expect((await ask(url, '/admin/jobs/audit', { headers: { ...BROWSER, 'x-session': 'eve' } })).status).toBe(403)
  })

  it.each([{ name: '', role: 'viewer' }, { name: 'ann', role: 'root' }, { name: 7, role: 'viewer' }, 'ann'])(
    'an answer of authorize such as %j lets nobody in',
    async (answer) => {
      const url = await mount({ authorize: () => answer as never })
      expect(problemOf(await ask(url, '/admin/jobs/overview.json')).code).toBe('INTERNAL')
    },
  )

  it('authorize that throws lets nobody in', async () => {
    const url = await mount({ authorize: () => Promise.reject(new Error('canary')) })
    const answer = await ask(url, '/admin/jobs/overview.json')
    expect([answer.status, answer.text.includes('canary')]).toEqual([500, false])
  })
})

describe('in read-only mode', () => {
  it('an admin is told so, and changes nothing', async () => {
    await openQueue('media')
    const url = await start({ token: TOKEN, readOnly: true })
    const cookie = await signIn(url, TOKEN)
    expect((await ask(url, '/', { headers: { ...BROWSER, cookie } })).text).toContain('read-only')
    expect(problemOf(await pause(url, { cookie })).code).toBe('READ_ONLY')
  })
})

describe('the audit list', () => {
  it('says when nobody changed anything, and pages through what they did, the newest first', async () => {
    const url = await start()
    expect((await ask(url, '/audit', { headers: BROWSER })).text).toContain('Nobody has changed anything here yet.')
    const client = await openClient()
    for (let count = 1; count <= 60; count++) {
      const entry = { who: 'ann', role: 'operator', action: 'jobs.retry', filter: `{"n":${count}}`, count }
      await writeAudit(client, 'drover', { ...entry, result: 'done' })
    }
    const first = await ask(url, '/audit', { headers: BROWSER })
    expect(first.text).toContain('{&quot;n&quot;:60}')
    expect(first.text).not.toContain('{&quot;n&quot;:10}')
    const older = /href="(\/audit\?before=[\d-]+)"/.exec(first.text)?.[1] ?? ''
    const second = await ask(url, older, { headers: BROWSER })
    expect(second.text).toContain('{&quot;n&quot;:10}')
    expect(second.text).not.toContain('Older')
    for (const before of ['x', '-', '1-1 COUNT', '99999999999999999999-1']) {
      const answer = await ask(url, `/audit?before=${encodeURIComponent(before)}`, { headers: BROWSER })
      expect([answer.status, answer.text.includes('{&quot;n&quot;:60}')]).toEqual([400, false])
    }
  })

  it('shows what others wrote as text, and is cut at its bound', async () => {
    const client = await openClient()
    const evil = '<script>alert(1)</script>\u202e\u0007'
    await writeAudit(client, 'drover', {
      who: evil,
      role: evil,
      action: evil,
      target: evil,
      result: 'failed',
      detail: evil,
    })
    await client.xadd('drover:audit', '*', 'strange', 'field')
    const { text } = await ask(await start(), '/audit', { headers: BROWSER })
    for (const raw of ['<script>alert', '\u202e', '\u0007']) expect(text).not.toContain(raw)
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;\\u202e')
    const { entries } = await readAudit(client, 'drover', { limit: 10 })
    expect(entries.map(({ who, result }) => [who, result])).toEqual([
      ['', 'failed'],
      [evil, 'failed'],
    ])
  })
})

it('bull-board offers its buttons and links to those alone who may use them', async () => {
  await openQueue('media')
  const options = { proxyUser: { header: 'x-user', groupsHeader: 'x-groups', from: ['127.0.0.1'] } }
  const offers = async (url: string, group: string) => {
    const headers = { 'x-user': 'ann', 'x-groups': group }
    const page = await ask(url, '/queues/', { headers: { ...BROWSER, ...headers } })
    const { miscLinks } = JSON.parse(/application\/json">(.*)<\/script>/.exec(page.text)?.[1] ?? '')
    const { queues } = (await ask(url, '/queues/api/queues', { headers })).json<{
      queues: { name: string; readOnlyMode: boolean; allowRetries: boolean }[]
    }>()
    const [{ name, readOnlyMode, allowRetries } = {}] = queues
    return [miscLinks.map(({ url }: { url: string }) => url), name, readOnlyMode, allowRetries]
  }
  const url = await start(options)
  expect(await offers(url, 'viewer')).toEqual([['/'], 'media', true, false])
  expect(await offers(url, 'operator')).toEqual([['/', '/add'], 'media', false, true])
  expect(await offers(await start({ ...options, readOnly: true }), 'admin')).toEqual([['/'], 'media', true, false])
})

it('a change of bull-board needs an operator whatever its method', async () => {
  await openQueue('media')
  const url = await start({ proxyUser: { header: 'x-user', from: ['127.0.0.1'] } })
  for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
    const headers = { origin: url, 'x-user': 'ann' }
    const answer = await ask(url, '/queues/api/queues/media/pause', { method, headers })
    // bull-board has no such route for the other methods: nothing is let through to it that has no role here.
    const refused = method === 'PUT' ? [403, 'ROLE_NEEDED'] : [404, 'NOT_FOUND']
    expect([method, answer.status, problemOf(answer).code]).toEqual([method, ...refused])
  }
  expect((await change(url, 'PUT', '/media/pause')).status).toBe(403)
})
