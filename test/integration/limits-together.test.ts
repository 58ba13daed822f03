// Limits by key beside what else holds a job back or moves it: paused queues and names, merged enqueues, flows, cancels,
// lost locks, batches of one call, workers that know nothing of limits.
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob, type LimitOptions } from '../../src/job/index.js'
import { auditLimits, repairLimits } from '../../src/ledger/index.js'
import { handle, handleBatch } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ tenant: z.string(), n: z.number() })
const a = (n: number) => ({ tenant: 'a', n })
const contractOf = (queue: string, limit: LimitOptions<z.input<typeof input>>, options = {}) =>
  defineJob({ name: 'work', queue, input, limit, ...options })
let miscounted = 0
const heldIn = (queue: string) => shop.redis.hgetall(shop.keys(queue).limit('held'))

describe('a limit', () => {
  it('has a resumed queue wake the workers, though its jobs are all in line', async () => {
    const queue = 'resumed'
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    await shop.producer.queues.pause(queue)
    const { id } = await shop.producer.enqueue(job, a(1))
    const marker = `${shop.keys(queue).bullBase}marker`
    expect(await shop.redis.zscore(marker, '0')).toBeNull()
    await shop.producer.queues.resume(queue)
    expect(await shop.redis.zscore(marker, '0')).toBe('0')
    const worker = await shop.work([handle(job, () => undefined)])
    expect(await shop.end({ queue, id })).toMatchObject({ status: 'completed' })
    await worker.close()
  })

  it('counts no start of a job that was put aside for its paused name', async () => {
    for (const kind of ['sliding', 'fixed', 'bucket'] as const) {
      const queue = `aside-${kind}`
      const job = contractOf(queue, { key: 'tenant', rate: { kind, limit: 2, window: '30d' } })
      await shop.producer.queues.pause(queue, { job: 'work' })
      await shop.producer.enqueueBulk(job, [a(1), a(2), a(3)])
      const ran: number[] = []
      const worker = await shop.work([handle(job, ({ n }) => void ran.push(n))])
      const aside = () => shop.redis.zcard(shop.keys(queue).held('work'))
      await vi.waitFor(async () => expect(await aside()).toBe(3), PATIENCE)
      expect(await heldIn(queue)).toEqual({})
      await shop.producer.queues.resume(queue, { job: 'work' })
      await vi.waitFor(() => expect(ran).toHaveLength(2), PATIENCE)
      const state = await shop.producer.limits.get(job, 'a')
      expect(state).toMatchObject({ parked: 1, waitsFor: 'rate', rate: { left: 0 } })
      await worker.close()
    }
  })

  it('is that of the newest input of a debounced job', async () => {
    const queue = 'debounced'
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    const debounce = { by: () => 'one', wait: '1h' } as const
    const { id } = await shop.producer.enqueue(job, a(1), { debounce })
    await shop.producer.enqueue(job, { tenant: 'b', n: 2 }, { debounce })
    expect(await shop.redis.hget(`${shop.keys(queue).bullBase}${id}`, 'drover:limit')).toMatch(/ work:b$/)
  })

  it('survives a run that lost its lock', async () => {
    const queue = 'lost'
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    const { bullBase } = shop.keys(queue)
    let id = ''
    const worker = await shop.work(
      [
        handle(job, async (_, ctx) => {
          id = ctx.id
          // As when its lock ran out and another run has it.
          await shop.redis.set(`${bullBase}${id}:lock`, 'another', 'PX', 60_000)
        }),
      ],
      { lockDuration: '60s', stalledInterval: 60_000 },
    )
    await shop.producer.enqueue(job, a(1))
    await vi.waitFor(
      () => expect(worker.lines.some(({ msg }) => msg.includes('without the lock'))).toBe(true),
      PATIENCE,
    )
    expect(await heldIn(queue)).toEqual({ [id]: 'work:a' })
    expect(await shop.producer.limits.get(job, 'a')).toMatchObject({ held: 1, concurrency: 1 })
    await worker.close()
  })

  it('counts jobs in line apart from those that wait for others of their flow', async () => {
    const queue = 'flow'
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    const plain = defineJob({ name: 'plain', queue, input })
    const jobs = { one: { job: plain, input: a(1) }, two: { job: plain, input: a(2), after: ['one'] } }
    await shop.producer.flows.start({ jobs })
    await shop.producer.enqueue(job, a(3))
    expect(await shop.producer.limits.counts(queue)).toEqual({ keys: 1, held: 0, parked: 1 })
  })

  it('gives the permit back of a job that ran in a worker which knows nothing of it, and came with a retry', async () => {
    const queue = 'unknowing'
    const plain = defineJob({ name: 'plain', queue, input, attempts: 2, backoff: { type: 'fixed', delay: 600_000 } })
    const old = defineJob({ name: 'work', queue, input })
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    const gate = createGate()
    const handlers = [
      handle(plain, async () => {
        await gate.promise
        throw new Error('once')
      }),
      handle(old, () => undefined),
    ]
    const worker = await shop.work(handlers, { concurrency: 1, stalledInterval: 60_000 })
    await shop.producer.enqueue(plain, a(0))
    await vi.waitFor(async () => expect((await shop.producer.queues.get(queue)).active).toBe(1), PATIENCE)
    const { id } = await shop.producer.enqueue(job, a(1), { delay: 1 })
    const dueAt = Date.now() + 1
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(dueAt), { ...PATIENCE, interval: 1 })
    gate.open()
    expect(await shop.end({ queue, id })).toMatchObject({ status: 'completed' })
    await vi.waitFor(async () => expect(await heldIn(queue)).toEqual({}), PATIENCE)
    await worker.close()
  })

  it('lets the next one go on when a job of a strict key is cancelled while it waits for its retry', async () => {
    const queue = 'cancelled'
    const job = contractOf(
      queue,
      { key: 'tenant', order: 'strict' },
      { attempts: 3, backoff: { type: 'fixed', delay: 3_600_000 } },
    )
    const ran: number[] = []
    const worker = await shop.work([
      handle(job, ({ n }) => {
        ran.push(n)
        if (n === 1) throw new Error('again')
      }),
    ])
    const first = await shop.producer.enqueue(job, a(1))
    const second = await shop.producer.enqueue(job, a(2))
    const delayed = () => shop.redis.zcard(`${shop.keys(queue).bullBase}delayed`)
    await vi.waitFor(async () => expect(await delayed()).toBe(1), PATIENCE)
    expect(await shop.producer.limits.ofJob(first)).toMatchObject({ holds: true, held: 1, parked: 1 })
    expect(await shop.producer.jobs.cancel(first)).toBe('cancelled')
    await shop.end(second)
    expect(ran).toEqual([1, 2])
    await worker.close()
  })

  it('holds with a handler of batches', async () => {
    const queue = 'batched'
    const job = contractOf(queue, { key: 'tenant', concurrency: 3 })
    const sizes: number[] = []
    const worker = await shop.work([
      handleBatch(job, { size: 10, wait: 20 }, (items) => {
        sizes.push(items.length)
        return items.map(() => null)
      }),
    ])
    await shop.producer.enqueueBulk(
      job,
      Array.from({ length: 20 }, (_, n) => a(n)),
    )
    await vi.waitFor(() => expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(20), PATIENCE)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3)
    await vi.waitFor(async () => expect(await heldIn(queue)).toEqual({}), PATIENCE)
    await worker.close()
  })

  it('is looked after by one worker of many in each interval', async () => {
    const queue = 'looked'
    const job = contractOf(queue, { key: 'tenant', concurrency: 1 })
    await shop.producer.enqueueBulk(job, [a(1), a(2)])
    const keys = shop.keys(queue)
    await shop.redis.hset(keys.limit('held'), 'gone', 'work:a')
    await shop.redis.hset(keys.limit('key:work:a'), 'held', '1')
    expect(await repairLimits(shop.redis, keys, 60_000)).toBe(1)
    await shop.redis.hset(keys.limit('held'), 'gone', 'work:a')
    expect(await repairLimits(shop.redis, keys, 60_000)).toBe(0)
    // Also a key that was forgotten is found again.
    await shop.redis.del(keys.limit('ready'))
    expect(await repairLimits(shop.redis, keys)).toBe(1)
    expect(await shop.redis.zrange(keys.limit('ready'), '0', '-1')).toEqual(['work:a'])
  })

  it.each([
    ['too high, of a key without permits', { counts: 7, permits: 0, runs: 0 }, 0],
    ['too high', { counts: 7, permits: 2, runs: 0 }, 2],
    ['too low', { counts: 0, permits: 2, runs: 0 }, 2],
    ['below nothing', { counts: -5, permits: 1, runs: 0 }, 1],
    ['no number', { counts: 'many', permits: 2, runs: 0 }, 2],
    ['right', { counts: 2, permits: 2, runs: 0 }, 2],
    // What runs without a permit is counted as if it had one, or too many would run.
    ['too low, while jobs run without a permit', { counts: 0, permits: 1, runs: 1 }, 2],
    ['too high, while jobs run without a permit', { counts: 7, permits: 0, runs: 2 }, 2],
    ['of what runs with and without', { counts: 2, permits: 1, runs: 1 }, 2],
  ])('has its count of permits corrected that is %s', async (_, { counts, permits, runs }, corrected) => {
    const queue = `miscounted-${miscounted++}`
    const job = contractOf(queue, { key: 'tenant', concurrency: 3 })
    const keys = shop.keys(queue)
    await shop.producer.enqueueBulk(job, [a(1), a(2), a(3), a(4)])
    for (const [n, name] of [...'abc'].entries()) {
      if (n >= permits + runs) continue
      await shop.redis.hset(`${keys.bullBase}${name}`, 'name', 'work', 'drover:limit', '3,n,0,0,0,1,f work:a')
      await shop.redis.set(`${keys.bullBase}${name}:lock`, 'elsewhere')
      await shop.redis.lpush(`${keys.bullBase}active`, name)
      if (n < permits) await shop.redis.hset(keys.limit('held'), name, 'work:a')
    }
    await shop.redis.hset(keys.limit('key:work:a'), 'held', counts)
    await shop.redis.del(keys.limit('ready'))
    if (permits > 0) {
      const audit = await auditLimits(shop.redis, keys)
      expect(audit.miscounted.map(({ id }) => id)).toEqual(counts === corrected ? [] : ['work:a'])
    }
    await repairLimits(shop.redis, keys)
    expect(await shop.redis.hget(keys.limit('key:work:a'), 'held')).toBe(String(corrected))
    expect((await auditLimits(shop.redis, keys)).miscounted).toEqual([])
    // And no more of them start than that leaves room for.
    const started: number[] = []
    const gate = createGate()
    const run = handle(job, ({ n }) => {
      started.push(n)
      return gate.promise
    })
    const worker = await shop.work([run], { concurrency: 10 })
    await vi.waitFor(() => expect(started).toHaveLength(3 - corrected), PATIENCE)
    expect(await shop.redis.hget(keys.limit('key:work:a'), 'held')).toBe('3')
    expect(await shop.redis.zcard(keys.limit('line:work:a'))).toBe(1 + corrected)
    gate.open()
    await worker.close()
  })
})
