// What the overview shows of real jobs, as a page and as JSON, and what it costs Redis.
import { describe, expect, it } from 'vitest'
import type { Overview } from '../../src/dashboard/index.js'
import { writeBeat } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl, queueKeys, workerKey } from '../../src/redis/index.js'
import { ask, BROWSER } from '../support/dashboard-http.js'
import { useDashboards } from '../support/dashboards.js'

const { closeAfter, openQueue, redis, start, work } = useDashboards()

async function overview(url: string): Promise<Overview> {
  return (await ask(url, '/overview.json')).json<Overview>()
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
    expect((await overview(url)).queues).toMatchObject([
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

  it('shows what jobs came to: totals, last hour, latest results', async () => {
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
      redis: `${redis().url}/0`,
      leftOut: { queues: 0, unreadable: [] },
    })
    expect(shown.jobs).toMatchObject([
      { job: 'resize', queue: 'media', completed: 1, failed: 1, retried: 0, lastHour: { completed: 1, failed: 1 } },
    ])
    expect(shown.jobs[0]?.lastHour.run.p99).toBeLessThanOrEqual(50)
    expect(shown.jobs[0]?.lastHour.run.p99).toBeGreaterThan(20)
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
    expect(text).toMatch(/<time datetime="[^"]+Z" title="[^"]+ UTC" data-ago>/)
    expect(text).toContain('href="/results/media/cat-1"')
  })

  it('links each problem of its verdict to a page that is there, and to a place on it that is', async () => {
    for (const queue of ['media', 'mail']) await (await openQueue(queue)).add('resize', {}, { jobId: `${queue}-1` })
    await (await openQueue('paused')).pause()
    const now = Date.now()
    const keys = queueKeys('drover', 'media')
    await redis().cli('HINCRBY', keys.stats(Math.floor(now / 60_000)), 'resize|f|3|4', '500')
    await redis().cli('ZADD', keys.schedules, String(now - 600_000), 'nightly')
    const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000 })
    closeAfter({ close: async () => client.disconnect() })
    const beat = { host: 'h', pid: 1, release: '', state: 'run', handled: 1, rssBytes: 1, seenAt: now } as const
    const queues = [{ queue: 'mail', concurrency: 1, running: 1 }]
    const jobs = [{ queue: 'mail', id: 'mail-1', job: 'resize', attempt: 1, startedAt: now - 7_200_000 }]
    await expect.poll(() => client.status).toBe('ready')
    for (const [id, loopLagMs] of [
      ['1.0.0', 5_000],
      ['2.0.0', 0],
    ] as const) {
      const startedAt = now - 7_200_000
      await writeBeat(client, 'drover', { ...beat, id, version: id, startedAt, loopLagMs, queues, jobs })
      await client.persist(workerKey('drover', id))
    }
    const url = await start()
    const open = (path: string) => ask(url, path, { headers: BROWSER })
    const { problems, queues: rows } = await overview(url)
    // Both workers said that they run a job of it, and none is active any more.
    expect(rows.find(({ queue }) => queue === 'mail')).toMatchObject({ workers: 2, concurrency: 2, running: 0 })
    const verdict = /id="verdict"[\s\S]*?<\/section>/.exec((await open('/')).text)?.[0] ?? ''
    const items = verdict.split('<li ').slice(1)
    expect(items).toHaveLength(problems.length)
    expect([...new Set(problems.map(({ code }) => code))].sort()).toEqual([
      ...['FAILURE_FLOOD', 'LONG_RUN', 'LOOP_LAG', 'NO_WORKER', 'PAUSED', 'SCHEDULE_LATE', 'VERSION_SKEW'],
    ])
    for (const item of items) {
      const [, path = 'none', place] = /<a href="([^"#]+)(?:#([^"]+))?">See /.exec(item.replaceAll('&amp;', '&')) ?? []
      const { status, text } = await open(path)
      expect([item, status]).toEqual([item, 200])
      if (place !== undefined) expect(text).toContain(`id="${place}"`)
    }
  })

  it('follows the jobs: a refresh shows what finished since', async () => {
    const media = await openQueue('media')
    const url = await start()
    expect((await overview(url)).results).toEqual([])
    await media.add('resize', {}, { jobId: 'cat-1' })
    await work('media', 1, () => ({ status: 'completed' }))
    await expect.poll(async () => (await overview(url)).results.map(({ id }) => id)).toEqual(['cat-1'])
  })

  it('shows the twenty results that finished last, over all queues, and says which records are gone', async () => {
    for (const name of ['media', 'mail']) {
      const queue = await openQueue(name)
      await queue.addBulk(
        Array.from({ length: 15 }, (_, index) => ({ name: 'job', data: {}, opts: { jobId: `${name}-${index}` } })),
      )
      await work(name, 15, () => ({ status: 'completed' }))
    }
    await redis().cli('DEL', '{drover:mail}:result:mail-3')
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
    await redis().cli('SADD', 'drover:queues', evil)
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
    expect((await ask(url, '/', { headers: BROWSER })).text.length).toBeLessThan(100_000)
  })

  it('shows the other queues when a program has put another type at a key of one', async () => {
    await openQueue('media')
    await openQueue('mail')
    await redis().cli('SET', '{drover:mail}:totals', 'not a hash')
    const url = await start()
    const shown = await overview(url)
    expect(shown.queues.map(({ queue }) => queue)).toEqual(['media'])
    expect(shown.leftOut.unreadable).toEqual(['mail'])
    expect((await ask(url, '/', { headers: BROWSER })).text).toContain('Cannot read queue mail')
  })

  it('is bounded: 100 queues, and it says how many it leaves out', async () => {
    const names = Array.from({ length: 120 }, (_, index) => `q${String(index).padStart(3, '0')}`)
    await redis().cli('SADD', 'drover:queues', ...names)
    const url = await start()
    const shown = await overview(url)
    expect(shown.queues).toHaveLength(100)
    expect(shown.leftOut).toEqual({ queues: 20, unreadable: [] })
    const { text } = await ask(url, '/', { headers: BROWSER })
    expect(text).toContain('20 more queues are not shown')
  })

  it('says what to do while there is nothing', async () => {
    const { text } = await ask(await start(), '/', { headers: BROWSER })
    expect(text).toContain('No queue yet. Start a worker with <code>drover worker</code>')
    for (const empty of ['No job has finished yet', 'No worker has sent a heartbeat', 'No schedule', 'No result yet'])
      expect(text).toContain(empty)
  })

  it('reads the queues of its own prefix and never scans', async () => {
    await openQueue('media')
    await openQueue('mail', 'shop')
    await redis().cli('CONFIG', 'RESETSTAT')
    expect((await overview(await start({ prefix: 'shop' }))).queues.map(({ queue }) => queue)).toEqual(['mail'])
    expect(await redis().cli('INFO', 'commandstats')).not.toMatch(/cmdstat_(keys|scan|sscan|hscan|zscan)/)
  })

  it('costs Redis the same for one open tab and for fifty', async () => {
    await openQueue('media')
    const url = await start()
    await redis().cli('CONFIG', 'RESETSTAT')
    const startedMs = performance.now()
    await Promise.all(Array.from({ length: 50 }, () => ask(url, '/', { headers: BROWSER })))
    const seconds = (performance.now() - startedMs) / 1_000
    const [, calls] = /cmdstat_smembers:calls=(\d+)/.exec(await redis().cli('INFO', 'commandstats')) ?? []
    // What was read serves for a second. One more is the look ahead at the start.
    expect(Number(calls)).toBeLessThanOrEqual(3 + seconds)
  })

  it('reads each result record once', async () => {
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'cat-1' })
    await work('media', 1, () => ({ status: 'completed' }))
    const url = await start()
    const { readAt } = await overview(url)
    await redis().cli('CONFIG', 'RESETSTAT')
    await expect.poll(async () => (await overview(url)).readAt).toBeGreaterThan(readAt)
    expect((await overview(url)).results).toMatchObject([{ id: 'cat-1', job: 'resize' }])
    expect(await redis().cli('INFO', 'commandstats')).not.toContain('cmdstat_mget')
  })

  it('forgets what it kept of a queue that is gone', async () => {
    const hashReads = async () =>
      Number(/cmdstat_hgetall:calls=(\d+)/.exec(await redis().cli('INFO', 'commandstats'))?.[1] ?? 0)
    const queues = async () => (await overview(url)).queues.length
    await redis().cli('SADD', 'drover:queues', 'media')
    const url = await start()
    expect(await queues()).toBe(1)
    await redis().cli('SREM', 'drover:queues', 'media')
    await expect.poll(queues).toBe(0)
    await redis().cli('CONFIG', 'RESETSTAT')
    await redis().cli('SADD', 'drover:queues', 'media')
    await expect.poll(queues).toBe(1)
    expect(await hashReads()).toBeGreaterThanOrEqual(60)
  })
})
