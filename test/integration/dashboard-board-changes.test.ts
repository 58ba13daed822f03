// What bull-board may change inside the dashboard, and how it answers what it cannot do.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob } from '../../src/index.js'
import { boardQueues, change } from '../support/dashboard-board.js'
import { ask } from '../support/dashboard-http.js'
import { problemOf, useDashboards } from '../support/dashboards.js'
import { startLedgerWorker } from '../support/ledger-worker.js'

const { closeAfter, openQueue, redis, start, work } = useDashboards()

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let settle: (() => void) | undefined
  const promise = new Promise<void>((resolve) => {
    settle = resolve
  })
  return { promise, resolve: () => settle?.() }
}

const large = defineJob({ name: 'large', queue: 'media', input: z.object({ text: z.string() }) })
const adding = () => ({
  contracts: [large],
  producer: closeAfter(createProducer({ redis: redis().url, timeout: '60s', allowVolatile: true })),
})
/** The newest row of the audit page. */
const rowOf = (count: number) => new RegExp(`<tbody><tr>(?:(?!</tr>)[\\s\\S])*data-label="count">${count}<`)

describe('a change by the board', () => {
  it('is made: a job is moved up, removed; a queue paused and resumed', async () => {
    const media = await openQueue('media')
    await media.add('resize', { n: 1 }, { jobId: 'cat', delay: 60_000 })
    const url = await start()
    expect((await change(url, 'PUT', '/media/cat/promote')).status).toBe(204)
    expect(await media.getJobState('cat')).toBe('waiting')
    expect((await change(url, 'PUT', '/media/pause')).status).toBe(200)
    expect(await media.isPaused()).toBe(true)
    expect((await change(url, 'PUT', '/media/resume')).status).toBe(200)
    expect(await media.isPaused()).toBe(false)
    expect((await change(url, 'PUT', '/media/cat/clean')).status).toBe(204)
    expect(await media.getJob('cat')).toBeUndefined()
  })

  it('adds a job through its contract and the producer, and never one that no contract checks', async () => {
    const media = await openQueue('media')
    const url = await start(adding())
    const add = (body: unknown) => change(url, 'POST', '/media/add', body)
    const added = await add({
      name: 'large',
      data: { text: 'x' },
      options: { jobId: 'cat', delay: 60_000, priority: 0 },
    })
    expect([added.status, (await media.getJob('cat'))?.data]).toEqual([200, { text: 'x' }])
    const copy = { jobId: 'dog', ...(await media.getJob('cat'))?.opts }
    expect((await add({ name: 'large', data: { text: 'y' }, options: copy })).status).toBe(200)
    for (const [body, status, code] of [
      [{ name: 'large', data: { text: 7 }, options: {} }, 400, 'INVALID_INPUT'],
      [{ name: 'large', data: { text: 'x' }, options: { parent: { id: '1' } } }, 400, 'INVALID_OPTION'],
      [{ name: 'large', data: { text: 'x' }, options: { delay: -1 } }, 400, 'INVALID_OPTION'],
      [{ name: 'large', data: { text: 'x' }, options: 'now' }, 400, 'INVALID_OPTION'],
      [{ name: 'other', data: {} }, 409, 'UNKNOWN_JOB'],
      [{ name: ['large'], data: {} }, 409, 'UNKNOWN_JOB'],
    ] as const) {
      const answer = await add(body)
      expect([answer.status, problemOf(answer).code]).toEqual([status, code])
    }
    const bare = await start()
    expect((await change(bare, 'POST', '/media/add', { name: 'large', data: { text: 'x' } })).status).toBe(409)
    expect(await media.getJobCounts('delayed', 'waiting', 'prioritized')).toMatchObject({ delayed: 2, waiting: 0 })
  })

  it('never changes an input in place, and says what to do instead', async () => {
    const media = await openQueue('media')
    await media.add('large', { text: 'x' }, { jobId: 'cat' })
    const answer = await change(await start(adding()), 'PATCH', '/media/cat/update-data', { jobData: { text: 'y' } })
    expect([answer.status, problemOf(answer).detail]).toEqual([403, expect.stringContaining('run it again with edits')])
    expect((await media.getJob('cat'))?.data).toEqual({ text: 'x' })
  })

  it('is in the audit list with how many jobs or queues it changed', async () => {
    const media = await openQueue('media')
    await openQueue('mail')
    const url = await start()
    for (let n = 0; n < 3; n++) await media.add('resize', {}, { jobId: `late-${n}`, delay: 60_000 })
    for (let n = 0; n < 2; n++) await media.add('resize', {}, { jobId: `cat-${n}` })
    await work('media', 2, () => ({ status: 'failed', error: { name: 'Error', message: 'no' } }))
    for (const [path, count] of [
      ['/media/retry/failed', 2],
      ['/media/promote', 3],
      ['/media/empty', 5],
      ['/pause', 2],
    ] as const) {
      expect((await change(url, 'PUT', path)).status).toBe(200)
      await expect.poll(async () => (await ask(url, '/audit')).text).toMatch(rowOf(count))
    }
    await media.add('resize', {}, { jobId: 'last' })
    await change(url, 'PUT', '/media/obliterate', { force: true })
    await expect
      .poll(async () => (await ask(url, '/audit')).text)
      .toMatch(/queue obliterate[\s\S]*?data-label="count">1</)
  })

  it('never writes back data that was shown cut', async () => {
    const media = await openQueue('media')
    const text = 'x'.repeat(50_000)
    await media.add('large', { text }, { jobId: 'large' })
    const url = await start(adding())
    const { data } = (await ask(url, '/queues/api/queues/media/large')).json<{ job: { data: unknown } }>().job
    expect((await change(url, 'POST', '/media/add', { name: 'large', data, options: {} })).status).toBe(409)
    expect(await media.getWaitingCount()).toBe(1)
  })

  it('in read-only mode is refused on every path, and changes nothing', async () => {
    const media = await openQueue('media')
    await media.add('resize', {}, { jobId: 'cat', delay: 60_000 })
    closeAfter(await startLedgerWorker({ url: redis().url, queue: 'media', run: () => ({ status: 'failed' }) }))
    await media.add('resize', {}, { jobId: 'dog' })
    await expect.poll(() => media.getFailedCount()).toBe(1)
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
    const worker = await startLedgerWorker({ url: redis().url, queue: 'media', run: () => ({ status: 'failed' }) })
    await media.add('resize', {}, { jobId: 'cat' })
    await expect.poll(() => media.getFailedCount()).toBe(1)
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
    expect(answer.status).toBe(status)
    // bull-board's own answers keep its shape.
    if (answer.headers['content-type'] !== 'application/json; charset=utf-8') problemOf(answer)
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
      const problem = problemOf(answer)
      expect([answer.status, problem.code]).toEqual([status, code])
      // What bull-board's script shows, beside the problem.
      expect(problem).toMatchObject({ error: { key: expect.stringMatching(/^ERRORS\./) }, message: problem.detail })
      expect(problem.detail).not.toMatch(/Unexpected|token|position|entity/)
    }
    expect(await media.getWaitingCount()).toBe(0)
  })

  it('an input as large as contracts allow is taken', async () => {
    const media = await openQueue('media')
    const url = await start(adding())
    const data = { text: 'x'.repeat(250_000) }
    expect((await change(url, 'POST', '/media/add', { name: 'large', data, options: { jobId: 'large' } })).status).toBe(
      200,
    )
    expect((await media.getJob('large'))?.data).toEqual(data)
  })

  it('removing a job that a worker runs is a 409', async () => {
    const media = await openQueue('media')
    const { promise: running, resolve: finish } = deferred()
    closeAfter(
      await startLedgerWorker({
        url: redis().url,
        queue: 'media',
        run: async () => {
          await running
          return { status: 'completed' }
        },
      }),
    )
    await media.add('resize', {}, { jobId: 'cat' })
    await expect.poll(() => media.getActiveCount()).toBe(1)
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
