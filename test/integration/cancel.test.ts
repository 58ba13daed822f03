// A job cancelled from outside, in every state: it ends as one that failed, once, wherever it is.
import { execFileSync } from 'node:child_process'
import { describe, expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { readTotals } from '../../src/ledger/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { handle, handleBatch, handleCommand } from '../../src/worker/index.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const error = { name: 'CancelledError', code: 'CANCELLED', message: 'the job was cancelled' }
const totals = async (queue: string) => shop.redis.hgetall(shop.keys(queue).totals)
const list = (queue: string, name: string) => shop.redis.zrange(`${shop.keys(queue).bullBase}${name}`, '0', '-1')

/** Marks a job as a cancel does, while this thread does nothing else: what the handler does next comes before the word of it. */
function markUnheard(queue: string, id: string): void {
  const mark = ['HSET', shop.keys(queue).bullBase + id, 'defa', error.message]
  execFileSync('redis-cli', ['-p', String(shop.server.port), ...mark])
}

describe('a job that does not run', () => {
  it.each([
    ['waiting', {}],
    ['delayed', { delay: '1h' }],
    ['prioritized', { priority: 3 }],
  ] as const)('and is %s leaves its queue at once, failed, counted and told', async (state, options) => {
    const queue = `idle-${state}`
    const contract = defineJob({ name: 'idle', queue, input: anything })
    const job = await shop.producer.enqueue(contract, {}, options)
    const told = shop.producer.results.wait(job, { timeout: '60s' })
    expect(await shop.producer.jobs.cancel(job)).toBe('cancelled')
    const outcome = await told
    expect(outcome).toMatchObject({ ok: false, record: { status: 'failed', error, attempts: 0, runMs: 0 } })
    expect(await totals(queue)).toEqual({ 'idle:failed': '1' })
    expect(await list(queue, 'failed')).toEqual([job.id])
    const { bullBase } = shop.keys(queue)
    const left = ['wait', 'active'].map((name) => shop.redis.llen(bullBase + name))
    const sets = ['delayed', 'prioritized', 'stalled'].map((name) => shop.redis.exists(bullBase + name))
    expect(await Promise.all([...left, ...sets, shop.redis.exists(`${bullBase}${job.id}:lock`)])).toEqual([
      ...[0, 0, 0, 0, 0, 0],
    ])
    expect(await shop.redis.hget(bullBase + job.id, 'atm')).toBe('0')
    await expect(shop.producer.jobs.cancel(job)).rejects.toMatchObject({ code: 'JOB_STATE', state: 'failed' })
  })

  it('and waits for its next attempt is failed with the attempts it had', async () => {
    const contract = defineJob({
      name: 'again',
      queue: 'again',
      input: anything,
      attempts: 3,
      backoff: { type: 'fixed', delay: '1h' },
    })
    const worker = await shop.work([handle(contract, () => Promise.reject(new Error('not yet')))])
    const job = await shop.producer.enqueue(contract, {})
    await vi.waitFor(async () => expect(await list('again', 'delayed')).toEqual([job.id]), PATIENCE)
    expect(await shop.producer.jobs.cancel(job)).toBe('cancelled')
    expect(await shop.end(job)).toMatchObject({ status: 'failed', error, attempts: 1 })
    await worker.close()
  })

  it('and waits for children is failed, and is not run when they end', async () => {
    const contract = defineJob({ name: 'parent', queue: 'family', input: anything })
    const job = await shop.producer.enqueue(contract, {})
    const { bullBase } = shop.keys('family')
    await shop.redis.lrem(`${bullBase}wait`, 1, job.id)
    await shop.redis.zadd(`${bullBase}waiting-children`, 1, job.id)
    await shop.redis.sadd(`${bullBase}${job.id}:dependencies`, 'child')
    expect(await shop.producer.jobs.cancel(job)).toBe('cancelled')
    expect(await list('family', 'waiting-children')).toEqual([])
    expect(await list('family', 'failed')).toEqual([job.id])
  })

  it('is counted in its batch, which ends with it', async () => {
    const contract = defineJob({ name: 'member', queue: 'batched', input: anything })
    const batch = await shop.producer.batches.open('batched')
    const members = [await batch.enqueue(contract, {}), await batch.enqueue(contract, {})]
    await batch.close()
    for (const member of members) await shop.producer.jobs.cancel(member)
    expect(await shop.producer.batches.get('batched', batch.id)).toMatchObject({ total: 2, completed: 0, failed: 2 })
  })

  it('runs when it is put back by hand', async () => {
    const contract = defineJob({ name: 'back', queue: 'back', input: anything })
    const job = await shop.producer.enqueue(contract, {})
    await shop.producer.jobs.cancel(job)
    const { Queue } = await import('bullmq')
    const queue = new Queue('back', { connection: { url: shop.server.url }, prefix: shop.keys('back').bull })
    await (await queue.getJob(job.id))?.retry('failed')
    await queue.close()
    const worker = await shop.work([handle(contract, () => 'ran')])
    await vi.waitFor(
      async () =>
        expect(await readTotals(shop.redis, shop.keys('back'))).toEqual(
          new Map([['back', { completed: 1, failed: 1, retried: 0 }]]),
        ),
      PATIENCE,
    )
    await worker.close()
  })

  it('and has ended, or was never there, is told by a typed error', async () => {
    const contract = defineJob({ name: 'done', queue: 'ended', input: anything })
    const worker = await shop.work([handle(contract, () => 1)])
    const job = await shop.producer.enqueue(contract, {})
    await shop.end(job)
    await expect(shop.producer.jobs.cancel(job)).rejects.toMatchObject({ code: 'JOB_STATE', state: 'completed' })
    const missing = { queue: 'ended', id: 'never-there' }
    await expect(shop.producer.jobs.cancel(missing)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    await expect(shop.producer.jobs.cancel({ queue: 'other', id: job.id })).rejects.toMatchObject({
      code: 'JOB_NOT_FOUND',
    })
    for (const id of ['', 'a b', '../x', 'x'.repeat(200), 7 as never]) {
      await expect(shop.producer.jobs.cancel({ queue: 'ended', id })).rejects.toMatchObject({ code: 'INVALID_JOB_ID' })
    }
    expect(await totals('ended')).toEqual({ 'done:completed': '1' })
    await worker.close()
  })

  it('is found among thousands without a look at each, wherever it waits, and the others keep their order', async () => {
    const contract = defineJob({ name: 'many', queue: 'many', input: anything })
    // Each of a time of its own, and thousands of one.
    await shop.producer.enqueueBulk(
      contract,
      Array.from({ length: 3_000 }, (_, n) => n),
    )
    await shop.producer.enqueueBulk(
      contract,
      Array.from({ length: 2_000 }, (_, n) => n),
    )
    const { bullBase } = shop.keys('many')
    const waits = () => shop.redis.lrange(`${bullBase}wait`, 0, -1)
    const all = await waits()
    const alike = shop.redis.pipeline()
    for (const id of all.slice(0, 2_000)) alike.hset(bullBase + id, 'timestamp', 9e12)
    await alike.exec()
    const looks = async () => Number(/cmdstat_lpos:calls=(\d+)/.exec(await shop.redis.info('commandstats'))?.[1] ?? 0)
    const before = await looks()
    const places = [0, 1, 700, 1_999, 2_000, 2_500, 3_333, 4_998, 4_999]
    for (const place of places) {
      expect(await shop.producer.jobs.cancel({ queue: 'many', id: all[place] ?? '' })).toBe('cancelled')
    }
    expect(await waits()).toEqual(all.filter((_, place) => !places.includes(place)))
    // One each, for whether it runs.
    expect((await looks()) - before).toBe(places.length)
    // One that waits out of the order of its enqueue is found, too.
    const [oldest = ''] = all.slice(-5)
    await shop.redis.multi().lrem(`${bullBase}wait`, 1, oldest).lpush(`${bullBase}wait`, oldest).exec()
    expect(await shop.producer.jobs.cancel({ queue: 'many', id: oldest })).toBe('cancelled')
    expect(await waits()).not.toContain(oldest)
  })

  it('is cancelled beside workers that take it, and ends once either way', async () => {
    const contract = defineJob({ name: 'race', queue: 'race', input: anything, attempts: 1 })
    const worker = await shop.work([handle(contract, () => 1)], { concurrency: 4 })
    const jobs = await Promise.all(Array.from({ length: 200 }, () => shop.producer.enqueue(contract, {})))
    await Promise.all(jobs.map((job) => shop.producer.jobs.cancel(job).catch((late: unknown) => late)))
    const ends = await Promise.all(jobs.map((job) => shop.end(job)))
    const completed = ends.filter(({ status }) => status === 'completed').length
    const counted = (await readTotals(shop.redis, shop.keys('race'))).get('race')
    expect([counted?.completed ?? 0, counted?.failed ?? 0]).toEqual([completed, 200 - completed])
    await worker.close()
  })
})

describe('a job that runs', () => {
  it('is aborted where it runs, its effects discarded, and does not run again', async () => {
    const contract = defineJob({ name: 'long', queue: 'long', input: anything, attempts: 5 })
    const started = createGate()
    let runs = 0
    let reason: unknown
    const worker = await shop.work([
      handle(contract, async (_input, ctx) => {
        runs++
        ctx.counter('n').add()
        ctx.effects.set('app:written', '1')
        started.open()
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
        reason = ctx.signal.reason
        return 'too late'
      }),
    ])
    const job = await shop.producer.enqueue(contract, {})
    await started.promise
    expect(await shop.producer.jobs.cancel(job)).toBe('cancelling')
    expect(await shop.end(job)).toMatchObject({
      status: 'failed',
      error: { name: 'CancelledError', code: 'CANCELLED' },
      attempts: 1,
    })
    expect([runs, reason]).toMatchObject([1, { code: 'CANCELLED' }])
    expect(await totals('long')).toEqual({ 'long:failed': '1' })
    expect(await shop.redis.exists('app:written', shop.keys('long').counter('n'))).toBe(0)
    await worker.close()
  })

  it('is told of it wherever it waits, though its lock is not renewed for minutes', async () => {
    const define = (name: string) => defineJob({ name, queue: 'far-renewal', input: anything, timeout: '1h' })
    const untilAborted = (signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const [plain, gathered, once, program] = [define('plain'), define('gathered'), define('once'), define('program')]
    const handlers = [
      handle(plain, (_input, ctx) => untilAborted(ctx.signal)),
      handleBatch(gathered, { size: 2, wait: '60s' }, (_items, { signal }) => untilAborted(signal)),
      // The second one waits for the first.
      handle(once, (_input, ctx) => ctx.once('key', () => untilAborted(ctx.signal))),
      handleCommand(program, { command: ['sleep', '600'] }),
    ]
    const worker = await shop.work(handlers, { lockDuration: '10m' })
    const jobs = await Promise.all(
      [plain, gathered, once, once, program].map((contract) => shop.producer.enqueue(contract, {})),
    )
    const active = () => shop.redis.llen(`${shop.keys('far-renewal').bullBase}active`)
    await vi.waitFor(async () => expect(await active()).toBe(jobs.length), PATIENCE)
    for (const job of jobs) expect(await shop.producer.jobs.cancel(job)).toBe('cancelling')
    for (const job of jobs) expect(await shop.end(job)).toMatchObject({ status: 'failed', error, attempts: 1 })
    await worker.close()
  })

  it.each([
    [
      'fails',
      (): never => {
        throw new Error('not yet')
      },
    ],
    ['puts itself off', (snooze: (delay: string) => never): never => snooze('1h')],
  ] as const)('and %s before its worker knows ends at once, not after its delay', async (how, end) => {
    const queue = `late-${how.replaceAll(' ', '-')}`
    const contract = defineJob({
      name: 'late',
      queue,
      input: anything,
      attempts: 3,
      backoff: { type: 'fixed', delay: '1h' },
    })
    const handler = handle(contract, (_input, ctx) => {
      markUnheard(queue, ctx.id)
      expect(ctx.signal.aborted).toBe(false)
      end((delay) => ctx.snooze(delay as '1h'))
    })
    const worker = await shop.work([handler])
    const job = await shop.producer.enqueue(contract, {})
    expect(await shop.end(job)).toMatchObject({ status: 'failed', error: { code: 'CANCELLED' } })
    await worker.close()
  })

  it('and completes before its worker knows runs again when it is put back by hand', async () => {
    const contract = defineJob({ name: 'done', queue: 'done-first', input: anything })
    let runs = 0
    const handler = handle(contract, (_input, ctx) => {
      if (++runs === 1) markUnheard('done-first', ctx.id)
    })
    const worker = await shop.work([handler])
    const job = await shop.producer.enqueue(contract, {})
    expect(await shop.end(job)).toMatchObject({ status: 'completed' })
    const { Queue } = await import('bullmq')
    const queue = new Queue('done-first', {
      connection: { url: shop.server.url },
      prefix: shop.keys('done-first').bull,
    })
    await (await queue.getJob(job.id))?.retry('completed')
    await queue.close()
    await vi.waitFor(
      async () =>
        expect([...(await readTotals(shop.redis, shop.keys('done-first'))).values()]).toEqual([
          expect.objectContaining({ completed: 2, failed: 0 }),
        ]),
      PATIENCE,
    )
    await worker.close()
  })

  it('is aborted once its worker, cut off from Redis when it was cancelled, is back', async () => {
    const contract = defineJob({ name: 'far', queue: 'far', input: anything, attempts: 5 })
    const started = createGate()
    const proxy = await startFaultProxy({ target: shop.server.url })
    const handler = handle(contract, async (_input, ctx) => {
      started.open()
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      throw ctx.signal.reason
    })
    const worker = await shop.work([handler], { redis: proxy.url, lockDuration: '60s' })
    const job = await shop.producer.enqueue(contract, {})
    await started.promise
    proxy.set('cut')
    expect(await shop.producer.jobs.cancel(job)).toBe('cancelling')
    proxy.set('pass')
    expect(await shop.end(job)).toMatchObject({ status: 'failed', error: { code: 'CANCELLED' }, attempts: 1 })
    await worker.close()
    await proxy.close()
  })

  it('and is lost by its worker never starts again', async () => {
    const contract = defineJob({ name: 'lost', queue: 'lost', input: anything, attempts: 5 })
    const first = createGate()
    let runs = 0
    const handler = handle(contract, async (_input, ctx) => {
      runs++
      first.open()
      await new Promise<void>((resolve) => {
        ctx.signal.addEventListener('abort', () => {
          // Cancelled as it is about to be handed back.
          markUnheard('lost', ctx.id)
          resolve()
        })
      })
      throw new Error('interrupted')
    })
    const worker = await shop.work([handler])
    const job = await shop.producer.enqueue(contract, {})
    await first.promise
    expect(await worker.close()).toMatchObject({ handedBack: 1 })
    const other = await shop.work([handler])
    expect(await shop.end(job)).toMatchObject({ status: 'failed', error })
    expect(runs).toBe(1)
    expect(await shop.redis.hexists(shop.keys('lost').bullBase + job.id, 'defa')).toBe(0)
    await other.close()
  })
})
