// The dashboard in a real browser, as a person at 3 am uses it. Screenshots of each page are kept in test-output/.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createDashboard } from '../../src/dashboard/index.js'
import {
  complaintsOf,
  type Stage,
  screenshot,
  setHidden,
  startForeignSite,
  startStage,
  WINDOWS,
} from './dashboard-stage.js'

let stage: Stage

beforeAll(async () => {
  stage = await startStage()
})
afterEach(() => stage.closePages())
afterAll(() => stage.close())

describe('signing in', () => {
  it('says when the token is wrong, lets in with the right one, and signs out', async () => {
    const { page } = await stage.openPage()
    await page.goto(`${stage.url}/queues/queue/media`)
    expect(new URL(page.url()).pathname).toBe('/sign-in')
    await screenshot(page, 'sign-in')
    await page.getByLabel('Token').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    await screenshot(page, 'sign-in-wrong')
    await page.getByLabel('Token').fill(stage.token)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${stage.url}/queues/queue/media**`)
    await page.goto(stage.url)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.goto(stage.url)
    expect(new URL(page.url()).pathname).toBe('/sign-in')
  })

  it('works over plain http by a name, where browsers send less', async () => {
    const { page } = await stage.openPage()
    await stage.signIn(page, `http://drover.test:${new URL(stage.url).port}/`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })

  it('is kept for a link from another site', async () => {
    const { server, address } = await startForeignSite('chat', `<a href="${stage.url}/queues/queue/media">alert</a>`)
    const { page } = await stage.openPage()
    await page.goto(address)
    await page.getByRole('link', { name: 'alert' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await stage.signIn(page)
    await page.goto(address)
    await page.getByRole('link', { name: 'alert' }).click()
    await page.getByText('cat-39').first().waitFor()
    server.close()
  })

  it('is of no use to another site: a form of it changes nothing', async () => {
    const form = `<form method="post" enctype="text/plain" action="${stage.url}/queues/api/queues/media/add">
<input name='{"name":"evil","data":{},"x":"' value='"}'><button>win</button></form>`
    const { server, address } = await startForeignSite('evil', form)
    const { page } = await stage.openPage()
    await stage.signIn(page)
    await page.goto(address)
    const [response] = await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: 'win' }).click()])
    expect(response?.status()).toBe(403)
    expect(await stage.queue('media').getWaitingCount()).toBe(0)
    server.close()
  })
})

