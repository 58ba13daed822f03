import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob, type EnqueueBulkOptions } from '../../src/index.js'
import { BullQueues, newJob } from '../../src/producer/bull-queues.js'
import { RedisGate } from '../../src/producer/redis-gate.js'
import { sendJobs } from '../../src/producer/send-jobs.js'
import { parseRedisUrl, queueKeys } from '../../src/redis/index.js'
import { useWorkshop } from '../support/worker.js'

const { server: redis, redis: client, producer } = await useWorkshop()

function job(maxInputBytes = 262_144) {
  return defineJob({
    name: 'count',
    queue: `q-${randomUUID().slice(0, 8)}`,
    input: z.object({ n: z.number(), text: z.string().optional() }),
    maxInputBytes,
  })
}
async function inputs(queue: string) {
  const { bullBase } = queueKeys('drover', queue)
  const ids = (await client.lrange(`${bullBase}wait`, 0, -1)).reverse()
  const texts = await Promise.all(ids.map((id) => client.hget(bullBase + id, 'data')))
  return { ids, numbers: texts.map((text) => JSON.parse(text ?? '').n as number) }
}
function* count(to: number) {
  for (let n = 0; n < to; n++) yield { n }
}
const range = (to: number) => Array.from({ length: to }, (_, n) => n)

