// What a request of another site may change, which is nothing, and what the log keeps of requests.
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { createProducer, defineJob } from '../../src/index.js'
import { ask, signIn } from '../support/dashboard-http.js'
import { problemOf, useDashboards } from '../support/dashboards.js'
import { anything } from '../support/schemas.js'

const TOKEN = 'correct-horse-battery'
const BEARER = { authorization: `Bearer ${TOKEN}` }
const { closeAfter, redis, start } = useDashboards()

describe('a change', () => {
  const FOREIGN: readonly Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    {},
  ]
  const CHANGES = [
    ['POST', '/sign-in'],
    ['POST', '/sign-out'],
    ['PUT', '/queues/api/queues/pause'],
    ['PUT', '/queues/api/queues/media/pause'],
    ['POST', '/queues/api/queues/media/add'],
    ['PATCH', '/queues/api/queues/media/1/update-data'],
    ['DELETE', '/nothing'],
    ['POST', '/livez'],
  ] as const

  it.each(FOREIGN)('that comes with %j is refused everywhere, signed in or not', async (foreign) => {
    const url = await start({ token: TOKEN })
    const cookie = await signIn(url, TOKEN)
    for (const [method, path] of CHANGES) {
      const answer = await ask(url, path, { method, headers: { cookie, ...foreign }, body: '{}' })
      expect([path, answer.status, problemOf(answer).code]).toEqual([path, 403, 'CROSS_SITE'])
    }
    const closed = await start()
    expect((await ask(closed, '/queues/api/queues/pause', { method: 'PUT', headers: foreign })).status).toBe(403)
  })

  it('that contradicts itself is refused: same site by one header, another by the other', async () => {
    const url = await start()
    for (const headers of [
      { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site', origin: url },
    ]) {
      expect((await ask(url, '/queues/api/queues/pause', { method: 'PUT', headers })).status).toBe(403)
    }
  })

  it('of our own page passes, by either header alone', async () => {
    const url = await start()
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: url }, { origin: url.toUpperCase() }]) {
      expect((await ask(url, '/queues/api/queues/pause', { method: 'PUT', headers })).status).toBe(200)
    }
  })

  it('of a program passes by its bearer token, unless a cookie shows that a browser sent it', async () => {
    const url = await start({ token: TOKEN })
    const cookie = await signIn(url, TOKEN)
    const pause = (headers: Record<string, string>) => ask(url, '/queues/api/queues/pause', { method: 'PUT', headers })
    expect((await pause(BEARER)).status).toBe(200)
    expect((await pause({ ...BEARER, cookie })).status).toBe(403)
    expect((await pause({ authorization: 'Bearer wrong' })).status).toBe(401)
  })

  it('is never made by a foreign form: text posted to bull-board adds no job', async () => {
    const url = await start()
    await redis().cli('SADD', 'drover:queues', 'media')
    const body = '{"name":"evil","data":{}}'
    const send = (headers: Record<string, string>) =>
      ask(url, '/queues/api/queues/media/add', { method: 'POST', headers, body })
    expect((await send({ 'content-type': 'text/plain', origin: 'https://evil.example' })).status).toBe(403)
    const own = await send({ 'content-type': 'text/plain', origin: url })
    expect([own.status, problemOf(own).code]).toEqual([415, 'NOT_JSON'])
    expect(await redis().cli('EXISTS', '{drover:media}:media:1')).toBe('0')
  })
})

describe('the log', () => {
  it('has each request under the id that the answer names, and no token, cookie, query or body', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
    const url = await start({ token: TOKEN, logger })
    const cookie = await signIn(url, TOKEN)
    await ask(url, '/overview.json?secret=canary-query', { headers: { cookie, referer: 'http://canary-referer/' } })
    await ask(url, '/overview.json', { headers: { authorization: 'Bearer canary-bearer' } })
    const lost = await ask(url, '/canary%0apath\u001b'.replace('\u001b', '%1b'), { headers: BEARER })
    const broken = await ask(url, '/queues/api/queues/media/add', {
      method: 'POST',
      headers: { ...BEARER, 'content-type': 'application/json' },
      body: '{"canary-body',
    })
    const ids = [lost, broken].map((answer) => answer.headers['x-request-id'])
    await expect.poll(() => lines.filter((line) => ids.some((id) => line.includes(String(id)))).length).toBe(2)
    const text = lines.join('')
    expect(problemOf(broken).code).toBe('INVALID_JSON')
    expect(broken.text).toContain(String(ids[1]))
    for (const secret of [TOKEN, cookie, 'canary-query', 'canary-referer', 'canary-bearer', 'canary-body']) {
      expect(text).not.toContain(secret)
    }
    for (const line of lines) expect(() => JSON.parse(line)).not.toThrow()
    expect(text).not.toContain('\u001b')
  })

  it('of an error of Redis has its message and not the command, which may hold a job’s data', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
    const contracts = [defineJob({ name: 'resize', queue: 'media', input: anything })]
    const producer = closeAfter(createProducer({ redis: redis().url, timeout: '60s', allowVolatile: true }))
    const url = await start({ logger, contracts, producer })
    await redis().cli('SADD', 'drover:queues', 'media')
    await redis().cli('SET', '{drover:media}:media:id', 'not a number')
    const headers = { origin: url, 'content-type': 'application/json' }
    const body = JSON.stringify({ name: 'resize', data: 'canary-data', options: {} })
    const answer = await ask(url, '/queues/api/queues/media/add', { method: 'POST', headers, body })
    expect([answer.status, problemOf(answer).code]).toEqual([503, 'REDIS_REFUSED'])
    expect(answer.text).not.toContain('canary-data')
    await expect.poll(() => lines.join('')).toContain('not an integer')
    expect(lines.join('')).not.toContain('canary-data')
  })
})
