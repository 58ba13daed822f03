// Who may enter the dashboard: this machine, who signed in, a program with the token; and nobody by guessing.
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { Sessions } from '../../src/dashboard/access/session.js'
import { MAX_ENDED, SignedOut } from '../../src/dashboard/access/signed-out.js'
import { signedOutKey } from '../../src/redis/index.js'
import { ask, BROWSER, cookieOf, form, signIn } from '../support/dashboard-http.js'
import { problemOf, useDashboards } from '../support/dashboards.js'

const TOKEN = 'correct-horse-battery'
const BEARER = { authorization: `Bearer ${TOKEN}` }
const { start, redis } = useDashboards()

describe('without a token', () => {
  it('pages are open to this machine, by each of its names', async () => {
    const url = await start()
    const { port } = new URL(url)
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, 'localhost']) {
      expect((await ask(url, '/overview.json', { headers: { host } })).status, host).toBe(200)
    }
  })

  it.each([
    { host: 'evil.example' },
    { host: 'evil.example:3000' },
    { host: 'localhost.evil.example' },
    { host: '127.0.0.1.evil.example' },
    { 'x-forwarded-for': '203.0.113.9' },
    { 'x-forwarded-host': 'jobs.example' },
    { forwarded: 'for=203.0.113.9' },
    { 'x-real-ip': '203.0.113.9' },
    { via: '1.1 proxy' },
  ])('a request with %j is refused, so that neither a rebound name nor a proxy opens the door', async (headers) => {
    const url = await start()
    for (const path of ['/', '/overview.json', '/queues', '/queues/api/queues', '/nothing']) {
      const answer = await ask(url, path, { headers })
      expect([path, answer.status, problemOf(answer).code]).toEqual([path, 403, 'NOT_FROM_THIS_MACHINE'])
    }
  })

  it('there is nothing to sign in to', async () => {
    const url = await start()
    expect((await ask(url, '/sign-in', { headers: BROWSER })).headers.location).toBe('/')
    const answer = await ask(url, '/sign-in', { method: 'POST', headers: form(url), body: 'token=anything' })
    expect([answer.status, answer.headers.location, answer.headers['set-cookie']]).toEqual([303, '/', undefined])
    expect((await ask(url, '/', { headers: BROWSER })).text).not.toContain('sign-out')
  })

  it('there is nothing to sign out of: a session that anybody could have signed takes no room of those that were ended', async () => {
    const url = await start()
    const cookie = `drover=${await new Sessions('', 'drover').create('settings', Date.now())}`
    const out = await ask(url, '/sign-out', { method: 'POST', headers: { ...form(url), cookie } })
    expect(out.status).toBe(303)
    expect(await redis().cli('EXISTS', signedOutKey('drover', 'settings'))).toBe('0')
  })
})

it('who signs out often revives no session that was signed out, neither of others nor of the same token', async () => {
  const client = new Redis(redis().url)
  const away = new Redis(redis().url, { lazyConnect: true, enableOfflineQueue: false })
  away.disconnect()
  const now = Date.now()
  const session = (tokenId: string, n: number) => ({ tokenId, id: `${tokenId}-${n}`, expiresAt: now + 600_000 + n })
  try {
    const [one, alone] = [new SignedOut(client, 'often'), new SignedOut(away, 'often')]
    const victim = session('settings', 1)
    for (const list of [one, alone]) await list.add(victim, now)
    const mine = Array.from({ length: MAX_ENDED + 10 }, (_, n) => session('0123456789ab', n))
    for (const each of mine) await Promise.all([one.add(each, now), alone.add(each, now)])
    const later = session('0123456789ab', MAX_ENDED + 10)
    // As this process knows it, as another that asks Redis does, and where Redis is away.
    for (const list of [one, new SignedOut(client, 'often'), alone]) {
      expect(await list.has(victim)).toBe(true)
      for (const each of [...mine.slice(0, 15), ...mine.slice(-5)]) expect(await list.has(each)).toBe(true)
      expect(await list.has(later)).toBe(false)
      expect(await list.has(session('settings', 0))).toBe(false)
    }
    expect(await client.zcard(signedOutKey('often', '0123456789ab'))).toBe(MAX_ENDED)
  } finally {
    client.disconnect()
  }
})

