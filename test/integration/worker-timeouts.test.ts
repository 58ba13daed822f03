// The end of an attempt that takes too long: its signal, its place, and that nothing it does afterwards counts.
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob, type StandardSchemaV1 } from '../../src/job/index.js'
import { handle, type JobContext } from '../../src/worker/index.js'
import { until } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input: StandardSchemaV1<{ n: number }> = z.object({ n: z.number() })

it('a handler is told by its signal when its time is over, and its job fails with JOB_TIMEOUT', async () => {
  const contract = defineJob({ name: 'slow', queue: 'slow', input, attempts: 1, timeout: 150 })
  const seen: unknown[] = []
  const handler = handle(contract, async (_input, { signal }) => {
    seen.push(signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    seen.push(signal.aborted, (signal.reason as { code: string }).code)
    return 'too late'
  })
  await shop.work([handler])
  const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
  expect(record).toMatchObject({
    status: 'failed',
    error: { name: 'JobTimeoutError', code: 'JOB_TIMEOUT', message: expect.stringContaining('150ms') },
  })
  expect(record.runMs).toBeGreaterThanOrEqual(149)
  expect(seen).toEqual([false, true, 'JOB_TIMEOUT'])
})

it('a timed out attempt is retried, and the next one starts with a signal of its own', async () => {
  const contract = defineJob({ name: 'again', queue: 'again', input, timeout: 100, backoff: { delay: 0 } })
  const handler = handle(contract, async (_input, ctx) => {
    if (ctx.attempt === 1) await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    return ctx.signal.aborted
  })
  await shop.work([handler])
  const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
  expect(record).toMatchObject({ status: 'completed', value: false, attempts: 2 })
})

it('a handler that ignores its signal gives its place back, and what it still does goes nowhere', async () => {
  const contract = defineJob({ name: 'deaf', queue: 'deaf', input, attempts: 1, timeout: 100 })
  const held = createGate()
  const late: unknown[] = []
  let left: Promise<unknown> | undefined
  const stageLate = async (ctx: JobContext, counter: { add(delta: number): void }) => {
    await held.promise
    for (const stage of [() => counter.add(1), () => ctx.counter('other').add(1), () => ctx.effects.set('late', '1')]) {
      try {
        stage()
        late.push('taken')
      } catch (error) {
        late.push((error as { code: string }).code)
      }
    }
    await ctx.progress(99)
    return 'late result'
  }
  const handler = handle(contract, ({ n }, ctx) => {
    const counter = ctx.counter('n')
    counter.add(1)
    ctx.effects.set('early', '1')
    if (n > 1) return 'next'
    left = stageLate(ctx, counter)
    return left
  })
  // One place: the second job only runs when the first has given it back.
  await shop.work([handler], { concurrency: 1 })
  const first = await shop.producer.enqueue(contract, { n: 1 })
  const second = await shop.producer.enqueue(contract, { n: 2 })
  expect(await shop.end(first)).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } })
  expect(await shop.end(second)).toMatchObject({ status: 'completed', value: 'next' })
  held.open()
  expect(await left).toBe('late result')
  expect(late).toEqual(['EFFECT_REJECTED', 'EFFECT_REJECTED', 'EFFECT_REJECTED'])
  expect(await shop.end(first)).toMatchObject({ status: 'failed' })
  expect(await shop.producer.counters.get('deaf', 'n')).toBe(1)
  expect(await shop.redis.exists('late', shop.keys('deaf').counter('other'))).toBe(0)
  expect(await shop.redis.hget(`${shop.keys('deaf').bullBase}${first.id}`, 'progress')).toBeNull()
})

it('a handler that runs on after its signal is told in the log and counted, until it ends; one that listens is not', async () => {
  const contract = defineJob({ name: 'runs-on', queue: 'runs-on', input, attempts: 1, timeout: 100 })
  const held = createGate()
  const handler = handle(contract, async ({ n }, { signal }) => {
    if (n === 1) await held.promise
    else await new Promise((resolve) => signal.addEventListener('abort', resolve))
  })
  const worker = await shop.work([handler])
  const listens = await shop.producer.enqueue(contract, { n: 2 })
  const ignores = await shop.producer.enqueue(contract, { n: 1 })
  const told = (text: RegExp) => worker.lines.filter(({ msg }) => text.test(msg))
  await until('it is told', () => told(/ignores its signal/).length > 0)
  expect(worker.leftBehind).toBe(1)
  expect(told(/ignores its signal/)).toMatchObject([
    { id: ignores.id, queue: 'runs-on', attempt: 1, running: 1, total: 1 },
  ])
  held.open()
  await until('its end is told', () => told(/that ignored its signal has ended/).length > 0)
  expect(told(/that ignored its signal has ended/)).toMatchObject([{ id: ignores.id, afterMs: expect.any(Number) }])
  expect(worker.leftBehind).toBe(0)
  expect(told(/ignore/).filter(({ id }) => id === listens.id)).toEqual([])
})

it('a handler that failed, or returned without waiting for its own work, can add nothing afterwards', async () => {
  const contract = defineJob({ name: 'loose', queue: 'loose', input, attempts: 1 })
  const held = createGate()
  const late: string[] = []
  const loose: Promise<unknown>[] = []
  const handler = handle(contract, async ({ n }, ctx) => {
    const counter = ctx.counter('n')
    counter.add(10)
    const work = async () => {
      await held.promise
      try {
        counter.add(1)
      } catch (error) {
        late.push((error as Error).message)
      }
    }
    loose.push(work())
    if (n === 2) throw new Error('failed')
    return 'done'
  })
  await shop.work([handler])
  for (const n of [1, 2]) await shop.end(await shop.producer.enqueue(contract, { n }))
  held.open()
  await Promise.all(loose)
  expect(late).toEqual([expect.stringMatching(/attempt has ended/), expect.stringMatching(/attempt has ended/)])
  expect(await shop.producer.counters.get('loose', 'n')).toBe(10)
})

it.each(['input', 'output'] as const)(
  'a schema of the %s that never answers is ended by the timeout too',
  async (side) => {
    const silent: typeof input = {
      '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => undefined) },
    }
    const about = { name: 'silent', queue: `silent-${side}`, attempts: 1, timeout: 100 }
    const contract =
      side === 'input' ? defineJob({ ...about, input: silent }) : defineJob({ ...about, input, output: silent })
    await shop.work([handle(contract, () => ({ n: 2 }))])
    // The producer checks with a schema that answers.
    const record = await shop.end(await shop.producer.enqueue(defineJob({ ...about, input }), { n: 1 }))
    expect(record).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } })
  },
)

it('a timeout longer than a timer of Node can wait does not end the attempt at once', async () => {
  const contract = defineJob({ name: 'long', queue: 'long', input, attempts: 1, timeout: '30d' })
  const held = createGate<string>()
  const handler = handle(contract, () => held.promise)
  await shop.work([handler])
  const job = await shop.producer.enqueue(contract, { n: 1 })
  await expect.poll(() => shop.redis.llen(`${shop.keys('long').bullBase}active`)).toBe(1)
  // A timer that overflows fires after 1 ms: far before these have made their way.
  for (let i = 0; i < 50; i++) await shop.redis.ping()
  held.open('done')
  expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 'done' })
})
