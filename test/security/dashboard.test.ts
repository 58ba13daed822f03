// The security checklist of the dashboard, where test/integration does not hold it already: no path leads around the
// sign-in, a session is new at each sign-in and of one process, headers give nothing away.
import { describe, expect, it } from 'vitest'
import { createDashboard } from '../../src/dashboard/index.js'
import { ask, cookieOf, form, signIn } from '../support/dashboard-http.js'
import { untilReady, useDashboards } from '../support/dashboards.js'

const TOKEN = 'a-token-of-some-length'
const { redis, start, openQueue } = useDashboards()

describe('closed by default', () => {
  it.each([
    ['127.0.0.1', undefined, 'starts'],
    ['127.0.0.1', TOKEN, 'starts'],
    ['0.0.0.0', undefined, 'TOKEN_REQUIRED'],
    ['0.0.0.0', TOKEN, 'starts'],
  ])('on %s with token %s: %s', async (host, token, outcome) => {
    const create = () =>
      createDashboard({ redis: redis().url, port: 0, timeout: '60s', host, ...(token ? { token } : {}) })
    if (outcome !== 'starts') return expect(create).toThrow(expect.objectContaining({ code: outcome }))
    const dashboard = create()
    const { url } = await dashboard.listen()
    const at = url.replace('0.0.0.0', '127.0.0.1')
    await untilReady(at)
    expect((await ask(at, '/overview.json')).status).toBe(token === undefined ? 200 : 401)
    expect((await ask(at, '/queues/api/queues')).status).toBe(token === undefined ? 200 : 401)
    await dashboard.close()
  })
})

describe('no spelling of a path leads around the sign-in', () => {
  const OPEN = ['/livez', '/readyz', '/sign-in', '/assets/page.css']
  const CLOSED = ['/', '/overview.json', '/queues', '/queues/api/queues', '/queues/static/js/x.js']
  const spellings = CLOSED.flatMap((path) => [
    ...OPEN.flatMap((open) => [
      `${path}?x=${open}`,
      `${path}?${open}`,
      `${path};${open}`,
      `${open}/..${path}`,
      `${open}%2f..${path}`,
      `${open}/%2e%2e${path}`,
      `${open}${path}`,
      `${path}#${open}`,
    ]),
    `/${path}`,
    `//${path}`,
    `/.${path}`,
    `/%2e${path}`,
    path.toUpperCase(),
    `${path}/`,
    `${path}%00`,
    `${path}%20`,
    `/x/..${path}`,
    path.replace('q', '%71'),
    path.replace('o', '%6f'),
  ])

  it(`${spellings.length} of them show nothing to a stranger`, async () => {
    await openQueue('media')
    const url = await start({ token: TOKEN })
    for (const path of new Set(spellings)) {
      for (const method of ['GET', 'HEAD', 'POST']) {
        const answer = await ask(url, path, { method })
        // 303 leads to the sign-in page, 400, 404 and 405 show nothing.
        expect([303, 400, 401, 403, 404, 405], `${method} ${path}`).toContain(answer.status)
        expect(answer.text, path).not.toContain('media')
      }
    }
  })

  it.each(['/LIVEZ', '/livez/', '//livez', '/livez%2f', '/%6civez/', '/livez/.', '/x/../livez'])(
    'the open path spelled %s is another path, which is closed',
    async (path) => {
      const url = await start({ token: TOKEN })
      expect((await ask(url, path)).status).toBe(401)
    },
  )

  it('the open path with a query stays open, and says no more', async () => {
    const url = await start({ token: TOKEN })
    expect((await ask(url, '/livez?x=/queues')).text).toBe((await ask(url, '/livez')).text)
  })
})

