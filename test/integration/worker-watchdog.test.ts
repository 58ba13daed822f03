// A worker that is alive but takes nothing notices by itself, and reads its queue again.
import { RedisQueueBackend } from 'bullmq'
import { afterEach, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { handle } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()
afterEach(() => vi.restoreAllMocks())

const input = z.object({ n: z.number() })
const STUCK = 'the queue was not read although Redis answers: its consumer is built anew'

it.each(['waitForJob', 'moveToActive'] as const)(
  'a reply to %s that never comes costs 15 s, and no job: running ones finish over the old consumer',
  async (method) => {
    const queue = `hangs-${method}`
    const contract = defineJob({ name: 'job', queue, input, attempts: 1 })
    const gate = createGate()
    const started: number[] = []
    const handler = handle(contract, async ({ n }, ctx) => {
      started.push(n)
      ctx.counter('n').add()
      if (n === 1) await gate.promise
    })
    const worker = await shop.work([handler], { concurrency: 2 })
    const first = await shop.producer.enqueue(contract, { n: 1 })
    await vi.waitFor(() => expect(started).toEqual([1]), PATIENCE)
    // As when a client loses a command in a reconnect: its promise stays pending for ever.
    const hangs = vi
      .spyOn(RedisQueueBackend.prototype, method)
      .mockImplementation((() => new Promise(() => undefined)) as never)
    await vi.waitFor(() => expect(hangs).toHaveBeenCalled(), PATIENCE)
    hangs.mockRestore()
    const second = await shop.producer.enqueue(contract, { n: 2 })
    expect(await shop.end(second)).toMatchObject({ status: 'completed' })
    expect(worker.rebuilds).toBe(1)
    expect(worker.lines.filter(({ msg }) => msg === STUCK)).toMatchObject([{ level: 50, queue, rebuilds: 1 }])
    gate.open()
    expect(await shop.end(first)).toMatchObject({ status: 'completed', attempts: 1 })
    expect([started, await shop.producer.counters.get(queue, 'n')]).toEqual([[1, 2], 2])
    expect(await worker.close()).toEqual({ handedBack: 0, abandoned: 0 })
  },
)

it('a worker whose sockets fell silent takes jobs again over new ones', async () => {
  const contract = defineJob({ name: 'job', queue: 'half-open', input, attempts: 1 })
  const proxy = await startFaultProxy({ target: shop.server.url })
  try {
    const worker = await shop.work([handle(contract, ({ n }) => n)], { redis: proxy.url })
    expect(await shop.end(await shop.producer.enqueue(contract, { n: 1 }))).toMatchObject({ value: 1 })
    const silenced = performance.now()
    proxy.set('silent', 'open')
    const job = await shop.producer.enqueue(contract, { n: 2 })
    expect(await shop.end(job)).toMatchObject({ value: 2 })
    process.stdout.write(`half-open: resumed after ${Math.round(performance.now() - silenced)} ms\n`)
    expect(worker.rebuilds).toBe(0)
  } finally {
    await proxy.close()
  }
})
