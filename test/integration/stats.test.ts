import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { defineJob } from '../../src/index.js'
import {
  bucketOf,
  percentilesOf,
  readCounterSeries,
  readStats,
  readTotals,
  rollUpStats,
  sumStats,
} from '../../src/ledger/index.js'
import { type KeysOfQueue, queueKeys } from '../../src/redis/index.js'
import { startLedgerWorker } from '../support/ledger-worker.js'
import { anything } from '../support/schemas.js'
import { useWorkshop } from '../support/worker.js'

const MINUTE = 60_000
const HOUR = 3_600_000

const { server: redis, redis: client, producer } = await useWorkshop()

const newKeys = () => queueKeys('drover', `q-${randomUUID().slice(0, 8)}`)

describe('totals and stats of real jobs', () => {
  it('completed, failed and retried jobs are counted once, each under its name', async () => {
    const queue = `q-${randomUUID().slice(0, 8)}`
    const keys = queueKeys('drover', queue)
    const good = defineJob({ name: 'good', queue, input: anything })
    const bad = defineJob({ name: 'bad', queue, input: anything, attempts: 3 })
    const worker = await startLedgerWorker({
      url: redis.url,
      queue,
      run: ({ name }) => ({ status: name === 'good' ? 'completed' : 'failed', runMs: name === 'good' ? 40 : 400 }),
    })
    const before = Date.now()
    const { ids } = await producer.enqueueBulk(
      good,
      Array.from({ length: 30 }, () => 1),
    )
    const failing = await Promise.all([producer.enqueue(bad, 1), producer.enqueue(bad, 2)])
    for (const handle of [...ids.map((id) => ({ id, queue })), ...failing]) await producer.results.wait(handle)
    await worker.close()

    expect(await readTotals(client, keys)).toEqual(
      new Map([
        ['bad', { completed: 0, failed: 2, retried: 4 }],
        ['good', { completed: 30, failed: 0, retried: 0 }],
      ]),
    )
    const steps = await readStats(client, keys, { sinceMs: before, step: 'minute' })
    const sums = sumStats(steps)
    expect(sums.get('good')).toMatchObject({ completed: 30, failed: 0, retried: 0 })
    expect(sums.get('bad')).toMatchObject({ completed: 0, failed: 2, retried: 4 })
    expect(sums.get('good')?.run[bucketOf(40)]).toBe(30)
    expect(sums.get('bad')?.run[bucketOf(400)]).toBe(2)
    const count = (buckets: readonly number[] = []) => buckets.reduce((sum, n) => sum + n, 0)
    expect(count(sums.get('good')?.wait)).toBe(30)
    // A retried job waited for its backoff too, which is not the queue's doing.
    expect(count(sums.get('bad')?.wait)).toBe(0)
    const byHour = await readStats(client, keys, { sinceMs: before, step: 'hour' })
    expect(sumStats(byHour)).toEqual(sums)
  })
})

describe('readStats', () => {
  it('gives every step of the span, oldest first, quiet ones empty', async () => {
    const keys = newKeys()
    const nowMs = 30_000_000 * MINUTE + 1
    await client.hset(keys.stats(30_000_000), 'a|c|3|0', 2, 'a|c|3|-', 1, 'a|f|4|2', 5, 'a|r', 7, '#bytes', 9)
    await client.hset(keys.stats(29_999_998), 'b.c|c|0|19', 1, 'a|x|1|1', 3, 'junk', 4)
    const steps = await readStats(client, keys, { sinceMs: nowMs - 3 * MINUTE, step: 'minute', nowMs })
    expect(steps.map(({ at }) => at / MINUTE)).toEqual([29_999_997, 29_999_998, 29_999_999, 30_000_000])
    expect(steps.map(({ jobs }) => [...jobs.keys()])).toEqual([[], ['b.c'], [], ['a']])
    const a = steps[3]?.jobs.get('a')
    expect(a).toMatchObject({ completed: 3, failed: 5, retried: 7 })
    expect(a?.run.map((n, bucket) => [bucket, n]).filter(([, n]) => n)).toEqual([
      [3, 3],
      [4, 5],
    ])
    expect(a?.wait.map((n, bucket) => [bucket, n]).filter(([, n]) => n)).toEqual([
      [0, 2],
      [2, 5],
    ])
    expect(a?.run).toHaveLength(20)
    expect(percentilesOf(a?.run ?? [])).toEqual({
      p50: expect.any(Number),
      p95: expect.any(Number),
      p99: expect.any(Number),
    })
    expect(percentilesOf([])).toEqual({ p50: null, p95: null, p99: null })
  })

  it.each([
    [-1, 'minute'],
    [48 * 60, 'minute'],
    [Number.NaN, 'minute'],
    [90 * 24 * 60, 'hour'],
  ] as const)('a span that starts %d minutes ago by %s is refused', async (minutes, step) => {
    const nowMs = Date.now()
    const span = { sinceMs: nowMs - minutes * MINUTE, step, nowMs }
    await expect(readStats(client, newKeys(), span)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'since' })
  })

  it('a whole span of minutes is read in pieces', async () => {
    const keys = newKeys()
    const nowMs = 30_000_000 * MINUTE
    for (const minute of [29_997_121, 29_998_000, 30_000_000]) await client.hset(keys.stats(minute), 'a|r', 1)
    const steps = await readStats(client, keys, { sinceMs: 29_997_121 * MINUTE, step: 'minute', nowMs })
    expect(steps).toHaveLength(2_880)
    expect(steps.filter(({ jobs }) => jobs.size > 0).map(({ at }) => at / MINUTE)).toEqual([
      29_997_121, 29_998_000, 30_000_000,
    ])
  })
})

