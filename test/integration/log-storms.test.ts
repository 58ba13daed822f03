// Storms of errors in the log: jobs that fail, requests that are refused. Each kind at once, then one line a second.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { createDashboard } from '../../src/dashboard/index.js'
import { defineJob } from '../../src/job/index.js'
import { createHttpApi } from '../../src/producer/http/index.js'
import { auditKey, queueKeys, queuesKey, workersKey } from '../../src/redis/index.js'
import { handle } from '../../src/worker/index.js'
import { ask } from '../support/dashboard-http.js'
import { untilReady } from '../support/dashboards.js'
import { until } from '../support/until.js'
import { collectLog, type LogLine, openWorkshop, type Workshop } from '../support/worker.js'

/** A line's time is taken after its turn, of another clock: on a busy machine some time may lie between the two. */
const CLOCK_MS = 500

let shop: Workshop
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(() => shop.close())

const counted = (lines: readonly LogLine[]) =>
  lines.reduce((sum, { suppressed = 0 }) => sum + 1 + Number(suppressed), 0)

/** The most lines that may stand in a log: the first of each kind, and one for each second since the first. */
function mostOf(lines: readonly LogLine[], kinds: number): number {
  const times = lines.map(({ time }) => Number(time))
  return kinds + Math.floor((Math.max(...times) - Math.min(...times) + CLOCK_MS) / 1_000)
}

it('hundreds of jobs that fail again and again are a line for each cause, and then one a second that counts the others', async () => {
  const options = { queue: 'storms', input: z.object({ n: z.int() }), backoff: { type: 'fixed', delay: 400 } } as const
  const thrown = (code: string) => Object.assign(new Error(`refused by ${code}`), { code })
  const resize = defineJob({ ...options, name: 'resize', attempts: 4 })
  const mail = defineJob({ ...options, name: 'mail', attempts: 1 })
  const { logger, lines } = collectLog('info')
  const worker = await shop.work(
    [
      handle(resize, ({ n }) => {
        throw thrown(n % 2 === 0 ? 'E_DISK' : 'E_QUOTA')
      }),
      handle(mail, () => {
        throw thrown('E_SMTP')
      }),
    ],
    { logger, concurrency: 50 },
  )
  const inputs = Array.from({ length: 300 }, (_, n) => ({ n }))
  await shop.producer.enqueueBulk(resize, inputs)
  await shop.producer.enqueueBulk(mail, inputs)
  await until(
    'all jobs have failed',
    async () => (await shop.redis.zcard(`${shop.keys('storms').bullBase}failed`)) === 600,
  )
  const told = () => lines.filter(({ msg }) => msg === 'attempt failed' || msg === 'job failed')
  // Two codes of attempts, two of jobs of the same name, and the other name's.
  const kinds = 5
  const during = [...told()]
  expect(during.length).toBeLessThanOrEqual(mostOf(during, kinds))
  const first = during.filter(({ suppressed }) => suppressed === undefined)
  for (const code of ['E_DISK', 'E_QUOTA', 'E_SMTP']) {
    expect(first.find(({ err }) => (err as { code?: string }).code === code)).toMatchObject({
      queue: 'storms',
      id: expect.stringMatching(/./),
      err: { message: `refused by ${code}`, stack: expect.stringContaining('log-storms') },
    })
  }
  await worker.close()
  expect(counted(told().filter(({ msg }) => msg === 'attempt failed'))).toBe(900)
  expect(counted(told().filter(({ msg }) => msg === 'job failed'))).toBe(600)
  for (const line of told()) {
    expect(line).toMatchObject({
      job: expect.stringMatching(/^(resize|mail)$/),
      err: { code: expect.stringMatching(/^E_/) },
    })
  }
})

it('hundreds of requests that are refused are a line for each cause and then one a second, of the API and of the dashboard', async () => {
  const { logger, lines } = collectLog('info')
  const redis = shop.server.url
  const api = createHttpApi({ redis, contracts: [], adminToken: 'admin-token-of-the-test', logger })
  const dashboard = createDashboard({
    redis,
    port: 0,
    timeout: '60s',
    token: 'dashboard-token',
    beside: api.router,
    logger,
  })
  try {
    const { url } = await dashboard.listen()
    const authorization = 'Bearer admin-token-of-the-test'
    for (let n = 0; n < 100; n++) {
      await Promise.all([
        ask(url, '/v1/queues'),
        ask(url, `/v1/no-such-${n}`, { headers: { authorization } }),
        ask(url, '/overview.json'),
      ])
    }
    const refused = () => lines.filter(({ level }) => Number(level) >= 40)
    expect(refused().length).toBeLessThanOrEqual(mostOf(refused(), 3))
    await dashboard.close()
    await api.close()
    const of = (msg: string, code?: string) => refused().filter((line) => line.msg === msg && line.code === code)
    expect(counted(of('API request', 'UNAUTHENTICATED'))).toBe(100)
    expect(counted(of('API request', 'NOT_FOUND'))).toBe(100)
    expect(counted(of('request refused'))).toBe(100)
    expect(of('request refused')[0]).toMatchObject({
      req: { method: 'GET', path: '/overview.json' },
      res: { statusCode: 401 },
    })
  } finally {
    await dashboard.close()
    await api.close()
  }
})

it('requests that fail for a cause of ours are told apart by their routes, and not by the names in their paths', async () => {
  const { logger, lines } = collectLog('info')
  const redis = shop.server.url
  const prefix = 'spoilt'
  for (const key of [workersKey(prefix), auditKey(prefix)]) await shop.redis.set(key, 'of another program')
  await shop.redis.sadd(queuesKey(prefix), 'one', 'two')
  for (const queue of ['one', 'two']) {
    const { counterNames, schedules } = queueKeys(prefix, queue)
    await shop.redis.mset(counterNames, 'of another program', schedules, 'of another program')
  }
  const api = createHttpApi({ redis, prefix, contracts: [], adminToken: 'admin-token-of-the-test', logger })
  const dashboard = createDashboard({ redis, prefix, port: 0, timeout: '60s', beside: api.router, logger })
  try {
    const { url } = await dashboard.listen()
    await untilReady(url)
    const headers = { authorization: 'Bearer admin-token-of-the-test' }
    const paths = ['counters', 'schedules'].flatMap((what) =>
      ['one', 'two'].map((queue) => `/v1/queues/${queue}/${what}`),
    )
    for (let n = 0; n < 10; n++) {
      for (const path of [...paths, '/workers', '/audit'])
        expect((await ask(url, path, { headers })).status).toBeGreaterThanOrEqual(500)
    }
    await dashboard.close()
    await api.close()
    const of = (end: string) =>
      counted(lines.filter(({ path, req }) => String(path ?? (req as { path?: string })?.path).endsWith(end)))
    expect(['/counters', '/schedules', '/workers', '/audit'].map(of)).toEqual([20, 20, 10, 10])
  } finally {
    await dashboard.close()
    await api.close()
  }
})

it('schedules that cannot be read are each told of, though their lines come together', async () => {
  const contract = defineJob({ name: 'report', queue: 'unreadable', input: z.object({}) })
  const names = ['one', 'two', 'three']
  // Their records are gone, as when somebody removed them. The line of the one in the middle is never the last of a look.
  for (const [at, name] of names.entries()) await shop.redis.zadd(shop.keys('unreadable').schedules, at + 1, name)
  const { logger, lines } = collectLog('info')
  const worker = await shop.work([handle(contract, () => undefined)], { logger })
  await until('each was told of', () => names.every((name) => lines.some(({ schedule }) => schedule === name)))
  await worker.close()
})
