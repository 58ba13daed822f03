// Pages Workers and Counters, and bull-board's actions: what they show, what each takes, what is refused and written down.
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob } from '../../src/index.js'
import {
  createToken,
  defineSchedule,
  incrCounter,
  readAudit,
  readOrders,
  type Scope,
  writeBeat,
} from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl, queueKeys, type RedisClient, workerKey } from '../../src/redis/index.js'
import { change } from '../support/dashboard-board.js'
import { type Answer, ask, BROWSER, form } from '../support/dashboard-http.js'
import { problemOf, useDashboards } from '../support/dashboards.js'
import { PATIENCE } from '../support/until.js'

const TOKEN = 'correct-horse-battery'
const EVIL = `<img src=x onerror=alert(1)>\u202e`
const { redis, start, openQueue, closeAfter, work } = useDashboards()

async function openClient(): Promise<RedisClient> {
  const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000 })
  closeAfter({ close: async () => client.disconnect() })
  await new Promise((resolve) => client.once('ready', resolve))
  return client
}

async function beat(client: RedisClient, id: string): Promise<void> {
  const jobs = [{ queue: 'media', id: EVIL, job: EVIL, attempt: 2, startedAt: Date.now() - 65_000 }]
  const queues = [{ queue: 'media', concurrency: 4, running: 1 }]
  const now = Date.now()
  await writeBeat(client, 'drover', {
    ...{ id, host: EVIL, pid: 42, version: '0.1.0', release: EVIL, startedAt: now - 90_000, seenAt: now, state: 'run' },
    ...{ handled: 17, rssBytes: 123_400_000, loopLagMs: 1_500, queues, jobs },
  })
  // A heartbeat holds for 15 s; this one is of no worker that would renew it.
  await client.persist(workerKey('drover', id))
}

async function tokenOf(client: RedisClient, scopes: readonly Scope[]): Promise<Record<string, string>> {
  const { token } = await createToken(client, 'drover', { name: 'ann', scopes })
  return { authorization: `Bearer ${token}` }
}

const post = (url: string, path: string, body = '', headers: Record<string, string> = {}): Promise<Answer> =>
  ask(url, path, { method: 'POST', headers: { ...form(url), ...headers }, body })