describe('rolling minutes up to hours', () => {
  const hour = 500_000
  async function fill(keys: KeysOfQueue) {
    const pipeline = client.pipeline()
    for (let minute = 0; minute < 60; minute++) {
      pipeline.hset(
        keys.stats(hour * 60 + minute),
        'a|c|1|1',
        2,
        'a|r',
        1,
        '#bytes',
        minute === 0 ? '9007199254740993' : 3,
      )
    }
    await pipeline.exec()
  }
  const settled = (hour + 1) * HOUR + 10 * MINUTE

  it('an hour is the sum of its minutes, to the last digit, and kept for 90 days', async () => {
    const keys = newKeys()
    await fill(keys)
    expect(await rollUpStats(client, keys, settled)).toEqual([hour * HOUR])
    expect(await client.hgetall(keys.statsHour(hour))).toEqual({
      'a|c|1|1': '120',
      'a|r': '60',
      '#bytes': '9007199254741170',
    })
    expect(await client.ttl(keys.statsHour(hour))).toBeGreaterThan(89 * 86_400)
    expect(await client.exists(keys.stats(hour * 60))).toBe(1)
  })

  it('rolling up again, and by many at once, changes nothing', async () => {
    const keys = newKeys()
    await fill(keys)
    const written = await Promise.all(Array.from({ length: 8 }, () => rollUpStats(client, keys, settled)))
    expect(written.flat()).toEqual([hour * HOUR])
    const first = await client.hgetall(keys.statsHour(hour))
    expect(await rollUpStats(client, keys, settled + HOUR)).toEqual([])
    expect(await client.hgetall(keys.statsHour(hour))).toEqual(first)
    expect(first['a|c|1|1']).toBe('120')
  })

  it('an hour stays open for 10 minutes after its end, and the present one always', async () => {
    const keys = newKeys()
    await fill(keys)
    expect(await rollUpStats(client, keys, settled - 1)).toEqual([])
    expect(await rollUpStats(client, keys, hour * HOUR + 30 * MINUTE)).toEqual([])
    expect(await client.exists(keys.statsHour(hour))).toBe(0)
  })

  it('hours are caught up with as far as their minutes reach, and quiet ones are left out', async () => {
    const keys = newKeys()
    const now = settled + 46 * HOUR
    await client.hset(keys.stats(hour * 60 + 59), 'a|r', 1)
    await client.hset(keys.stats((hour + 20) * 60), 'a|r', 2)
    await client.hset(keys.stats((hour - 1) * 60), 'a|r', 4)
    expect(await rollUpStats(client, keys, now)).toEqual([hour * HOUR, (hour + 20) * HOUR])
    expect(await client.exists(keys.statsHour(hour + 1), keys.statsHour(hour - 1))).toBe(0)
  })

  it('a key of another type among the minutes is passed over', async () => {
    const keys = newKeys()
    await fill(keys)
    await client.set(keys.stats(hour * 60 + 5), 'a stranger was here')
    await rollUpStats(client, keys, settled)
    expect(await client.hget(keys.statsHour(hour), 'a|r')).toBe('59')
  })

  it('hours read the same before and after', async () => {
    const keys = newKeys()
    await fill(keys)
    const span = { sinceMs: (hour - 3) * HOUR, step: 'hour', nowMs: settled } as const
    const series = { sinceMs: span.sinceMs, by: 'hour', nowMs: settled } as const
    const read = async () => [
      await readStats(client, keys, span),
      await readCounterSeries(client, keys, 'bytes', series),
    ]
    const before = await read()
    await rollUpStats(client, keys, settled)
    expect(await read()).toEqual(before)
  })
})
