// The dashboard over a real worker in a real browser: a job that is followed while it runs, the worker that is steered, its
// counters and schedules, what each role is offered, and Redis that hangs. Screenshots are kept in test-output/.
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createDashboard } from '../../src/dashboard/index.js'
import { createProducer, defineJob, defineSchedule, type Producer } from '../../src/index.js'
import { createToken, type Scope } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl } from '../../src/redis/index.js'
import { createWorker, handle, type Worker } from '../../src/worker/index.js'
import { untilReady } from '../support/dashboards.js'
import { collectLog, createGate, type Gate } from '../support/worker.js'
import { complaintsOf, type Stage, screenshot, startStage, WINDOWS } from './dashboard-stage.js'

const build = defineJob({
  name: 'report.build',
  queue: 'reports',
  input: z.object({ pages: z.int().min(1) }),
})
const yearly = defineSchedule(build, { name: 'yearly-report', cron: '0 0 1 1 *', input: { pages: 9 } })

let stage: Stage
let producer: Producer
let worker: Worker
/** Lets the running job end. */
let gate: Gate

const buildHandler = handle(build, async ({ pages }, ctx) => {
  ctx.log.info('laying out the pages')
  await ctx.progress(40, 'laid out')
  ctx.counter('pages').add(pages)
  const aborted = new Promise((_resolve, reject) => {
    ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason))
  })
  await Promise.race([gate.promise, aborted])
  return { pages }
})

async function startWorker(): Promise<Worker> {
  return createWorker({
    redis: stage.redis.url,
    handlers: [buildHandler],
    schedules: [yearly],
    release: 'v41',
    concurrency: 1,
    logger: collectLog().logger,
  })
}

async function tokenFor(scopes: readonly Scope[]): Promise<string> {
  const client = createReaderClient(parseRedisUrl(stage.redis.url), { timeoutMs: 60_000, onError: () => undefined })
  await expect.poll(() => client.status).toBe('ready')
  const { token } = await createToken(client, 'drover', { name: 'ann', scopes })
  client.disconnect()
  return token
}

beforeAll(async () => {
  stage = await startStage((redis) => {
    producer = createProducer({ redis, timeout: '60s', allowVolatile: true })
    return { contracts: [build], producer }
  })
  worker = await startWorker()
})
afterEach(() => stage.closePages())
afterAll(async () => {
  gate?.open()
  await worker?.close()
  await producer?.close()
  await stage?.close()
})

/** Opens a page again until it holds the text, which a heartbeat that is late brings. */
async function openUntil(page: Page, path: string, text: string): Promise<void> {
  const open = async () => {
    await page.goto(stage.url + path)
    return page.locator('main').innerText()
  }
  await expect.poll(open).toContain(text)
}

/** The page of a new job that a worker runs. */
async function openRunning(page: Page): Promise<void> {
  gate = createGate()
  const { id } = await producer.enqueue(build, { pages: 12 })
  await page.goto(`${stage.url}/results/reports/${id}`)
  await page.locator('.job-head .badge', { hasText: 'active' }).waitFor()
}

describe('a job that runs', () => {
  it('is followed live: progress, logs, its end, and what it committed', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    await openRunning(page)
    await page.evaluate(`document.body.dataset.mark = 'same document'`)
    await page.locator('#progress').getByText('40 %').waitFor()
    await page.locator('#progress').getByText('laid out').waitFor()
    await page.locator('#logs').getByText('laying out the pages').waitFor()
    await screenshot(page, 'job-running')
    gate.open()
    await page.locator('.job-head .badge', { hasText: 'completed' }).waitFor()
    await page.locator('#committed').getByText('counter pages').waitFor()
    expect(await page.locator('#committed .number').first().innerText()).toBe('+12')
    expect(await page.locator('#keys-of-job').innerText()).toMatch(/GET '?\{drover:reports\}:result:/)
    expect(await page.locator('#curl-line').innerText()).toContain('"input":{"pages":12}')
    expect(await page.evaluate('document.body.dataset.mark')).toBe('same document')
    expect(complaints).toEqual([])
  })

  it('is cancelled by its button, and nothing that it staged is written', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    const before = await producer.counters.get('reports', 'pages')
    await openRunning(page)
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.locator('.job-head .badge', { hasText: 'failed' }).waitFor()
    await page.locator('#error').getByText('CancelledError').first().waitFor()
    expect(await producer.counters.get('reports', 'pages')).toBe(before)
    expect(complaints).toEqual([])
  })
})

