// The example in examples/embedded-dashboard, run against the built package as its README says: an app's own sessions in
// front of the dashboard, below a path, behind a proxy that ends TLS.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { App } from '../../examples/embedded-dashboard/app.js'
import { ask, BROWSER, form } from '../support/dashboard-http.js'
import { untilReady } from '../support/dashboards.js'
import { buildDrover } from '../support/drover-cli.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const SESSIONS = new Map([
  ['ann', { email: 'ann@example.com', role: 'operator' as const }],
  ['bob', { email: 'bob@example.com' }],
])
let redis: TestRedis
let app: App
let server: Server
let url: string

beforeAll(async () => {
  await buildDrover()
  redis = await startTestRedis({ appendonly: true })
  await redis.cli('SADD', 'drover:queues', 'media')
  const { createApp } = await import('../../examples/embedded-dashboard/app.js')
  app = createApp(SESSIONS, redis.url)
  server = createServer(app.app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await untilReady(`${url}/admin/jobs`)
})
afterAll(async () => {
  await app?.dashboard.close()
  await app?.producer.close()
  server?.close()
  await redis?.close()
})

const as = (session: string) => ({ ...BROWSER, cookie: `theme=dark; session=${session}` })

it('lets in whom the app knows, with their role, and leaves the rest of the app alone', async () => {
  const page = await ask(url, '/admin/jobs', { headers: as('ann') })
  expect([page.status, page.text.includes('ann@example.com · operator')]).toEqual([200, true])
  for (const session of ['bob', 'eve', '']) {
    expect([session, (await ask(url, '/admin/jobs', { headers: as(session) })).status]).toEqual([session, 403])
  }
  expect((await ask(url, '/')).text).toBe('the app itself')
  expect((await ask(url, '/audit')).status).toBe(404)
})

it('links to nothing outside its path, bull-board included', async () => {
  for (const path of [
    '/admin/jobs',
    '/admin/jobs/results',
    '/admin/jobs/add',
    '/admin/jobs/bulk',
    '/admin/jobs/audit',
    '/admin/jobs/queues',
  ]) {
    const { status, text } = await ask(url, path, { headers: as('ann') })
    expect([path, status]).toEqual([path, 200])
    for (const [, link = ''] of text.matchAll(/ (?:href|src|action)="(\/[^"]*)"/g))
      expect(link).toMatch(/^\/admin\/jobs(\/|$|\?)/)
  }
})

it('adds a job by the form of its contract, through the producer of the app', async () => {
  expect((await ask(url, '/admin/jobs/add', { headers: as('ann') })).text).toContain(
    '/admin/jobs/add/media/image.resize',
  )
  const add = (width: string) =>
    ask(url, '/admin/jobs/add/media/image.resize', {
      method: 'POST',
      headers: { ...form(url), ...as('ann'), 'sec-fetch-site': 'same-origin' },
      body: `in%2Furl=${encodeURIComponent('https://cdn.example/cat.png')}&in%2Fwidth=${width}`,
    })
  expect((await add('wide')).status).toBe(400)
  const { status, headers } = await add('800')
  expect([status, headers.location]).toEqual([
    303,
    expect.stringMatching(/^\/admin\/jobs\/results\/media\/\w+\?done=add$/),
  ])
  expect((await ask(url, String(headers.location), { headers: as('ann') })).text).toContain('&quot;width&quot;: 800')
})

it('behind a proxy takes changes of the page that browsers see, and of no other', async () => {
  const pause = (origin: string) =>
    ask(url, '/admin/jobs/queues/api/queues/media/pause', {
      method: 'PUT',
      headers: {
        ...as('ann'),
        accept: 'application/json',
        'sec-fetch-site': 'same-origin',
        origin,
        'x-forwarded-host': 'app.example',
        'x-forwarded-proto': 'https',
        'x-forwarded-for': '203.0.113.7',
      },
    })
  expect((await pause('https://app.example')).status).toBe(200)
  expect((await pause('https://evil.example')).status).toBe(403)
  expect(await redis.cli('HGET', '{drover:media}:media:meta', 'paused')).toBe('1')
})