describe('the page of workers', () => {
  it('shows what each does, all of it as text, and the forms to steer it', async () => {
    await beat(await openClient(), 'w1')
    const url = await start()
    for (const path of ['/workers', '/workers/w1']) {
      const { status, text } = await ask(url, path, { headers: BROWSER })
      expect([path, status]).toEqual([path, 200])
      expect(text).toContain('&lt;img src=x onerror=alert(1)&gt;\\u202e')
      expect(text.match(/<img /g)).toHaveLength(1)
      expect(text).toMatch(/123 MB/)
      expect(text).toMatch(/data-age data-ago>1 min</)
      expect(text).toContain('action="/workers/w1/quiet"')
    }
    expect((await ask(url, '/workers/w2', { headers: BROWSER })).status).toBe(404)
  })

  it('tells a worker what an operator wants, and writes it down', async () => {
    const client = await openClient()
    await beat(client, 'w1')
    const url = await start()
    for (const order of ['quiet', 'resume', 'stop']) {
      const answer = await post(url, `/workers/w1/${order}`)
      expect([order, answer.status, answer.headers.location]).toEqual([order, 303, '/workers/w1'])
    }
    expect((await readOrders(client, 'drover', 'w1')).state).toBe('close')
    expect((await post(url, '/workers/w1/concurrency', 'queue=media&concurrency=9')).status).toBe(303)
    expect((await readOrders(client, 'drover', 'w1')).concurrency.get('media')).toBe(9)
    const { entries } = await readAudit(client, 'drover', { limit: 10 })
    expect(entries.map(({ action, target, filter }) => [action, target, filter])).toEqual([
      ['worker concurrency', 'w1', 'media 9'],
      ['worker stop', 'w1', undefined],
      ['worker resume', 'w1', undefined],
      ['worker quiet', 'w1', undefined],
    ])
  })

  it.each([
    ['/workers/w2/quiet', '', 404],
    ['/workers/w1/concurrency', '', 400],
    ['/workers/w1/concurrency', 'queue=media&concurrency=0', 400],
    ['/workers/w1/concurrency', 'queue=media&concurrency=10001', 400],
    ['/workers/w1/concurrency', 'queue=media&concurrency=1e3', 400],
    ['/workers/w1/concurrency', 'queue=media&queue=mail&concurrency=3', 400],
    ['/workers/w1/concurrency', 'queue=mail&concurrency=3', 404],
    ['/workers/w1/explode', '', 404],
  ])('refuses POST %s with %j, and tells nobody anything', async (path, body, status) => {
    const client = await openClient()
    await beat(client, 'w1')
    expect((await post(await start(), path, body)).status).toBe(status)
    expect(await client.exists('drover:worker:w1:orders', 'drover:worker:w2:orders', 'drover:audit')).toBe(0)
  })

  it('takes no order from another site, by GET, from a viewer or in read-only mode', async () => {
    const client = await openClient()
    await beat(client, 'w1')
    const url = await start({ token: TOKEN })
    const viewer = await tokenOf(client, ['read'])
    const operator = await tokenOf(client, ['read', 'operate'])
    expect(problemOf(await post(url, '/workers/w1/quiet', '', viewer)).code).toBe('ROLE_NEEDED')
    expect((await ask(url, '/workers/w1', { headers: { ...BROWSER, ...viewer } })).text).not.toContain(
      '<form method="post" action="/workers',
    )
    const foreign = { ...operator, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    expect(problemOf(await post(url, '/workers/w1/quiet', '', foreign)).code).toBe('CROSS_SITE')
    expect((await ask(url, '/workers/w1/quiet', { headers: operator })).status).toBe(405)
    expect(problemOf(await post(await start({ readOnly: true }), '/workers/w1/quiet')).code).toBe('READ_ONLY')
    expect(await client.exists('drover:worker:w1:orders')).toBe(0)
    expect((await post(url, '/workers/w1/quiet', '', operator)).status).toBe(303)
  })
})

describe('the page of schedules', () => {
  const contract = defineJob({ name: 'report', queue: 'reports', input: z.object({ kind: z.string() }) })
  async function open() {
    const producer = closeAfter(createProducer({ redis: redis().url, timeout: '60s' }))
    const schedule = { name: 'nightly', cron: '0 3 * * *', input: { kind: 'secret-kind' } } as const
    await producer.schedules.set(defineSchedule(contract, schedule))
    return { producer, url: await start({ token: TOKEN }), client: await openClient() }
  }
  const steer = (url: string, headers: Record<string, string>, path = 'reports/nightly/pause') =>
    post(url, `/schedules/${path}`, '', headers)

  it('lists those of all queues, without their inputs, and pauses and resumes one for an operator', async () => {
    const { producer, url, client } = await open()
    await redis().cli('SADD', 'drover:queues', 'odd')
    await redis().cli('SET', queueKeys('drover', 'odd').schedules, EVIL)
    const operator = await tokenOf(client, ['read', 'operate'])
    const page = async () => (await ask(url, '/schedules', { headers: { ...BROWSER, ...operator } })).text
    const before = await page()
    expect(before).toMatch(/nightly[\s\S]*0 3 \* \* \* UTC[\s\S]*data-next[\s\S]*>Pause</)
    expect(before).toMatch(/Queue odd is left out: [^<]*list of schedules/)
    expect(before).not.toContain('secret-kind')
    const answer = await steer(url, operator)
    expect([answer.status, answer.headers.location]).toEqual([303, '/schedules'])
    expect(await producer.schedules.get('reports', 'nightly')).toMatchObject({ paused: true, nextAt: undefined })
    expect(await page()).toMatch(/badge paused[\s\S]*>Resume</)
    expect((await steer(url, operator, 'reports/nightly/resume')).status).toBe(303)
    expect(await producer.schedules.get('reports', 'nightly')).toMatchObject({ paused: false })
    const { entries } = await readAudit(client, 'drover', { limit: 10 })
    expect(entries.map(({ action, target, count, result }) => [action, target, count, result])).toEqual([
      ['schedule.resume', 'reports/nightly', 1, 'done'],
      ['schedule.pause', 'reports/nightly', 1, 'done'],
    ])
  })

  it('reads no more than it shows, 500, and says how many there are beyond', async () => {
    const { url, client } = await open()
    const { schedule, schedules } = queueKeys('drover', 'many')
    const record = await client.hgetall(queueKeys('drover', 'reports').schedule('nightly'))
    for (const index of Array.from({ length: 600 }).keys()) {
      client.zadd(schedules, '1', `s${index}`).catch(() => undefined)
      client.hset(schedule(`s${index}`), record).catch(() => undefined)
    }
    await client.sadd('drover:queues', 'many', 'zoo')
    await client.zadd(queueKeys('drover', 'zoo').schedules, '1', 'feeding')
    const viewer = await tokenOf(client, ['read'])
    await redis().cli('CONFIG', 'RESETSTAT')
    const { text } = await ask(url, '/schedules', { headers: { ...BROWSER, ...viewer } })
    expect(text).toContain('102 more schedules are not shown')
    expect(text.match(/<th scope="row">/g)).toHaveLength(500)
    const [, read] = /cmdstat_zscore:calls=(\d+)/.exec(await redis().cli('INFO', 'commandstats')) ?? []
    expect(Number(read)).toBe(500)
  })

  it('changes nothing for a viewer, another site, a name that there is not, or in read-only mode', async () => {
    const { producer, url, client } = await open()
    const viewer = await tokenOf(client, ['read'])
    const operator = await tokenOf(client, ['read', 'operate'])
    expect(problemOf(await steer(url, viewer)).code).toBe('ROLE_NEEDED')
    expect((await ask(url, '/schedules', { headers: { ...BROWSER, ...viewer } })).text).not.toContain('>Pause<')
    const foreign = { ...operator, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    expect(problemOf(await steer(url, foreign)).code).toBe('CROSS_SITE')
    for (const path of [
      'reports/none/pause',
      'none/nightly/resume',
      'a%20b/nightly/pause',
      'reports/__proto__/pause',
    ]) {
      const answer = await steer(url, operator, path)
      expect([path, answer.status, problemOf(answer).code]).toEqual([path, 404, 'SCHEDULE_NOT_FOUND'])
    }
    expect((await steer(url, operator, 'reports/nightly/explode')).status).toBe(404)
    expect(problemOf(await steer(await start({ readOnly: true }), {})).code).toBe('READ_ONLY')
    expect(await producer.schedules.get('reports', 'nightly')).toMatchObject({ paused: false })
    expect(await client.exists('drover:audit', '{drover:none}:schedules')).toBe(0)
  })
})

describe('the pages of counters', () => {
  async function count(client: RedisClient) {
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'cat-1' })
    await work('media', 1, () => ({ status: 'completed', counters: new Map([['bytes', 1_200]]) }))
    await incrCounter(client, queueKeys('drover', 'media'), 'bytes', 34)
  }

  it('list each with what was added lately and the command that reads it, as page, JSON and CSV', async () => {
    await count(await openClient())
    const url = await start()
    const { text } = await ask(url, '/counters', { headers: BROWSER })
    expect(text).toContain('<a href="/counters/media/bytes">bytes</a>')
    expect(text).toContain(`redis-cli -p ${redis().port} GET &#39;{drover:media}:counter:bytes&#39;`)
    expect((await ask(url, '/counters.json')).json()).toMatchObject({
      counters: [
        { counter: 'bytes', queue: 'media', value: 1_234, lastHour: 1_234, key: '{drover:media}:counter:bytes' },
      ],
      leftOut: { queues: [], counters: 0 },
    })
    const csv = await ask(url, '/counters.csv')
    expect(csv.headers['content-type']).toContain('text/csv')
    expect(csv.text.split('\r\n')[1]).toMatch(/^media,bytes,1234,1234,1234,\{drover:media\}:counter:bytes$/)
    expect((await ask(url, '/counters?q=nothing', { headers: BROWSER })).text).toContain('No counter has “nothing”')
  })

  it.each(['1h', '6h', '24h', '7d'])('show the series of one over %s, split by the jobs that added', async (range) => {
    await count(await openClient())
    const url = await start()
    const { text } = await ask(url, `/counters/media/bytes?range=${range}`, { headers: BROWSER })
    expect(text).toMatch(/resize<\/th><td data-label="added" class="number">\+1,200<\/td>/)
    expect(text).toMatch(/producers<\/th><td data-label="added" class="number">\+34<\/td>/)
    const { points, added } = (await ask(url, `/counters/media/bytes/series.json?range=${range}`)).json<{
      points: { value: number; jobs: Record<string, number> }[]
      added: number
    }>()
    expect(added).toBe(1_234)
    expect(points.reduce((sum, { jobs }) => sum + (jobs.resize ?? 0), 0)).toBe(1_200)
    const { text: csv } = await ask(url, `/counters/media/bytes/series.csv?range=${range}`)
    expect(csv.split('\r\n')[0]).toBe('from,added,resize')
    expect(csv.split('\r\n')).toHaveLength(points.length + 2)
  })

  it('answer 404 for what is no counter, and show the text asked for as text', async () => {
    const url = await start()
    for (const path of ['/counters/media/none', '/counters/no%20queue/a', '/counters/media/%3Cscript%3E']) {
      expect([path, (await ask(url, path, { headers: BROWSER })).status]).toEqual([path, 404])
    }
    expect((await ask(url, '/counters/no%20queue/a/series.json')).status).toBe(404)
    const { text } = await ask(url, `/counters?q=${encodeURIComponent('"><script>alert(1)</script>')}`, {
      headers: BROWSER,
    })
    expect(text).toContain('value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"')
    const refused = await ask(url, '/?range=%3Cscript%3Ealert(1)', { headers: BROWSER })
    expect([refused.status, refused.text.includes('<script>alert')]).toEqual([400, false])
  })

  it('list no more than 500, and name the queues that have too many', async () => {
    const client = await openClient()
    await client.sadd('drover:queues', 'few', 'many')
    const names = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`)
    await client.sadd('{drover:many}:counters', ...names(1_001))
    await client.sadd('{drover:few}:counters', ...names(600))
    await client.mset(Object.fromEntries(names(600).map((name) => [`{drover:few}:counter:${name}`, '1'])))
    const { text } = await ask(await start(), '/counters', { headers: BROWSER })
    expect(text).toContain('100 more counters are not shown: these are the first 500.')
    expect(text).toContain('Too many counters to list: queue many.')
  })
})

describe('bull-board', () => {
  it('lets each role do its actions alone, and writes them down', async () => {
    const client = await openClient()
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'cat-1' })
    const url = await start({ token: TOKEN })
    const operator = await tokenOf(client, ['read', 'operate'])
    const put = (path: string, headers: Record<string, string>) =>
      ask(url, `/queues/api/queues/${path}`, { method: 'PUT', headers: { origin: url, ...headers } })
    expect((await put('media/pause', operator)).status).toBe(200)
    for (const path of ['media/cat-1/clean', 'media/empty', 'media/obliterate', 'media/clean/completed']) {
      expect([path, problemOf(await put(path, operator)).code]).toEqual([path, 'ROLE_NEEDED'])
    }
    expect(await media.getWaitingCount()).toBe(1)
    expect((await put('media/cat-1/clean', { authorization: `Bearer ${TOKEN}` })).status).toBe(204)
    await vi.waitFor(async () => {
      const { entries } = await readAudit(client, 'drover', { limit: 10 })
      expect(entries.map(({ who, action, target, result }) => [who, action, target, result])).toEqual([
        ['admin', 'job remove', 'media cat-1 clean', 'done'],
        ['ann', 'queue pause', 'media pause', 'done'],
      ])
    }, PATIENCE)
  })

  it('has no action that nobody decided on', async () => {
    await openQueue('media')
    const url = await start()
    for (const path of ['/media/explode', '/media/a/b/c', '/../../api/queues/x/y/z/w']) {
      expect([path, (await change(url, 'PUT', path)).status]).toEqual([path, 404])
    }
    expect((await change(url, 'DELETE', '/media')).status).toBe(404)
    expect((await ask(url, '/queues/api/metrics/history/usage')).status).toBe(404)
  })

  it('shows no value that is to be redacted, nor takes such a one back, and leads to our page of the job', async () => {
    const media = await openQueue('media')
    await media.add('login', { user: 'ann', password: 'hunter2' }, { jobId: 'a' })
    await work('media', 1, () => ({ status: 'completed', valueJson: '{"token":"s3cret","ok":true}' }))
    const login = defineJob({ name: 'login', queue: 'media', input: z.any() })
    const producer = closeAfter(createProducer({ redis: redis().url, timeout: '60s', allowVolatile: true }))
    const url = await start({ redact: ['input.password', 'result.token'], contracts: [login], producer })
    const { text } = await ask(url, '/queues/api/queues/media/a')
    expect(text).not.toMatch(/hunter2|s3cret/)
    expect(JSON.parse(text)).toMatchObject({
      job: { data: { user: 'ann', password: '[redacted]' }, externalUrl: { href: '../results/media/a' } },
    })
    expect((await ask(url, '/', { headers: BROWSER })).text).not.toContain('s3cret')
    for (const path of ['/results', '/results/media/a', '/results/media/a/raw/input', '/results/media/a/raw/result']) {
      const { status, text: shown } = await ask(url, path, { headers: BROWSER })
      expect([path, status]).toEqual([path, 200])
      expect(shown).not.toMatch(/hunter2|s3cret/)
    }
    expect((await ask(url, '/results/media/a/edit', { headers: BROWSER })).status).toBe(409)
    const edited = `input=${encodeURIComponent('{"password":"[redacted]"}')}`
    expect((await post(url, '/results/media/a/run', edited)).status).toBe(409)
    const copy = { name: 'login', data: { user: 'ann', password: '[redacted]' } }
    expect((await change(url, 'POST', '/media/add', copy)).status).toBe(409)
    expect(await media.getWaitingCount()).toBe(0)
  })

  it('has its history from the stats, also of jobs that are gone', async () => {
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'a' })
    await work('media', 1, () => ({ status: 'completed', runMs: 42 }))
    await media.obliterate({ force: true })
    const url = await start()
    const span = `from=${Date.now() - 86_400_000}&to=${Date.now() + 60_000}&granularity=hour`
    const history = (await ask(url, `/queues/api/metrics/history?queue=media&${span}`)).json<{
      completed: { value: number }[]
    }>()
    expect(history.completed.reduce((sum, { value }) => sum + value, 0)).toBe(1)
    const latency = await ask(url, `/queues/api/metrics/latency?metric=runtime&percentiles=50,95&${span}`)
    expect(latency.status).toBe(200)
    expect(latency.text).toMatch(/"count":1,"values":\{"50":[2-5]\d/)
  })
})
