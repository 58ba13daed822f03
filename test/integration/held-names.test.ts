// A job name that is paused in a queue: none of its jobs starts, all others go on, and after it they run in their order.
import { expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import {
  backlogOf,
  holdName,
  MAX_HELD_NAMES,
  readHeldNames,
  readQueueNow,
  releaseName,
} from '../../src/ledger/index.js'
import { handle } from '../../src/worker/index.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const define = (queue: string, name: string) => defineJob({ name, queue, input: anything, attempts: 1 })

/** Two job names of a queue, and what ran of them, in order. */
function openQueue(queue: string) {
  const [red, blue] = [define(queue, 'red'), define(queue, 'blue')]
  const ran: string[] = []
  const handlers = [red, blue].map((job) =>
    handle(job, (input) => void ran.push(`${job.name} ${(input as { n: number }).n}`)),
  )
  const keys = shop.keys(queue)
  return { red, blue, ran, handlers, keys, held: () => readHeldNames(shop.redis, keys) }
}

it('is not started by two workers while others run, and keeps its order, also of priorities', async () => {
  const { red, blue, ran, handlers, keys, held } = openQueue('colours')
  expect(await holdName(shop.redis, keys, 'red')).toBe(true)
  for (let n = 0; n < 60; n++) {
    await shop.producer.enqueue(red, { n })
    await shop.producer.enqueue(blue, { n })
    if (n < 5) await shop.producer.enqueue(red, { n: 100 + n }, { priority: 7 })
  }
  const workers = [await shop.work(handlers, { concurrency: 3 }), await shop.work(handlers, { concurrency: 3 })]
  await vi.waitFor(() => expect(ran).toHaveLength(60), PATIENCE)
  expect(ran.filter((name) => name.startsWith('red'))).toEqual([])
  await vi.waitFor(async () => expect(await held()).toEqual([{ job: 'red', jobs: 65 }]), PATIENCE)
  const names = ['wait', 'active', 'prioritized', 'delayed'] as const
  const kept = async () => {
    const [wait, active] = [
      await shop.redis.llen(`${keys.bullBase}wait`),
      await shop.redis.llen(`${keys.bullBase}active`),
    ]
    return [
      wait,
      active,
      await shop.redis.zcard(`${keys.bullBase}${names[2]}`),
      await shop.redis.zcard(`${keys.bullBase}delayed`),
    ]
  }
  await vi.waitFor(async () => expect(await kept()).toEqual([0, 0, 0, 65]), PATIENCE)
  // They are told as held, and are neither delayed nor a backlog.
  const now = await readQueueNow(shop.redis, keys)
  expect(now).toMatchObject({ delayed: 0, held: 65, heldNames: ['red'], waiting: 0, oldestSince: null })
  expect(backlogOf(now)).toBe(0)
  // One that comes now is put aside, too, and another job beside it runs at once.
  await shop.producer.enqueue(red, { n: 60 })
  await shop.producer.enqueue(blue, { n: 60 })
  await vi.waitFor(() => expect(ran).toHaveLength(61), PATIENCE)
  await Promise.all(workers.map((worker) => worker.close()))
  ran.length = 0
  await releaseName(shop.redis, keys, 'red')
  expect(await held()).toEqual([])
  expect(await shop.redis.exists(keys.held('red'))).toBe(0)
  const worker = await shop.work(handlers, { concurrency: 1 })
  await vi.waitFor(() => expect(ran).toHaveLength(66), PATIENCE)
  const order = Array.from({ length: 61 }, (_, n) => `red ${n}`)
  expect(ran).toEqual([...order, ...Array.from({ length: 5 }, (_, n) => `red ${100 + n}`)])
  await worker.close()
})

it('whose pause ends while its end is killed is put back by the workers, oldest first', async () => {
  const { red, ran, handlers, keys, held } = openQueue('killed')
  await holdName(shop.redis, keys, 'red')
  const jobs = Array.from({ length: 1_300 }, (_, n) => ({ n }))
  await shop.producer.enqueueBulk(red, jobs)
  const first = await shop.work(handlers)
  await vi.waitFor(async () => expect(await held()).toEqual([{ job: 'red', jobs: 1_300 }]), PATIENCE)
  await first.close()
  // One call of what releaseName repeats.
  const once = new Proxy(shop.redis, {
    get(target, name) {
      if (name !== 'eval') return Reflect.get(target, name)
      return (...words: unknown[]) => target.eval(...(words as [string, number])).then(() => 'killed')
    },
  })
  await releaseName(once, keys, 'red')
  expect(await shop.redis.zcard(keys.held('red'))).toBe(800)
  const worker = await shop.work(handlers, { concurrency: 1 })
  await vi.waitFor(() => expect(ran).toHaveLength(1_300), PATIENCE)
  expect(ran).toEqual(jobs.map(({ n }) => `red ${n}`))
  expect(await shop.redis.hget(`${keys.bullBase}meta`, 'drover:held')).toBeNull()
  await worker.close()
})

it('is paused and resumed again and again beside workers, and each job runs once', async () => {
  const { red, blue, ran, handlers, keys } = openQueue('often')
  const workers = [await shop.work(handlers, { concurrency: 5 }), await shop.work(handlers, { concurrency: 5 })]
  for (let round = 0; round < 10; round++) {
    await holdName(shop.redis, keys, 'red')
    await shop.producer.enqueueBulk(
      red,
      Array.from({ length: 50 }, (_, n) => ({ n: round * 50 + n })),
    )
    await shop.producer.enqueueBulk(
      blue,
      Array.from({ length: 50 }, (_, n) => ({ n: round * 50 + n })),
    )
    await vi.waitFor(
      () => expect(ran.filter((name) => name.startsWith('blue'))).toHaveLength(50 * (round + 1)),
      PATIENCE,
    )
    await releaseName(shop.redis, keys, 'red')
  }
  await vi.waitFor(() => expect(ran).toHaveLength(1_000), PATIENCE)
  expect(new Set(ran).size).toBe(1_000)
  await Promise.all(workers.map((worker) => worker.close()))
})

it('lets a cancelled job of it go, and takes no more than 100 names', async () => {
  const { red, handlers, keys, held } = openQueue('limits')
  await holdName(shop.redis, keys, 'red')
  const job = await shop.producer.enqueue(red, { n: 1 })
  const worker = await shop.work(handlers)
  await vi.waitFor(async () => expect(await held()).toEqual([{ job: 'red', jobs: 1 }]), PATIENCE)
  expect(await shop.producer.jobs.cancel(job)).toBe('cancelled')
  expect(await held()).toEqual([{ job: 'red', jobs: 0 }])
  for (let n = 1; n < MAX_HELD_NAMES; n++) expect(await holdName(shop.redis, keys, `other-${n}`)).toBe(true)
  expect(await holdName(shop.redis, keys, 'one-more')).toBe(false)
  expect(await holdName(shop.redis, keys, 'red')).toBe(true)
  for (const { job: name } of await held()) await releaseName(shop.redis, keys, name)
  await releaseName(shop.redis, keys, 'never-paused')
  expect(await held()).toEqual([])
  await worker.close()
})

it('is not started by a worker whose attempt failed, as it takes the next job with the move of the failed one', async () => {
  const queue = 'after-failure'
  const red = define(queue, 'red')
  const blue = defineJob({ name: 'blue', queue, input: anything, attempts: 2, backoff: { type: 'fixed', delay: '1h' } })
  const keys = shop.keys(queue)
  await holdName(shop.redis, keys, 'red')
  let isStarted = false
  for (let n = 0; n < 3; n++) {
    await shop.producer.enqueue(blue, { n })
    await shop.producer.enqueue(red, { n })
  }
  const handlers = [
    handle(blue, () => Promise.reject(new Error('not yet'))),
    handle(red, () => {
      isStarted = true
    }),
  ]
  const worker = await shop.work(handlers, { concurrency: 1 })
  await vi.waitFor(async () => expect(await shop.redis.zcard(`${keys.bullBase}delayed`)).toBe(6), PATIENCE)
  expect(await readHeldNames(shop.redis, keys)).toEqual([{ job: 'red', jobs: 3 }])
  expect(isStarted).toBe(false)
  await worker.close()
})