describe('the overview', () => {
  it.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
    ['phone-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }],
  ] as const)('shows the real numbers, fits and complains of nothing (%s)', async (name, options) => {
    const { page, complaints } = await stage.openPage(options)
    await stage.signIn(page)
    const shown = await page.locator('main').innerText()
    for (const text of ['1,204', 'image.resize', 'no worker was seen', 'welcome-11', 'SmtpError: 421'])
      expect(shown).toContain(text)
    const media = page.locator('#queues tr', { hasText: 'media' })
    await expect.poll(() => media.locator('[data-label="failed, kept"]').innerText()).toContain('0')
    for (const chart of ['throughput', 'wait', 'run']) {
      await page.locator(`#chart-${chart} canvas`).waitFor()
      expect(await page.locator(`#chart-${chart} .drawn`).count()).toBe(0)
    }
    expect(await page.getByText('to refresh').count()).toBe(0)
    await screenshot(page, `overview-${name}`)
    const width = await page.evaluate('document.documentElement.scrollWidth')
    expect(width).toBe(page.viewportSize()?.width)
    expect(await page.title()).toBe('Overview · Drover')
    expect(complaints).toEqual([])
  })

  it('works with scripts off', async () => {
    const { page } = await stage.openPage({ javaScriptEnabled: false })
    await stage.signIn(page)
    expect(await page.locator('main').innerText()).toContain('image.resize')
    expect((await page.locator('#chart-throughput svg').boundingBox())?.height).toBeGreaterThan(100)
    await screenshot(page, 'overview-without-scripts')
    await page.getByRole('link', { name: 'Reload' }).click()
    await page.getByRole('heading', { name: 'Queues' }).waitFor()
  })

  it('follows the jobs without a reload, and keeps focus where it is', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    await page.evaluate(`document.body.dataset.mark = 'same document'`)
    const newest = page.locator('#results tbody').getByRole('link').first()
    const id = await newest.innerText()
    await newest.focus()
    await stage.queue('media').add('image.blur', {}, { jobId: 'fresh-job' })
    await page.locator('#queues tr', { hasText: 'media' }).locator('[data-label="waiting"]').getByText('1').waitFor()
    await stage.work('media', 41, () => ({
      status: 'completed',
      valueJson: '"blurred"',
      counters: new Map([['blurs', 7]]),
    }))
    await page.locator('#results').getByRole('link', { name: 'fresh-job' }).waitFor()
    await page.locator('#jobs').getByText('image.blur', { exact: true }).waitFor()
    expect(await page.evaluate('document.body.dataset.mark')).toBe('same document')
    // Its row is the second one now.
    expect(await page.evaluate('document.activeElement.textContent')).toBe(id)
    const time = page.locator('#results time').first()
    await expect.poll(() => time.innerText()).toMatch(/^[1-9]\d* (s|min) ago$/)
    expect(await time.getAttribute('title')).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/)
    expect(complaints).toEqual([])
  })

  it('takes keys: g and a letter for a page, ? for the help', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    await page.keyboard.press('?')
    const help = page.getByRole('dialog', { name: 'Keys' })
    await help.waitFor()
    await screenshot(page, 'keys')
    await page.keyboard.press('Escape')
    await help.waitFor({ state: 'hidden' })
    await page.keyboard.press('g')
    await page.keyboard.press('a')
    await page.waitForURL(`${stage.url}/audit`)
    await page.getByText('Nobody has changed anything here yet.').waitFor()
    await page.keyboard.press('g')
    await page.keyboard.press('o')
    await page.waitForURL(`${stage.url}/`)
    expect(complaints).toEqual([])
  })

  it('rests while the tab is hidden or text is selected', async () => {
    const { page } = await stage.openPage()
    await stage.signIn(page)
    const status = page.locator('#live')
    await page.evaluate(`getSelection().selectAllChildren(document.querySelector('#jobs h2'))`)
    await stage.queue('media').add('image.blur', {}, { delay: 3_600_000, jobId: 'selected' })
    await expect.poll(() => status.innerText()).toBe('Paused: text selected')
    await page.evaluate('getSelection().removeAllRanges()')
    await expect.poll(() => status.innerText()).toBe('Live')

    await setHidden(page, true)
    expect(await status.innerText()).toBe('Paused')
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    await stage.queue('media').add('image.blur', {}, { delay: 3_600_000, jobId: 'hidden' })
    await expect(page.waitForRequest(stage.url, { timeout: 5_000 })).rejects.toThrow(/Timeout/)
    expect(asked).toEqual([])
    await setHidden(page, false)
    await expect.poll(() => status.innerText()).toBe('Live')
  })

  it('goes to the sign-in page when the session ends', async () => {
    const { page } = await stage.openPage()
    await stage.signIn(page)
    const other = await page.context().newPage()
    await other.goto(stage.url)
    await other.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })

  it('says that Redis is down over the last numbers, and goes on by itself when it is back', async () => {
    const { page } = await stage.openPage()
    await stage.signIn(page)
    await stage.redis.kill('SIGKILL')
    await page.getByRole('alert').getByText('Redis does not answer', { exact: true }).waitFor()
    expect(await page.locator('#live').innerText()).toBe('Redis down')
    expect(await page.locator('#queues').innerText()).toContain('nightly-reports')
    await screenshot(page, 'redis-down')
    await stage.redis.restart()
    await page.getByRole('alert').waitFor({ state: 'detached' })
    await expect.poll(() => page.locator('#live').innerText()).toBe('Live')
  })

  it('says what to do while there is nothing', async () => {
    const empty = createDashboard({ redis: stage.redis.url, prefix: 'empty', port: 0, timeout: '60s' })
    const { page } = await stage.openPage()
    await page.goto((await empty.listen()).url)
    await page.getByText('No queue yet. Start a worker with').waitFor()
    await screenshot(page, 'empty')
    await empty.close()
  })
})