describe('the pages about workers, counters and schedules', () => {
  it('show what is there: the job that runs, a series with its table, the next tick, the release', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    await openRunning(page)
    await page.goto(`${stage.url}/workers`)
    await page.locator('#workers').getByRole('link', { name: 'report.build' }).waitFor()
    expect(await page.locator('#workers').innerText()).toMatch(/v41[\s\S]*reports 1 of 1/)
    gate.open()
    await page.goto(`${stage.url}/counters?q=pages`)
    await page.getByRole('link', { name: 'pages', exact: true }).click()
    await page.locator('#chart-counter canvas').waitFor()
    await page.getByText('Table: Added per').click()
    expect(await page.locator('#chart-counter table.twin tbody tr').count()).toBe(60)
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('.exports').getByRole('link', { name: 'CSV' }).click(),
    ])
    expect(readFileSync(await download.path(), 'utf8').split('\n')[0]).toContain('from,added,report.build')
    await page.goto(stage.url)
    await page.locator('#schedules').getByText('yearly-report').waitFor()
    await page.locator('.releases', { hasText: 'v41' }).waitFor()
    await page.getByRole('link', { name: 'All schedules' }).click()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.locator('#schedules .badge', { hasText: 'paused' }).waitFor()
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    expect(complaints).toEqual([])
  })

  it('steer a worker: quiet, resume, more jobs at once, stop', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    await page.goto(`${stage.url}/workers`)
    await page.getByRole('button', { name: 'Quiet' }).click()
    await page.locator('#facts').getByText('quiet').waitFor()
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('button', { name: 'Quiet' }).waitFor()
    await page.getByLabel('Jobs at once').fill('3')
    await page.getByRole('button', { name: 'Set' }).click()
    await page.locator('#loads td[data-label="at once"]', { hasText: '3' }).waitFor()
    await page.getByText('Stop', { exact: true }).click()
    await page.getByRole('button', { name: `Stop ${process.pid}` }).click()
    await page.getByRole('heading', { name: 'Not there' }).waitFor()
    // The browser tells of the page that is gone.
    expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([])
    await worker.close()
    worker = await startWorker()
  })
})

describe('with scripts off', () => {
  it('each page has its numbers, its charts drawn, and forms that work', async () => {
    const { page } = await stage.openPage({ javaScriptEnabled: false })
    await stage.signIn(page)
    for (const [path, text] of [
      ['/results', 'cat-39'],
      ['/results/media/cat-9', 'counter bytes'],
      ['/errors', 'SmtpError'],
      ['/counters', 'bytes'],
      ['/workers', 'v41'],
      ['/audit', 'Audit'],
    ] as const) {
      await openUntil(page, path, text)
      await screenshot(page, `${path.replace(/\W+/g, '-')}-without-scripts`)
    }
    await page.goto(`${stage.url}/counters/media/bytes`)
    expect((await page.locator('#chart-counter svg').boundingBox())?.height).toBeGreaterThan(100)
    await openUntil(page, '/workers', 'Quiet')
    await page.getByRole('button', { name: 'Quiet' }).click()
    await page.waitForURL(`${stage.url}/workers/*`)
    const isOffered = async (name: string) => {
      await page.reload()
      return (await page.getByRole('button', { name }).count()) === 1
    }
    await expect.poll(() => isOffered('Resume')).toBe(true)
    await page.getByRole('button', { name: 'Resume' }).click()
    await expect.poll(() => isOffered('Quiet')).toBe(true)
    await page.goto(`${stage.url}/results/media/cat-9`)
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.getByText('in its queue again').waitFor()
    await stage.queue('media').drain()
  })
})

