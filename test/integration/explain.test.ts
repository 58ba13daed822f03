// Why a job does not run now, for each thing that may hold one, and when it is expected to start.
import { expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { orderState, type ReasonCode } from '../../src/ledger/index.js'
import { handle } from '../../src/worker/index.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const define = (queue: string, options = {}) =>
  defineJob({ name: 'job', queue, input: anything, attempts: 1, ...options })
const explain = (job: { queue: string; id: string }) => shop.producer.jobs.explain(job)
const codes = async (job: { queue: string; id: string }): Promise<ReasonCode[]> =>
  (await explain(job)).reasons.map(({ code }) => code)

it('one that waits without a worker is told so, and has its place in line', async () => {
  const contract = define('alone')
  const jobs = []
  for (let n = 0; n < 3; n++) jobs.push(await shop.producer.enqueue(contract, {}))
  const urgent = await shop.producer.enqueue(contract, {}, { priority: 1 })
  const lifo = await shop.producer.enqueue(contract, {}, { lifo: true })
  const [first, , third] = jobs
  expect(await explain(third as never)).toMatchObject({
    job: 'job',
    state: 'waiting',
    attempts: 0,
    position: 4,
    expectedStart: null,
    reasons: [{ code: 'NO_WORKER' }, { code: 'IN_LINE', position: 4 }],
  })
  expect(await explain(lifo)).toMatchObject({ position: 1 })
  expect(await explain(first as never)).toMatchObject({ position: 2 })
  expect(await explain(urgent)).toMatchObject({ state: 'prioritized', position: 5 })
})

it('one that is delayed, and why: by its enqueue, by debounce, after a failed attempt', async () => {
  const contract = define('later', { attempts: 3, backoff: { type: 'fixed', delay: '1h' } })
  const before = Date.now()
  const job = await shop.producer.enqueue(contract, {}, { delay: '1h' })
  const delayed = await explain(job)
  expect(delayed.reasons).toMatchObject([{ code: 'DELAYED', why: 'delay' }, { code: 'NO_WORKER' }])
  const until = delayed.reasons[0]?.until ?? 0
  expect(until).toBeGreaterThanOrEqual(before + 3_600_000)
  expect(until).toBeLessThanOrEqual(Date.now() + 3_600_000)
  const merged = await shop.producer.enqueue(contract, { a: 1 }, { debounce: { wait: '1h' } })
  expect((await explain(merged)).reasons).toMatchObject([{ code: 'DELAYED', why: 'debounce' }, { code: 'MERGES' }, {}])
  const late = await shop.producer.enqueue(contract, {}, { startBy: '1ms' })
  await vi.waitFor(async () => expect(await codes(late)).toContain('START_BY_PASSED'), PATIENCE)

  const worker = await shop.work([handle(contract, () => Promise.reject(new Error('the printer is out of paper')))])
  const failing = await shop.producer.enqueue(contract, {})
  await vi.waitFor(
    async () => expect(await explain(failing)).toMatchObject({ attempts: 1, state: 'delayed' }),
    PATIENCE,
  )
  const backoff = await explain(failing)
  expect(backoff.reasons).toMatchObject([{ code: 'DELAYED', why: 'backoff' }])
  expect(backoff.reasons[0]?.message).toContain('after attempt 1: the printer is out of paper')
  expect(backoff.expectedStart).toBe(backoff.reasons[0]?.until)
  await worker.close()
})

it('one that runs, is cancelled, and has ended', async () => {
  const contract = define('life')
  const gate = createGate()
  const worker = await shop.work([handle(contract, () => gate.promise)], { concurrency: 1 })
  const [job, next] = [await shop.producer.enqueue(contract, {}), await shop.producer.enqueue(contract, {})]
  await vi.waitFor(async () => {
    expect((await explain(job)).reasons).toMatchObject([{ code: 'ACTIVE', worker: worker.id }])
  }, PATIENCE)
  await vi.waitFor(async () => expect(await codes(next)).toEqual(['WORKERS_FULL', 'IN_LINE']), PATIENCE)
  gate.open()
  await shop.end(next)
  expect(await explain(next)).toMatchObject({ state: 'completed', reasons: [{ code: 'FINISHED' }], position: null })
  // Of a worker that has not heard of its cancel.
  const told = await shop.producer.enqueue(define('told'), {})
  const { bullBase } = shop.keys('told')
  await shop.redis.lmove(`${bullBase}wait`, `${bullBase}active`, 'RIGHT', 'LEFT')
  await shop.redis.set(`${bullBase}${told.id}:lock`, 'its-run')
  await shop.producer.jobs.cancel(told)
  expect(await explain(told)).toMatchObject({ state: 'active', reasons: [{ code: 'CANCELLING' }], expectedStart: null })
  const id = 'only-its-result'
  await shop.redis.copy(shop.keys('life').result(next.id), shop.keys('life').result(id))
  expect(await explain({ queue: 'life', id })).toMatchObject({ job: null, reasons: [{ code: 'FINISHED' }] })
  await worker.close()
})

it('one whose queue or name is paused, limited or full, all of it at once and in order', async () => {
  const contract = define('stopped')
  // It does not look for lost jobs meanwhile: the one that this test puts there has no lock.
  const worker = await shop.work([handle(contract, () => 1)], { stalledInterval: '1h' })
  await shop.producer.queues.pause('stopped', { job: 'job' })
  const job = await shop.producer.enqueue(contract, {})
  await vi.waitFor(async () => expect(await explain(job)).toMatchObject({ state: 'delayed' }), PATIENCE)
  expect(await codes(job)).toEqual(['PAUSED_JOB'])
  await shop.producer.queues.pause('stopped')
  const { bullBase } = shop.keys('stopped')
  await shop.redis.hset(`${bullBase}meta`, { max: '2', concurrency: '1' })
  await shop.redis.set(`${bullBase}limiter`, '2', 'PX', 60_000)
  await shop.redis.lpush(`${bullBase}active`, 'somebody')
  const { reasons, expectedStart } = await explain(job)
  expect(reasons.map(({ code }) => code)).toEqual(['PAUSED_JOB', 'PAUSED_QUEUE', 'RATE_LIMITED', 'QUEUE_FULL'])
  expect(reasons[2]?.until).toBeGreaterThan(Date.now())
  expect(expectedStart).toBeNull()
  await worker.close()
})

it('one that no worker of its queue would take: no handler, an older build, all quiet', async () => {
  const contract = define('mismatched', { version: 2, upcast: { 1: (input: unknown) => input } })
  const other = defineJob({ name: 'other', queue: 'mismatched', input: anything })
  const old = define('mismatched')
  await shop.producer.queues.pause('mismatched')
  const job = await shop.producer.enqueue(contract, {})
  const hold = async (expected: ReasonCode) =>
    vi.waitFor(async () => expect(await codes(job)).toEqual(['PAUSED_QUEUE', expected, 'IN_LINE']), PATIENCE)
  const first = await shop.work([handle(other, () => 1)])
  await hold('NO_HANDLER')
  const second = await shop.work([handle(old, () => 1)])
  await hold('OLDER_WORKERS')
  const third = await shop.work([handle(contract, () => 1)])
  await vi.waitFor(async () => expect(await codes(job)).toEqual(['PAUSED_QUEUE', 'IN_LINE']), PATIENCE)
  await orderState(shop.redis, 'drover', third.id, 'quiet')
  await hold('WORKERS_QUIET')
  for (const worker of [first, second, third]) await worker.close()
})

it('one that waits for the jobs before it in a flow, or for children', async () => {
  const contract = define('flows')
  const { jobs } = await shop.producer.flows.start({
    jobs: {
      one: { job: contract, input: {} },
      two: { job: contract, input: {} },
      end: { job: contract, input: {}, after: ['one', 'two'] },
    },
  })
  const end = jobs.end as { queue: string; id: string }
  expect(await explain(end)).toMatchObject({
    job: null,
    state: 'waiting-children',
    reasons: [{ code: 'WAITS_FOR_FLOW', total: 2, completed: 0, failed: 0 }],
  })
  await shop.producer.jobs.cancel(jobs.one as never)
  expect((await explain(end)).reasons[0]?.message).toContain('1 of them failed')
  const { bullBase } = shop.keys('flows')
  const two = jobs.two as { queue: string; id: string }
  await shop.redis.lrem(`${bullBase}wait`, 1, two.id)
  expect(await codes(two)).toEqual(['LOST', 'NO_WORKER'])
  await shop.redis.zadd(`${bullBase}waiting-children`, 1, two.id)
  await shop.redis.sadd(`${bullBase}${two.id}:dependencies`, 'child')
  expect((await explain(two)).reasons[0]).toMatchObject({ code: 'WAITS_FOR_CHILDREN', count: 1 })
})

it('is expected after those before it, at the rate of the last minutes', async () => {
  const contract = define('rate')
  const gate = createGate()
  const worker = await shop.work([handle(contract, () => gate.promise)], { concurrency: 1 })
  const jobs = []
  for (let n = 0; n < 12; n++) jobs.push(await shop.producer.enqueue(contract, {}))
  const now = Date.now()
  // 60 a minute: 300 in the last five whole ones.
  await shop.redis.hset(shop.keys('rate').stats(Math.floor(now / 60_000) - 1), 'job|c|0|0', '300')
  const last = jobs.at(-1) as { queue: string; id: string }
  await vi.waitFor(async () => expect(await explain(last)).toMatchObject({ position: 11 }), PATIENCE)
  const { expectedStart } = await explain(last)
  expect(expectedStart).toBeGreaterThanOrEqual(now + 11_000)
  expect(expectedStart).toBeLessThanOrEqual(Date.now() + 11_000)
  gate.open()
  await worker.close()
})

it('one whose enqueue was merged into another: which', async () => {
  const contract = define('merging')
  for (const rule of [{ unique: {} }, { throttle: { window: '1h' } }, { debounce: { wait: '1h' } }] as const) {
    const [name] = Object.keys(rule)
    const first = await shop.producer.enqueue(contract, { name }, { id: `first-${name}`, ...rule })
    await shop.producer.enqueue(contract, { name }, { id: `second-${name}`, ...rule })
    expect(await explain({ queue: 'merging', id: `second-${name}` })).toMatchObject({
      ...{ job: null, state: 'unknown', position: null, expectedStart: null },
      reasons: [{ code: 'MERGED', into: first.id }],
    })
    await shop.producer.jobs.cancel(first)
  }
})

it('one that is not there, or whose id cannot be one, is a typed error', async () => {
  await expect(explain({ queue: 'alone', id: 'never-there' })).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  await expect(explain({ queue: 'alone', id: 'a b' })).rejects.toMatchObject({ code: 'INVALID_JOB_ID' })
  await expect(explain({ queue: '', id: 'a' })).rejects.toMatchObject({ code: 'INVALID_QUEUE_NAME' })
})

it('one in the line of its key: full and by whom, or its rate used up', async () => {
  const limit = { concurrency: 1, rate: { limit: 1, window: '1h' } } as const
  const contract = define('keyed', { limit })
  const [started, gate] = [createGate(), createGate()]
  const worker = await shop.work([
    handle(contract, async () => {
      started.open()
      await gate.promise
    }),
  ])
  const first = await shop.producer.enqueue(contract, {})
  await started.promise
  const [second, third] = [await shop.producer.enqueue(contract, {}), await shop.producer.enqueue(contract, {})]
  await vi.waitFor(async () => {
    expect((await explain(third)).reasons).toMatchObject([
      { code: 'KEY_FULL', count: 1, jobs: [first.id] },
      { code: 'IN_LINE', position: 2 },
    ])
  }, PATIENCE)
  expect(await explain(second)).toMatchObject({ position: null, expectedStart: null })
  gate.open()
  await shop.end(first)
  const { reasons, expectedStart } = await explain(second)
  expect(reasons).toMatchObject([{ code: 'KEY_RATE_LIMITED' }, { code: 'IN_LINE', position: 1 }])
  expect(reasons[0]?.until).toBeGreaterThan(Date.now())
  expect(expectedStart).toBe(reasons[0]?.until)
  expect((await explain(third)).expectedStart).toBeNull()
  await worker.close()
})

it('one that is delayed, of a paused name: both', async () => {
  const contract = define('both')
  await shop.producer.queues.pause('both', { job: 'job' })
  const job = await shop.producer.enqueue(contract, {}, { delay: '1h' })
  expect(await codes(job)).toEqual(['PAUSED_JOB', 'DELAYED', 'NO_WORKER'])
})