describe('with a token', () => {
  it('nobody sees a page or data without it', async () => {
    const url = await start({ token: TOKEN })
    for (const path of [
      '/',
      '/overview.json',
      '/queues',
      '/queues/api/queues',
      '/queues/static/favicon.ico',
      '/nothing',
    ]) {
      const answer = await ask(url, path)
      expect([path, answer.status, problemOf(answer).code]).toEqual([path, 401, 'SIGN_IN_NEEDED'])
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="drover"')
    }
  })

  it.each([
    '/x/..%2flivez',
    '/x/../livez',
    '/overview.json?x=/livez',
    '/?/livez',
    '/livez/',
    '/LIVEZ',
    '/%2flivez',
    '/livez%2f..%2foverview.json',
    '//livez',
    '/livez;x',
    '/assets/../overview.json',
    '/assets/..%2foverview.json',
    '/assets/',
    '/sign-in/',
  ])('%s is no way around the sign-in', async (path) => {
    const url = await start({ token: TOKEN })
    expect((await ask(url, path)).status).toBe(401)
  })

  it('a browser is sent to the sign-in page and from there to where it wanted to go', async () => {
    const url = await start({ token: TOKEN })
    const away = await ask(url, '/queues/queue/media?status=failed', { headers: BROWSER })
    expect([away.status, away.headers.location]).toEqual([
      303,
      '/sign-in?next=%2Fqueues%2Fqueue%2Fmedia%3Fstatus%3Dfailed',
    ])
    const page = await ask(url, away.headers.location ?? '', { headers: BROWSER })
    expect(page.text).toContain('<input type="hidden" name="next" value="/queues/queue/media?status=failed">')
    const body = `token=${TOKEN}&next=${encodeURIComponent('/queues/queue/media?status=failed')}`
    const back = await ask(url, '/sign-in', { method: 'POST', headers: form(url), body })
    expect([back.status, back.headers.location]).toEqual([303, '/queues/queue/media?status=failed'])
  })

  it.each(['//evil.example', '/\\evil.example', 'https://evil.example', '/\t/evil.example', '/a\r\nb', '', 'x'])(
    'the sign-in leads nowhere else: next=%j',
    async (next) => {
      const url = await start({ token: TOKEN })
      const body = `token=${TOKEN}&next=${encodeURIComponent(next)}`
      const answer = await ask(url, '/sign-in', { method: 'POST', headers: form(url), body })
      expect([answer.status, answer.headers.location]).toEqual([303, '/'])
      const shown = await ask(url, `/sign-in?next=${encodeURIComponent(next)}`, { headers: BROWSER })
      expect(shown.text).toContain('name="next" value="/"')
    },
  )

  it('the right token gives a cookie that opens the pages, and signing out ends it everywhere', async () => {
    const url = await start({ token: TOKEN })
    const answer = await ask(url, '/sign-in', { method: 'POST', headers: form(url), body: `token=${TOKEN}` })
    expect(answer.headers['set-cookie']?.[0]).toMatch(
      /^drover=\d+\.[\w-]{22}\.settings\.[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    )
    const cookie = cookieOf(answer)
    expect((await ask(url, '/', { headers: { ...BROWSER, cookie } })).text).toContain('action="/sign-out"')
    expect((await ask(url, '/sign-in', { headers: { ...BROWSER, cookie } })).headers.location).toBe('/')
    const out = await ask(url, '/sign-out', { method: 'POST', headers: { ...form(url), cookie } })
    expect([out.status, out.headers.location]).toEqual([303, '/sign-in'])
    expect(out.headers['set-cookie']?.[0]).toBe('drover=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict')
    expect((await ask(url, '/overview.json', { headers: { cookie } })).status).toBe(401)
  })

  it('a cookie that was changed, or comes from a dashboard of another token, opens nothing', async () => {
    const url = await start({ token: TOKEN })
    const cookie = await signIn(url, TOKEN)
    const other = await signIn(await start({ token: `${TOKEN}-2` }), `${TOKEN}-2`)
    const [expiresAt = '', id, token, signature] = cookie.slice('drover='.length).split('.')
    for (const forged of [
      other,
      `drover=${Number(expiresAt) + 1}.${id}.${token}.${signature}`,
      cookie.slice(0, -1),
      `__Host-${cookie}`,
      'drover=',
    ]) {
      expect((await ask(url, '/overview.json', { headers: { cookie: forged } })).status, forged).toBe(401)
    }
    expect((await ask(url, '/overview.json', { headers: { cookie } })).status).toBe(200)
  })

  it('over https, as a trusted proxy says, the cookie is bound to the host and to https', async () => {
    const url = await start({ token: TOKEN, trustProxy: 1 })
    const headers = {
      ...form(url),
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'jobs.example',
      origin: 'https://jobs.example',
    }
    const answer = await ask(url, '/sign-in', { method: 'POST', headers, body: `token=${TOKEN}` })
    expect(answer.headers['set-cookie']?.[0]).toMatch(
      /^__Host-drover=\S+; Max-Age=43200; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
    )
    const cookie = cookieOf(answer)
    expect((await ask(url, '/overview.json', { headers: { cookie, 'x-forwarded-proto': 'https' } })).status).toBe(200)
    expect((await ask(url, '/overview.json', { headers: { cookie } })).status).toBe(401)
  })

  it('what a proxy says is not believed unless it is trusted', async () => {
    const url = await start({ token: TOKEN })
    const headers = { ...form(url), 'x-forwarded-proto': 'https' }
    const answer = await ask(url, '/sign-in', { method: 'POST', headers, body: `token=${TOKEN}` })
    expect(cookieOf(answer)).toMatch(/^drover=/)
  })

  it('a program comes in by bearer token', async () => {
    const url = await start({ token: TOKEN })
    expect((await ask(url, '/overview.json', { headers: BEARER })).status).toBe(200)
    expect((await ask(url, '/overview.json', { headers: { authorization: `bearer ${TOKEN}` } })).status).toBe(200)
    for (const authorization of [`Bearer ${TOKEN}x`, 'Bearer x', 'Bearer', `Basic ${TOKEN}`, TOKEN]) {
      const answer = await ask(url, '/overview.json', { headers: { authorization } })
      expect([authorization, answer.status]).toEqual([authorization, 401])
    }
  })

  it('a link from another site reaches the page of who is signed in, by way of our own page', async () => {
    const url = await start({ token: TOKEN })
    const cookie = await signIn(url, TOKEN)
    const away = await ask(url, '/queues?x=1', { headers: { ...BROWSER, 'sec-fetch-site': 'cross-site' } })
    expect([away.status, away.headers.refresh]).toEqual([200, '0; url=/sign-in?next=%2Fqueues%3Fx%3D1'])
    const back = await ask(url, '/sign-in?next=%2Fqueues%3Fx%3D1', { headers: { ...BROWSER, cookie } })
    expect([back.status, back.headers.location]).toEqual([303, '/queues?x=1'])
  })
})

describe('wrong tokens', () => {
  const guess = (url: string, token: string, headers: Record<string, string> = {}) =>
    ask(url, '/sign-in', { method: 'POST', headers: { ...form(url), ...headers }, body: `token=${token}` })

  it('are refused, and after five of them the address must wait, even with the right one', async () => {
    const url = await start({ token: TOKEN })
    const cookie = await signIn(url, TOKEN)
    const from = performance.now()
    for (const token of ['', 'wrong', `${TOKEN} `, TOKEN.slice(1), 'x'.repeat(2_000)]) {
      const answer = await guess(url, encodeURIComponent(token))
      expect([token, answer.status, problemOf(answer).code]).toEqual([token, 401, 'WRONG_TOKEN'])
    }
    const late = await guess(url, TOKEN)
    expect([late.status, problemOf(late).code]).toEqual([429, 'TOO_MANY_ATTEMPTS'])
    const passed = (performance.now() - from) / 1_000
    expect(Number(late.headers['retry-after'])).toBeGreaterThan(898 - passed)
    expect(Number(late.headers['retry-after'])).toBeLessThanOrEqual(900)
    expect((await ask(url, '/overview.json', { headers: BEARER })).status).toBe(429)
    expect((await ask(url, '/overview.json', { headers: { cookie } })).status).toBe(200)
  })

  it('count by bearer token too', async () => {
    const url = await start({ token: TOKEN })
    for (let count = 0; count < 5; count++) {
      expect((await ask(url, '/', { headers: { authorization: 'Bearer wrong' } })).status).toBe(401)
    }
    expect((await guess(url, TOKEN)).status).toBe(429)
  })

  it('count for their own address only, which nobody can choose but a trusted proxy', async () => {
    const trusting = await start({ token: TOKEN, trustProxy: 1 })
    for (let count = 0; count < 5; count++) await guess(trusting, 'wrong', { 'x-forwarded-for': '203.0.113.9' })
    expect((await guess(trusting, TOKEN, { 'x-forwarded-for': '203.0.113.9' })).status).toBe(429)
    expect((await guess(trusting, TOKEN, { 'x-forwarded-for': '203.0.113.10' })).status).toBe(303)
    const plain = await start({ token: TOKEN })
    for (let count = 0; count < 5; count++) await guess(plain, 'wrong', { 'x-forwarded-for': `203.0.113.${count}` })
    expect((await guess(plain, TOKEN, { 'x-forwarded-for': '203.0.113.99' })).status).toBe(429)
  })

  it('show a browser what to do next', async () => {
    const url = await start({ token: TOKEN })
    const answer = await guess(url, 'wrong', { accept: 'text/html' })
    expect([answer.status, answer.headers['content-type']]).toEqual([401, 'text/html; charset=utf-8'])
    expect(answer.text).toContain('role="alert"')
    expect(answer.text).not.toContain('wrong')
  })
})
