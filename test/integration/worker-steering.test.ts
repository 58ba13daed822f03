// A running worker that is made quiet, resumed, given another concurrency and closed, by itself and by orders in Redis.
import { describe, expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { orderConcurrency, orderState, readWorkers } from '../../src/ledger/index.js'
import { handle } from '../../src/worker/index.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { createGate, type Gate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

/** A queue whose jobs wait until the test lets each go. */
function heldQueue(queue: string) {
  const contract = defineJob({ name: 'hold', queue, input: anything, attempts: 1 })
  const started = new Map<string, Gate>()
  const handler = handle(contract, async (_input, ctx) => {
    const gate = createGate()
    started.set(ctx.id, gate)
    await gate.promise
    return 'done'
  })
  const finish = () => {
    for (const gate of started.values()) gate.open()
  }
  return { contract, handler, started, finish, enqueue: () => shop.producer.enqueue(contract, {}) }
}

const untilStarted = (started: Map<string, unknown>, count: number) =>
  vi.waitFor(() => expect(started.size).toBe(count), PATIENCE)
const beatOf = async (id: string) => (await readWorkers(shop.redis, 'drover')).find((beat) => beat.id === id)

describe('a worker', () => {
  it('that is quiet finishes what it runs and leaves the rest to others; resumed, it takes jobs again', async () => {
    const { handler, started, finish, enqueue } = heldQueue('quiet')
    const worker = await shop.work([handler])
    const first = await enqueue()
    await untilStarted(started, 1)
    worker.quiet()
    expect(worker.state).toBe('quiet')
    finish()
    await shop.end(first)
    expect(worker.handled).toBe(1)
    const later = await enqueue()
    const other = await shop.work([handler])
    await untilStarted(started, 2)
    expect([worker.running, other.running]).toEqual([0, 1])
    other.quiet()
    const last = await enqueue()
    worker.resume()
    await untilStarted(started, 3)
    expect([worker.state, worker.running, worker.rebuilds]).toEqual(['run', 1, 0])
    finish()
    await shop.end(later)
    await shop.end(last)
    await worker.close()
    await other.close()
  })

  it('whose read was under way when it became quiet wakes another worker for the job', async () => {
    const { handler, started, finish, enqueue } = heldQueue('asleep')
    const worker = await shop.work([handler])
    // It blocks on an empty queue by now, or will: either way it must not take the job.
    worker.quiet()
    const other = await shop.work([handler])
    const job = await enqueue()
    await untilStarted(started, 1)
    expect([worker.running, other.running]).toEqual([0, 1])
    finish()
    await shop.end(job)
    await worker.close()
    await other.close()
  })

  it('takes more jobs at once when its concurrency is raised, while those that fill it still run', async () => {
    const { handler, started, finish, enqueue } = heldQueue('more')
    const worker = await shop.work([handler], { concurrency: 1 })
    const jobs = [await enqueue(), await enqueue(), await enqueue()]
    await untilStarted(started, 1)
    worker.setConcurrency('more', 3)
    await untilStarted(started, 3)
    expect(worker.running).toBe(3)
    finish()
    for (const job of jobs) expect(await shop.end(job)).toMatchObject({ status: 'completed', attempts: 1 })
    worker.setConcurrency('more', 1)
    const two = [await enqueue(), await enqueue()]
    await untilStarted(started, 4)
    await vi.waitFor(async () => expect(await shop.redis.llen(`${shop.keys('more').bullBase}wait`)).toBe(1), PATIENCE)
    finish()
    await untilStarted(started, 5)
    finish()
    for (const job of two) await shop.end(job)
    await worker.close()
  })

  it('refuses a concurrency of 0 or beyond 10,000, and a queue that it does not work', async () => {
    const { handler } = heldQueue('refused')
    const worker = await shop.work([handler])
    for (const wrong of [0, 10_001, 1.5, Number.NaN]) {
      expect(() => worker.setConcurrency('refused', wrong)).toThrow('a whole number from 1 to 10000')
    }
    expect(() => worker.setConcurrency('other', 2)).toThrow('a queue of this worker: refused')
    await worker.close()
  })

  it('is seen with what it runs, follows orders, and closes when told to', async () => {
    const { handler, started, finish, enqueue } = heldQueue('orders')
    const worker = await shop.work([handler], { concurrency: 2 })
    const job = await enqueue()
    await untilStarted(started, 1)
    await vi.waitFor(async () => {
      expect(await beatOf(worker.id)).toMatchObject({
        state: 'run',
        jobs: [{ queue: 'orders', id: job.id, attempt: 1 }],
      })
    }, PATIENCE)
    await orderState(shop.redis, 'drover', worker.id, 'quiet')
    await orderConcurrency(shop.redis, 'drover', worker.id, 'orders', 5)
    await vi.waitFor(async () => {
      expect(await beatOf(worker.id)).toMatchObject({ state: 'quiet', queues: [{ queue: 'orders', concurrency: 5 }] })
    }, PATIENCE)
    finish()
    await shop.end(job)
    await orderState(shop.redis, 'drover', worker.id, 'close')
    expect(await worker.closed).toEqual({ handedBack: 0, abandoned: 0 })
    expect(worker.state).toBe('close')
    expect(await beatOf(worker.id)).toBeUndefined()
  })

  it('is not taken for a hung one while it is quiet', async () => {
    const { handler, started, finish, enqueue } = heldQueue('silent')
    const worker = await shop.work([handler])
    worker.quiet()
    // As long as the watch waits before it builds a consumer anew, and some ticks more.
    const { SILENT_MS } = await import('../../src/worker/fetch-watch.js')
    const quietAt = performance.now()
    await vi.waitFor(() => expect(performance.now() - quietAt).toBeGreaterThan(SILENT_MS + 3_000), PATIENCE)
    expect(worker.rebuilds).toBe(0)
    worker.resume()
    const job = await enqueue()
    await untilStarted(started, 1)
    finish()
    await shop.end(job)
    await worker.close()
  })
})
