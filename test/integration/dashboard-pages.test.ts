// The dashboard's own answers: their headers, to bad requests, and while Redis is down.
import { describe, expect, it } from 'vitest'
import { ask, BROWSER } from '../support/dashboard-http.js'
import { problemOf, untilReady, useDashboards } from '../support/dashboards.js'
import { parseMetrics, sampleValue } from '../support/metrics-text.js'

const { redis, start, startRedis, openQueue } = useDashboards()

describe('every answer', () => {
  it('has a strict policy, is not kept by caches and names neither express nor a server', async () => {
    const url = await start()
    for (const path of ['/', '/overview.json', '/sign-in', '/livez', '/nothing', '/assets/live.js']) {
      const { headers } = await ask(url, path, { headers: BROWSER })
      expect([path, headers['content-security-policy']]).toEqual([
        path,
        "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data:;connect-src 'self';" +
          "form-action 'self';frame-ancestors 'none';base-uri 'none'",
      ])
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'same-origin',
        'x-frame-options': 'DENY',
        'cross-origin-resource-policy': 'same-origin',
        'cache-control': path.startsWith('/assets') ? 'no-cache' : 'no-store',
      })
      for (const absent of ['x-powered-by', 'server', 'strict-transport-security', 'access-control-allow-origin']) {
        expect(headers).not.toHaveProperty(absent)
      }
    }
  })

  it('to an unknown path is a page for a browser and JSON for a program, under a request id', async () => {
    const url = await start()
    const page = await ask(url, '/<script>alert(1)</script>', { headers: BROWSER })
    expect([page.status, page.headers['content-type']]).toEqual([404, 'text/html; charset=utf-8'])
    expect(page.text).toContain('There is no page at this address.')
    expect(page.text).not.toContain('alert(1)')
    const data = await ask(url, '/nothing')
    expect(data.status).toBe(404)
    expect(data.headers['content-type']).toBe('application/problem+json')
    expect(data.json()).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      code: 'NOT_FOUND',
      detail: 'There is no page at this address.',
      requestId: data.headers['x-request-id'],
    })
  })

  it.each([
    ['POST', '/', 'GET, HEAD'],
    ['DELETE', '/overview.json', 'GET, HEAD'],
    ['PUT', '/sign-in', 'GET, POST, HEAD'],
    ['GET', '/sign-out', 'POST'],
    ['POST', '/livez', 'GET, HEAD'],
    ['OPTIONS', '/readyz', 'GET, HEAD'],
    ['TRACE', '/assets/page.css', 'GET, HEAD'],
  ])('to %s %s says which methods the path takes', async (method, path, allow) => {
    const url = await start()
    const answer = await ask(url, path, { method, headers: { origin: url } })
    expect([answer.status, problemOf(answer).code, answer.headers.allow]).toEqual([405, 'METHOD_NOT_ALLOWED', allow])
  })

  it('to a HEAD request has the headers of the page and no body', async () => {
    const url = await start()
    expect(await ask(url, '/', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
    expect(await ask(url, '/nothing', { method: 'HEAD' })).toMatchObject({ status: 404, text: '' })
  })

  it.each(['/%', '/%ff', '/queues/%zz', '/queues/queue/%'])('to the path %s is no error of ours', async (path) => {
    const answer = await ask(await start(), path)
    expect([400, 404]).toContain(answer.status)
    expect(problemOf(answer).detail).not.toMatch(/decode|URIError|\.js:/)
  })

  it('to a form that is too large or has too many fields is 413', async () => {
    const url = await start({ token: 'correct-horse' })
    const headers = { origin: url, 'content-type': 'application/x-www-form-urlencoded' }
    for (const body of [
      `token=${'x'.repeat(5_000)}`,
      Array.from({ length: 20 }, (_, index) => `f${index}=1`).join('&'),
    ]) {
      const answer = await ask(url, '/sign-in', { method: 'POST', headers, body })
      expect([answer.status, problemOf(answer).code]).toEqual([413, 'BODY_TOO_LARGE'])
    }
  })
})

describe('assets', () => {
  it('are sent with their type, and not again while they are the same', async () => {
    const url = await start({ token: 'correct-horse' })
    for (const [path, type] of [
      ['/assets/page.css', 'text/css; charset=utf-8'],
      ['/assets/live.js', 'text/javascript; charset=utf-8'],
      ['/assets/drover.svg', 'image/svg+xml'],
    ] as const) {
      const { status, headers } = await ask(url, path)
      expect([path, status, headers['content-type']?.split(';', 1)[0]]).toEqual([path, 200, type.split(';', 1)[0]])
      expect((await ask(url, path, { headers: { 'if-none-match': String(headers.etag) } })).status).toBe(304)
    }
  })
})

