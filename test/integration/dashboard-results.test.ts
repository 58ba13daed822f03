// The Results page and the page of one job: found without a scan, shown as text, acted on by who may, and written down.
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob } from '../../src/index.js'
import { createToken, readAudit } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl } from '../../src/redis/index.js'
import { ask, BROWSER, form } from '../support/dashboard-http.js'
import { problemOf, useDashboards } from '../support/dashboards.js'

const resize = defineJob({ name: 'image.resize', queue: 'media', input: z.object({ width: z.number() }), attempts: 3 })
const { redis, start, openQueue, work, closeAfter } = useDashboards()
const EVIL = `<img src=x onerror="owned()"></pre><script>owned()</script>\u202e\u0007`

const page = (url: string, path: string) => ask(url, path, { headers: BROWSER })
const post = (url: string, path: string, body = '', headers: Record<string, string> = {}) =>
  ask(url, path, { method: 'POST', headers: { ...form(url), ...headers }, body })
const idsIn = (text: string) => Array.from(text.matchAll(/href="\/results\/[\w-]+\/([\w-]+)"/g), ([, id]) => id)

function openProducer() {
  return closeAfter(createProducer({ redis: redis().url, timeout: '60s', allowVolatile: true }))
}

async function finishJobs(): Promise<void> {
  const media = await openQueue('media')
  const producer = openProducer()
  for (let n = 0; n < 3; n++) await producer.enqueue(resize, { width: n }, { id: `cat-${n}`, tags: [`t${n}`] })
  await work('media', 3, () => ({
    status: 'completed',
    valueJson: '{"ok":"small-result"}',
    counters: new Map([['bytes', 7]]),
  }))
  await redis().cli('SET', '{drover:media}:key:image.resize:key:2', 'cat-2 0123 job')
  await media.add('other', {}, { jobId: 'late', delay: 3_600_000 })
}

