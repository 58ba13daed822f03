// What a handler is given beside its input, as Redis and the log show it.
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const hashOf = (queue: string, id: string) => `${shop.keys(queue).bullBase}${id}`

it('a handler sees its job, its queue, its attempt and when it was enqueued', async () => {
  const contract = defineJob({ name: 'about', queue: 'about', input, attempts: 7 })
  const handler = handle(contract, (_input, ctx) => {
    const { id, job, queue, attempt, attempts, enqueuedAt, fence } = ctx
    return { id, job, queue, attempt, attempts, enqueuedAt, fence }
  })
  await shop.work([handler])
  const job = await shop.producer.enqueue(contract, { n: 1 }, { id: 'mine' })
  const record = await shop.end(job)
  expect(record).toMatchObject({
    value: { id: 'mine', job: 'about', queue: 'about', attempt: 1, attempts: 7, fence: { jobId: 'mine', token: 1 } },
  })
  expect(record).toMatchObject({ value: { enqueuedAt: record.enqueuedAt } })
})

it('progress is written at once, with its text if there is one', async () => {
  const contract = defineJob({ name: 'bar', queue: 'bar', input })
  const seen: (string | null)[] = []
  const handler = handle(contract, async (_input, ctx) => {
    await ctx.progress(40)
    seen.push(await shop.redis.hget(hashOf('bar', ctx.id), 'progress'))
    await ctx.progress(50, 'downloaded')
    seen.push(await shop.redis.hget(hashOf('bar', ctx.id), 'progress'))
  })
  await shop.work([handler])
  await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
  expect(seen).toEqual(['40', '{"percent":50,"text":"downloaded"}'])
})

it('lines of the log go to the worker and to the job, the newest hundred', async () => {
  const contract = defineJob({ name: 'wordy', queue: 'wordy', input })
  const handler = handle(contract, async (_input, { log }) => {
    log.debug('not kept')
    for (let i = 1; i <= 105; i++) log.info({ i }, 'line')
  })
  const worker = await shop.work([handler])
  const job = await shop.producer.enqueue(contract, { n: 1 })
  await shop.end(job)
  const key = `${hashOf('wordy', job.id)}:logs`
  await expect.poll(() => shop.redis.lindex(key, -1)).toMatch(/Z info line \{"i":105\}$/)
  expect(await shop.redis.llen(key)).toBe(100)
  expect(await shop.redis.lindex(key, 0)).toMatch(/Z info line \{"i":6\}$/)
  const own = worker.lines.filter(({ id }) => id === job.id)
  expect(own).toHaveLength(106)
  expect(own.at(-1)).toMatchObject({ queue: 'wordy', job: 'wordy', id: job.id, attempt: 1, i: 105, msg: 'line' })
})

it('the fence grows with every start of the job, also where the attempt does not count', async () => {
  const contract = defineJob({ name: 'fence', queue: 'fence', input, attempts: 2, backoff: { delay: 0 } })
  const fences: [attempt: number, token: number][] = []
  const handler = handle(contract, async (_input, ctx) => {
    fences.push([ctx.attempt, ctx.fence.token])
    if (fences.length === 1) {
      // The lock is gone: this run is void, and the job is handed out again.
      await shop.redis.del(`${hashOf('fence', ctx.id)}:lock`)
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    }
    if (fences.length === 2) throw new Error('counts')
  })
  await shop.work([handler])
  const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
  expect(fences).toEqual([
    [1, 1],
    [1, 2],
    [2, 3],
  ])
  expect(record).toMatchObject({ status: 'completed', attempts: 2 })
})

it('several queues are worked at once, each with a concurrency of its own', async () => {
  const [narrow, wide] = ['narrow', 'wide'].map((queue) => defineJob({ name: 'count', queue, input }))
  if (!narrow || !wide) throw new Error('contracts are missing')
  const running: Record<string, number> = { narrow: 0, wide: 0 }
  const most: Record<string, number> = { narrow: 0, wide: 0 }
  const count = (contract: typeof narrow) =>
    handle(contract, async (_input, { queue }) => {
      running[queue] = (running[queue] ?? 0) + 1
      most[queue] = Math.max(most[queue] ?? 0, running[queue])
      await shop.redis.ping()
      await shop.redis.ping()
      running[queue]--
    })
  const worker = await shop.work([count(narrow), count(wide)], { queues: { narrow: 1, wide: { concurrency: 4 } } })
  expect(worker.queues).toEqual(['narrow', 'wide'])
  for (const contract of [narrow, wide]) {
    const { ids } = await shop.producer.enqueueBulk(
      contract,
      Array.from({ length: 40 }, (_, n) => ({ n })),
    )
    for (const id of ids) await shop.end({ queue: contract.queue, id })
  }
  expect(most).toEqual({ narrow: 1, wide: 4 })
})