describe('a role', () => {
  it.each([
    ['viewer', ['read'], 0],
    ['operator', ['read', 'operate'], 1],
    ['admin', ['admin'], 1],
  ] as const)('%s is offered what it may do, and nothing else', async (role, scopes, offered) => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page, stage.url, await tokenFor(scopes))
    await page.getByText(`ann · ${role}`).waitFor()
    for (const [path, name] of [
      ['/results/media/cat-5', 'Retry'],
      ['/results/media/cat-5', 'Run again with edits…'],
      ['/results', 'Add a job…'],
      ['/results', 'Many at once…'],
      ['/errors', 'Many at once…'],
      ['/workers', 'Quiet'],
    ] as const) {
      await page.goto(stage.url + path)
      const button = page.locator('a.button, button', { hasText: name })
      // Its heartbeat may be late: an open page follows.
      if (path === '/workers') await page.locator('#workers').getByText('v41').waitFor()
      expect([path, name, await button.count()]).toEqual([path, name, offered])
    }
    await page.goto(`${stage.url}/queues/queue/mail?status=failed`)
    await page.getByText('welcome-8').first().waitFor()
    const isOffered = async (icon: string) => (await page.locator(`main button:visible .lucide-${icon}`).count()) > 0
    // Retry, remove, change the input in place: by their icons, as the buttons have no names.
    expect([await isOffered('refresh-cw'), await isOffered('trash-2'), await isOffered('pencil')]).toEqual([
      role !== 'viewer',
      role === 'admin',
      false,
    ])
    await page.locator('header button').last().click()
    await page.getByText('Drover overview').waitFor()
    expect(await page.getByText('Add a job').count()).toBe(offered)
    await screenshot(page, `board-${role}`)
    expect(complaints).toEqual([])
  })
})

describe('each page about workers and counters', () => {
  it.each(WINDOWS)('keeps nobody out, by axe, and fits its window (%s)', async (name, options) => {
    const { page, complaints } = await stage.openPage(options)
    await stage.signIn(page)
    const own = `/workers/${encodeURIComponent(worker.id)}`
    await openUntil(page, '/workers', 'v41')
    const paths = ['/counters', '/counters/media/bytes', '/workers', own, '/schedules', '/']
    for (const path of paths) {
      await page.goto(stage.url + path)
      const file = `${path.startsWith('/workers/') ? '-worker' : path.replace(/\W+/g, '-')}-${name}`
      expect([path, ...(await complaintsOf(page, file))]).toEqual([path])
    }
    expect(complaints).toEqual([])
  })
})

describe('while Redis hangs', () => {
  it('an open tab says so over the last numbers, other pages too, and all go on by themselves', async () => {
    const own = createDashboard({ redis: stage.redis.url, port: 0, token: stage.token, timeout: '2s' })
    onTestFinished(() => own.close())
    const { url } = await own.listen()
    await untilReady(url)
    const { page } = await stage.openPage()
    await stage.signIn(page, url)
    const { page: results } = await stage.openPage({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' })
    await stage.signIn(results, url)
    await stage.redis.kill('SIGSTOP')
    try {
      await page.getByRole('alert').getByText('Redis does not answer', { exact: true }).waitFor()
      expect(await page.locator('#live').innerText()).toBe('Redis down')
      expect(await page.locator('#queues').innerText()).toContain('nightly-reports')
      expect(await complaintsOf(page, 'redis-hangs')).toEqual([])
      await results.goto(`${url}/results`)
      await results.getByRole('alert').getByText('Redis does not answer', { exact: true }).waitFor()
      expect(await results.locator('nav a[aria-current]').innerText()).toBe('Results')
      expect(await complaintsOf(results, 'redis-hangs-results')).toEqual([])
    } finally {
      await stage.redis.kill('SIGCONT')
    }
    await page.getByRole('alert').waitFor({ state: 'detached' })
    await expect.poll(() => page.locator('#live').innerText()).toBe('Live')
    await results.locator('#jobs-found').waitFor()
    await expect.poll(() => results.locator('#live').innerText()).toBe('Live')
    await stage.closePages()
  })
})