describe('enqueueBulk', () => {
  it('inputs of an array, an iterable and an async iterable are enqueued in their order', async () => {
    async function* countSlowly(to: number) {
      for (const input of count(to)) yield await Promise.resolve(input)
    }
    for (const source of [[...count(120)], count(120), countSlowly(120)]) {
      const contract = job()
      const handle = await producer.enqueueBulk(contract, source, { chunkSize: 50 })
      expect(handle.count).toBe(120)
      expect(await inputs(contract.queue)).toEqual({ ids: handle.ids, numbers: range(120) })
    }
  })

  it('progress is told after each chunk, when its jobs are in Redis', async () => {
    const contract = job()
    const told: number[] = []
    await producer.enqueueBulk(contract, count(110), {
      chunkSize: 50,
      onProgress: ({ enqueued }) => told.push(enqueued),
    })
    expect(told).toEqual([50, 100, 110])
  })

  it('inputs are read one chunk ahead at most', async () => {
    const contract = job()
    let read = 0
    let furthest = 0
    function* reading() {
      for (const input of count(1_000)) {
        read++
        yield input
      }
    }
    await producer.enqueueBulk(contract, reading(), {
      chunkSize: 20,
      onProgress: ({ enqueued }) => {
        furthest = Math.max(furthest, read - enqueued)
      },
    })
    expect(furthest).toBeLessThanOrEqual(20)
  })

  it('large inputs are sent in smaller chunks', async () => {
    const contract = job(4_000_000)
    const told: number[] = []
    const text = 'x'.repeat(800_000)
    await producer.enqueueBulk(
      contract,
      [1, 2, 3, 4, 5, 6].map((n) => ({ n, text })),
      {
        onProgress: ({ enqueued }) => told.push(enqueued),
      },
    )
    expect(told).toEqual([3, 6])
  })

  it('options hold for every job of the bulk', async () => {
    const contract = job()
    const at = Date.now() + 3_600_000
    const { ids } = await producer.enqueueBulk(contract, count(3), { at, attempts: 9 })
    const { bullBase } = queueKeys('drover', contract.queue)
    for (const id of ids) {
      const { timestamp, delay, opts } = await client.hgetall(bullBase + id)
      expect(Number(timestamp) + Number(delay)).toBe(at)
      expect(JSON.parse(opts ?? '')).toMatchObject({ attempts: 9 })
    }
  })

  it('a bad input is told with its index and cause, and its whole chunk is not sent', async () => {
    const contract = job()
    const bad = [...count(25), { n: Number.NaN }, ...count(10)]
    const error = await producer.enqueueBulk(contract, bad, { chunkSize: 10 }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'BULK_ITEM_INVALID', index: 25, enqueued: 20, cause: { code: 'NOT_JSON' } })
    expect((await inputs(contract.queue)).numbers).toEqual(range(20))
    const wrong = producer.enqueueBulk(contract, [{ n: 'one' } as never])
    await expect(wrong).rejects.toMatchObject({ index: 0, enqueued: 0, cause: { code: 'INVALID_INPUT' } })
  })

  it('what the inputs throw ends the bulk after the chunks that were whole', async () => {
    const contract = job()
    function* breaking() {
      yield* count(25)
      throw new Error('the file ended early')
    }
    const broken = producer.enqueueBulk(contract, breaking(), { chunkSize: 10 })
    await expect(broken).rejects.toThrow('the file ended early')
    expect((await inputs(contract.queue)).numbers).toEqual(range(20))
  })

  it('what onProgress throws ends the bulk', async () => {
    const contract = job()
    const onProgress = () => {
      throw new Error('enough')
    }
    await expect(producer.enqueueBulk(contract, count(100), { chunkSize: 10, onProgress })).rejects.toThrow('enough')
    expect((await inputs(contract.queue)).numbers).toEqual(range(10))
  })

  it("BullMQ's error code in place of an id is an error, not an enqueued job", async () => {
    const contract = job()
    const gate = new RedisGate(parseRedisUrl(redis.url), 60_000, { durability: 'standard', allowVolatile: false })
    const queues = new BullQueues(gate.client, 'drover')
    const options = { attempts: 1, backoff: { type: 'drover' }, stackTraceLimit: 10 }
    const good = newJob('count', 'good', '{"n":1}', options, Date.now())
    // BullMQ refuses a child of a parent that is not there, with -5.
    const bad = { ...newJob('count', 'bad', '{"n":2}', options, Date.now()) }
    Object.assign(bad.job, { parentKey: `${queueKeys('drover', contract.queue).bullBase}missing` })
    const call = { operation: 'the enqueue', startedMs: performance.now() }
    const sending = sendJobs(gate, queues.get(contract.queue), [good, bad], call)
    await expect(sending).rejects.toMatchObject({ code: 'REDIS_REFUSED', reply: expect.stringContaining('-5') })
    await gate.close()
  })

  it('closing the producer ends a bulk that is still being read', async () => {
    const closing = createProducer({ redis: redis.url })
    const contract = job()
    async function* endless() {
      for (let n = 0; ; n++) yield await Promise.resolve({ n })
    }
    let closed: Promise<void> | undefined
    const onProgress = () => {
      closed ??= closing.close()
    }
    const bulk = closing.enqueueBulk(contract, endless(), { chunkSize: 10, onProgress })
    await expect(bulk).rejects.toMatchObject({ code: 'CLOSED' })
    await closed
    expect((await inputs(contract.queue)).numbers).toEqual(range(10))
  })

  it.each([
    [[], {}, 'EMPTY_BULK'],
    ['text', {}, 'INVALID_OPTION'],
    [7, {}, 'INVALID_OPTION'],
    [[{ n: 1 }], { chunkSize: 0 }, 'INVALID_OPTION'],
    [[{ n: 1 }], { chunkSize: 5_001 }, 'INVALID_OPTION'],
    [[{ n: 1 }], { onProgress: 1 }, 'INVALID_OPTION'],
    [[{ n: 1 }], { id: 'same' }, 'UNKNOWN_OPTION'],
    [[{ n: 1 }], { delay: -1 }, 'INVALID_OPTION'],
  ])('%j with %j is refused with %s and nothing is sent', async (source, options, code) => {
    const contract = job()
    const bulk = producer.enqueueBulk(contract, source as never, options as EnqueueBulkOptions)
    await expect(bulk).rejects.toMatchObject({ code })
    expect(await client.keys(`*${contract.queue}*`)).toEqual([])
  })
})
