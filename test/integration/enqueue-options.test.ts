import { randomUUID } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { createProducer, defineJob, type EnqueueOptions } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { handle } from '../../src/worker/index.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()
const { producer, redis } = shop

function job(options: object = {}) {
  return defineJob({
    name: 'report',
    queue: `q-${randomUUID().slice(0, 8)}`,
    input: anything,
    backoff: { delay: 0 },
    ...options,
  })
}
const codeOf = (call: Promise<unknown>) => call.then(() => 'ok').catch((error: { code?: unknown }) => error.code)
const later = async () => {
  const at = Date.now()
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(at + 5), PATIENCE)
}

describe('startBy', () => {
  it('passed before the first attempt fails the job with its code, and its handler never runs', async () => {
    const contract = job()
    const late = await producer.enqueue(contract, 'late', { startBy: 1, attempts: 5 })
    const soon = await producer.enqueue(contract, 'in time', { startBy: '1h' })
    await later()
    const ran: unknown[] = []
    const worker = await shop.work([handle(contract, (input) => void ran.push(input))])
    const record = await shop.end(late)
    expect(record).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'START_BY_PASSED' } })
    expect((await shop.end(soon)).status).toBe('completed')
    expect(ran).toEqual(['in time'])
    expect(await redis.hget(queueKeys('drover', contract.queue).totals, 'report:failed')).toBe('1')
    await worker.close()
  })

  it('passed between two attempts is no matter: the job had begun', async () => {
    const contract = job()
    const { id, queue } = await producer.enqueue(contract, 1, { startBy: '10m' })
    const startBy = () => redis.hget(queueKeys('drover', queue).bullBase + id, 'opts')
    expect(JSON.parse((await startBy()) ?? '')).toMatchObject({ startBy: 600_000 })
    let runs = 0
    const worker = await shop.work([
      handle(contract, async () => {
        runs++
        if (runs > 1) return
        // As if the ten minutes had passed while this attempt ran.
        const opts = JSON.parse((await startBy()) ?? '')
        await redis.hset(queueKeys('drover', queue).bullBase + id, 'opts', JSON.stringify({ ...opts, startBy: 1 }))
        throw new Error('try again')
      }),
    ])
    expect((await shop.end({ queue, id })).status).toBe('completed')
    expect(runs).toBe(2)
    await worker.close()
  })

  it('is a duration, a Date or ISO 8601, ahead and after the delay', async () => {
    const contract = job()
    const inAnHour = new Date(Date.now() + 3_600_000)
    for (const startBy of [inAnHour, inAnHour.toISOString(), '60m'] as const) {
      const { id } = await producer.enqueue(contract, 1, { startBy, delay: '59m' })
      const { opts } = await redis.hgetall(queueKeys('drover', contract.queue).bullBase + id)
      expect(JSON.parse(opts ?? '').startBy).toBeGreaterThan(3_500_000)
    }
    const bad: EnqueueOptions['startBy'][] = [0, '366d', new Date(0), new Date(Number.NaN), 'tomorrow' as never]
    for (const startBy of bad) expect(await codeOf(producer.enqueue(contract, 1, { startBy }))).toBe('INVALID_OPTION')
    expect(await codeOf(producer.enqueue(contract, 1, { startBy: '1m', delay: '1m' }))).toBe('INVALID_OPTION')
  })
})

describe('keepResult', () => {
  it('of an enqueue decides how long the result is kept, of completed and of failed jobs', async () => {
    const contract = job({ attempts: 1, keepResult: '24h' })
    const worker = await shop.work([
      handle(contract, (input) => {
        if (input === 'fail') throw new Error('as told')
        return input
      }),
    ])
    for (const input of ['complete', 'fail']) {
      const handled = await producer.enqueue(contract, input, { keepResult: '10m' })
      await shop.end(handled)
      const ttl = await redis.pttl(queueKeys('drover', contract.queue).result(handled.id))
      expect(ttl).toBeGreaterThan(500_000)
      expect(ttl).toBeLessThanOrEqual(600_000)
    }
    await worker.close()
    for (const keepResult of [999, '366d', 'long' as never] as const) {
      expect(await codeOf(producer.enqueue(contract, 1, { keepResult }))).toBe('INVALID_OPTION')
    }
  })
})