describe('the search', () => {
  it('finds jobs by id, idempotency key, tag, state, name and queue', async () => {
    await finishJobs()
    const url = await start()
    const found = async (query: string) => idsIn((await page(url, `/results?${query}`)).text).sort()
    expect(await found('')).toEqual(['cat-0', 'cat-1', 'cat-2'])
    expect(await found('q=cat-1')).toEqual(['cat-1'])
    expect(await found('q=key%3A2')).toEqual(['cat-2'])
    expect(await found('tag=t0')).toEqual(['cat-0'])
    expect(await found('tag=none')).toEqual([])
    await openProducer().enqueue(resize, { width: 9 }, { id: 'cat-9', tags: ['t9', 'of:ann'], delay: '1h' })
    expect(await found('tag=t9')).toEqual(['cat-9'])
    expect(await found('tag=t9&state=delayed')).toEqual(['cat-9'])
    expect(await found('tag=t9&state=waiting')).toEqual([])
    const tagged = (await page(url, '/results?tag=t9')).text
    expect(tagged).toContain('<span class="badge delayed">')
    expect(tagged).toContain('<span class="tag">of:ann</span>')
    expect(tagged).not.toContain('<span class="tag">t9</span>')
    expect(await found('state=delayed')).toEqual(['cat-9', 'late'])
    expect(await found('state=failed')).toEqual([])
    expect(await found('job=image.resize&since=1h')).toEqual(['cat-0', 'cat-1', 'cat-2'])
    expect(await found('job=other')).toEqual([])
    expect(await found('queue=mail')).toEqual([])
    await redis().cli('ZADD', '{drover:media}:media:completed', 'XX', String(Date.now() - 7_200_000), 'cat-0')
    expect(await found('since=1h')).toEqual(['cat-1', 'cat-2'])
    expect(await found('since=6h')).toEqual(['cat-0', 'cat-1', 'cat-2'])
    expect((await page(url, '/results')).text).toContain('small-result')
  })

  it('finds the result of a job that BullMQ no longer keeps', async () => {
    await finishJobs()
    await redis().cli('DEL', '{drover:media}:media:cat-1')
    const url = await start()
    for (const query of ['q=cat-1', 'tag=t1']) {
      const found = (await page(url, `/results?${query}`)).text
      expect([query, ...idsIn(found)]).toEqual([query, 'cat-1'])
      expect(found).toMatch(/<td class="number" data-label="attempts">1<\/td>\s*<td><time /)
    }
    const { status, text } = await page(url, '/results/media/cat-1')
    expect([status, text.includes('small-result'), text.includes('its input is gone')]).toEqual([200, true, true])
    expect(text).not.toContain('Run again')
  })

  it('goes through all pages once, also where many jobs ended in one millisecond', async () => {
    await openQueue('media')
    for (const queue of ['media', 'mail']) {
      await redis().cli('SADD', 'drover:queues', queue)
      const members = Array.from({ length: 60 }, (_, n) => [
        String(1_700_000_000_000 + Math.floor(n / 30)),
        `${queue}-${n}`,
      ])
      await redis().cli('ZADD', `{drover:${queue}}:${queue}:completed`, ...members.flat())
    }
    const url = await start()
    const seen: (string | undefined)[] = []
    let path: string | undefined = '/results'
    for (let pages = 0; path !== undefined && pages < 10; pages++) {
      const { text } = await page(url, path)
      seen.push(...idsIn(text))
      path = /rel="next" href="([^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
    }
    expect(seen).toHaveLength(120)
    expect(new Set(seen).size).toBe(120)
  })

  it('takes rubbish for what it is: no field of it does harm', async () => {
    await finishJobs()
    const url = await start()
    for (const [query, expected] of [
      [`q=${encodeURIComponent(EVIL)}`, 200],
      [`before=${'9'.repeat(16)}.media/x&q[]=1&q[x]=2`, 200],
      [`q=${'x'.repeat(5_000)}`, 200],
      [`tag=${encodeURIComponent(EVIL)}`, 400],
      [`job=${encodeURIComponent(EVIL)}`, 400],
      [`queue=${encodeURIComponent(EVIL)}`, 400],
    ] as const) {
      const { status, text } = await page(url, `/results?${query}`)
      expect([query, status]).toEqual([query, expected])
      expect(text).not.toMatch(/<script>owned|<img src=x/)
    }
  })

  it.each([
    ['/results?state=__proto__', 'state: expected one of finished, completed'],
    ['/results?since=constructor', 'since: expected one of 1h, 6h, 24h, 7d'],
    ['/results?before=x', 'before: expected what a link of this page had'],
    ['/results?state=failed&state=toString', 'got &quot;toString&quot;'],
    ['/results?queue=a%20b', 'queue: expected a queue name'],
    ['/errors?job=%2F', 'job: expected a job name'],
    ['/errors?queue=a%20b', 'queue: expected'],
    ['/errors?after=x', 'after: expected'],
    ['/audit?before=yesterday', 'before: expected'],
    ['/?range=__proto__', 'range: expected one of 1h'],
    ['/?sort=valueOf', 'sort: expected one of runs'],
    ['/?queue=%00', 'got &quot;\\u0000&quot;'],
    ['/counters/media/bytes?range=2h', 'range: expected'],
    ['/counters/media/bytes/series.json?range=2h', 'range: expected'],
    ['/counters/media/bytes/series.csv?range=2h', 'range: expected'],
    ['/results/media/cat-0?done=hasOwnProperty', 'done: expected'],
  ])('%s is a 400 that says what it expected', async (path, words) => {
    const { status, text } = await page(await start(), path)
    expect([status, text]).toEqual([400, expect.stringContaining(words)])
  })

  it('scans no keys, and asks Redis the same for a hundred thousand jobs', async () => {
    await finishJobs()
    await redis().cli(
      'EVAL',
      `for n = 1, 100000 do redis.call('ZADD', KEYS[1], n, 'old-' .. n) end`,
      '1',
      '{drover:media}:media:completed',
    )
    const url = await start()
    await redis().cli('CONFIG', 'RESETSTAT')
    for (const query of ['', 'q=cat-1', 'tag=t1', 'job=image.resize', 'state=active'])
      await page(url, `/results?${query}`)
    await page(url, '/results/media/cat-1')
    const stats = await redis().cli('INFO', 'commandstats')
    expect(stats).not.toMatch(/cmdstat_(keys|scan|zscan|hscan|sscan):/)
    const calls = Array.from(stats.matchAll(/calls=(\d+)/g)).reduce((sum, [, count]) => sum + Number(count), 0)
    expect(calls).toBeLessThan(3_000)
  })
})

