// The pages for jobs and errors in a real browser: a new job by its form, many at once, one cause of failures from its trend
// to its end, and text of jobs that wants to be more than text. Screenshots are kept in test-output/.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob, type Producer } from '../../src/index.js'
import { complaintsOf, type Stage, screenshot, startStage, WINDOWS } from './dashboard-stage.js'

const HOSTILE = `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>\u202e\u001b[31m`
const resize = defineJob({
  name: 'image.resize',
  queue: 'media',
  input: z.object({
    url: z.url().describe('Where the image is'),
    size: z.object({ width: z.int().min(1).max(4_000), height: z.int().optional() }),
    format: z.enum(['png', 'webp']).default('png'),
    grey: z.boolean().optional(),
    labels: z.array(z.string()).optional(),
    steps: z.array(z.object({ op: z.string() })).optional(),
  }),
})

let stage: Stage
let producer: Producer | undefined

beforeAll(async () => {
  stage = await startStage((redis) => {
    producer = createProducer({ redis, timeout: '60s', allowVolatile: true })
    return { contracts: [resize], producer }
  })
})
afterEach(() => stage.closePages())
afterAll(async () => {
  await producer?.close()
  await stage.close()
})

/** What a command prints that a person pasted into a shell. */
async function inShell(command: string): Promise<string> {
  const env = { ...process.env, REDISCLI_AUTH: stage.redis.password }
  return (await promisify(execFile)('sh', ['-c', command], { env })).stdout.trim()
}

async function groupOf(page: Page): Promise<void> {
  await page.goto(`${stage.url}/errors?queue=mail`)
  await page.locator('table.errors').getByRole('link', { name: 'SmtpError: ' }).click()
  await page.getByRole('heading', { name: 'The newest jobs' }).waitFor()
}

describe('a new job', () => {
  it('is written into a form that works without scripts, with what is wrong beside each field', async () => {
    const { page } = await stage.openPage({ javaScriptEnabled: false })
    await stage.signIn(page)
    await page.goto(`${stage.url}/results`)
    await page.getByRole('link', { name: 'Add a job' }).click()
    await page.getByRole('link', { name: 'image.resize' }).click()
    await page.getByLabel('url').fill('cat.png')
    await page.getByLabel('width').fill('wide')
    await page.getByLabel('steps').fill('[{"op":"crop"}]')
    await page.getByRole('button', { name: 'Add the job' }).click()
    await page.getByRole('alert').waitFor()
    await screenshot(page, 'add-refused')
    for (const label of ['url', 'width']) expect(await page.getByLabel(label).getAttribute('aria-invalid')).toBe('true')
    expect(await page.getByLabel('steps').inputValue()).toBe('[{"op":"crop"}]')
    await page.getByLabel('url').fill('https://cdn.example/cat.png')
    await page.getByLabel('width').fill('800')
    await page.getByLabel('format').selectOption('webp')
    await page.getByLabel('grey').selectOption('true')
    await page.getByLabel('labels').fill('a\nb')
    await page.getByText('Options', { exact: true }).click()
    await page.getByLabel('Delay').fill('1h')
    await page.getByRole('button', { name: 'Add the job' }).click()
    await page.getByText('This is the new job.').waitFor()
    await page.getByText('it is delayed until').waitFor()
    const [job] = await stage.queue('media').getDelayed()
    expect(job?.data).toEqual({
      url: 'https://cdn.example/cat.png',
      size: { width: 800 },
      format: 'webp',
      grey: true,
      labels: ['a', 'b'],
      steps: [{ op: 'crop' }],
    })
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('It was cancelled').waitFor()
  })
})

describe('many jobs', () => {
  it('of a queue are counted, then cancelled, and it is written down', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    await page.goto(`${stage.url}/results?queue=nightly-reports&state=delayed`)
    await page.getByRole('link', { name: 'Many at once' }).click()
    await page.getByText('All 1 delayed jobs of queue nightly-reports.').waitFor()
    await page.getByLabel('State, of a cancel').selectOption('waiting')
    await page.getByLabel('Job', { exact: true }).fill('report.build')
    await page.getByRole('button', { name: 'Count' }).click()
    await page.getByRole('button', { name: 'Cancel 1,204' }).waitFor()
    await screenshot(page, 'bulk-cancel')
    await page.getByLabel('State, of a cancel').selectOption('delayed')
    await page.getByRole('button', { name: 'Count' }).click()
    await page.getByRole('button', { name: 'Cancel 1', exact: true }).click()
    await page.getByText('None of the 0 delayed jobs').waitFor()
    expect(await stage.queue('nightly-reports').getDelayedCount()).toBe(0)
    await page.goto(`${stage.url}/audit`)
    const row = page.locator('tr', { hasText: 'jobs.cancel' }).first()
    expect(await row.innerText()).toMatch(/nightly-reports job report\.build, state delayed\s+1\s+done/)
    expect(complaints).toEqual([])
  })
})

