// Schedules from code and from a producer, fired by real workers.
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { defineSchedule } from '../../src/ledger/index.js'
import { handle } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ kind: z.string() })

function reportJob(queue: string) {
  const contract = defineJob({ name: 'report', queue, input })
  const ids: string[] = []
  const handler = handle(contract, ({ kind }, ctx) => {
    ids.push(ctx.id)
    return kind
  })
  return { contract, handler, ids }
}

describe('a schedule', () => {
  it("of a worker's code runs its job at each tick once, with two workers", async () => {
    const { contract, handler, ids } = reportJob('each-second')
    const schedule = defineSchedule(contract, { name: 'often', every: '1s', input: { kind: 'often' } })
    await Promise.all([1, 2].map(() => shop.work([handler], { schedules: [schedule] })))
    await vi.waitFor(() => expect(ids.length).toBeGreaterThanOrEqual(3), PATIENCE)
    const seen = [...ids]
    expect(new Set(seen).size).toBe(seen.length)
    const ticks = seen.map((id) => Number(id.replace('often.', '')))
    for (const tick of ticks) expect(tick % 1_000).toBe(0)
    expect(await shop.end({ queue: 'each-second', id: seen[0] ?? '' })).toMatchObject({
      value: 'often',
      enqueuedAt: ticks[0],
    })
  })

  it('that the code no longer has is removed, one set at run time stays, and a worker without schedules changes none', async () => {
    const { contract, handler } = reportJob('deploys')
    const { schedules } = shop.producer
    const old = defineSchedule(contract, { name: 'old', cron: '0 3 * * *', input: { kind: 'old' } })
    const kept = defineSchedule(contract, { name: 'kept', cron: '0 4 * * *', input: { kind: 'kept' } })
    expect(await schedules.set(defineSchedule(contract, { name: 'own', every: '1h', input: { kind: 'own' } }))).toBe(
      'created',
    )
    await shop.work([handler], { schedules: [old, kept] })
    const before = await schedules.get('deploys', 'kept')
    await Promise.all([1, 2].map(() => shop.work([handler], { schedules: [kept] })))
    await shop.work([handler])
    expect((await schedules.list('deploys')).map(({ name, origin }) => `${name} ${origin}`)).toEqual([
      'kept code',
      'own api',
    ])
    expect(await schedules.get('deploys', 'kept')).toEqual(before)
  })

  it('is paused, resumed, run now, told of and removed by a producer', async () => {
    const { contract, handler, ids } = reportJob('steered')
    const { schedules } = shop.producer
    await schedules.set(
      defineSchedule(contract, { name: 'yearly', cron: '@yearly', input: { kind: 'x' }, attempts: 2 }),
    )
    await schedules.pause('steered', 'yearly')
    expect(await schedules.get('steered', 'yearly')).toMatchObject({ paused: true, nextAt: undefined })
    await schedules.resume('steered', 'yearly')
    const [first, second] = await schedules.next('steered', 'yearly', 2)
    expect(await schedules.get('steered', 'yearly')).toMatchObject({ paused: false, nextAt: first })
    expect(new Date(second ?? 0).getUTCFullYear()).toBe(new Date(first ?? 0).getUTCFullYear() + 1)
    await shop.work([handler])
    const job = await schedules.runNow('steered', 'yearly')
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 'x' })
    expect(ids).toEqual([job.id])
    await schedules.remove('steered', 'yearly')
    for (const call of ['get', 'pause', 'resume', 'remove', 'runNow'] as const) {
      await expect(schedules[call]('steered', 'yearly')).rejects.toMatchObject({ code: 'SCHEDULE_NOT_FOUND' })
    }
  })

  it('whose input fails its schema is refused before anything is kept', async () => {
    const { contract } = reportJob('refused')
    const bad = defineSchedule(contract, { name: 'bad', every: '1h', input: { kind: 7 } as never })
    await expect(shop.producer.schedules.set(bad)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await shop.producer.schedules.list('refused')).toEqual([])
  })
})

describe('defineSchedule', () => {
  const { contract } = reportJob('defined')
  const good = { name: 'a', every: '1h', input: { kind: 'x' } } as const
  it.each([
    ['an unknown option', { ...good, evry: '1h' }, 'UNKNOWN_OPTION', 'every'],
    ['no time', { name: 'a', input: good.input }, 'INVALID_OPTION', 'cron'],
    ['two times', { ...good, cron: '@daily' }, 'INVALID_OPTION', 'cron'],
    ['a time zone beside every', { ...good, timezone: 'UTC' }, 'INVALID_OPTION', 'timezone'],
    ['less than a second', { ...good, every: '999ms' }, 'INVALID_OPTION', 'every'],
    ['a name with a colon', { ...good, name: 'a:b' }, 'INVALID_OPTION', 'name'],
    ['an overlap that is none', { ...good, overlap: 'replace' }, 'INVALID_OPTION', 'overlap'],
    ['a limit of none', { ...good, missedLimit: 0 }, 'INVALID_OPTION', 'missedLimit'],
  ])('refuses %s', (_what, options, code, named) => {
    let refusal: unknown
    try {
      defineSchedule(contract, options as never)
    } catch (error) {
      refusal = error
    }
    expect(refusal).toMatchObject({ code })
    expect(String(refusal)).toContain(named)
  })
})