describe('the page of a job', () => {
  it('shows what went in and came out, what was committed, and the keys that hold it', async () => {
    await finishJobs()
    const url = await start({ traceUrl: 'https://traces.example/find?job={jobId}' })
    const { text } = await page(url, '/results/media/cat-2')
    for (const expected of [
      '&quot;width&quot;: 2',
      'small-result',
      'counter bytes',
      '+7',
      'https://traces.example/find?job=cat-2',
    ]) {
      expect(text).toContain(expected)
    }
    expect(text).toContain('GET &#39;{drover:media}:result:cat-2&#39;')
    expect(JSON.parse((await ask(url, '/results/media/cat-2/raw/input')).text)).toEqual({ width: 2 })
    expect(JSON.parse(await redis().cli('GET', '{drover:media}:result:cat-2'))).toMatchObject({
      committed: { counters: { bytes: 7 } },
    })
  })

  it('says why a job that waits does not run now, and when it may', async () => {
    const media = await openQueue('media')
    await media.add('image.resize', {}, { jobId: 'first' })
    await media.add('image.resize', {}, { jobId: 'late', delay: 3_600_000 })
    await media.pause()
    const url = await start()
    const { text } = await page(url, '/results/media/first')
    expect(text).toContain('Why it does not run now')
    expect(text).toMatch(/the queue is paused <code class="muted">PAUSED_QUEUE[\s\S]*NO_WORKER/)
    await media.resume()
    const late = (await page(url, '/results/media/late')).text
    expect(late).toMatch(/it is delayed until[\s\S]*DELAYED/)
    expect(late).toMatch(/may start<\/span> <time [^>]* data-next data-ago>in \d+ (min|s)</)
    await work('media', 1, () => ({ status: 'completed', valueJson: '1' }))
    expect((await page(url, '/results/media/first')).text).not.toContain('id="explain"')
    expect((await page(url, '/results/media/first')).text).toContain('/queues/queue/media/first?status=completed')
  })

  it('leads from a job that failed to all failures of its cause, and back', async () => {
    const media = await openQueue('media')
    await media.add('image.resize', {}, { jobId: 'bad' })
    await work('media', 1, () => ({ status: 'failed', error: { name: 'TypeError', message: 'no' } }))
    const url = await start()
    const link = /href="(\/errors\/media\/[0-9a-f]{16})"/.exec((await page(url, '/results/media/bad')).text)?.[1] ?? ''
    expect((await page(url, link)).text).toContain('href="/results/media/bad"')
  })

  it('shows whatever a job wrote as text, cut, and all of it as plain text that no browser runs', async () => {
    const media = await openQueue('media')
    await media.add(EVIL, { evil: EVIL, long: 'x'.repeat(5_000_000) }, { jobId: 'evil', attempts: 2 })
    await redis().cli('RPUSH', '{drover:media}:media:evil:logs', EVIL)
    await redis().cli(
      'HSET',
      '{drover:media}:media:evil',
      'progress',
      JSON.stringify(EVIL),
      'pb',
      EVIL,
      'failedReason',
      EVIL,
    )
    await redis().cli(
      'HSET',
      '{drover:media}:media:evil',
      'drover:attempts',
      JSON.stringify({ attempt: EVIL, endedAt: EVIL, name: EVIL, message: EVIL, worker: EVIL }),
    )
    await redis().cli(
      'SET',
      '{drover:media}:result:evil',
      JSON.stringify({ v: 1, status: 'failed', job: EVIL, error: { name: EVIL, message: EVIL, stack: EVIL } }),
    )
    const url = await start()
    const { status, text } = await page(url, '/results/media/evil')
    expect(status).toBe(200)
    expect(text.length).toBeLessThan(200_000)
    expect(text).not.toMatch(/<script>owned|<img src=x/)
    for (const raw of ['\u202e', '\u0007']) expect(text).not.toContain(raw)
    expect(text).toContain('The beginning of 5 MB')
    const raw = await ask(url, '/results/media/evil/raw/input')
    expect([raw.text.length > 5_000_000, raw.headers['content-type']]).toEqual([true, 'text/plain; charset=utf-8'])
    expect(raw.headers['content-security-policy']).toBe("default-src 'none'; sandbox")
    expect(raw.headers['x-content-type-options']).toBe('nosniff')
    expect((await page(url, '/results/media/evil/edit')).status).toBe(413)
    expect((await page(url, '/results?state=waiting')).text).not.toMatch(/<script>owned|<img src=x/)
  })

  it.each([
    '/results/media/none',
    '/results/none/none',
    '/results/media/meta',
    '/results/media/wait',
    '/results/..%2f/x',
    '/results/media/%3Cb%3E',
    '/results/media/none/edit',
    '/results/media/none/raw/input',
    '/results/media/cat-1/raw/data',
  ])('%s is answered 404', async (path) => {
    await finishJobs()
    expect((await page(await start(), path)).status).toBe(404)
  })
})