describe('one cause of failures', () => {
  it('is opened, discarded and brought back, and run again in stages, as a person does it', async () => {
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    await page.keyboard.press('g')
    await page.keyboard.press('e')
    await page.waitForURL(`${stage.url}/errors`)
    await groupOf(page)
    await page.locator('#chart-failures canvas').waitFor()
    await page.locator('#common').getByText('100 %').waitFor()
    expect(await page.locator('#samples').innerText()).toContain('<img src=x')
    await screenshot(page, 'error-group')
    await page.getByRole('button', { name: 'Discard 3' }).click()
    await page.locator('#discards').waitFor()
    await page.getByText('None of its jobs is failed any more.').waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await groupOf(page)
    await page.getByLabel('Run again').selectOption('1 job')
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.locator('#replays').getByText('running').waitFor()
    await stage.work('mail', 12, () => ({ status: 'completed' }))
    await page.locator('#replays').getByText('done').waitFor()
    await page.locator('#samples').getByRole('link').first().click()
    await page.getByRole('link', { name: 'All failures of this cause' }).waitFor()
    await page.getByRole('link', { name: 'In bull-board' }).click()
    const back = page.locator('a', { hasText: 'Open in Drover' }).first()
    expect(await back.getAttribute('href')).toMatch(/results\/mail\/welcome-\d+$/)
    await page.goto(`${stage.url}/audit`)
    for (const [action, count] of [
      ['errors.retry', 1],
      ['errors.undo', 3],
      ['errors.discard', 3],
    ] as const) {
      const row = page.locator('tr', { hasText: action }).first()
      expect(await row.locator('[data-label=count]').innerText()).toBe(String(count))
    }
    expect(complaints).toEqual([])
  })
})

describe('text of a job that wants to be more', () => {
  it('is text on every page', async () => {
    const { redis } = stage
    const job = '{drover:media}:media:hostile'
    await stage
      .queue('media')
      .add(HOSTILE, { [HOSTILE]: HOSTILE }, { jobId: 'hostile', attempts: 2, tags: [HOSTILE] } as never)
    await stage.queue('media').add(HOSTILE, {}, { jobId: HOSTILE, delay: 3_600_000 })
    const metadata = JSON.stringify({ attempts: 2, tags: [HOSTILE], key: HOSTILE, batch: HOSTILE, tm: HOSTILE })
    for (const [field, value] of [
      ['progress', JSON.stringify(HOSTILE)],
      ['failedReason', HOSTILE],
      ['pb', HOSTILE],
      ['drover:group', HOSTILE],
      ['opts', metadata],
      [
        'drover:attempts',
        JSON.stringify({ attempt: 1, name: HOSTILE, message: HOSTILE, worker: HOSTILE, release: HOSTILE }),
      ],
    ] as const) {
      await redis.cli('HSET', job, field, value)
    }
    await redis.cli('RPUSH', `${job}:logs`, HOSTILE)
    const committed = { counters: { [HOSTILE]: 1 }, writes: [['SET', HOSTILE]], jobs: [HOSTILE] }
    const record = { v: 1, id: 'hostile', job: HOSTILE, queue: 'media', status: 'completed', value: HOSTILE, committed }
    await redis.cli('SET', '{drover:media}:result:hostile', JSON.stringify(record))
    await redis.cli('SADD', 'drover:queues', HOSTILE)
    await redis.cli(
      'XADD',
      'drover:audit',
      '*',
      ...['who', 'role', 'action', 'target', 'filter', 'result', 'detail'].flatMap((name) => [name, HOSTILE]),
    )
    const { page, complaints } = await stage.openPage()
    await stage.signIn(page)
    for (const path of [
      '/results/media/hostile',
      '/results?state=waiting',
      '/results?state=delayed',
      '/results?q=hostile',
      `/results?q=${encodeURIComponent(HOSTILE)}`,
      '/results/media/hostile/edit',
      '/bulk?queue=media',
      '/errors',
      '/audit',
      '/counters',
      '/workers',
      '/',
    ]) {
      const response = await page.goto(stage.url + path)
      expect([path, response?.status()]).toEqual([path, 200])
      expect([path, await page.title()]).not.toContain('owned')
      expect([path, await page.locator('img[src=x]').count()]).toEqual([path, 0])
      expect(await page.locator('main').innerText()).not.toMatch(/\p{Cf}|(?![\n\t])\p{Cc}/u)
    }
    await page.goto(`${stage.url}/results/media/hostile`)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(page.viewportSize()?.width)
    await screenshot(page, 'job-hostile')
    const refused = await page.goto(`${stage.url}/results?job=${encodeURIComponent(HOSTILE)}`)
    expect([refused?.status(), await page.locator('img[src=x]').count()]).toEqual([400, 0])
    expect(complaints.filter((complaint) => !complaint.includes('400'))).toEqual([])
    await redis.cli('SREM', 'drover:queues', HOSTILE)
  })
})

