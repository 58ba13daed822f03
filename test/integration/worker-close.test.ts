// The end of a worker: it takes no more jobs, lets the running ones finish, hands the rest back, and leaves nothing open.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { type CloseOutcome, handle } from '../../src/worker/index.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const bull = (queue: string, name: string) => shop.keys(queue).bullBase + name

describe('a worker that closes', () => {
  it('waits for its running jobs, takes none of the waiting ones, and commits what it waited for', async () => {
    const contract = defineJob({ name: 'job', queue: 'patient', input })
    const [started, held] = [createGate(), createGate()]
    const handler = handle(contract, async ({ n }) => {
      started.open()
      await held.promise
      return n
    })
    const worker = await shop.work([handler], { concurrency: 1, shutdownTimeout: '1h' })
    const [first, second] = await Promise.all(
      [1, 2].map((n) => shop.producer.enqueue(contract, { n }, { id: `p${n}` })),
    )
    if (!first || !second) throw new Error('jobs are missing')
    await started.promise
    expect(worker.running).toBe(1)
    let outcome: CloseOutcome | undefined
    const closing = worker.close().then((value) => {
      outcome = value
    })
    // Nothing ends the wait but the job.
    for (let i = 0; i < 100; i++) await shop.redis.ping()
    expect([outcome, worker.running]).toEqual([undefined, 1])
    held.open()
    await closing
    expect([outcome, worker.running]).toEqual([{ handedBack: 0, abandoned: 0 }, 0])
    expect(await shop.end(first)).toMatchObject({ status: 'completed', value: 1 })
    expect(await shop.redis.lrange(bull('patient', 'wait'), '0', '-1')).toEqual([second.id])
  })

  it('hands a job back at its deadline: next in line, its attempt not counted, done elsewhere', async () => {
    const contract = defineJob({ name: 'job', queue: 'deadline', input, attempts: 1 })
    const started = createGate()
    const reasons: string[] = []
    const slow = handle(contract, async (_input, ctx) => {
      ctx.counter('n').add()
      ctx.effects.sadd('deadline-set', 'first')
      started.open()
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      reasons.push((ctx.signal.reason as { code: string }).code)
      return 'too late'
    })
    const worker = await shop.work([slow], { concurrency: 1, shutdownTimeout: '100ms' })
    const job = await shop.producer.enqueue(contract, { n: 1 })
    await started.promise
    const other = await shop.producer.enqueue(contract, { n: 2 })
    const before = worker.lines.length
    expect(await worker.close()).toEqual({ handedBack: 1, abandoned: 0 })
    expect(reasons).toEqual(['SHUTDOWN'])
    // BullMQ takes from the right.
    expect(await shop.redis.lrange(bull('deadline', 'wait'), '0', '-1')).toEqual([other.id, job.id])
    expect(await shop.redis.hmget(bull('deadline', job.id), 'atm', 'ats')).toEqual([null, '1'])
    expect(await shop.redis.exists(bull('deadline', `${job.id}:lock`), bull('deadline', 'active'))).toBe(0)
    expect(await shop.redis.exists('deadline-set', shop.keys('deadline').totals)).toBe(0)
    const said = worker.lines.slice(before).flatMap(({ msg }) => (/event loop/.test(msg) ? [] : [msg]))
    expect(said).toEqual(['shutdown deadline passed, handing running jobs back', 'job handed back unfinished'])

    await shop.work([handle(contract, (_input, ctx) => ctx.attempt)])
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 1, attempts: 1 })
    expect(await shop.end(other)).toMatchObject({ status: 'completed', value: 1 })
    expect(await shop.redis.hgetall(shop.keys('deadline').totals)).toEqual({ 'job:completed': '2' })
    expect(await shop.redis.exists(shop.keys('deadline').counter('n'))).toBe(0)
  })

  it('hands back at once without a shutdown timeout, also what ignores its signal', async () => {
    const contract = defineJob({ name: 'job', queue: 'now', input })
    const started = createGate()
    const held = createGate()
    let count = 0
    const handler = handle(contract, async () => {
      if (++count === 3) started.open()
      await held.promise
      return 'late'
    })
    const worker = await shop.work([handler], { concurrency: 3, shutdownTimeout: 0 })
    await shop.producer.enqueueBulk(
      contract,
      [1, 2, 3].map((n) => ({ n })),
    )
    await started.promise
    expect(await worker.close()).toEqual({ handedBack: 3, abandoned: 0 })
    expect(await shop.redis.llen(bull('now', 'wait'))).toBe(3)
    held.open()
    await held.promise
    expect(await shop.redis.exists(shop.keys('now').totals)).toBe(0)
  })

  it('hands back unstarted what Redis still hands over after the deadline', async () => {
    const contract = defineJob({ name: 'job', queue: 'after', input })
    const [started, held] = [createGate(), createGate()]
    const runs: number[] = []
    const handler = handle(contract, async ({ n }) => {
      runs.push(n)
      started.open()
      await held.promise
    })
    const worker = await shop.work([handler], { concurrency: 1, shutdownTimeout: 0 })
    const [first, second] = await Promise.all(
      [1, 2].map((n) => shop.producer.enqueue(contract, { n }, { id: `a${n}` })),
    )
    await started.promise
    // The commit of the first job asks for the next one too; Redis answers when the worker is past its deadline.
    await shop.server.kill('SIGSTOP')
    held.open()
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    const closing = worker.close()
    await expect
      .poll(() => worker.lines.map(({ msg }) => msg))
      .toContain('shutdown deadline passed, handing running jobs back')
    await shop.server.kill('SIGCONT')
    expect(await closing).toEqual({ handedBack: 1, abandoned: 0 })
    expect(runs).toEqual([1])
    expect(first && (await shop.end(first))).toMatchObject({ status: 'completed' })
    expect(await shop.redis.lrange(bull('after', 'wait'), '0', '-1')).toEqual([second?.id])
  })

  it('keeps a priority of what it hands back', async () => {
    const contract = defineJob({ name: 'job', queue: 'ranked', input })
    const started = createGate()
    const handler = handle(contract, (_input, ctx) => {
      started.open()
      return new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    })
    const worker = await shop.work([handler], { concurrency: 1, shutdownTimeout: 0 })
    const job = await shop.producer.enqueue(contract, { n: 1 }, { priority: 9 })
    await started.promise
    expect(await worker.close()).toEqual({ handedBack: 1, abandoned: 0 })
    expect(await shop.redis.zrange(bull('ranked', 'prioritized'), '0', '-1')).toEqual([job.id])
  })

  it('closes once, however often it is told to', async () => {
    const worker = await shop.work([handle(defineJob({ name: 'job', queue: 'twice', input }), () => 1)])
    const [first, second] = [worker.close(), worker.close()]
    expect(second).toBe(first)
    expect(await first).toEqual({ handedBack: 0, abandoned: 0 })
    expect(worker.close()).toBe(first)
    await worker[Symbol.asyncDispose]()
  })

  it('leaves no connection, also when it is closed as soon as it is there', async () => {
    const clients = async () => {
      const list = String(await shop.redis.client('LIST'))
        .trim()
        .split('\n')
      return list.map((line) => line.slice(0, line.indexOf(' ')))
    }
    const before = await clients()
    const later = async () => (await clients()).filter((id) => !before.includes(id))
    for (const queue of ['brief-1', 'brief-2', 'brief-3']) {
      const worker = await shop.work([handle(defineJob({ name: 'job', queue, input }), () => 1)])
      expect(await later()).not.toEqual([])
      await worker.close()
      await expect.poll(later).toEqual([])
    }
  })
})
