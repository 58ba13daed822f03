// The series behind the overview's charts: which hashes a point is made of, and which are read again.
import { describe, expect, it, vi } from 'vitest'
import { LastHour } from '../../src/dashboard/last-hour.js'
import { HistorySource } from '../../src/dashboard/overview/history.js'
import type { RangeName } from '../../src/dashboard/overview/history-steps.js'
import { createReaderClient, parseRedisUrl, queueKeys } from '../../src/redis/index.js'
import { useDashboards } from '../support/dashboards.js'
import { PATIENCE } from '../support/until.js'

const { redis, closeAfter } = useDashboards()
const keys = queueKeys('drover', 'media')
/** The last minute of an hour, so that the hour before has long been rolled up. */
const HOUR = 480_000
const MINUTE = HOUR * 60 + 59
const NOW = MINUTE * 60_000 + 30_000

async function open() {
  const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000 })
  closeAfter({ close: async () => client.disconnect() })
  await new Promise((resolve) => client.once('ready', resolve))
  const lastHour = new LastHour()
  const source = new HistorySource(client, 'drover')
  const read = async (range: RangeName, nowMs = NOW) => {
    await lastHour.read(client, keys, 'media', nowMs)
    return source.read(range, ['media'], (queue) => lastHour.minutesOf(queue), nowMs)
  }
  return { read, source }
}

const count = (key: string, jobs: number, field = 'resize|c|3|4') => redis().cli('HINCRBY', key, field, `${jobs}`)
const hashesRead = async () =>
  Number(/cmdstat_hgetall:calls=(\d+)/.exec(await redis().cli('INFO', 'commandstats'))?.[1] ?? 0)

describe('the history of queues', () => {
  it('has a point for each minute of an hour, with times of run and wait', async () => {
    await count(keys.stats(MINUTE), 3)
    await count(keys.stats(MINUTE), 1, 'resize|f|9|10')
    await count(keys.stats(MINUTE - 59), 5)
    await count(keys.stats(MINUTE - 60), 7)
    const { points, missing, stepMs } = await (await open()).read('1h')
    expect(points).toHaveLength(60)
    expect({ missing, stepMs }).toEqual({ missing: 0, stepMs: 60_000 })
    expect(points[0]).toMatchObject({ at: (MINUTE - 59) * 60_000, completed: 5, failed: 0 })
    expect(points.at(-1)).toMatchObject({ at: MINUTE * 60_000, completed: 3, failed: 1 })
    expect(points.at(-1)?.run.p99).toBeGreaterThan(900)
    expect(points.at(-1)?.wait.p50).toBeLessThan(20)
    expect(points[30]).toMatchObject({ completed: 0, run: { p50: null } })
  })

  it('puts five minutes together for six hours, and reads those that are over once', async () => {
    await count(keys.stats(MINUTE), 1)
    await count(keys.stats(MINUTE - 4), 10)
    await count(keys.stats(MINUTE - 5), 100)
    await count(keys.stats(MINUTE - 359), 1_000)
    const { read } = await open()
    const { points } = await read('6h')
    expect(points).toHaveLength(72)
    expect(points.map(({ completed }) => completed).filter(Boolean)).toEqual([1_000, 100, 11])
    const before = await hashesRead()
    await read('6h', NOW + 1_000)
    expect((await hashesRead()) - before).toBe(3)
  })

  it('keeps no point of minutes that were still going on when they were read last', async () => {
    await count(keys.stats(MINUTE), 10)
    const { read } = await open()
    expect((await read('6h')).points.at(-1)?.completed).toBe(10)
    await count(keys.stats(MINUTE), 100)
    for (const minutes of [10, 11]) {
      const { points } = await read('6h', NOW + minutes * 60_000)
      expect(points.map(({ completed }) => completed).filter(Boolean)).toEqual([110])
    }
  })

  it('reads hours that are over from their own hashes, and this hour from its minutes', async () => {
    await count(keys.stats(MINUTE), 1)
    await count(keys.stats(HOUR * 60), 10)
    await count(keys.statsHour(HOUR - 1), 100)
    await count(keys.stats((HOUR - 1) * 60 + 5), 99_999)
    await count(keys.statsHour(HOUR - 23), 1_000)
    await count(keys.statsHour(HOUR - 167), 10_000)
    const { read } = await open()
    const { points } = await read('24h')
    expect(points).toHaveLength(24)
    expect(points.map(({ completed }) => completed).filter(Boolean)).toEqual([1_000, 100, 11])
    const week = await read('7d')
    expect(week.points).toHaveLength(168)
    expect(week.points.map(({ completed }) => completed).filter(Boolean)).toEqual([10_000, 1_000, 100, 11])
  })

  it('counts an hour once that has just ended, whether it was rolled up or not', async () => {
    await count(keys.stats(HOUR * 60), 1)
    await count(keys.stats(MINUTE), 10)
    const { read } = await open()
    const minutesLater = (minutes: number) => NOW + minutes * 60_000
    expect((await read('24h', minutesLater(5))).points.at(-2)?.completed).toBe(11)
    await count(keys.statsHour(HOUR), 11)
    expect((await read('24h', minutesLater(15))).points.at(-2)?.completed).toBe(11)
    expect((await read('24h', minutesLater(40))).points.at(-2)?.completed).toBe(11)
  })

  it('reads an hour that no worker rolled up from its minutes', async () => {
    await count(keys.stats((HOUR - 7) * 60 + 3), 4)
    await count(keys.stats((HOUR - 7) * 60 + 50), 5)
    const { points } = await (await open()).read('24h')
    expect(points.map(({ completed }) => completed).filter(Boolean)).toEqual([9])
  })

  it('reads a bounded number of hashes at a time, and says what is missing', async () => {
    const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000 })
    closeAfter({ close: async () => client.disconnect() })
    await new Promise((resolve) => client.once('ready', resolve))
    const source = new HistorySource(client, 'drover')
    const queues = Array.from({ length: 50 }, (_, index) => `q${index}`)
    await count(queueKeys('drover', 'q7').stats(MINUTE - 61), 3)
    const look = () => source.read('6h', queues, () => [], NOW)
    const before = await hashesRead()
    expect((await look()).missing).toBe(14_700)
    // The rest comes while nobody waits, 3,000 for each look.
    await vi.waitFor(async () => expect(await hashesRead()).toBe(before + 3_000), PATIENCE)
    await vi.waitUntil(async () => (await look()).missing === 0, PATIENCE)
    expect(await hashesRead()).toBe(before + 15_000)
    const last = await look()
    expect(last.points.reduce((sum, { completed }) => sum + completed, 0)).toBe(3)
    source.keepOnly(['q7'])
    expect((await source.read('6h', ['q7'], () => [], NOW)).missing).toBe(0)
  })
})
