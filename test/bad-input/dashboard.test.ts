// B33 to B36: wrong requests to the dashboard, signed in: a problem of one shape, no text of a parser, of Redis or of the request
// in it, nothing changed, and the next good request answered.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDashboard, type Dashboard } from '../../src/dashboard/index.js'
import { type Ask, ask } from '../support/dashboard-http.js'
import { openTestQueue, type TestQueue } from '../support/dashboard-jobs.js'
import { problemOf, untilReady } from '../support/dashboards.js'
import { shuffle, testSeed } from '../support/random.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { collectLog, type LogLine } from '../support/worker.js'
import { CANARY, expectClean, Redis, readStore } from './matrix.js'

const TOKEN = 'a-token-of-some-length'
const API = '/queues/api/queues'
let redis: TestRedis
let client: Redis
let media: TestQueue
let dashboard: Dashboard
let url: string
let lines: LogLine[]

beforeAll(async () => {
  redis = await startTestRedis()
  client = new Redis(redis.url)
  media = await openTestQueue(redis, 'media')
  await media.queue.add('resize', { n: 1 }, { jobId: 'cat' })
  await media.queue.add('resize', { n: 1 }, { jobId: 'late', delay: 3_600_000 })
  const log = collectLog()
  lines = log.lines
  dashboard = createDashboard({ redis: redis.url, port: 0, timeout: '60s', token: TOKEN, logger: log.logger })
  url = (await dashboard.listen()).url
  await untilReady(url)
})
afterAll(async () => {
  await dashboard?.close()
  await media?.close()
  client?.disconnect()
  await redis?.close()
})

const json = { 'content-type': 'application/json' }
type Row = readonly [row: string, method: string, path: string, statuses: readonly number[], more?: Ask | undefined]

const ROWS: readonly Row[] = [
  ['B33', 'GET', `${API}?activeQueue=media&status=waiting&page=1&jobsPerPage=1e9`, [200, 400]],
  ['B33', 'GET', `${API}?activeQueue=media&status=waiting&page=1&jobsPerPage=-1`, [200, 400]],
  ['B33', 'GET', `${API}?activeQueue=media&status=waiting&page=1&jobsPerPage=${CANARY}`, [200, 400]],
  ['B33', 'GET', `${API}?activeQueue=media&status=waiting&page=${CANARY}`, [200, 400]],
  ['B33', 'GET', `${API}?activeQueue=media&status=waiting&page=99999999999999999999`, [200, 400]],
  ['B33', 'GET', `${API}?activeQueue=media&status=__proto__`, [200, 400]],
  ['B33', 'GET', `${API}?activeQueue=__proto__&status=constructor`, [200, 400]],
  ['B33', 'GET', `${API}?activeQueue[]=media&status[x]=1`, [200, 400]],
  ['B33', 'GET', `${API}/media/cat/logs/${CANARY}`, [404]],
  ['B35', 'GET', `/${CANARY}`, [404]],
  ['B35', 'GET', `/queues/${CANARY}/x`, [404]],
  ['B35', 'GET', `${API}/${CANARY}`, [404]],
  ['B35', 'GET', `${API}/__proto__/cat`, [404]],
  ['B35', 'GET', `${API}/media/${CANARY}`, [404]],
  ['B35', 'GET', '/%', [400, 404]],
  ['B35', 'GET', `${API}/%ff/${CANARY}`, [400]],
  ['B35', 'GET', `${API}/media/..%2f..%2fmeta`, [404]],
  ['B35', 'GET', `/${'x'.repeat(8_000)}`, [404]],
  ['B35', 'DELETE', '/', [405]],
  ['B35', 'PUT', '/overview.json', [405]],
  ['B35', 'POST', `${API}/media/add`, [400], { headers: json, body: `{"name":"${CANARY}"` }],
  ['B35', 'POST', `${API}/media/add`, [400], { headers: json, body: `{"name":"x","data":${CANARY}}` }],
  ['B35', 'POST', `${API}/media/add`, [400], { headers: json, body: `\ufeff{"data":` }],
  ['B35', 'POST', `${API}/media/add`, [400], { headers: json, body: '"text"' }],
  ['B35', 'POST', `${API}/media/add`, [413], { headers: json, body: `{"data":"${CANARY.repeat(400_000)}"}` }],
  ['B35', 'POST', `${API}/media/add`, [415], { headers: { 'content-type': 'text/plain' }, body: '{"name":"x"}' }],
  ['B35', 'POST', `${API}/media/add`, [415], { headers: { ...json, 'content-encoding': 'br-x' }, body: '{}' }],
  ['B36', 'PUT', `${API}/media/${CANARY}/retry`, [404]],
  ['B36', 'PUT', `${API}/media/${CANARY}/promote`, [404]],
  ['B36', 'PUT', `${API}/media/${CANARY}/clean`, [404]],
  ['B36', 'PATCH', `${API}/media/${CANARY}/update-data`, [403], { headers: json, body: '{"jobData":{}}' }],
  ['B36', 'PUT', `${API}/media/meta/clean`, [404]],
  ['B36', 'PUT', `${API}/media/wait/clean`, [404]],
  ['B36', 'PUT', `${API}/media/events/clean`, [404]],
  ['B36', 'PUT', `${API}/media/cat%3Alogs/clean`, [404]],
  ['B36', 'GET', `${API}/media/meta`, [404]],
  ['B36', 'GET', `${API}/media/wait`, [404]],
  ['B36', 'PATCH', `${API}/media/meta/update-data`, [403], { headers: json, body: '{"jobData":{}}' }],
  ['B36', 'PUT', `${API}/${CANARY}/cat/retry`, [404]],
  ['B36', 'PUT', `${API}/media/cat/retry`, [400, 404, 409]],
  ['B36', 'PUT', `${API}/media/cat/promote`, [400, 404, 409]],
  ['B36', 'PUT', `${API}/media/clean/${CANARY}`, [400, 404]],
  ['B36', 'PUT', `${API}/media/retry/__proto__`, [400, 404]],
]