describe('an action', () => {
  it('of an operator runs, cancels and edits jobs, and is in the audit list', async () => {
    await finishJobs()
    const url = await start({ contracts: [resize] })
    const retried = await post(url, '/results/media/cat-0/retry')
    expect([retried.status, retried.headers.location]).toEqual([303, '/results/media/cat-0?done=retry'])
    expect((await page(url, '/results/media/cat-0?done=retry')).text).toContain('in its queue again')
    expect((await post(url, '/results/media/late/cancel')).status).toBe(303)
    expect((await page(url, '/results/media/late')).text).toContain('CancelledError')

    const bad = await post(url, '/results/media/cat-1/run', `input=${encodeURIComponent('{"width":"wide"}')}`, {
      accept: 'text/html',
    })
    expect([bad.status, bad.text.includes('width'), bad.text.includes('&quot;wide&quot;')]).toEqual([400, true, true])
    expect((await post(url, '/results/media/cat-1/run', 'input=%7B', { accept: 'text/html' })).status).toBe(400)
    const good = await post(url, '/results/media/cat-1/run', `input=${encodeURIComponent('{"width":9}')}`)
    const id = /^\/results\/media\/(\w+)\?done=run$/.exec(good.headers.location ?? '')?.[1] ?? ''
    expect(await redis().cli('HGET', `{drover:media}:media:${id}`, 'data')).toBe('{"width":9}')
    expect(JSON.parse(await redis().cli('HGET', `{drover:media}:media:${id}`, 'opts'))).toMatchObject({ attempts: 3 })

    const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000, onError: () => undefined })
    await expect.poll(() => client.status).toBe('ready')
    const { entries } = await readAudit(client, 'drover', { limit: 20 })
    client.disconnect()
    expect(entries.map(({ action, target, result, count }) => [action, target, result, count])).toEqual([
      ['job.run-again', 'media/cat-1', 'done', 1],
      ['job.run-again', 'media/cat-1', 'failed', undefined],
      ['job.run-again', 'media/cat-1', 'failed', undefined],
      ['job.cancel', 'media/late', 'done', 1],
      ['job.retry', 'media/cat-0', 'done', 1],
    ])
  })

  it('runs a job of an unknown contract again with valid JSON alone, and says that nothing else was checked', async () => {
    await finishJobs()
    const url = await start()
    // BullMQ's mark of its last look for stalled jobs runs out after 30 s.
    await redis().cli('DEL', '{drover:media}:media:stalled-check')
    const before = await redis().cli('DBSIZE')
    for (const text of ['', '{', 'undefined', 'NaN', "{'width':9}", '{"width":9}}', '\u0000']) {
      const body = `input=${encodeURIComponent(text)}`
      const refused = await post(url, '/results/media/cat-1/run', body, { accept: 'text/html' })
      expect([text, refused.status]).toEqual([text, 400])
      expect(refused.text).toContain('role="alert"')
      expect(refused.text).toContain('Not checked here but for being JSON')
    }
    // The audit list has come to be.
    expect(Number(await redis().cli('DBSIZE'))).toBe(Number(before) + 1)
    const { headers } = await post(
      url,
      '/results/media/cat-1/run',
      `input=${encodeURIComponent(' {"width": "wide"} ')}`,
    )
    const id = /^\/results\/media\/(\w+)\?done=run-unchecked$/.exec(headers.location ?? '')?.[1] ?? ''
    expect(await redis().cli('HGET', `{drover:media}:media:${id}`, 'data')).toBe('{"width":"wide"}')
    expect((await page(url, headers.location ?? '')).text).toContain('Its input was not checked')
  })

  it('runs a job with a limit again in the line of its key, whether its contract is known or not', async () => {
    const limit = { key: 'tenant', concurrency: 1, order: 'strict' } as const
    const sync = defineJob({ name: 'sync', queue: 'media', input: z.object({ tenant: z.string() }), limit })
    const producer = openProducer()
    const { id } = await producer.enqueue(sync, { tenant: 'a' })
    await redis().cli('HSET', `{drover:media}:media:${id}`, 'opts', JSON.stringify({ attempts: 1, priority: 5 }))
    const body = `input=${encodeURIComponent('{"tenant":"b"}')}`
    const lineAfter = async (key: string, options: Parameters<typeof start>[0]) => {
      const url = await start(options)
      const { headers } = await post(url, `/results/media/${id}/run`, body)
      const again = /media\/(\w+)\?done=run(?:-unchecked)?$/.exec(headers.location ?? '')?.[1] ?? 'none'
      const line = await redis().cli('ZRANGE', `{drover:media}:limit:line:sync:${key}`, '0', '-1')
      expect(line.split('\n').at(-1)).toBe(again)
    }
    await lineAfter('b', { contracts: [sync] })
    await lineAfter('b', { contracts: [sync], producer })
    await lineAfter('a', {})
    expect(await redis().cli('EXISTS', '{drover:media}:media:wait', '{drover:media}:media:prioritized')).toBe('0')
  })

  it('that the job’s state does not allow is refused, and changes nothing', async () => {
    await finishJobs()
    const url = await start()
    expect(problemOf(await post(url, '/results/media/late/retry')).code).toBe('JOB_STATE')
    expect(problemOf(await post(url, '/results/media/cat-0/cancel')).code).toBe('JOB_STATE')
    expect(problemOf(await post(url, '/results/media/none/retry')).code).toBe('JOB_NOT_FOUND')
    expect((await ask(url, '/results/media/cat-0/retry')).status).toBe(405)
  })

  it('needs an operator and our own origin; a viewer is offered none', async () => {
    await finishJobs()
    const url = await start({ token: 'correct-horse-battery' })
    const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000, onError: () => undefined })
    await expect.poll(() => client.status).toBe('ready')
    const { token } = await createToken(client, 'drover', { name: 'viewer', scopes: ['read'] })
    client.disconnect()
    const authorization = `Bearer ${token}`
    const { text } = await ask(url, '/results/media/cat-0', { headers: { ...BROWSER, authorization } })
    expect(text).toContain('small-result')
    expect(text).not.toMatch(/\/retry"|\/edit"/)
    for (const action of ['retry', 'cancel', 'run']) {
      const path = `/results/media/cat-0/${action}`
      expect(problemOf(await post(url, path, '', { authorization })).code).toBe('ROLE_NEEDED')
      const foreign = {
        origin: 'https://evil.example',
        'sec-fetch-site': 'cross-site',
        authorization: 'Bearer correct-horse-battery',
      }
      expect(problemOf(await post(url, path, '', foreign)).code).toBe('CROSS_SITE')
    }
    expect((await ask(url, '/results/media/cat-0/edit', { headers: { authorization } })).status).toBe(403)
    const readOnly = await start({ readOnly: true })
    expect(problemOf(await post(readOnly, '/results/media/cat-0/retry')).code).toBe('READ_ONLY')
  })
})

describe('an open page', () => {
  it('is sent what changes, once for all tabs, and nothing while nothing does', async () => {
    await finishJobs()
    const url = await start()
    const tabs = await Promise.all(
      Array.from({ length: 5 }, () => openStream(`${url}/results?x=${randomUUID().slice(0, 0)}`)),
    )
    for (const tab of tabs) expect((await tab.next()).html).toContain('cat-2')
    await redis().cli('ZADD', '{drover:media}:media:completed', String(Date.now() + 1_000), 'fresh-job')
    for (const tab of tabs) while (!(await tab.next()).html.includes('fresh-job'));
    for (const tab of tabs) await tab.close()
  })
})

async function openStream(url: string) {
  const aborter = new AbortController()
  const response = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: aborter.signal })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  return {
    next: async (): Promise<{ status: number; html: string }> => {
      for (;;) {
        const event = /^data: (.*)\n\n/m.exec(text)
        if (event?.[1] !== undefined) {
          text = text.slice(event.index + event[0].length)
          return JSON.parse(event[1])
        }
        const { value, done } = await reader.read()
        if (done) throw new Error('the stream ended')
        text += Buffer.from(value).toString('utf8')
      }
    },
    close: async () => aborter.abort(),
  }
}
