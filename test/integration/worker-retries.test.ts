// What becomes of failed attempts: how many there are, how long each waits, and what the last of them leaves.
import { Queue } from 'bullmq'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob, PermanentError, retryIn } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const totalsOf = (queue: string) => shop.redis.hgetall(shop.keys(queue).totals)
/** Milliseconds from the end of each attempt to the start of the next. */
const gaps = (times: readonly [start: number, end: number][]) =>
  times.slice(1).map(([start], index) => start - (times[index] as [number, number])[1])

describe('a job whose handler throws', () => {
  it('runs as often as its contract says, waits twice as long each time up to the cap, and fails with the last error', async () => {
    const contract = defineJob({
      ...{ name: 'flaky', queue: 'doubling', input, attempts: 4, keepResult: '50s' },
      backoff: { delay: 100, jitter: 0, maxDelay: 150 },
    })
    const times: [number, number][] = []
    const seen: unknown[] = []
    const handler = handle(contract, async (_input, ctx) => {
      const start = Date.now()
      seen.push([ctx.attempt, ctx.attempts, ctx.fence.token])
      ctx.counter('tries').add()
      ctx.effects.sadd('tries', ctx.attempt)
      times.push([start, Date.now()])
      throw new TypeError(`attempt ${ctx.attempt}`)
    })
    const worker = await shop.work([handler])
    const job = await shop.producer.enqueue(contract, { n: 1 })
    const record = await shop.end(job)

    expect(seen).toEqual([
      ...[
        [1, 4, 1],
        [2, 4, 2],
        [3, 4, 3],
        [4, 4, 4],
      ],
    ])
    expect(record).toMatchObject({ status: 'failed', attempts: 4, error: { name: 'TypeError', message: 'attempt 4' } })
    // BullMQ starts a delayed job at most a few milliseconds early, as its clock has whole ones.
    const [first = 0, second = 0, third = 0] = gaps(times)
    expect(first).toBeGreaterThanOrEqual(95)
    expect(second).toBeGreaterThanOrEqual(145)
    expect(third).toBeGreaterThanOrEqual(145)
    expect(await totalsOf('doubling')).toEqual({ 'flaky:retried': '3', 'flaky:failed': '1' })
    // Nothing of any of the attempts was committed.
    expect(await shop.redis.exists(shop.keys('doubling').counter('tries'), 'tries')).toBe(0)
    expect(await shop.redis.ttl(shop.keys('doubling').result(job.id))).toBeLessThanOrEqual(50)
    const logged = worker.lines.filter((line) => line.id === job.id)
    expect(logged.map(({ msg, attempt, retryInMs }) => [msg, attempt, retryInMs])).toEqual([
      ['attempt failed', 1, 100],
      ['attempt failed', 2, 150],
      ['attempt failed', 3, 150],
      ['job failed', 4, undefined],
    ])
  })

  it('counts as completed once, with what its good attempt staged, when a later attempt is good', async () => {
    const contract = defineJob({ name: 'third', queue: 'third', input, backoff: { delay: 0 } })
    const handler = handle(contract, async (_input, ctx) => {
      ctx.counter('runs').add(ctx.attempt)
      ctx.effects.rpush('third-runs', ctx.attempt)
      if (ctx.attempt < 3) throw new Error('not yet')
      return ctx.attempt
    })
    await shop.work([handler])
    const job = await shop.producer.enqueue(contract, { n: 1 })
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 3, attempts: 3 })
    expect(await totalsOf('third')).toEqual({ 'third:retried': '2', 'third:completed': '1' })
    expect(await shop.producer.counters.get('third', 'runs')).toBe(3)
    expect(await shop.redis.lrange('third-runs', 0, -1)).toEqual(['3'])
  })

  it('fails at once with PermanentError, whatever attempts are left', async () => {
    const contract = defineJob({ name: 'hopeless', queue: 'hopeless', input, attempts: 9 })
    const handler = handle(contract, () => {
      throw new PermanentError('gone for good')
    })
    await shop.work([handler])
    const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
    expect(record).toMatchObject({
      status: 'failed',
      attempts: 1,
      error: { code: 'PERMANENT', message: 'gone for good' },
    })
    expect(await totalsOf('hopeless')).toEqual({ 'hopeless:failed': '1' })
  })

  it('waits as long as retryIn says, in place of its backoff, and no attempt more than it has', async () => {
    const contract = defineJob({ name: 'limited', queue: 'limited', input, attempts: 2, backoff: { delay: '1h' } })
    const times: [number, number][] = []
    const handler = handle(contract, async () => {
      times.push([Date.now(), Date.now()])
      throw retryIn(120, 'rate limited')
    })
    await shop.work([handler])
    const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
    expect(gaps(times)[0]).toBeGreaterThanOrEqual(115)
    expect(record).toMatchObject({ attempts: 2, error: { code: 'RETRY_IN', message: 'rate limited' } })
  })

  it('is not put in a loop by an error that reads like one of BullMQ', async () => {
    const contract = defineJob({ name: 'bull', queue: 'bull', input, attempts: 2, backoff: { delay: 0 } })
    let runs = 0
    const handler = handle(contract, async () => {
      runs++
      throw new Error('bullmq:rateLimitExceeded')
    })
    await shop.work([handler])
    const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
    expect(record).toMatchObject({ status: 'failed', attempts: 2, error: { message: 'bullmq:rateLimitExceeded' } })
    expect(runs).toBe(2)
  })

  it.each(['ShutdownError', 'LockLostError', 'CancelledError', 'WaitingError', 'DelayedError'])(
    'has failed an attempt like any other when it throws a %s that nobody gave it',
    async (name) => {
      const contract = defineJob({ name: 'forged', queue: `forged-${name}`, input, attempts: 1 })
      const handler = handle(contract, async () => {
        const errors = { ...(await import('../../src/job/index.js')), ...(await import('bullmq')) }
        const Forged = (errors as unknown as Record<string, new (text: string) => Error>)[name]
        throw Forged ? new Forged('mine') : new Error('no such class')
      })
      await shop.work([handler])
      const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
      expect(record).toMatchObject({ status: 'failed', error: { name, message: expect.stringContaining('mine') } })
    },
  )

  it('is retried at once, and counted, when another program enqueued it without a backoff', async () => {
    const contract = defineJob({ name: 'foreign', queue: 'foreign', input, backoff: { delay: '1h' } })
    const handler = handle(contract, async (_input, ctx) => {
      if (ctx.attempt === 1) throw new Error('not yet')
      return 'done'
    })
    await shop.work([handler])
    const queue = new Queue('foreign', { connection: { port: shop.server.port }, prefix: shop.keys('foreign').bull })
    await queue.add('foreign', { n: 1 }, { attempts: 2, jobId: 'f1' })
    expect(await shop.end({ queue: 'foreign', id: 'f1' })).toMatchObject({ status: 'completed', attempts: 2 })
    expect(await totalsOf('foreign')).toEqual({ 'foreign:retried': '1', 'foreign:completed': '1' })
    await queue.close()
  })
})

