// Jobs that a handler enqueues: in their queues with the commit, as from a producer, and not at all without it.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { queuesKey } from '../../src/redis/index.js'
import { handle, type JobContext } from '../../src/worker/index.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const waiting = (queue: string) => shop.redis.lrange(`${shop.keys(queue).bullBase}wait`, 0, -1)

/** Runs one job whose handler does `run`; gives its result record. */
async function runOnce(queue: string, run: (ctx: JobContext) => unknown, attempts = 1) {
  const contract = defineJob({ name: 'parent', queue, input, attempts, backoff: { delay: 1 } })
  await shop.work([handle(contract, (_input, ctx) => run(ctx))])
  return shop.end(await shop.producer.enqueue(contract, { n: 1 }))
}

describe('a job that a handler enqueues', () => {
  it('runs as one from a producer does, once, although its parent failed an attempt after enqueueing it', async () => {
    const child = defineJob({ name: 'child', queue: 'children', input, attempts: 4 })
    const runs: number[] = []
    await shop.work([handle(child, ({ n }, ctx) => void runs.push(n, ctx.attempts))])
    const record = await runOnce(
      'parents',
      async (ctx) => {
        const { id, queue } = await ctx.enqueue(child, { n: ctx.attempt })
        if (ctx.attempt === 1) throw new Error('too early')
        return { id, queue }
      },
      2,
    )
    const followUp = (record as { value: { id: string; queue: string } }).value
    expect(await shop.end(followUp)).toMatchObject({ status: 'completed', job: 'child', queue: 'children' })
    expect(runs).toEqual([2, 4])
    expect(await shop.redis.sismember(queuesKey('drover'), 'children')).toBe(1)
  })

  it('takes its id, delay, priority and keepResult', async () => {
    const child = defineJob({ name: 'child', queue: 'placed', input })
    await runOnce('placing', async (ctx) => {
      await ctx.enqueue(child, { n: 1 }, { id: 'late', delay: '1h', keepResult: '5s' })
      await ctx.enqueue(child, { n: 2 }, { id: 'first', priority: 3 })
    })
    const base = shop.keys('placed').bullBase
    expect(await shop.redis.zrange(`${base}delayed`, '0', '-1')).toEqual(['late'])
    expect(await shop.redis.zrange(`${base}prioritized`, '0', '-1')).toEqual(['first'])
    expect(JSON.parse((await shop.redis.hget(`${base}late`, 'opts')) ?? '')).toMatchObject({ keepResult: 5_000 })
  })

  it('fails the attempt when it is refused, also when the handler swallows that, and none of its jobs is enqueued', async () => {
    const child = defineJob({ name: 'child', queue: 'refused', input })
    const enqueueBad = async (ctx: JobContext) => {
      await ctx.enqueue(child, { n: 1 })
      await ctx.enqueue(child, { n: 'text' } as never).catch(() => 'swallowed')
    }
    expect(await runOnce('refusing', enqueueBad)).toMatchObject({ error: { code: 'INVALID_INPUT' } })
    expect(await waiting('refused')).toEqual([])
  })

  it.each([
    ['an unknown option', (ctx: JobContext) => ctx.enqueue(own, { n: 1 }, { dely: 1 } as never), 'UNKNOWN_OPTION'],
    ['a bad id', (ctx: JobContext) => ctx.enqueue(own, { n: 1 }, { id: 'a:b' }), 'INVALID_JOB_ID'],
    ['no contract', (ctx: JobContext) => ctx.enqueue({} as never, {} as never), 'INVALID_OPTION'],
    [
      'more jobs than one step of Redis should carry',
      async (ctx: JobContext) => {
        for (let n = 0; n <= 100; n++) await ctx.enqueue(own, { n })
      },
      'EFFECT_LIMIT',
    ],
    [
      'one that is still being checked when the handler returns',
      (ctx: JobContext) => void ctx.enqueue(slow, { n: 1 }).catch(() => 'noticed by the attempt'),
      'EFFECT_REJECTED',
    ],
  ])('is refused: %s', async (what, run, code) => {
    expect(await runOnce(`no-${what.replaceAll(' ', '-').slice(0, 40)}`, run)).toMatchObject({ error: { code } })
  })

  it.each(['id', 'pc'])(
    'is refused, with nothing of its parent written, where BullMQ cannot count its %s',
    async (key) => {
      const child = defineJob({ name: 'child', queue: `uncounted-${key}`, input })
      await shop.redis.set(`${shop.keys(child.queue).bullBase}${key}`, 'many')
      const record = await runOnce(`counting-${key}`, async (ctx) => {
        ctx.effects.set(`written-${key}`, 'x')
        await ctx.enqueue(child, { n: 1 }, { id: 'x', priority: 1 })
      })
      expect(record).toMatchObject({
        error: { message: expect.stringMatching(/is no whole number, BullMQ counts with it/) },
      })
      expect(await shop.redis.exists(`written-${key}`, `${shop.keys(child.queue).bullBase}x`)).toBe(0)
    },
  )

  it('cannot be enqueued after the attempt has ended', async () => {
    let late: JobContext['enqueue'] | undefined
    await runOnce('late', (ctx) => {
      late = ctx.enqueue
    })
    await expect(late?.(own, { n: 1 })).rejects.toMatchObject({ code: 'EFFECT_REJECTED' })
  })
})

const own = defineJob({ name: 'own', queue: 'own', input })
const slow = defineJob({
  name: 'slow',
  queue: 'own',
  input: input.refine(async () => new Promise((resolve) => setImmediate(() => resolve(true)))),
})