function send(method: string, path: string, more: Ask = {}) {
  const headers = { authorization: `Bearer ${TOKEN}`, accept: 'application/json', ...more.headers }
  return ask(url, path, { ...more, method, headers })
}

async function check([, method, path, statuses, more]: Row): Promise<void> {
  const before = await readStore(client, 'media')
  const answer = await send(method, path, more)
  expect(statuses, answer.text.slice(0, 300)).toContain(answer.status)
  expect(answer.headers['content-type']).toMatch(/^application\/(problem\+)?json(;|$)/)
  expect(answer.headers['x-powered-by']).toBeUndefined()
  if (answer.status >= 400) {
    // bull-board's own answers have its shape.
    if (answer.headers['content-type'] === 'application/problem+json')
      expect(problemOf(answer).code).toMatch(/^[A-Z_]+$/)
    else expect(answer.json<{ error: unknown }>().error).toBeTruthy()
    expectClean(answer.text.replace(/\s+/g, ' '))
    expect(answer.text).not.toMatch(/<html|<pre>|at .*\.js:\d/)
  }
  expect(await readStore(client, 'media')).toEqual(before)
}

describe('a wrong request', () => {
  it.each(ROWS)('%s %s %s is answered with one of %j, as a problem of ours, and changes nothing', async (...row) => {
    await check(row as unknown as Row)
    expect((await send('GET', '/overview.json')).status).toBe(200)
  })
})

it('all of them in random order among good requests', async () => {
  const seed = testSeed()
  console.info(`seed ${seed}: ${ROWS.length} rows`)
  for (const row of shuffle(ROWS, seed)) {
    expect((await send('GET', `${API}?activeQueue=media&status=waiting`)).status).toBe(200)
    await check(row)
  }
})

it('B36 a change that was asked for twice at once is made once', async () => {
  const [one, other] = await Promise.all([
    send('PUT', `${API}/media/late/promote`),
    send('PUT', `${API}/media/late/promote`),
  ])
  expect([one.status, other.status].sort()[0]).toBe(204)
  expect([404, 409, 400, 204]).toContain([one.status, other.status].sort()[1])
  expect((await client.lrange('{drover:media}:media:wait', 0, -1)).filter((id) => id === 'late')).toEqual(['late'])
})

it('of none of them the log has more than a path, and no answer was a 500', () => {
  expect(lines.length).toBeGreaterThan(ROWS.length)
  for (const line of lines) {
    expect((line.res as { statusCode?: number } | undefined)?.statusCode ?? 0).not.toBe(500)
    // The target of a change is named by the path too.
    const audit = line.audit && { ...(line.audit as object), target: undefined }
    expect(JSON.stringify({ ...line, audit, req: undefined, url: undefined })).not.toContain(CANARY)
  }
})
