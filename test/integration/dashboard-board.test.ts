// bull-board inside the dashboard: its page, its queues, what it shows of large jobs.
import { describe, expect, it } from 'vitest'
import { type BoardQueue, boardQueues } from '../support/dashboard-board.js'
import { ask, BROWSER } from '../support/dashboard-http.js'
import { useDashboards } from '../support/dashboards.js'
import { startLedgerWorker } from '../support/ledger-worker.js'

const { closeAfter, openQueue, redis, start } = useDashboards()

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
        miscLinks: [
          { text: 'Drover overview', url: '/' },
          { text: 'Add a job', url: '/add' },
        ],
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
    await redis().cli('SADD', 'drover:queues', 'not:a:queue')
    const names = async () => (await boardQueues(url)).map(({ name }) => name).sort()
    await expect.poll(names).toEqual(['mail', 'media'])
    await redis().cli('SREM', 'drover:queues', 'media')
    await expect.poll(names).toEqual(['mail'])
  })

  it('leave nothing behind in Redis by being looked at', async () => {
    await redis().cli('SADD', 'drover:queues', 'media')
    const url = await start()
    await boardQueues(url, '?activeQueue=media')
    expect(await redis().cli('DBSIZE')).toBe('1')
  })

  it('are opened without a call that must not fail', async () => {
    const url = await start()
    await boardQueues(url)
    await redis().cli('CONFIG', 'RESETSTAT')
    await redis().cli('SADD', 'drover:queues', 'media')
    await expect.poll(async () => (await boardQueues(url)).length).toBe(1)
    expect(await redis().cli('INFO', 'commandstats')).not.toContain('cmdstat_info')
  })

  it('are the first 100 by name, and no more listeners than their shared connection takes', async () => {
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    const names = Array.from({ length: 120 }, (_, index) => `q${String(index).padStart(3, '0')}`)
    await redis().cli('SADD', 'drover:queues', ...names)
    const queues = await boardQueues(await start())
    process.off('warning', note)
    expect(queues.map(({ name }) => name).sort()).toEqual(names.slice(0, 100))
    expect(warnings).toEqual([])
  })

  it('do not tell of Redis itself or list its clients', async () => {
    await openQueue('media')
    const url = await start()
    expect((await ask(url, '/queues/api/redis/stats')).status).toBe(403)
    await redis().cli('CONFIG', 'RESETSTAT')
    await boardQueues(url)
    expect((await ask(url, '/queues/api/queues/media/workers')).status).toBe(403)
    expect(await redis().cli('INFO', 'commandstats')).not.toMatch(/cmdstat_(client\|list|keys|scan)/)
  })

  it('show large data, errors and stacks cut, so that a page of them stays readable', async () => {
    const media = await openQueue('media')
    await media.add('small', { n: 1 }, { jobId: 'small' })
    await media.add('large', { text: 'x'.repeat(3_000_000) }, { jobId: 'large' })
    const message = 'm'.repeat(100_000)
    closeAfter(
      await startLedgerWorker({ url: redis().url, queue: 'media', run: () => Promise.reject(new Error(message)) }),
    )
    const url = await start()
    await expect.poll(async () => (await boardQueues(url))[0]?.counts.failed).toBe(2)
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
