// Schedules in Redis: set, paused, removed, and fired by whichever worker comes first, against BullMQ's own queues.
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cronTimes } from '../../src/job/index.js'
import { planDue, type ScheduleSpec } from '../../src/ledger/schedules/schedule-record.js'
import {
  fireDue,
  listSchedules,
  pauseSchedule,
  readSchedule,
  removeOtherSchedules,
  removeSchedule,
  resumeSchedule,
  type ScheduleRoom,
  setSchedule,
} from '../../src/ledger/schedules/schedules.js'
import { type Kernel, openKernel } from '../support/kernel.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const MINUTE = 60_000
/** About a minute, whose last multiple is some seconds ago: none comes while a test runs. */
function newTickMs(): number {
  for (let ms = MINUTE; ; ms += 1_000) {
    const since = Date.now() % ms
    if (since > 1_000 && since < 20_000) return ms
  }
}
let tickMs = newTickMs()
const spec = (part: Partial<ScheduleSpec> = {}): ScheduleSpec => ({
  job: 'report',
  times: { kind: 'every', everyMs: tickMs },
  input: '{"kind":"daily"}',
  options: { attempts: 3 },
  missed: 'one',
  missedLimit: 100,
  overlap: 'allow',
  ...part,
})

let server: TestRedis
let kernels: [Kernel, Kernel]
let redis: Redis

beforeAll(async () => {
  server = await startTestRedis()
  kernels = [await openKernel(server.url), await openKernel(server.url)]
  redis = kernels[0].client.duplicate()
})
beforeEach(async () => {
  await redis.flushdb()
  tickMs = newTickMs()
})
afterAll(async () => {
  redis.disconnect()
  for (const kernel of kernels) await kernel.close()
  await server.close()
})

const roomOf = ({ client, backend, keys }: Kernel): ScheduleRoom => {
  return { client, backend, keys, prefix: 'drover', queue: 'media' }
}
const room = () => roomOf(kernels[0])
const set = (name: string, part: Partial<ScheduleSpec> = {}, origin: 'code' | 'api' = 'api', nowMs?: number) =>
  setSchedule(redis, kernels[0].keys, { name, spec: spec(part), origin }, nowMs)
const read = (name: string) => readSchedule(redis, kernels[0].keys, name)
/** Makes the schedule due since so many milliseconds, at a tick of its own; gives the tick. */
async function makeDue(name: string, sinceMs: number): Promise<number> {
  const tick = Math.floor((Date.now() - sinceMs) / tickMs) * tickMs
  await redis.zadd(kernels[0].keys.schedules, tick, name)
  return tick
}
const waiting = () => redis.lrange(kernels[0].bull('wait'), 0, -1)

