import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { defineJob } from '../../src/index.js'
import { listCounters, readCounterSeries } from '../../src/ledger/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startLedgerWorker } from '../support/ledger-worker.js'
import { anything } from '../support/schemas.js'
import { useWorkshop } from '../support/worker.js'

const { server: redis, redis: client, producer } = await useWorkshop()

const newQueue = () => `q-${randomUUID().slice(0, 8)}`
const MINUTE = 60_000
const HOUR = 3_600_000

/** Runs one job per object, each of which adds to the counters named in it. */
async function count(queue: string, ...jobs: Record<string, number>[]) {
  const contract = defineJob({ name: 'count', queue, input: anything })
  const worker = await startLedgerWorker({
    url: redis.url,
    queue,
    run: ({ data }) => ({ status: 'completed', counters: new Map(Object.entries(data as Record<string, number>)) }),
  })
  const handles = await Promise.all(jobs.map((job) => producer.enqueue(contract, job)))
  for (const handle of handles) expect(await producer.results.wait(handle)).toMatchObject({ ok: true })
  await worker.close()
}

describe('counters', () => {
  it('a counter that does not exist reads as 0 and starts at 0', async () => {
    const queue = newQueue()
    expect(await producer.counters.exists(queue, 'bytes')).toBe(false)
    expect(await producer.counters.get(queue, 'bytes')).toBe(0)
    expect(await producer.counters.incr(queue, 'bytes')).toBe(1)
    expect(await producer.counters.incr(queue, 'bytes', 41)).toBe(42)
    expect(await producer.counters.incr(queue, 'bytes', -2)).toBe(40)
    expect(await producer.counters.exists(queue, 'bytes')).toBe(true)
  })

  it('what jobs, the producer and other programs add is one sum', async () => {
    const queue = newQueue()
    await client.incrby(queueKeys('drover', queue).counter('bytes'), 1_000)
    await count(queue, { bytes: 10 }, { bytes: 20, files: 1 })
    await producer.counters.incr(queue, 'bytes', 5)
    expect(await client.get(queueKeys('drover', queue).counter('bytes'))).toBe('1035')
    expect(await producer.counters.get(queue, 'bytes')).toBe(1_035)
  })

  it('a deleted counter is gone from the list and reads as 0, and counts again from there', async () => {
    const queue = newQueue()
    await producer.counters.incr(queue, 'bytes', 7)
    expect(await producer.counters.delete(queue, 'bytes')).toBe(true)
    expect(await producer.counters.delete(queue, 'bytes')).toBe(false)
    expect(await producer.counters.list(queue)).toEqual([])
    expect(await client.exists(queueKeys('drover', queue).counterNames)).toBe(0)
    expect(await producer.counters.get(queue, 'bytes')).toBe(0)
    await count(queue, { bytes: 3 })
    expect(await producer.counters.list(queue)).toEqual([{ name: 'bytes', value: 3 }])
  })

  it('a list has the counters of the queue by name, and null for one that is not an integer', async () => {
    const queue = newQueue()
    await count(queue, { words: 2, bytes: 10 }, { lines: 1 })
    await producer.counters.incr(queue, 'extra')
    await client.set(queueKeys('drover', queue).counter('lines'), 'many')
    expect(await producer.counters.list(queue)).toEqual([
      { name: 'bytes', value: 10 },
      { name: 'extra', value: 1 },
      { name: 'lines', value: null },
      { name: 'words', value: 2 },
    ])
    expect(await listCounters(client, queueKeys('drover', newQueue()))).toEqual([])
  })

  it.each(['1.5', '', ' 1', '0x10', '99999999999999999999'])('the text %j is no counter', async (text) => {
    const queue = newQueue()
    const key = queueKeys('drover', queue).counter('bytes')
    await client.set(key, text)
    await expect(producer.counters.get(queue, 'bytes')).rejects.toMatchObject({ code: 'COUNTER_NOT_INTEGER' })
    await expect(producer.counters.incr(queue, 'bytes')).rejects.toMatchObject({ code: 'COUNTER_NOT_INTEGER' })
    expect(await client.get(key)).toBe(text)
    expect(await client.exists(queueKeys('drover', queue).counterNames)).toBe(0)
  })

  it('a key of another type is no counter', async () => {
    const queue = newQueue()
    await client.rpush(queueKeys('drover', queue).counter('bytes'), 'a')
    await expect(producer.counters.get(queue, 'bytes')).rejects.toMatchObject({ code: 'COUNTER_NOT_INTEGER' })
    await expect(producer.counters.incr(queue, 'bytes')).rejects.toMatchObject({ code: 'COUNTER_NOT_INTEGER' })
  })

  it('a sum beyond 64 bits is refused and changes nothing', async () => {
    const queue = newQueue()
    const key = queueKeys('drover', queue).counter('bytes')
    await client.set(key, '9223372036854775000')
    await expect(producer.counters.incr(queue, 'bytes', 1_000)).rejects.toMatchObject({ code: 'COUNTER_OVERFLOW' })
    expect(await client.get(key)).toBe('9223372036854775000')
    expect(await producer.counters.get(queue, 'bytes')).toBe(9_223_372_036_854_775_000)
  })

  it.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', null])('adding %j is refused', async (by) => {
    await expect(producer.counters.incr(newQueue(), 'n', by as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  it.each([
    ['a:b', 'n', 'INVALID_QUEUE_NAME'],
    ['a', 'n}', 'INVALID_COUNTER_NAME'],
    ['a', '', 'INVALID_COUNTER_NAME'],
  ])('queue %j and counter %j are refused with %s', async (queue, name, code) => {
    await expect(producer.counters.get(queue, name)).rejects.toMatchObject({ code })
    await expect(producer.counters.incr(queue, name)).rejects.toMatchObject({ code })
    await expect(producer.counters.read(queue, name)).rejects.toMatchObject({ code })
  })
})

describe('the series of a counter', () => {
  it('has what jobs and the producer added in each minute', async () => {
    const queue = newQueue()
    const before = Date.now()
    await count(queue, { bytes: 10 }, { bytes: 20 })
    await producer.counters.incr(queue, 'bytes', -5)
    const series = await producer.counters.read(queue, 'bytes', { since: new Date(before - 5 * MINUTE) })
    expect(series[0]).toEqual({ at: Math.floor((before - 5 * MINUTE) / MINUTE) * MINUTE, value: 0 })
    expect(series.every(({ at }, index) => at === (series[0]?.at ?? 0) + index * MINUTE)).toBe(true)
    expect(series.reduce((sum, { value }) => sum + value, 0)).toBe(25)
    expect(series.slice(0, 5).map(({ value }) => value)).toEqual([0, 0, 0, 0, 0])
  })

  it('is kept for 48 hours by minute, also where the producer alone counts', async () => {
    const queue = newQueue()
    const keys = queueKeys('drover', queue)
    const before = Math.floor(Date.now() / MINUTE)
    await producer.counters.incr(queue, 'bytes')
    await producer.counters.incr(queue, 'bytes')
    const ttls = await Promise.all([0, 1].map((later) => client.ttl(keys.stats(before + later))))
    expect(Math.max(...ttls)).toBeGreaterThan(172_700)
    expect(Math.max(...ttls)).toBeLessThanOrEqual(172_800)
  })

  it('adds the minutes of an hour that is not rolled up, and takes the hash of one that is', async () => {
    const keys = queueKeys('drover', newQueue())
    const nowMs = 500_000 * HOUR + 30 * MINUTE
    await client.hset(keys.stats(500_000 * 60), '#bytes', 1)
    await client.hset(keys.stats(500_000 * 60 + 29), '#bytes', 2)
    await client.hset(keys.stats(499_999 * 60 + 59), '#bytes', 4)
    await client.hset(keys.stats(499_998 * 60), '#bytes', 8)
    await client.hset(keys.statsHour(499_998), '#bytes', 16)
    await client.hset(keys.statsHour(499_900), '#bytes', 32)
    const series = await readCounterSeries(client, keys, 'bytes', { sinceMs: nowMs - 100 * HOUR, by: 'hour', nowMs })
    expect(series).toHaveLength(101)
    expect(series.filter(({ value }) => value !== 0)).toEqual([
      { at: 499_900 * HOUR, value: 32 },
      { at: 499_998 * HOUR, value: 16 },
      { at: 499_999 * HOUR, value: 4 },
      { at: 500_000 * HOUR, value: 3 },
    ])
  })

  it('reaches back 48 hours by minute and 90 days by hour', async () => {
    const queue = newQueue()
    const stepsOf = async (...range: Parameters<typeof producer.counters.read>) =>
      (await producer.counters.read(...range)).length
    // One more where a minute, or an hour, begins meanwhile.
    expect([47 * 60 + 1, 47 * 60 + 2]).toContain(await stepsOf(queue, 'n', { since: '47h' }))
    await expect(producer.counters.read(queue, 'n', { since: '49h' })).rejects.toMatchObject({ option: 'since' })
    expect([89 * 24 + 1, 89 * 24 + 2]).toContain(await stepsOf(queue, 'n', { since: '89d', by: 'hour' }))
    await expect(producer.counters.read(queue, 'n', { since: '91d', by: 'hour' })).rejects.toMatchObject({
      option: 'since',
    })
  })

  it.each([
    [{ since: Date.now() + HOUR }, 'INVALID_OPTION'],
    [{ since: 'yesterday' }, 'INVALID_OPTION'],
    [{ since: new Date(Number.NaN) }, 'INVALID_OPTION'],
    [{ by: 'day' }, 'INVALID_OPTION'],
    [{ form: 1 }, 'UNKNOWN_OPTION'],
  ])('%j is refused with %s', async (options, code) => {
    await expect(producer.counters.read(newQueue(), 'n', options as never)).rejects.toMatchObject({ code })
  })
})
