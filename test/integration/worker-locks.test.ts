// A worker that loses the lock of a job it runs: the run is ended, nothing of it counts, and the job runs again once.
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
/** A lost lock is noticed at its next renewal, within two seconds. Longer than a busy machine stands still. */
const lockDuration = '5s'
const lockOf = (queue: string, id: string) => `${shop.keys(queue).bullBase}${id}:lock`

it.each<[string, (key: string) => Promise<unknown>]>([
  ['has gone', (key) => shop.redis.del(key)],
  ['is that of another run', (key) => shop.redis.set(key, 'another-worker:7', 'PX', 2_000)],
])('a run whose lock %s is aborted, and the job runs again and counts once', async (what, spoil) => {
  const queue = `lock-${what.replaceAll(' ', '-')}`
  const contract = defineJob({ name: 'once', queue, input, attempts: 1 })
  const reasons: unknown[] = []
  let runs = 0
  const handler = handle(contract, async (_input, ctx) => {
    ctx.counter('n').add()
    ctx.effects.rpush(`list-${queue}`, ctx.fence.token)
    if (++runs > 1) return 'second'
    await spoil(lockOf(queue, ctx.id))
    await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    reasons.push((ctx.signal.reason as { code: string }).code)
    return 'first'
  })
  const worker = await shop.work([handler], { lockDuration })
  const job = await shop.producer.enqueue(contract, { n: 1 })
  expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 'second', attempts: 1 })
  expect([reasons, runs]).toEqual([['LOCK_LOST'], 2])
  expect(await shop.redis.hgetall(shop.keys(queue).totals)).toEqual({ 'once:completed': '1' })
  expect(await shop.producer.counters.get(queue, 'n')).toBe(1)
  expect(await shop.redis.lrange(`list-${queue}`, 0, -1)).toEqual(['2'])
  const said = worker.lines.filter(({ id, level }) => id === job.id && Number(level) >= 40).map(({ msg }) => msg)
  expect(said.sort()).toEqual(['job stalled, it runs again', 'lock lost, attempt abandoned'])
})

it('a run without the lock that ends before it is noticed is refused by the commit, and told of in one line', async () => {
  const contract = defineJob({ name: 'late', queue: 'late', input, attempts: 1 })
  let runs = 0
  const handler = handle(contract, async (_input, ctx) => {
    ctx.counter('n').add()
    runs++
    if (runs === 1) await shop.redis.del(lockOf('late', ctx.id))
    return runs
  })
  const worker = await shop.work([handler], { lockDuration })
  const job = await shop.producer.enqueue(contract, { n: 1 })
  expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 2, attempts: 1 })
  expect(await shop.redis.hgetall(shop.keys('late').totals)).toEqual({ 'late:completed': '1' })
  expect(await shop.producer.counters.get('late', 'n')).toBe(1)
  const said = worker.lines.filter(({ level, code, msg }) => {
    return Number(level) >= 40 && code === undefined && !msg.startsWith('event loop')
  })
  expect(said.map(({ msg }) => msg)).toEqual([
    'a run without the lock ended, nothing of it counts',
    'job stalled, it runs again',
  ])
})

it('a run that ignores the loss of its lock is left behind: what it returns later goes nowhere', async () => {
  const contract = defineJob({ name: 'deaf', queue: 'deaf', input, attempts: 1 })
  const held = createGate()
  let first: Promise<string> | undefined
  const handler = handle(contract, (_input, ctx) => {
    ctx.counter('n').add()
    if (first) return 'second'
    const run = async () => {
      await shop.redis.del(lockOf('deaf', ctx.id))
      await held.promise
      return 'first'
    }
    first = run()
    return first
  })
  await shop.work([handler], { lockDuration })
  const job = await shop.producer.enqueue(contract, { n: 1 })
  expect(await shop.end(job)).toMatchObject({ value: 'second' })
  held.open()
  expect(await first).toBe('first')
  expect(await shop.end(job)).toMatchObject({ value: 'second' })
  expect(await shop.redis.hgetall(shop.keys('deaf').totals)).toEqual({ 'deaf:completed': '1' })
  expect(await shop.producer.counters.get('deaf', 'n')).toBe(1)
})

it('locks of long runs are renewed, so that they end in their first run', async () => {
  const contract = defineJob({ name: 'long', queue: 'long', input, attempts: 1 })
  let runs = 0
  const handler = handle(contract, async (_input, ctx) => {
    runs++
    // One and a half locks.
    while (Date.now() - ctx.enqueuedAt < 7_500) await shop.redis.ping()
    return runs
  })
  const worker = await shop.work([handler], { concurrency: 3, lockDuration })
  const jobs = await Promise.all([1, 2, 3].map((n) => shop.producer.enqueue(contract, { n })))
  for (const job of jobs) expect(await shop.end(job)).toMatchObject({ status: 'completed' })
  expect(runs).toBe(3)
  expect(worker.lines.map(({ msg }) => msg)).not.toContain('job stalled, it runs again')
})

it('one process never runs a job twice at once, however often its lock is lost', async () => {
  const contract = defineJob({ name: 'single', queue: 'single', input, attempts: 1 })
  const running = new Map<string, number>()
  const runs = new Map<string, number>()
  let most = 0
  const handler = handle(contract, async (_input, { id, signal }) => {
    runs.set(id, (runs.get(id) ?? 0) + 1)
    running.set(id, (running.get(id) ?? 0) + 1)
    signal.addEventListener('abort', () => running.set(id, (running.get(id) ?? 0) - 1))
    most = Math.max(most, running.get(id) ?? 0)
    if ((runs.get(id) ?? 0) < 4) {
      await shop.redis.del(lockOf('single', id))
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    }
  })
  await shop.work([handler], { concurrency: 8, lockDuration })
  const { ids } = await shop.producer.enqueueBulk(
    contract,
    [1, 2, 3, 4].map((n) => ({ n })),
  )
  for (const id of ids)
    expect(await shop.end({ queue: 'single', id })).toMatchObject({ status: 'completed', attempts: 1 })
  expect(most).toBe(1)
  expect([...runs.values()]).toEqual([4, 4, 4, 4])
  expect(await shop.redis.hgetall(shop.keys('single').totals)).toEqual({ 'single:completed': '4' })
})
