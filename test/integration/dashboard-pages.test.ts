// What the dashboard's own pages and data show of real jobs, what they answer to bad requests, and how they live through
// an outage of Redis.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDashboard, type Dashboard, type DashboardOptions, type Overview } from '../../src/dashboard/index.js'
import { type Answer, ask, BROWSER } from '../support/dashboard-http.js'
import { openTestQueue, type TestQueue } from '../support/dashboard-jobs.js'
import { startLedgerWorker, type TestOutcome } from '../support/ledger-worker.js'
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
  const dashboard: Dashboard = createDashboard({ redis: redis.url, port: 0, ...options })
  open.push(dashboard)
  return (await dashboard.listen()).url
}

async function openQueue(name: string): Promise<TestQueue['queue']> {
  const opened = await openTestQueue(redis, name)
  open.push(opened)
  return opened.queue
}

/** Lets a worker finish everything that waits in the queue. */
async function work(name: string, count: number, run: () => TestOutcome): Promise<void> {
  const worker = await startLedgerWorker({ url: redis.url, queue: name, run })
  const finished = async () => {
    const counts = await Promise.all(
      ['completed', 'failed'].map((set) => redis.cli('ZCARD', `{drover:${name}}:${name}:${set}`)),
    )
    return counts.reduce((sum, text) => sum + Number(text), 0)
  }
  await expect.poll(finished, { timeout: 20_000 }).toBe(count)
  await worker.close()
}

async function overview(url: string): Promise<Overview> {
  return (await ask(url, '/overview.json')).json<Overview>()
}

function problemOf(answer: Answer): { code: string; message: string; requestId: string } {
  return answer.json<{ error: { code: string; message: string; requestId: string } }>().error
}

