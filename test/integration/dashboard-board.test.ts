// bull-board inside the dashboard: its queues, its page, what it may change, how it answers what it cannot do.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDashboard, type DashboardOptions } from '../../src/dashboard/index.js'
import { type Answer, ask, BROWSER } from '../support/dashboard-http.js'
import { openTestQueue, type TestQueue } from '../support/dashboard-jobs.js'
import { startLedgerWorker } from '../support/ledger-worker.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

let redis: TestRedis
const open: { close(): Promise<void> }[] = []

beforeAll(async () => {
  redis = await startTestRedis()
})
beforeEach(() => redis.cli('FLUSHALL'))
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})
afterAll(() => redis.close())

async function start(options: DashboardOptions = {}): Promise<string> {
  const dashboard = createDashboard({ redis: redis.url, port: 0, ...options })
  open.push(dashboard)
  return (await dashboard.listen()).url
}

async function openQueue(name: string): Promise<TestQueue['queue']> {
  const opened = await openTestQueue(redis, name)
  open.push(opened)
  return opened.queue
}

/** A change as bull-board's own page sends it. */
function change(url: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const headers = {
    origin: url,
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  return ask(url, `/queues/api/queues${path}`, { method, headers, ...sent })
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let settle: (() => void) | undefined
  const promise = new Promise<void>((resolve) => {
    settle = resolve
  })
  return { promise, resolve: () => settle?.() }
}

interface BoardQueue {
  readonly name: string
  readonly readOnlyMode: boolean
  readonly counts: Record<string, number>
  readonly jobs: readonly {
    readonly data: unknown
    readonly failedReason: string
    readonly stacktrace: readonly string[]
  }[]
}

async function boardQueues(url: string, query = ''): Promise<readonly BoardQueue[]> {
  return (await ask(url, `/queues/api/queues${query}`)).json<{ queues: BoardQueue[] }>().queues
}

function problemOf(answer: Answer): { code: string; message: string; requestId: string } {
  return answer.json<{ error: { code: string; message: string; requestId: string } }>().error
}

describe("bull-board's page", () => {
  it.each(['/queues', '/queues/', '/queues/queue/media', '/queues/queue/media/7', '/queues/job-schedulers'])(
    'is served at %s with a policy of its own and nothing from another host',
    async (path) => {
      const { status, headers, text } = await ask(await start(), path, { headers: BROWSER })
      expect(status).toBe(200)
      expect(headers['content-security-policy']).toBe(
        "default-src 'none';script-src 'self';style-src 'self' 'unsafe-inline';img-src 'self' data:;connect-src 'self';" +
          "form-action 'self';frame-ancestors 'none';base-uri 'self';font-src 'self'",
      )
      expect(headers).not.toHaveProperty('x-powered-by')
      expect(headers['cache-control']).toBe('no-store')
      expect(text).not.toMatch(/(?:href|src)="(?:https?:)?\/\//)
      expect(text).toContain('<base href="/queues/" />')
      const config = JSON.parse(/application\/json">(.*)<\/script>/.exec(text)?.[1] ?? '')
      expect(config).toMatchObject({
        boardTitle: 'Drover',
        showWorkers: false,
        hideRedisDetails: true,
        pollingInterval: { showSetting: false, forceInterval: 5 },
        miscLinks: [{ text: 'Drover overview', url: '/' }],
      })
    },
  )

  it('finds its scripts, which browsers may keep', async () => {
    const url = await start()
    const { text } = await ask(url, '/queues', { headers: BROWSER })
    for (const [, path] of text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)) {
      const { status, headers } = await ask(url, `/queues/${path}`)
      expect([path, status, headers['cache-control']]).toEqual([path, 200, 'private, max-age=3600'])
    }
  })
})

describe('the queues of the board', () => {
  it('are those that were registered, also since it started, and no longer those that were not', async () => {
    await openQueue('media')
    const url = await start()
    expect((await boardQueues(url)).map(({ name }) => name)).toEqual(['media'])
    await openQueue('mail')
    await redis.cli('SADD', 'drover:queues', 'not:a:queue')
    const names = async () => (await boardQueues(url)).map(({ name }) => name).sort()
    await expect.poll(names, { timeout: 15_000 }).toEqual(['mail', 'media'])
    await redis.cli('SREM', 'drover:queues', 'media')
    await expect.poll(names, { timeout: 15_000 }).toEqual(['mail'])
  })

  it('leave nothing behind in Redis by being looked at', async () => {
    await redis.cli('SADD', 'drover:queues', 'media')
    const url = await start()
    await boardQueues(url, '?activeQueue=media')
    expect(await redis.cli('DBSIZE')).toBe('1')
  })

  it('do not tell of Redis itself or list its clients', async () => {
    await openQueue('media')
    const url = await start()
    expect((await ask(url, '/queues/api/redis/stats')).status).toBe(403)
    await redis.cli('CONFIG', 'RESETSTAT')
    await boardQueues(url)
    expect((await ask(url, '/queues/api/queues/media/workers')).status).toBe(403)
    expect(await redis.cli('INFO', 'commandstats')).not.toMatch(/cmdstat_(client\|list|keys|scan)/)
  })

  it('show large data, errors and stacks cut, so that a page of them stays readable', async () => {
    const media = await openQueue('media')
    await media.add('small', { n: 1 }, { jobId: 'small' })
    await media.add('large', { text: 'x'.repeat(3_000_000) }, { jobId: 'large' })
    const message = 'm'.repeat(100_000)
    open.push(
      await startLedgerWorker({ url: redis.url, queue: 'media', run: () => Promise.reject(new Error(message)) }),
    )
    const url = await start()
    await expect.poll(async () => (await boardQueues(url))[0]?.counts.failed, { timeout: 20_000 }).toBe(2)
    const answer = await ask(url, '/queues/api/queues?activeQueue=media&status=failed')
    expect(answer.text.length).toBeLessThan(400_000)
    const jobs = (await boardQueues(url, '?activeQueue=media&status=failed'))[0]?.jobs ?? []
    expect(jobs).toHaveLength(2)
    for (const job of jobs) expect(job.failedReason.length).toBeLessThan(33_000)
    expect(jobs.map(({ data }) => data)).toContainEqual({ n: 1 })
    const one = (await ask(url, '/queues/api/queues/media/large')).json<{ job: BoardQueue['jobs'][number] }>().job
    expect(one.data).toMatchObject({ 'drover:cut': 'first 32768 of 3000011 characters' })
    expect(one.failedReason).toHaveLength(32_768 + '… (first 32768 of 100000 characters)'.length)
  })
})

describe('a change by the board', () => {
  it('is made: a job is added, edited, moved up, removed; a queue paused and resumed', async () => {
    const media = await openQueue('media')
    const url = await start()
    const added = await change(url, 'POST', '/media/add', {
      name: 'resize',
      data: { n: 1 },
      options: { jobId: 'cat', delay: 60_000 },
    })
    expect(added.status).toBe(200)
    expect((await change(url, 'PATCH', '/media/cat/update-data', { jobData: { n: 2 } })).status).toBe(200)
    expect((await media.getJob('cat'))?.data).toEqual({ n: 2 })
    expect((await change(url, 'PUT', '/media/cat/promote')).status).toBe(204)
    expect(await media.getJobState('cat')).toBe('waiting')
    expect((await change(url, 'PUT', '/media/pause')).status).toBe(200)
    expect(await media.isPaused()).toBe(true)
    expect((await change(url, 'PUT', '/media/resume')).status).toBe(200)
    expect(await media.isPaused()).toBe(false)
    expect((await change(url, 'PUT', '/media/cat/clean')).status).toBe(204)
    expect(await media.getJob('cat')).toBeUndefined()
  })

  it('never writes back data that was shown cut', async () => {
    const media = await openQueue('media')
    const text = 'x'.repeat(50_000)
    await media.add('large', { text }, { jobId: 'large' })
    const url = await start()
    const { data } = (await ask(url, '/queues/api/queues/media/large')).json<{ job: { data: unknown } }>().job
    expect((await change(url, 'PATCH', '/media/large/update-data', { jobData: data })).status).toBe(409)
    expect((await change(url, 'POST', '/media/add', { name: 'large', data, options: {} })).status).toBe(409)
    expect((await media.getJob('large'))?.data).toEqual({ text })
    expect(await media.getWaitingCount()).toBe(1)
  })

  it('in read-only mode is refused on every path, and changes nothing', async () => {
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'cat', delay: 60_000 })
    open.push(await startLedgerWorker({ url: redis.url, queue: 'media', run: () => ({ status: 'failed' }) }))
    await media.add('resize', {}, { jobId: 'dog' })
    await expect.poll(() => media.getFailedCount(), { timeout: 20_000 }).toBe(1)
    const url = await start({ readOnly: true })
    expect((await boardQueues(url))[0]?.readOnlyMode).toBe(true)
    for (const [method, path, body] of [
      ['PUT', '/pause'],
      ['PUT', '/media/pause'],
      ['PUT', '/media/dog/retry'],
      ['PUT', '/media/retry/failed'],
      ['PUT', '/media/cat/promote'],
      ['PUT', '/media/cat/clean'],
      ['PUT', '/media/empty'],
      ['PUT', '/media/obliterate', { force: true }],
      ['PATCH', '/media/cat/update-data', { jobData: {} }],
      ['POST', '/media/add', { name: 'resize', data: {} }],
    ] as const) {
      const answer = await change(url, method, path, body)
      expect([path, answer.status, problemOf(answer).code]).toEqual([path, 403, 'READ_ONLY'])
    }
    expect(await media.getJobCounts('delayed', 'failed', 'waiting')).toEqual({ delayed: 1, failed: 1, waiting: 0 })
    expect(await media.isPaused()).toBe(false)
  })

  it('of a failed job that was retried twice at once runs it once', async () => {
    const media = await openQueue('media')
    const worker = await startLedgerWorker({ url: redis.url, queue: 'media', run: () => ({ status: 'failed' }) })
    await media.add('resize', {}, { jobId: 'cat' })
    await expect.poll(() => media.getFailedCount(), { timeout: 20_000 }).toBe(1)
    await worker.close()
    const url = await start()
    const statuses = (await Promise.all([1, 2].map(() => change(url, 'PUT', '/media/cat/retry')))).map(
      ({ status }) => status,
    )
    expect(statuses).toContain(204)
    for (const status of statuses) expect([204, 400, 409]).toContain(status)
    expect(await media.getWaitingCount()).toBe(1)
  })
})