describe('while Redis is down', () => {
  it('the pages stay up and say so, and are themselves again when it is back', async () => {
    const own = await startRedis({ appendonly: true })
    await own.cli('SADD', 'drover:queues', 'media')
    const url = await start({ redis: own.url })
    await untilReady(url)
    await expect.poll(() => ask(url, '/readyz')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
    expect((await ask(url, '/', { headers: BROWSER })).status).toBe(200)

    await own.kill('SIGKILL')
    await expect.poll(async () => (await ask(url, '/overview.json')).status).toBe(503)
    const data = await ask(url, '/overview.json')
    expect(problemOf(data).code).toBe('REDIS_UNAVAILABLE')
    const page = await ask(url, '/', { headers: BROWSER })
    expect(page.status).toBe(503)
    expect(page.text).toContain('Redis does not answer')
    expect(page.text).toContain('Below is what it said')
    expect(page.text).toContain('/queues/queue/media')
    const board = await ask(url, '/queues/api/queues')
    expect([board.status, problemOf(board).code]).toEqual([503, 'REDIS_UNAVAILABLE'])
    expect(await ask(url, '/livez')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
    expect(await ask(url, '/readyz')).toMatchObject({ status: 503, text: '{"status":"redis unavailable"}' })
    for (const { text } of [data, page, board]) expect(text).not.toMatch(/ECONNREFUSED|Stream isn't|at .*\.js/)

    await own.restart()
    await expect.poll(async () => (await ask(url, '/overview.json')).status).toBe(200)
    await expect.poll(async () => (await ask(url, '/readyz')).status).toBe(200)
    expect((await ask(url, '/', { headers: BROWSER })).text).not.toContain('Redis does not answer')
    await expect.poll(async () => (await ask(url, '/queues/api/queues')).status).toBe(200)
  })

  it('from the start, the pages come up without data, and get it later', async () => {
    const own = await startRedis()
    await own.kill('SIGKILL')
    const url = await start({ redis: own.url, timeout: '2s' })
    const page = await ask(url, '/', { headers: BROWSER })
    expect([page.status, page.text.includes('This page shows your jobs as soon as it does.')]).toEqual([503, true])
    expect((await ask(url, '/queues/api/queues')).status).toBe(503)
    await own.restart()
    await expect.poll(async () => (await ask(url, '/', { headers: BROWSER })).status).toBe(200)
    await expect.poll(async () => (await ask(url, '/queues/api/queues')).status).toBe(200)
  })

  it('hanging rather than gone, it counts as down as well', async () => {
    const own = await startRedis()
    const url = await start({ redis: own.url, timeout: '2s' })
    await untilReady(url)
    await own.kill('SIGSTOP')
    expect((await ask(url, '/readyz')).status).toBe(503)
    const data = await ask(url, '/overview.json')
    expect([data.status, problemOf(data).detail.includes('within 2s')]).toEqual([503, true])
    expect((await ask(url, '/livez')).status).toBe(200)
    await own.kill('SIGCONT')
    await expect.poll(async () => (await ask(url, '/overview.json')).status).toBe(200)
  })

  it('refusing the password, it is named with what to check, and without the password', async () => {
    const own = await startRedis({ password: 'canary-password' })
    const url = await start({ redis: own.url.replace('canary-password', 'canary-wrong') })
    const answer = await ask(url, '/', { headers: BROWSER })
    expect(answer.status).toBe(503)
    expect(answer.text).not.toContain('canary')
  })
})

it('/metrics is for those who are signed in, and in the format of Prometheus', async () => {
  const token = 'metrics-for-me'
  const unserved = await openQueue('unserved')
  await unserved.add('job', {})
  const url = await start({ token })
  expect((await ask(url, '/metrics')).status).toBe(401)
  const { status, text, headers } = await ask(url, '/metrics', { headers: { Authorization: `Bearer ${token}` } })
  expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
  const samples = parseMetrics(text)
  expect(samples.filter(({ name }) => name === 'drover_workers')).toHaveLength(3)
  expect(samples).toContainEqual({
    name: 'drover_problems',
    labels: { code: 'NO_WORKER', level: expect.any(String), queue: 'unserved' },
    value: 1,
  })
})

it('/metrics counts the queues of which another program wrote a key, also those beyond the first 100', async () => {
  const names = Array.from({ length: 101 }, (_, index) => `q${String(index).padStart(3, '0')}`)
  await redis().cli('SADD', 'drover:queues', ...names)
  for (const name of ['q000', 'q100']) await redis().cli('SET', `{drover:${name}}:totals`, 'text')
  const samples = parseMetrics((await ask(await start(), '/metrics')).text)
  expect(sampleValue(samples, 'drover_unreadable_queues')).toBe(2)
  expect(samples.filter(({ name }) => name === 'drover_queue_paused')).toHaveLength(99)
})
