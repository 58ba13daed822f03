// A cluster that moves the slot of a queue to another node while jobs come and run.
import { expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createProducer } from '../../src/producer/index.js'
import { queueTag } from '../../src/redis/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import type { TestRedis } from '../support/redis.js'
import { startCluster } from '../support/redis-topologies.js'
import { PATIENCE } from '../support/until.js'
import { collectLog } from '../support/worker.js'

const contract = defineJob({ name: 'job', queue: 'media', input: z.object({ waits: z.boolean() }) })

const refusals = async (nodes: readonly TestRedis[]) => {
  const texts = await Promise.all(nodes.map((node) => node.cli('INFO', 'errorstats')))
  return texts.reduce((sum, text) => sum + Number(/errorstat_TRYAGAIN:count=(\d+)/.exec(text)?.[1] ?? 0), 0)
}

it('writes nothing of a job on one node while the rest of its keys is on another', async () => {
  const cluster = await startCluster({ downAfterMs: 5_000 })
  let open: (() => void) | undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const handler = handle(contract, async ({ waits }, ctx) => {
    if (waits) await gate
    ctx.counter('n').add()
    return null
  })
  const producer = createProducer({ redis: cluster.url, timeout: '60s' })
  const worker = await createWorker({ redis: cluster.url, handlers: [handler], logger: collectLog().logger })
  try {
    const first = await producer.enqueue(contract, { waits: false })
    await producer.results.wait(first, { timeout: '60s' })
    const held = await producer.enqueue(contract, { waits: true })
    await vi.waitUntil(() => worker.running === 1, PATIENCE)
    const slot = await cluster.slotOf(queueTag('drover', 'media'))
    const from = await cluster.ownerOf(slot)
    const to = cluster.nodes.slice(0, 3).find((node) => node !== from) as TestRedis
    let late: Promise<{ readonly id: string }> | undefined
    await cluster.moveSlot(slot, from, to, {
      // The hashes of jobs go first: BullMQ's lists, the counters and the stats are still where they were.
      movesFirst: (key) => /:media:[\w-]{20}$/.test(key),
      during: async () => {
        const before = await refusals([from, to])
        open?.()
        late = producer.enqueue(contract, { waits: false })
        await vi.waitUntil(async () => (await refusals([from, to])) > before + 3, PATIENCE)
      },
    })
    for (const job of [held, await late]) {
      const id = job?.id ?? ''
      const outcome = await producer.results.wait({ id, queue: 'media' }, { timeout: '60s' })
      expect(outcome).toMatchObject({ ok: true })
    }
    expect(await producer.counters.get('media', 'n')).toBe(3)
    // Loaded on each master, of which two had a commit.
    for (const node of cluster.nodes.slice(0, 3))
      expect(await node.cli('FUNCTION', 'LIST')).toContain('drover_droverCommit_')
    expect(await to.cli('HGETALL', '{drover:media}:totals')).toBe('job:completed\n3')
    expect(await to.cli('EXISTS', '{drover:media}:absent')).toBe('0')
  } finally {
    open?.()
    await producer.close()
    await worker.close()
    await cluster.close()
  }
})
