// What the browser tests play on: a Redis with three queues of real jobs, a dashboard over it, a browser.
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { vi } from 'vitest'
import { createDashboard, type DashboardOptions } from '../../src/dashboard/index.js'
import { openTestQueue, type TestQueue } from '../support/dashboard-jobs.js'
import { untilReady } from '../support/dashboards.js'
import { startLedgerWorker, type TestOutcome } from '../support/ledger-worker.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { PATIENCE } from '../support/until.js'
import { findChromium } from './find-chromium.js'

const TOKEN = 'correct-horse-battery'
const EVIL = `<img src=x onerror="document.title='owned'">\u202e`
const SCREENSHOTS = 'test-output'
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The windows that every page is looked at in: both colour schemes, both layouts. */
export const WINDOWS: readonly (readonly [name: string, options: BrowserContextOptions])[] = [
  ['light', { colorScheme: 'light' }],
  ['phone-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }],
]

export interface Stage {
  readonly redis: TestRedis
  readonly url: string
  readonly token: string
  queue(name: string): TestQueue['queue']
  /** Lets a worker finish what waits in the queue, until so many of its jobs are finished. */
  work(name: string, finished: number, run: (index: number) => TestOutcome): Promise<void>
  /** A page, with a list of every error in its console and of every request that leaves the dashboard. */
  openPage(options?: BrowserContextOptions): Promise<{ page: Page; complaints: string[] }>
  signIn(page: Page, to?: string, token?: string): Promise<void>
  closePages(): Promise<void>
  close(): Promise<void>
}

/** `more` gives options of the dashboard beyond those of the stage, by the URL of Redis. */
export async function startStage(more?: (redisUrl: string) => DashboardOptions): Promise<Stage> {
  mkdirSync(SCREENSHOTS, { recursive: true })
  const redis = await startTestRedis({ appendonly: true })
  const queues = new Map<string, TestQueue>()
  for (const name of ['media', 'mail', 'nightly-reports']) queues.set(name, await openTestQueue(redis, name))
  const dashboard = createDashboard({
    redis: redis.url,
    port: 0,
    timeout: PATIENCE.timeout,
    token: TOKEN,
    ...more?.(redis.url),
  })
  const { url } = await dashboard.listen()
  await untilReady(url)
  const browser = await chromium.launch({
    executablePath: findChromium(),
    args: ['--no-sandbox', '--host-resolver-rules=MAP *.test 127.0.0.1'],
  })
  const stage: Stage = {
    redis,
    url,
    token: TOKEN,
    queue: (name) => {
      const opened = queues.get(name)
      if (opened === undefined) throw new Error(`no queue ${name}`)
      return opened.queue
    },
    work: (name, finished, run) => work(redis, stage.queue(name), finished, run),
    openPage: (options) => openPage(browser, url, options),
    signIn: (page, to = url, token = TOKEN) => signIn(page, to, token),
    closePages: async () => {
      for (const context of browser.contexts()) await context.close()
    },
    close: async () => {
      await browser.close()
      await dashboard.close()
      for (const opened of queues.values()) await opened.close()
      await redis.close()
    },
  }
  await fillQueues(stage)
  return stage
}

/** One queue gets results and counters, one failures, one is paused with a backlog. */
async function fillQueues({ queue, work }: Stage): Promise<void> {
  const jobs = (count: number, name: string, id: string, data: object) =>
    Array.from({ length: count }, (_, index) => ({ name, data, opts: { jobId: `${id}-${index}` } }))
  await queue('media').addBulk(jobs(40, 'image.resize', 'cat', { width: 800 }))
  await work('media', 40, (index) => ({
    status: 'completed',
    valueJson: JSON.stringify({
      bytes: 1_234 * index,
      url: `https://cdn.example/cats/${index}.png`,
      format: 'image/png',
    }),
    counters: new Map(Object.entries({ bytes: 1_234, images: 1 })),
    runMs: 5 + 13 * index,
  }))
  await queue('mail').addBulk(jobs(12, 'mail.send', 'welcome', { to: EVIL }))
  await work('mail', 12, (index) => {
    const error = { name: 'SmtpError', message: `421 too many connections ${EVIL}` }
    if (index % 4 === 0) return { status: 'failed', error }
    return { status: 'completed', valueJson: '{"accepted":["ann@example.com"]}' }
  })
  await queue('nightly-reports').pause()
  await queue('nightly-reports').addBulk(jobs(1_204, 'report.build', 'report', {}))
  await queue('nightly-reports').add('report.build', {}, { delay: 3_600_000 })
}

async function work(
  redis: TestRedis,
  queue: TestQueue['queue'],
  finished: number,
  run: (index: number) => TestOutcome,
): Promise<void> {
  let index = 0
  // Pages are looked at for longer than a test worker keeps results.
  const next = () => ({ keepResultMs: 3_600_000, ...run(index++) })
  const worker = await startLedgerWorker({ url: redis.url, queue: queue.name, concurrency: 1, run: next })
  const isFinished = async () => (await queue.getCompletedCount()) + (await queue.getFailedCount()) === finished
  await vi.waitUntil(isFinished, PATIENCE)
  await worker.close()
}

async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  context.setDefaultTimeout(PATIENCE.timeout)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    const isOwn = request.url().startsWith(url) || request.url().startsWith('data:')
    if (!isOwn) complaints.push(`request to ${request.url()}`)
  })
  return { page, complaints }
}

async function signIn(page: Page, to: string, token = TOKEN): Promise<void> {
  await page.goto(to)
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Queues' }).waitFor()
  // The heading may be there before the script that takes keys.
  await page.waitForLoadState()
}

export async function screenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${SCREENSHOTS}/dashboard-${name}.png`, fullPage: true })
}

interface AxeResults {
  readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[]
}

/** What keeps somebody from using the page: axe's findings for WCAG AA, and that it is wider than its window. Keeps a picture. */
export async function complaintsOf(page: Page, name: string): Promise<string[]> {
  await page.evaluate(AXE)
  const { violations } = (await page.evaluate(
    `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] })`,
  )) as AxeResults
  await screenshot(page, name)
  const width = Number(await page.evaluate('document.documentElement.scrollWidth'))
  const wanted = page.viewportSize()?.width
  return [
    ...violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
    ...(width === wanted ? [] : [`is ${width} wide in a window of ${wanted}`]),
  ]
}

/** What the browser tells a page whose tab goes to the background or comes back. */
export async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true })
document.dispatchEvent(new Event('visibilitychange'))`)
}

/** A site of somebody else, at http://<name>.test. */
export async function startForeignSite(name: string, body: string): Promise<{ server: Server; address: string }> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, address: `http://${name}.test:${(server.address() as AddressInfo).port}/` }
}
