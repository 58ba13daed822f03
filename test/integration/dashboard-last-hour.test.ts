// The sums of the last hour: which minutes are in them, and which are read again.
import { describe, expect, it } from 'vitest'
import { BoardHours } from '../../src/dashboard/board/board-hours.js'
import { LastHour } from '../../src/dashboard/last-hour.js'
import { createReaderClient, parseRedisUrl, queueKeys } from '../../src/redis/index.js'
import { useDashboards } from '../support/dashboards.js'

const { redis, closeAfter } = useDashboards()
const keys = queueKeys('drover', 'media')
const MINUTE = 29_000_000
const NOW = MINUTE * 60_000 + 30_000

async function open() {
  const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000 })
  closeAfter({ close: async () => client.disconnect() })
  await new Promise((resolve) => client.once('ready', resolve))
  const lastHour = new LastHour()
  const completed = async (nowMs: number) =>
    (await lastHour.read(client, keys, 'media', nowMs)).get('resize')?.completed ?? 0
  return { client, lastHour, completed }
}

async function count(minute: number, jobs: number): Promise<void> {
  await redis().cli('HINCRBY', keys.stats(minute), 'resize|c|3|4', `${jobs}`)
}

describe('the last hour', () => {
  it('is this minute and the 59 before it', async () => {
    await count(MINUTE, 1)
    await count(MINUTE - 59, 10)
    await count(MINUTE - 60, 100)
    await count(MINUTE + 1, 1_000)
    const { completed } = await open()
    expect(await completed(NOW)).toBe(11)
  })

  it('moves on with the clock: minutes leave it, later ones come in, also those that end late', async () => {
    const { completed } = await open()
    await count(MINUTE - 59, 1)
    await count(MINUTE, 10)
    expect(await completed(NOW)).toBe(11)
    await count(MINUTE, 100)
    await count(MINUTE + 1, 1_000)
    expect(await completed(NOW + 60_000)).toBe(1_110)
    await count(MINUTE, 10_000)
    expect(await completed(NOW + 2 * 60_000)).toBe(11_110)
  })

  it('reads a minute again that was still going on when it was read last, however long ago that was', async () => {
    const { completed } = await open()
    await count(MINUTE, 10)
    expect(await completed(NOW)).toBe(10)
    await count(MINUTE, 100)
    expect(await completed(NOW + 5 * 60_000)).toBe(110)
    await count(MINUTE, 1_000)
    expect(await completed(NOW + 6 * 60_000)).toBe(110)
  })

  it('reads a minute that is long over once', async () => {
    const { completed } = await open()
    await completed(NOW)
    await redis().cli('CONFIG', 'RESETSTAT')
    await completed(NOW + 1_000)
    const [, calls] = /cmdstat_hgetall:calls=(\d+)/.exec(await redis().cli('INFO', 'commandstats')) ?? []
    expect(Number(calls)).toBe(3)
  })

  it('is read once for two who ask at the same time', async () => {
    const { completed } = await open()
    await count(MINUTE, 10)
    await redis().cli('CONFIG', 'RESETSTAT')
    expect(await Promise.all([completed(NOW), completed(NOW)])).toEqual([10, 10])
    const [, calls] = /cmdstat_hgetall:calls=(\d+)/.exec(await redis().cli('INFO', 'commandstats')) ?? []
    expect(Number(calls)).toBe(60)
    await count(MINUTE, 100)
    expect(await completed(NOW)).toBe(110)
  })

  it('starts anew when the clock was set back, and after a long pause', async () => {
    const { completed } = await open()
    await count(MINUTE, 1)
    await count(MINUTE - 90, 10)
    await count(MINUTE + 300, 100)
    expect(await completed(NOW)).toBe(1)
    expect(await completed(NOW - 90 * 60_000)).toBe(10)
    expect(await completed(NOW + 300 * 60_000)).toBe(100)
  })

  it('forgets queues that are gone', async () => {
    const { completed, lastHour } = await open()
    await completed(NOW)
    lastHour.keepOnly(['mail'])
    await redis().cli('CONFIG', 'RESETSTAT')
    await completed(NOW)
    expect(await redis().cli('INFO', 'commandstats')).toContain('cmdstat_hgetall:calls=60,')
  })
})

describe('the hours that bull-board shows', () => {
  const HOUR = Math.floor(MINUTE / 60)

  async function openHours() {
    const { client, lastHour } = await open()
    const minutesOf = async (queue: string, nowMs: number) => {
      await lastHour.read(client, keys, queue, nowMs)
      return lastHour.minutesOf(queue)
    }
    return new BoardHours({ client, prefix: 'drover', minutesOf })
  }

  it('are read once for two who ask at the same time', async () => {
    const hours = await openHours()
    const read = () => hours.read(['media'], [HOUR - 3, HOUR - 2], NOW)
    await redis().cli('CONFIG', 'RESETSTAT')
    await Promise.all([read(), read()])
    const [, calls] = /cmdstat_hgetall:calls=(\d+)/.exec(await redis().cli('INFO', 'commandstats')) ?? []
    expect(Number(calls)).toBe(2)
  })

  it('are read again until they have been over for 20 minutes: what ended in them may come in late', async () => {
    const hours = await openHours()
    const over = HOUR * 3_600_000
    const completed = async (minutes: number) =>
      (await hours.read(['media'], [HOUR - 1], over + minutes * 60_000))[0]?.[0]?.completed
    await count(HOUR * 60 - 1, 1)
    expect(await completed(19)).toBe(1)
    await count(HOUR * 60 - 1, 10)
    expect(await completed(21)).toBe(11)
    await count(HOUR * 60 - 1, 100)
    expect(await completed(22)).toBe(11)
    // The clock was set back: it is not over yet.
    expect(await completed(1)).toBe(111)
    expect(await completed(23)).toBe(111)
  })

  it('are read once when they are over, and the one that goes on is made of its minutes', async () => {
    const hours = await openHours()
    const completed = async () =>
      (await hours.read(['media'], [HOUR - 2, HOUR - 1, HOUR], NOW))[0]?.map((stats) => stats?.completed ?? null)
    await redis().cli('HSET', keys.statsHour(HOUR - 2), 'resize|c|3|4', '5')
    await count(HOUR * 60 - 1, 10)
    await count(MINUTE, 100)
    expect(await Promise.all([completed(), completed()])).toEqual([
      [5, 10, 100],
      [5, 10, 100],
    ])
    await redis().cli('HSET', keys.statsHour(HOUR - 2), 'resize|c|3|4', '6')
    await count(MINUTE, 1_000)
    expect(await completed()).toEqual([5, 10, 1_100])
  })
})