describe('a job', () => {
  it('is found by / and its id, shows what it did, and is retried and run again with another input', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    await page.keyboard.press('/')
    await page.waitForURL(`${stage.url}/results`)
    await page.keyboard.press('/')
    await page.keyboard.type('cat-7')
    await page.keyboard.press('Enter')
    await page.locator('#jobs-found').getByRole('link', { name: 'cat-7' }).click()
    await page.getByText('counter bytes').waitFor()
    await page.locator('#curl').getByRole('button', { name: 'Copy' }).waitFor()
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.getByText('in its queue again').waitFor()
    await page.locator('.job-head .badge', { hasText: 'waiting' }).waitFor()
    await page.getByRole('link', { name: 'Run again with edits' }).click()
    await page.getByLabel('Input, JSON').fill('{"width": 1')
    await page.getByRole('button', { name: 'Run again' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Input, JSON').fill('{"width": 1}')
    await page.getByRole('button', { name: 'Run again' }).click()
    await page.getByText('This is the new job.').waitFor()
    await stage.queue('media').drain()
    await page.goto(`${stage.url}/audit`)
    await page.getByText('job.run-again').first().waitFor()
    // The browser tells of the refused form.
    expect(complaints.filter((complaint) => !complaint.includes('400'))).toEqual([])
  })
})

describe('every page of ours', () => {
  const PAGES = [
    '/',
    '/results',
    '/results?q=cat-7',
    '/results/media/cat-5',
    '/results/mail/welcome-8',
    '/results/media/cat-5/edit',
    '/audit',
  ]
  it.each(WINDOWS)('keeps nobody out, by axe, and fits its window (%s)', async (name, options) => {
    const { page, complaints } = await stage.openPage(options)
    await page.goto(stage.url)
    expect(await complaintsOf(page, `sign-in-${name}`)).toEqual([])
    await stage.signIn(page)
    for (const path of PAGES) {
      await page.goto(stage.url + path)
      expect([path, ...(await complaintsOf(page, `${path.replace(/\W+/g, '-')}-${name}`))]).toEqual([path])
    }
    expect(complaints).toEqual([])
    for (const path of ['/no-such-page', '/results/media/no-such-job']) {
      expect((await page.goto(stage.url + path))?.status()).toBe(404)
      expect([path, ...(await complaintsOf(page, `404${path.replace(/\W+/g, '-')}-${name}`))]).toEqual([path])
    }
  })
})

describe('bull-board', () => {
  it.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
  ] as const)('opens from the overview, lists the jobs, and leads back (%s)', async (name, options) => {
    const { page, complaints } = await stage.openPage(options)
    await stage.signIn(page)
    await page.locator('#results').getByRole('link', { name: 'welcome-11' }).click()
    await page.getByRole('link', { name: 'In bull-board' }).click()
    await page.getByText('Open in Drover').first().waitFor()
    await screenshot(page, `board-job-${name}`)
    await page.goto(stage.url)
    await page.getByRole('link', { name: 'Queues', exact: true }).click()
    await page.getByText('nightly-reports').first().waitFor()
    await screenshot(page, `board-${name}`)
    await page.locator('header button').last().click()
    await page.getByText('Drover overview').click()
    await page.getByRole('heading', { name: 'Latest results' }).waitFor()
    expect(await page.title()).toBe('Overview · Drover')
    expect(complaints).toEqual([])
  })

  it('pauses a queue and shows what a job wrote as text', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page, `${stage.url}/`)
    await page.goto(`${stage.url}/queues/queue/mail?status=failed`)
    await page.getByText('welcome-8').first().waitFor()
    await page.getByText('Data', { exact: true }).first().click()
    await page.getByText('document.title').first().waitFor()
    expect(await page.title()).not.toBe('owned')
    const pause = await page.evaluate(`fetch('api/queues/mail/pause', { method: 'PUT' }).then(({ status }) => status)`)
    expect([pause, await stage.queue('mail').isPaused()]).toEqual([200, true])
    expect(complaints).toEqual([])
  })
})