describe('a schedule that is due', () => {
  it('gives one job for its tick, however many workers look at the same moment, and is due again at the next', async () => {
    await set('minutely')
    const tick = await makeDue('minutely', 0)
    const looks = await Promise.all(
      Array.from({ length: 8 }, (_, index) => fireDue(roomOf(kernels[index % 2] as Kernel))),
    )
    expect(looks.flatMap(({ fired }) => fired).filter(({ outcome }) => outcome === 'fired')).toHaveLength(1)
    expect(await waiting()).toEqual([`minutely.${tick}`])
    const [json] = await kernels[0].backend.moveToActive('token:0', '')
    expect(json).toMatchObject({
      name: 'report',
      data: '{"kind":"daily"}',
      timestamp: tick,
    })
    const record = await read('minutely')
    expect(record).toMatchObject({ fired: 1, lastId: `minutely.${tick}`, lastAt: tick, skipped: 0 })
    expect(record?.nextAt).toBeGreaterThan(tick)
    expect(await fireDue(room())).toEqual({ schedules: 1, fired: [] })
  })

  it('gives no second job for a tick that has had one, also when its job is gone and the time was put back', async () => {
    await set('minutely')
    const tick = await makeDue('minutely', 0)
    await fireDue(room())
    await makeDue('minutely', 0)
    await fireDue(room())
    expect(await waiting()).toEqual([`minutely.${tick}`])
  })

  it('gives no job for ticks that were missed when it is to skip them, and says how many', async () => {
    await set('minutely', { missed: 'skip' })
    await makeDue('minutely', 10 * tickMs)
    const { fired } = await fireDue(room())
    const jobs = await waiting()
    expect(jobs.length).toBeLessThanOrEqual(2)
    expect(fired[0]?.passed).toBeGreaterThanOrEqual(9)
    expect((await read('minutely'))?.passed).toBe(fired[0]?.passed)
  })

  it('gives one job for the newest of the ticks that were missed, and counts the others as passed', () => {
    const newest = 1_000 * MINUTE
    const nowMs = newest + 50 * MINUTE
    expect(planDue(spec({ times: { kind: 'every', everyMs: 100 * MINUTE } }), newest - 300 * MINUTE, nowMs)).toEqual({
      ticks: [newest],
      passed: 3,
      nextAt: newest + 100 * MINUTE,
    })
  })

  it('gives a job for each missed tick up to its limit', async () => {
    await set('minutely', { missed: 'all', missedLimit: 4, times: { kind: 'every', everyMs: tickMs } })
    const tick = await makeDue('minutely', 30 * tickMs)
    await fireDue(room())
    const jobs = await waiting()
    expect(jobs.length).toBeGreaterThanOrEqual(4)
    expect(jobs.length).toBeLessThanOrEqual(6)
    expect(jobs).not.toContain(`minutely.${tick}`)
  })
})

describe('a tick while the last job is unfinished', () => {
  async function start(overlap: ScheduleSpec['overlap']) {
    // Each look finds a new tick, so that jobs differ in their ids.
    await set('report', { overlap, times: { kind: 'every', everyMs: 1 } })
    await makeDue('report', 5 * tickMs)
    await fireDue(room())
    await makeDue('report', 0)
    return (await kernels[0].take()) as Awaited<ReturnType<Kernel['take']>>
  }

  it('is skipped for good', async () => {
    const first = await start('skip')
    expect((await fireDue(room())).fired).toMatchObject([{ outcome: 'skipped', ids: [] }])
    await kernels[0].complete(first)
    expect(await waiting()).toEqual([])
    expect(await read('report')).toMatchObject({ fired: 1, skipped: 1 })
  })

  it('gives one job when that is finished', async () => {
    const first = await start('queue')
    expect((await fireDue(room())).fired).toMatchObject([{ outcome: 'queued' }])
    expect((await fireDue(room())).fired).toMatchObject([{ outcome: 'queued' }])
    await kernels[0].complete(first)
    expect((await fireDue(room())).fired).toMatchObject([{ outcome: 'fired' }])
    expect(await waiting()).toHaveLength(1)
  })

  it('gives another job all the same', async () => {
    await start('allow')
    expect((await fireDue(room())).fired).toMatchObject([{ outcome: 'fired' }])
  })
})