describe('tags', () => {
  it('find their jobs, newest first, page by page, and are listed', async () => {
    const contract = job()
    const ids: string[] = []
    for (let n = 0; n < 25; n++) {
      const { id } = await producer.enqueue(contract, n, { tags: n % 5 === 0 ? ['customer:7', 'vip'] : ['customer:7'] })
      ids.push(id)
    }
    await producer.enqueue(contract, 'untagged')
    const seen: string[] = []
    let after: string | undefined
    do {
      const page = await producer.jobs.byTag(contract.queue, 'customer:7', { limit: 4, after })
      expect(page.jobs.length).toBeLessThanOrEqual(4)
      seen.push(...page.jobs.map(({ id }) => id))
      after = page.next
    } while (after !== undefined)
    expect([...seen].sort()).toEqual([...ids].sort())
    const times = new Map(
      await Promise.all(seen.map(async (id) => [id, Number(await timeOf(contract.queue, id))] as const)),
    )
    const order = seen.map((id) => times.get(id) ?? 0)
    expect(order).toEqual([...order].sort((a, b) => b - a))
    expect((await producer.jobs.byTag(contract.queue, 'vip')).jobs).toHaveLength(5)
    expect((await producer.jobs.byTag(contract.queue, 'nobody')).jobs).toEqual([])
    expect((await producer.jobs.tags(contract.queue)).sort()).toEqual(['customer:7', 'vip'])
  })
  const timeOf = (queue: string, id: string) => redis.hget(queueKeys('drover', queue).bullBase + id, 'timestamp')

  it('are kept for the newest 10,000 jobs and 30 days', async () => {
    const contract = job()
    const keys = queueKeys('drover', contract.queue)
    const now = Date.now()
    const old = Array.from({ length: 10_050 }, (_, n) => [now - 60_000 - n, `old-${n}`]).flat()
    await redis.call('ZADD', keys.tagged('busy'), ...old.map(String))
    await redis.zadd(keys.tagged('old'), String(now - 31 * 86_400_000), 'gone')
    const { id } = await producer.enqueue(contract, 1, { tags: ['busy', 'old'] })
    expect(await redis.zcard(keys.tagged('busy'))).toBe(10_000)
    expect(await redis.zrange(keys.tagged('old'), '0', '-1')).toEqual([id])
    for (const key of [keys.tagged('busy'), keys.tags]) {
      expect(await redis.pttl(key)).toBeGreaterThan(29.9 * 86_400_000)
    }
  })

  it('of a bulk go with every job, and a stranger at their key takes no job away', async () => {
    const contract = job()
    await redis.set(queueKeys('drover', contract.queue).tagged('taken'), 'a string')
    const { ids } = await producer.enqueueBulk(contract, [1, 2, 3], { tags: ['taken', 'free'] })
    const { jobs } = await producer.jobs.byTag(contract.queue, 'free')
    expect(jobs.map(({ id }) => id).sort()).toEqual([...ids].sort())
    expect(await redis.llen(`${queueKeys('drover', contract.queue).bullBase}wait`)).toBe(3)
  })

  it.each([
    ['a text', 'vip'],
    ['eleven', Array.from({ length: 11 }, (_, n) => `t${n}`)],
    ['a space', ['a b']],
    ['a number', [7]],
  ])('%s as tags is INVALID_OPTION', async (_what, tags) => {
    expect(await codeOf(producer.enqueue(job(), 1, { tags: tags as never }))).toBe('INVALID_OPTION')
  })

  it('searches refuse a bad tag, limit, page and option', async () => {
    const { queue } = job()
    expect(await codeOf(producer.jobs.byTag(queue, 'a b'))).toBe('INVALID_OPTION')
    expect(await codeOf(producer.jobs.byTag(queue, 'a', { limit: 0 }))).toBe('INVALID_OPTION')
    expect(await codeOf(producer.jobs.byTag(queue, 'a', { after: 'x' }))).toBe('INVALID_OPTION')
    expect(await codeOf(producer.jobs.byTag(queue, 'a', { size: 1 } as never))).toBe('UNKNOWN_OPTION')
    expect(await codeOf(producer.jobs.byTag('a b', 'a'))).toBe('INVALID_QUEUE_NAME')
  })
})

describe('maxDepth', () => {
  it('is exact for producers at the same time, and counts waiting, prioritized and delayed jobs', async () => {
    const contract = job({ maxDepth: 10 })
    const other = createProducer({ redis: shop.server.url })
    const kinds: EnqueueOptions[] = [{}, { delay: '1h' }, { priority: 2 }]
    const codes = await Promise.all(
      Array.from({ length: 60 }, (_, n) => codeOf((n % 2 ? producer : other).enqueue(contract, n, kinds[n % 3]))),
    )
    await other.close()
    expect(codes.filter((code) => code === 'ok')).toHaveLength(10)
    expect(codes.filter((code) => code === 'QUEUE_FULL')).toHaveLength(50)
    const error = await producer.enqueue(contract, 1).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'QUEUE_FULL', queue: contract.queue, depth: 10, maxDepth: 10 })
    expect(await codeOf(producer.enqueue(contract, 1, { maxDepth: 11 }))).toBe('ok')
  })

  it('with wait enqueues when there is room, and gives up after the timeout', async () => {
    const contract = job({ maxDepth: 5, onFull: 'wait' })
    const hasty = createProducer({ redis: shop.server.url, timeout: 2_000 })
    await producer.enqueueBulk(contract, [1, 2, 3, 4, 5])
    expect(await codeOf(hasty.enqueue(contract, 6))).toBe('QUEUE_FULL')
    await hasty.close()
    const waits = producer.enqueueBulk(
      contract,
      Array.from({ length: 40 }, (_, n) => n),
    )
    const depths: number[] = []
    const worker = await shop.work([
      handle(contract, async () => {
        depths.push(await redis.llen(`${queueKeys('drover', contract.queue).bullBase}wait`))
      }),
    ])
    expect((await waits).count).toBe(40)
    await vi.waitFor(() => expect(depths).toHaveLength(45), PATIENCE)
    expect(Math.max(...depths)).toBeLessThanOrEqual(5)
    await worker.close()
  })

  it('lets a known key and a known unique job through a full queue', async () => {
    const contract = job({ maxDepth: 2 })
    const keyed = await producer.enqueue(contract, 1, { key: 'k' })
    const unique = await producer.enqueue(contract, 2, { unique: {} })
    expect(await producer.enqueue(contract, 1, { key: 'k' })).toEqual({ ...keyed, deduplicated: true })
    expect(await producer.enqueue(contract, 2, { unique: {} })).toEqual({ ...unique, deduplicated: true })
    expect(await codeOf(producer.enqueue(contract, 3, { key: 'other' }))).toBe('QUEUE_FULL')
    expect(await redis.exists(queueKeys('drover', contract.queue).key('report:other'))).toBe(0)
  })
})
