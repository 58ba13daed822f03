// A commit that Redis or a limit refuses is a failed attempt like any other: its wait, its record, its line in the log.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const totalsOf = (queue: string) => shop.redis.hgetall(shop.keys(queue).totals)
/** Milliseconds from the end of each attempt to the start of the next. */
const gaps = (times: readonly [start: number, end: number][]) =>
  times.slice(1).map(([start], index) => start - (times[index] as [number, number])[1])

describe('a commit that is refused', () => {
  it('is a failed attempt: the next waits for its backoff, a good one commits, and the log says so', async () => {
    const contract = defineJob({
      ...{ name: 'staged', queue: 'staged', input, attempts: 3 },
      backoff: { delay: 150, jitter: 0 },
    })
    const times: [number, number][] = []
    const handler = handle(contract, async (_input, ctx) => {
      times.push([Date.now(), Date.now()])
      ctx.counter('good').add()
      ctx.effects.incrby('staged-text', 1)
      if (ctx.attempt === 2) await shop.redis.del('staged-text')
      return ctx.attempt
    })
    await shop.redis.set('staged-text', 'abc')
    const worker = await shop.work([handler])
    const job = await shop.producer.enqueue(contract, { n: 1 })
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 2 })
    expect(gaps(times)[0]).toBeGreaterThanOrEqual(145)
    expect(await shop.redis.get('staged-text')).toBe('1')
    expect(await shop.producer.counters.get('staged', 'good')).toBe(1)
    expect(await totalsOf('staged')).toEqual({ 'staged:retried': '1', 'staged:completed': '1' })
    const logged = worker.lines.filter(({ id, level }) => id === job.id && Number(level) >= 40)
    expect(logged.map(({ msg, id, attempt, err }) => [msg, id, attempt, (err as { code?: string })?.code])).toEqual([
      ['attempt failed', job.id, 1, 'EFFECT_REJECTED'],
    ])
  })

  it('of the last attempt fails the job with why, kept as its contract says', async () => {
    const contract = defineJob({ name: 'bad', queue: 'bad', input, attempts: 1, keepResult: '40s' })
    const handler = handle(contract, async (_input, ctx) => {
      ctx.counter('n').add()
      ctx.effects.sadd('fine', 'a')
      ctx.effects.lpush('bad-string', 'x')
      return 1
    })
    await shop.redis.set('bad-string', 'abc')
    const worker = await shop.work([handler])
    const job = await shop.producer.enqueue(contract, { n: 1 })
    expect(await shop.end(job)).toMatchObject({
      status: 'failed',
      error: { code: 'EFFECT_REJECTED', message: expect.stringContaining('LPUSH on key "bad-string"') },
    })
    expect(await shop.redis.exists('fine', shop.keys('bad').counter('n'))).toBe(0)
    expect(await shop.redis.ttl(shop.keys('bad').result(job.id))).toBeLessThanOrEqual(40)
    expect(worker.lines.filter(({ id }) => id === job.id).map(({ msg }) => msg)).toEqual(['job failed'])
  })

  it('is not got round by a handler that swallows a rejection, nor by staging too much', async () => {
    const contract = defineJob({ name: 'swallow', queue: 'swallow', input, attempts: 1 })
    const ways: ((ctx: Parameters<Parameters<typeof handle>[1]>[1]) => void)[] = [
      (ctx) => ctx.effects.incrby('k', 1.5),
      (ctx) => ctx.effects.del(shop.keys('swallow').totals),
      (ctx) => {
        for (let i = 0; i < 1_001; i++) ctx.effects.sadd('k', i)
      },
      (ctx) => ctx.effects.set('k', 'x'.repeat(1_048_577)),
      (ctx) => {
        for (let i = 0; i < 1_001; i++) ctx.counter(`c${i}`).add()
      },
      (ctx) => ctx.counter('c').add(0.5),
      (ctx) => {
        ctx.counter('c').add(Number.MAX_SAFE_INTEGER)
        ctx.counter('c').add(1)
      },
      (ctx) => ctx.counter('a b').add(),
    ]
    const handler = handle(contract, async ({ n }, ctx) => {
      ctx.effects.sadd('swallow-good', 1)
      ctx.counter('good').add()
      try {
        ways[n]?.(ctx)
      } catch {
        return 'swallowed'
      }
      return 'accepted'
    })
    await shop.work([handler])
    const codes: (string | undefined)[] = []
    for (const n of ways.keys()) {
      const record = await shop.end(await shop.producer.enqueue(contract, { n }))
      codes.push(record.status === 'failed' ? record.error.code : record.status)
    }
    expect(codes).toEqual([
      ...['EFFECT_REJECTED', 'EFFECT_REJECTED', 'EFFECT_LIMIT', 'EFFECT_LIMIT', 'EFFECT_LIMIT'],
      ...['INVALID_OPTION', 'INVALID_OPTION', 'INVALID_COUNTER_NAME'],
    ])
    expect(await shop.redis.exists('swallow-good', 'k', shop.keys('swallow').counter('good'))).toBe(0)
  })
})