describe('a schedule', () => {
  it('that is set again at the same times keeps its next tick, and one of other times begins anew', async () => {
    expect(await set('a', {}, 'code', 5 * tickMs)).toBe('created')
    expect(await set('a', {}, 'code', 50 * tickMs)).toBe('unchanged')
    expect(await set('a', { input: '"times":{"kind":"every"}' }, 'code', 50 * tickMs)).toBe('changed')
    expect((await read('a'))?.nextAt).toBe(6 * tickMs)
    expect(await set('a', { times: cronTimes('0 3 * * *') }, 'code', 0)).toBe('changed')
    expect((await read('a'))?.nextAt).toBe(3 * 3_600_000)
  })

  it('that is changed while its tick is due fires that tick once, as it is now', async () => {
    await set('a')
    const tick = await makeDue('a', 0)
    const look = redis.eval
    let changes = 0
    // Between what a worker reads and what it then writes.
    const late = new Proxy(redis, {
      get(client, name) {
        if (name !== 'eval') return Reflect.get(client, name)
        return async (...args: Parameters<typeof look>) => {
          const due = await look.apply(client, args)
          if (changes++ === 0) await set('a', { input: '{"kind":"new"}' })
          return due
        }
      },
    })
    expect((await fireDue({ ...room(), client: late as ScheduleRoom['client'] })).fired).toMatchObject([
      { outcome: 'gone' },
    ])
    expect((await fireDue(room())).fired).toMatchObject([{ outcome: 'fired', ids: [`a.${tick}`] }])
    expect(await redis.hget(kernels[0].bull(`a.${tick}`), 'data')).toBe('{"kind":"new"}')
  })

  it('fires nothing while paused, stays paused over a deploy, and ticks from then on when resumed', async () => {
    await set('a')
    await makeDue('a', 0)
    expect(await pauseSchedule(redis, kernels[0].keys, 'a')).toBe(true)
    expect(await set('a', { input: '{}' })).toBe('changed')
    expect(await read('a')).toMatchObject({ paused: true, nextAt: undefined })
    expect((await fireDue(room())).fired).toEqual([])
    const record = await read('a')
    if (!record) throw new Error('the schedule is gone')
    expect(await resumeSchedule(redis, kernels[0].keys, record, 7 * tickMs)).toBe(true)
    expect(await read('a')).toMatchObject({ paused: false, nextAt: 8 * tickMs })
    expect(await pauseSchedule(redis, kernels[0].keys, 'none')).toBe(false)
  })

  it('that code no longer has goes away, and what a person set stays', async () => {
    await set('old', {}, 'code')
    await set('kept', {}, 'code')
    await set('own', {}, 'api')
    // Two deploys at once.
    const removed = await Promise.all([1, 2].map(() => removeOtherSchedules(redis, kernels[0].keys, new Set(['kept']))))
    expect(new Set(removed.flat())).toEqual(new Set(['old']))
    expect((await listSchedules(redis, kernels[0].keys)).map(({ name }) => name)).toEqual(['kept', 'own'])
    expect(await removeSchedule(redis, kernels[0].keys, 'own')).toBe(true)
    expect(await removeSchedule(redis, kernels[0].keys, 'own')).toBe(false)
    expect(await redis.keys('*:schedule:own')).toEqual([])
  })

  it('that waits for its last job keeps none of those behind it from their ticks, however many wait', async () => {
    const waiters = Array.from({ length: 60 }, (_, index) => `waiter-${index}`)
    for (const name of waiters) await set(name, { overlap: 'queue' })
    for (const name of waiters) await makeDue(name, 2 * tickMs)
    await fireDue(room())
    for (const name of waiters) await makeDue(name, tickMs)
    await set('behind')
    await makeDue('behind', 0)
    const { fired } = await fireDue(room())
    expect(fired.filter(({ outcome }) => outcome === 'queued')).toHaveLength(60)
    expect(fired.filter(({ outcome }) => outcome === 'fired')).toMatchObject([{ name: 'behind' }])
  })

  it.each([
    ['is not JSON', '{'],
    ['has times that are not known', JSON.stringify({ ...spec(), times: { kind: 'moon' } })],
    ['is gone', undefined],
  ])('whose record %s is told of, and keeps none of the others from their ticks', async (_, record) => {
    const { keys } = kernels[0]
    for (const name of ['bad', 'good']) await set(name)
    await makeDue('bad', 5 * tickMs)
    await makeDue('good', 0)
    if (record === undefined) await redis.del(keys.schedule('bad'))
    else await redis.hset(keys.schedule('bad'), 'spec', record)
    const { fired } = await fireDue(room())
    expect(fired).toMatchObject([
      { name: 'bad', outcome: 'unreadable' },
      { name: 'good', outcome: 'fired' },
    ])
    expect((await listSchedules(redis, keys)).map(({ name }) => name)).toEqual(['good'])
    expect(await removeSchedule(redis, keys, 'bad')).toBe(true)
  })

  it('whose queue is broken fires nothing and stays due', async () => {
    await set('a')
    const tick = await makeDue('a', 0)
    await redis.set(kernels[0].bull('wait'), 'not a list')
    await expect(fireDue(room())).rejects.toThrow(/DROVER_SCHEDULE the key .* holds a string/)
    expect(await read('a')).toMatchObject({ nextAt: tick, fired: 0 })
  })
})