describe('a job that cannot run', () => {
  it('for want of a handler is retried, so that a worker that has one can take it, and fails after the last', async () => {
    const known = defineJob({ name: 'known', queue: 'mixed', input })
    const unknown = defineJob({ name: 'unknown', queue: 'mixed', input, attempts: 1 })
    await shop.work([handle(known, () => 1)])
    expect(await shop.end(await shop.producer.enqueue(unknown, { n: 1 }))).toMatchObject({
      status: 'failed',
      job: 'unknown',
      error: { code: 'NO_HANDLER', message: expect.stringContaining('"unknown" of queue "mixed"') },
    })
    expect(await totalsOf('mixed')).toEqual({ 'unknown:failed': '1' })
  })

  it('because its input fails the schema fails for good at once, and the handler never sees it', async () => {
    const contract = defineJob({ name: 'strict', queue: 'strict', input, attempts: 5 })
    let runs = 0
    await shop.work([handle(contract, () => ++runs)])
    const loose = defineJob({ name: 'strict', queue: 'strict', input: z.any(), attempts: 5 })
    for (const bad of [{ n: 'one' }, null, [], 'text', { n: null }]) {
      expect(await shop.end(await shop.producer.enqueue(loose, bad))).toMatchObject({
        status: 'failed',
        attempts: 1,
        error: { code: 'INVALID_INPUT' },
      })
    }
    expect(runs).toBe(0)
  })

  it('because plain BullMQ gave it up for its stalls fails with JOB_CRASHED, kept as its contract says', async () => {
    const contract = defineJob({ name: 'lost', queue: 'lost', input, attempts: 5, keepResult: '30s' })
    const started = createGate()
    const held = createGate()
    const handler = handle(contract, async () => {
      started.open()
      await held.promise
    })
    const worker = await shop.work([handler])
    const job = await shop.producer.enqueue(contract, { n: 1 })
    await started.promise
    // As a worker of BullMQ's own marks a job that stalled more often than it allows.
    await shop.redis.hset(`${shop.keys('lost').bullBase}${job.id}`, 'defa', 'job stalled more than allowable limit')
    await shop.redis.del(`${shop.keys('lost').bullBase}${job.id}:lock`)
    expect(await shop.end(job)).toMatchObject({
      status: 'failed',
      error: { name: 'JobCrashedError', code: 'JOB_CRASHED' },
    })
    expect(await shop.redis.ttl(shop.keys('lost').result(job.id))).toBeLessThanOrEqual(30)
    expect(await totalsOf('lost')).toEqual({ 'lost:failed': '1' })
    await expect.poll(() => worker.lines.map(({ msg, attempt }) => [msg, attempt])).toContainEqual(['job failed', 1])
    held.open()
  })
})