describe('a button that copies', () => {
  const clipboard = (page: Page) => page.evaluate('navigator.clipboard.readText()')

  it('puts what stands beside it into the clipboard: commands that a shell takes, and a request for curl', async () => {
    const { page, complaints } = await stage.openPage({ permissions: ['clipboard-read', 'clipboard-write'] })
    await stage.signIn(page)
    const copied: string[] = []
    for (const path of ['/results/media/cat-7', '/counters/media/bytes']) {
      await page.goto(stage.url + path)
      for (const button of await page.locator('button[data-copy]').all()) {
        const shown = await page.locator(`#${await button.getAttribute('data-copy')}`).innerText()
        await button.click()
        await expect.poll(() => clipboard(page)).toBe(shown)
        await expect.poll(() => button.textContent()).toBe('Copied')
        expect(await page.getByRole('button', { name: 'Copied' }).count()).toBe(1)
        copied.push(shown)
      }
    }
    await screenshot(page, 'copied')
    expect(copied).toHaveLength(6)
    const [result = '', job = '', curl, value = ''] = copied
    expect(JSON.parse(await inShell(result))).toMatchObject({ id: 'cat-7', status: 'completed' })
    expect(await inShell(job)).toContain('image.resize')
    expect(await inShell(value)).toBe(`${40 * 1_234}`)
    expect(curl).toContain(`-d '{"job":"image.resize","input":{"width":800}}'`)
    expect(complaints).toEqual([])
  })

  it('copies where there is no clipboard, over plain http by a name, and leaves the text selected where nothing does', async () => {
    const { page } = await stage.openPage()
    const base = `http://drover.test:${new URL(stage.url).port}`
    await stage.signIn(page, `${base}/`)
    await page.goto(`${base}/results/media/cat-7`)
    expect(await page.evaluate('navigator.clipboard')).toBeUndefined()
    const line = page.locator('#curl-line')
    const shown = await line.innerText()
    await page.locator('[data-copy=curl-line]').click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    await page.goto(`${base}/results`)
    await page.locator('[data-search]').focus()
    await page.keyboard.press('Control+V')
    await expect.poll(() => page.locator('[data-search]').inputValue()).toBe(shown)

    await page.goto(`${base}/results/media/cat-7`)
    await page.evaluate('document.execCommand = () => false')
    await page.locator('[data-copy=curl-line]').click()
    await page.getByRole('button', { name: 'Selected: copy it by hand' }).waitFor()
    expect(await page.evaluate('getSelection().toString()')).toBe(shown)
    await screenshot(page, 'copy-by-hand')
  })
})

describe('each page for jobs and errors', () => {
  it.each(WINDOWS)('keeps nobody out, by axe, and fits its window (%s)', async (name, options) => {
    const { page, complaints } = await stage.openPage(options)
    await stage.signIn(page)
    await groupOf(page)
    const group = new URL(page.url()).pathname
    for (const path of [
      group,
      '/errors',
      '/add',
      '/add/media/image.resize',
      '/add/media/image.resize?as=json',
      '/bulk?do=cancel&queue=nightly-reports',
      '/results/nightly-reports/report-3',
      '/results/mail/welcome-4',
    ]) {
      await page.goto(stage.url + path)
      const file = `${path === group ? '-error-group' : path.replace(/\W+/g, '-')}-${name}`
      expect([path, ...(await complaintsOf(page, file))]).toEqual([path])
    }
    expect(complaints).toEqual([])
  })
})