describe('a session', () => {
  it('has an id of its own at each sign-in, and one that was planted before is worth nothing', async () => {
    const url = await start({ token: TOKEN })
    const planted = 'drover=planted-by-somebody'
    const headers = { ...form(url), cookie: planted }
    const answer = await ask(url, '/sign-in', { method: 'POST', headers, body: `token=${TOKEN}` })
    const [first, second] = [cookieOf(answer), await signIn(url, TOKEN)]
    expect(new Set([planted, first, second]).size).toBe(3)
    expect((await ask(url, '/overview.json', { headers: { cookie: planted } })).status).toBe(401)
    expect((await ask(url, '/overview.json', { headers: { cookie: first } })).status).toBe(200)
  })

  it('has a cookie that scripts and other sites cannot use', async () => {
    const url = await start({ token: TOKEN })
    const answer = await ask(url, '/sign-in', { method: 'POST', headers: form(url), body: `token=${TOKEN}` })
    const cookie = answer.headers['set-cookie']?.[0] ?? ''
    for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Max-Age=43200', 'Path=/'])
      expect(cookie).toContain(attribute)
  })

  it('holds at every dashboard of the same token, and is over at all of them once it is signed out', async () => {
    const [one, other] = [await start({ token: TOKEN }), await start({ token: TOKEN })]
    const statusOf = async (url: string, cookie: string) =>
      (await ask(url, '/overview.json', { headers: { cookie } })).status
    const [cookie, second] = [await signIn(one, TOKEN), await signIn(other, TOKEN)]
    expect([await statusOf(one, cookie), await statusOf(other, cookie)]).toEqual([200, 200])
    const rotated = await start({ token: `${TOKEN}-new` })
    expect([
      await statusOf(rotated, cookie),
      await statusOf(await start({ token: TOKEN, prefix: 'p2' }), cookie),
    ]).toEqual([401, 401])
    await ask(one, '/sign-out', { method: 'POST', headers: { ...form(one), cookie } })
    expect([await statusOf(one, cookie), await statusOf(other, cookie)]).toEqual([401, 401])
    expect([await statusOf(one, second), await statusOf(other, second)]).toEqual([200, 200])
    const restarted = await start({ token: TOKEN })
    expect([await statusOf(restarted, cookie), await statusOf(restarted, second)]).toEqual([401, 200])
  })
})

describe('a token', () => {
  it('is guessed five times at most: 40 guesses of one address are judged five times', async () => {
    const url = await start({ token: TOKEN })
    const statuses: number[] = []
    for (let guess = 0; guess < 40; guess++) {
      const headers = { authorization: `Bearer guess-number-${guess}`, 'x-forwarded-for': `10.0.0.${guess}` }
      statuses.push((await ask(url, '/overview.json', { headers })).status)
    }
    expect(statuses.filter((status) => status === 401)).toHaveLength(5)
    expect(statuses.slice(5).every((status) => status === 429)).toBe(true)
  })
})

describe('a change from another site', () => {
  const BODY = '{"name":"resize","data":{}}'
  it.each([
    [
      'text/plain, as a form of another site can send it',
      { 'content-type': 'text/plain', 'sec-fetch-site': 'cross-site' },
    ],
    ['JSON with a foreign origin', { 'content-type': 'application/json', origin: 'https://evil.example' }],
    ['JSON from a neighbour domain', { 'content-type': 'application/json', 'sec-fetch-site': 'same-site' }],
    ['no word of where it comes from', { 'content-type': 'application/json' }],
    ['an origin of null', { 'content-type': 'application/json', origin: 'null' }],
  ])('with %s makes no job on the routes of bull-board, signed in or not', async (_what, headers) => {
    const media = await openQueue('media')
    const [open, closed] = [await start(), await start({ token: TOKEN })]
    const cookie = await signIn(closed, TOKEN)
    for (const [url, more] of [[open, {}] as const, [closed, { cookie }] as const]) {
      const path = '/queues/api/queues/media/add'
      const answer = await ask(url, path, { method: 'POST', headers: { ...headers, ...more }, body: BODY })
      expect(answer.status).toBe(403)
    }
    expect(await media.getJobCountByTypes('waiting', 'delayed')).toBe(0)
  })
})

it('no page of ours has an inline script or style, and its policy allows none', async () => {
  await openQueue('media')
  const url = await start({ token: TOKEN })
  const cookie = await signIn(url, TOKEN)
  for (const path of ['/', '/sign-in', '/queues', '/nothing-here']) {
    const { headers, text } = await ask(url, path, { headers: { cookie, accept: 'text/html' } })
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("script-src 'self'")
    expect(policy).not.toMatch(/script-src[^;]*unsafe/)
    expect(headers['x-powered-by']).toBeUndefined()
    expect(headers['access-control-allow-origin']).toBeUndefined()
    expect(text).not.toMatch(/ on[a-z]+="/)
    for (const [tag] of text.matchAll(/<script\b[^>]*>/g)) expect(tag).toMatch(/ src=| type="application\/json"/)
  }
})