describe('the overview', () => {
  it('counts the jobs of each queue by state', async () => {
    const media = await openQueue('media')
    await media.add('resize', {})
    await media.add('resize', {})
    await media.add('resize', {}, { priority: 3 })
    await media.add('resize', {}, { delay: 60_000 })
    await media.pause()
    const url = await start()
    expect((await overview(url)).queues).toEqual([
      {
        queue: 'media',
        isPaused: true,
        waiting: 2,
        prioritized: 1,
        delayed: 1,
        active: 0,
        waitingChildren: 0,
        completed: 0,
        failed: 0,
      },
    ])
    const page = await ask(url, '/', { headers: BROWSER })
    expect(page.text).toContain('<span class="badge paused">paused</span>')
    expect(page.text).toContain('<a href="/queues/queue/media?status=waiting">2</a>')
  })

  it('shows what jobs came to: totals, last hour, counters with the command that reads them, latest results', async () => {
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'cat-1' })
    await work('media', 1, () => ({
      status: 'completed',
      valueJson: '{"bytes":1234}',
      runMs: 42,
      counters: new Map([['bytes', 1_234]]),
    }))
    await media.add('resize', {}, { jobId: 'cat-2' })
    await work('media', 2, () => ({ status: 'failed', error: { name: 'TypeError', message: 'no such cat' } }))
    const url = await start()
    const shown = await overview(url)
    expect(shown).toMatchObject({
      prefix: 'drover',
      redis: `${redis.url}/0`,
      leftOut: { queues: 0, counters: 0, unreadable: [] },
    })
    expect(shown.jobs).toMatchObject([
      { job: 'resize', queue: 'media', completed: 1, failed: 1, retried: 0, lastHour: { completed: 1, failed: 1 } },
    ])
    expect(shown.jobs[0]?.lastHour.run.p99).toBeLessThanOrEqual(50)
    expect(shown.jobs[0]?.lastHour.run.p99).toBeGreaterThan(20)
    expect(shown.counters).toEqual([
      {
        counter: 'bytes',
        queue: 'media',
        value: 1234,
        key: '{drover:media}:counter:bytes',
        command: `redis-cli -p ${redis.port} GET '{drover:media}:counter:bytes'`,
      },
    ])
    expect(shown.results).toMatchObject([
      { id: 'cat-2', job: 'resize', queue: 'media', status: 'failed', attempts: 1, summary: 'TypeError: no such cat' },
      {
        id: 'cat-1',
        job: 'resize',
        queue: 'media',
        status: 'completed',
        runMs: 42,
        attempts: 1,
        summary: '{"bytes":1234}',
      },
    ])
    const { text } = await ask(url, '/', { headers: BROWSER })
    expect(text).toContain('redis-cli -p')
    expect(text).toMatch(/<time datetime="[^"]+Z" title="[^"]+ UTC" data-ago>/)
    expect(text).toContain('href="/queues/queue/media/cat-1?status=completed"')
  })

  it('follows the jobs: a refresh shows what finished since, and what was counted by another program', async () => {
    const media = await openQueue('media')
    const url = await start()
    expect((await overview(url)).results).toEqual([])
    await media.add('resize', {}, { jobId: 'cat-1' })
    await work('media', 1, () => ({ status: 'completed', counters: new Map([['cats', 1]]) }))
    await redis.cli('INCRBY', '{drover:media}:counter:cats', '9')
    await expect.poll(async () => (await overview(url)).results.map(({ id }) => id)).toEqual(['cat-1'])
    expect((await overview(url)).counters).toMatchObject([{ counter: 'cats', value: 10 }])
  })

  it('shows the twenty results that finished last, over all queues, and says which records are gone', async () => {
    for (const name of ['media', 'mail']) {
      const queue = await openQueue(name)
      await queue.addBulk(
        Array.from({ length: 15 }, (_, index) => ({ name: 'job', data: {}, opts: { jobId: `${name}-${index}` } })),
      )
      await work(name, 15, () => ({ status: 'completed' }))
    }
    await redis.cli('DEL', '{drover:mail}:result:mail-3')
    const { results } = await overview(await start())
    expect(results).toHaveLength(20)
    expect(results.filter(({ queue }) => queue === 'mail')).toHaveLength(15)
    expect([...results].sort((left, right) => right.finishedAt - left.finishedAt)).toEqual(results)
    expect(results.find(({ id }) => id === 'mail-3')).toMatchObject({ job: null, summary: null, attempts: null })
  })

  it('shows whatever a job wrote as text, in every field', async () => {
    const evil = `<img src=x onerror=alert(1)>"'\u202e\u001b[31m</script>`
    const media = await openQueue('media')
    await media.add(evil, { evil }, { jobId: evil })
    await work('media', 1, () => ({ status: 'completed', valueJson: JSON.stringify({ [evil]: evil }) }))
    await media.add('fails', {}, { jobId: 'fails' })
    await work('media', 2, () => ({ status: 'failed', error: { name: evil, message: evil } }))
    await redis.cli('SADD', '{drover:media}:counters', evil)
    await redis.cli('SET', `{drover:media}:counter:${evil}`, '5')
    await redis.cli('SADD', 'drover:queues', evil)
    const { text } = await ask(await start(), '/', { headers: BROWSER })
    expect(text).toContain('&lt;img src=x onerror=alert(1)&gt;&quot;&#39;\\u202e\\u001b[31m&lt;/script&gt;')
    expect(text.match(/<img /g)).toHaveLength(1)
    expect(text).not.toContain('\u202e')
    expect(text).not.toContain('\u001b')
    expect(text.match(/<\/?script/g)).toHaveLength(2)
  })

  it('keeps a large result, of which it shows the beginning, from making the page large', async () => {
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'cat-1' })
    await work('media', 1, () => ({ status: 'completed', valueJson: JSON.stringify('x'.repeat(1_000_000)) }))
    const url = await start()
    expect((await overview(url)).results[0]?.summary).toBe(`"${'x'.repeat(79)}…`)
    expect((await ask(url, '/', { headers: BROWSER })).text.length).toBeLessThan(20_000)
  })

  it('shows the other queues when a program has put another type at a key of one', async () => {
    await openQueue('media')
    await openQueue('mail')
    await redis.cli('SET', '{drover:mail}:totals', 'not a hash')
    const url = await start()
    const shown = await overview(url)
    expect(shown.queues.map(({ queue }) => queue)).toEqual(['media'])
    expect(shown.leftOut.unreadable).toEqual(['mail'])
    expect((await ask(url, '/', { headers: BROWSER })).text).toContain('Cannot read queue mail')
  })

  it('is bounded: 100 queues, 200 counters, none of a queue that has over 1,000; it says what it leaves out', async () => {
    const names = Array.from({ length: 120 }, (_, index) => `q${String(index).padStart(3, '0')}`)
    await redis.cli('SADD', 'drover:queues', ...names)
    const counters = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`)
    await redis.cli('SADD', '{drover:q000}:counters', ...counters(1_001))
    await redis.cli('SADD', '{drover:q001}:counters', ...counters(250))
    await redis.cli('MSET', ...counters(250).flatMap((name) => [`{drover:q001}:counter:${name}`, '1']))
    const url = await start()
    const shown = await overview(url)
    expect([shown.queues.length, shown.counters.length]).toEqual([100, 200])
    expect(shown.leftOut).toEqual({ queues: 20, counters: 1_001 + 50, unreadable: [] })
    const { text } = await ask(url, '/', { headers: BROWSER })
    expect(text).toContain('20 more queues are not shown')
    expect(text).toContain('1,051 more counters are not shown')
  })

  it('says what to do while there is nothing', async () => {
    const { text } = await ask(await start(), '/', { headers: BROWSER })
    expect(text).toContain('No queue yet. Start a worker with <code>drover worker</code>')
    for (const empty of ['No job has finished yet', 'No counter yet', 'No result yet']) expect(text).toContain(empty)
  })

  it('reads the queues of its own prefix and never scans', async () => {
    await openQueue('media')
    open.push(await openTestQueue(redis, 'mail', 'shop'))
    await redis.cli('CONFIG', 'RESETSTAT')
    expect((await overview(await start({ prefix: 'shop' }))).queues.map(({ queue }) => queue)).toEqual(['mail'])
    expect(await redis.cli('INFO', 'commandstats')).not.toMatch(/cmdstat_(keys|scan|sscan|hscan|zscan)/)
  })

  it('costs Redis the same for one open tab and for fifty', async () => {
    await openQueue('media')
    const url = await start()
    await redis.cli('CONFIG', 'RESETSTAT')
    await Promise.all(Array.from({ length: 50 }, () => ask(url, '/', { headers: BROWSER })))
    const [, calls] = /cmdstat_smembers:calls=(\d+)/.exec(await redis.cli('INFO', 'commandstats')) ?? []
    expect(Number(calls)).toBeLessThanOrEqual(2)
  })

  it('answers 304 while nothing changed, and the page again when something did', async () => {
    const media = await openQueue('media')
    const url = await start()
    const first = await ask(url, '/', { headers: BROWSER })
    const headers = { ...BROWSER, 'if-none-match': String(first.headers.etag) }
    expect(await ask(url, '/', { headers })).toMatchObject({ status: 304, text: '' })
    await media.add('resize', {})
    await expect.poll(async () => (await ask(url, '/', { headers })).status).toBe(200)
  })
})

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
    expect(data.json()).toEqual({
      error: {
        code: 'NOT_FOUND',
        message: 'There is no page at this address.',
        requestId: data.headers['x-request-id'],
      },
    })
  })

  it.each([
    ['POST', '/', 'GET, HEAD'],
    ['DELETE', '/overview.json', 'GET, HEAD'],
    ['PUT', '/sign-in', 'GET, POST, HEAD'],
    ['GET', '/sign-out', 'POST'],
    ['POST', '/livez', 'GET, HEAD'],
    ['OPTIONS', '/readyz', 'GET, HEAD'],
    ['TRACE', '/assets/dashboard.css', 'GET, HEAD'],
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
    expect(problemOf(answer).message).not.toMatch(/decode|URIError|\.js:/)
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
      ['/assets/dashboard.css', 'text/css; charset=utf-8'],
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
    const own = await startTestRedis({ appendonly: true })
    open.push(own)
    await own.cli('SADD', 'drover:queues', 'media')
    const dashboard = createDashboard({ redis: own.url, port: 0 })
    open.push(dashboard)
    const { url } = await dashboard.listen()
    expect(await ask(url, '/readyz')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
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
    await expect.poll(async () => (await ask(url, '/overview.json')).status, { timeout: 20_000 }).toBe(200)
    await expect.poll(async () => (await ask(url, '/readyz')).status, { timeout: 20_000 }).toBe(200)
    expect((await ask(url, '/', { headers: BROWSER })).text).not.toContain('Redis does not answer')
    await expect.poll(async () => (await ask(url, '/queues/api/queues')).status, { timeout: 20_000 }).toBe(200)
  })

  it('from the start, the pages come up without data, and get it later', async () => {
    const own = await startTestRedis()
    open.push(own)
    await own.kill('SIGKILL')
    const dashboard = createDashboard({ redis: own.url, port: 0 })
    open.push(dashboard)
    const { url } = await dashboard.listen()
    const page = await ask(url, '/', { headers: BROWSER })
    expect([page.status, page.text.includes('This page shows your jobs as soon as it does.')]).toEqual([503, true])
    expect((await ask(url, '/queues/api/queues')).status).toBe(503)
    await own.restart()
    await expect.poll(async () => (await ask(url, '/', { headers: BROWSER })).status, { timeout: 20_000 }).toBe(200)
    await expect.poll(async () => (await ask(url, '/queues/api/queues')).status, { timeout: 20_000 }).toBe(200)
  })

  it('hanging rather than gone, it counts as down as well', async () => {
    const own = await startTestRedis()
    open.push(own)
    const dashboard = createDashboard({ redis: own.url, port: 0 })
    open.push(dashboard)
    const { url } = await dashboard.listen()
    expect((await ask(url, '/readyz')).status).toBe(200)
    await own.kill('SIGSTOP')
    expect((await ask(url, '/readyz')).status).toBe(503)
    expect((await ask(url, '/overview.json')).status).toBe(503)
    expect((await ask(url, '/livez')).status).toBe(200)
    await own.kill('SIGCONT')
    await expect.poll(async () => (await ask(url, '/overview.json')).status, { timeout: 20_000 }).toBe(200)
  })

  it('refusing the password, it is named with what to check, and without the password', async () => {
    const own = await startTestRedis({ password: 'canary-password' })
    open.push(own)
    const dashboard = createDashboard({ redis: own.url.replace('canary-password', 'canary-wrong'), port: 0 })
    open.push(dashboard)
    const { url } = await dashboard.listen()
    const answer = await ask(url, '/', { headers: BROWSER })
    expect(answer.status).toBe(503)
    expect(answer.text).not.toContain('canary')
  })
})