describe('what the board cannot do', () => {
  it.each([
    ['GET', '/nothing/1', 404],
    ['GET', '/media/nothing', 404],
    ['PUT', '/nothing/pause', 404],
    ['PUT', '/media/nothing/retry', 404],
    ['PUT', '/media/nothing/clean', 404],
    ['PUT', '/media/nothing/promote', 404],
    ['PUT', '/media/cat/retry', 400],
    ['PUT', '/media/retry/__proto__', 400],
    ['GET', '?activeQueue=media&jobsPerPage=-1', 400],
    ['GET', '?activeQueue=media&page=abc', 400],
    ['GET', '?activeQueue=media&status=__proto__', 400],
    ['GET', '?activeQueue=%25zz', 400],
  ])('%s %s is a %i in JSON', async (method, path, status) => {
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'cat' })
    const url = await start()
    await boardQueues(url)
    const answer = await change(url, method, path)
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/json; charset=utf-8'])
    expect(answer.json()).toHaveProperty('error')
    expect(answer.text).not.toMatch(/node_modules|URI malformed|ReplyError/)
    expect(await media.getWaitingCount()).toBe(1)
  })

  it('a body of 5 MB is a 413, a broken one a 400, in our words and with the request id', async () => {
    const media = await openQueue('media')
    const url = await start()
    for (const [body, status, code] of [
      [JSON.stringify({ name: 'large', data: 'x'.repeat(5_000_000) }), 413, 'BODY_TOO_LARGE'],
      ['{"name": oops}', 400, 'INVALID_JSON'],
      ['{"name"', 400, 'INVALID_JSON'],
    ] as const) {
      const answer = await change(url, 'POST', '/media/add', body)
      const { requestId, message } = problemOf(answer)
      expect([answer.status, problemOf(answer).code, requestId]).toEqual([status, code, answer.headers['x-request-id']])
      expect(message).not.toMatch(/Unexpected|token|position|entity/)
    }
    expect(await media.getWaitingCount()).toBe(0)
  })

  it('an input as large as contracts allow is taken', async () => {
    const media = await openQueue('media')
    const url = await start()
    const data = { text: 'x'.repeat(250_000) }
    expect((await change(url, 'POST', '/media/add', { name: 'large', data, options: { jobId: 'large' } })).status).toBe(
      200,
    )
    expect((await media.getJob('large'))?.data).toEqual(data)
  })

  it('removing a job that a worker runs is a 409', async () => {
    const media = await openQueue('media')
    const { promise: running, resolve: finish } = deferred()
    open.push(
      await startLedgerWorker({
        url: redis.url,
        queue: 'media',
        run: async () => {
          await running
          return { status: 'completed' }
        },
      }),
    )
    await media.add('resize', {}, { jobId: 'cat' })
    await expect.poll(() => media.getActiveCount(), { timeout: 20_000 }).toBe(1)
    const answer = await change(await start(), 'PUT', '/media/cat/clean')
    finish()
    expect(answer.status).toBe(409)
    expect(answer.json()).toHaveProperty('error')
  })

  it('a path that bull-board does not have is ours to answer', async () => {
    const url = await start()
    expect(problemOf(await ask(url, '/queues/api/nothing')).code).toBe('NOT_FOUND')
    expect((await ask(url, '/queues/static/../../package.json')).status).toBe(404)
    expect((await ask(url, '/queues/static/..%2f..%2fpackage.json')).status).toBe(404)
  })
})
