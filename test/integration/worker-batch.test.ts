// Handlers that take many jobs in one call: each job has its answer, its attempts and its commit, and none fails for another.
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob, PermanentError } from '../../src/job/index.js'
import { type BatchFunction, handleBatch, snooze } from '../../src/worker/index.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const define = (queue: string, options: object = {}) => {
  return defineJob({ name: 'job', queue, input, backoff: { delay: 0 }, ...options })
}
type Contract = ReturnType<typeof define>
const enqueue = async (contract: Contract, count: number) => {
  const { ids } = await shop.producer.enqueueBulk(
    contract,
    Array.from({ length: count }, (_, n) => ({ n })),
  )
  return ids.map((id) => ({ queue: contract.queue, id }))
}
const endsOf = (jobs: { queue: string; id: string }[]) => Promise.all(jobs.map((job) => shop.end(job)))
const totalsOf = (queue: string) => shop.redis.hgetall(shop.keys(queue).totals)

it('jobs share calls up to the size, and each commits what it answered, counted and staged by itself', async () => {
  const contract = define('shares', { attempts: 1, output: z.object({ double: z.number() }) })
  const sizes: number[] = []
  const run: BatchFunction<Contract> = async (items) => {
    sizes.push(items.length)
    return items.map(({ input: { n }, ctx }) => {
      ctx.counter('sum').add(n)
      ctx.effects.rpush('shares', `${ctx.id}`)
      if (n === 3) return new TypeError('not three')
      if (n === 4) return { dubble: 8 }
      return { double: 2 * n }
    })
  }
  const jobs = await enqueue(contract, 25)
  await shop.work([handleBatch(contract, { size: 10, wait: '1s' }, run)], { concurrency: 20 })
  const records = await endsOf(jobs)
  expect(records.map((record) => (record.status === 'completed' ? record.value : record.error.name))).toEqual(
    jobs.map((_, n) => ({ 3: 'TypeError', 4: 'InvalidResultError' })[n] ?? { double: 2 * n }),
  )
  expect(Math.max(...sizes)).toBe(10)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(25)
  // 0 to 24 without 3 and 4.
  expect(await shop.producer.counters.get('shares', 'sum')).toBe(293)
  expect(await shop.redis.llen('shares')).toBe(23)
  expect(await totalsOf('shares')).toEqual({ 'job:completed': '23', 'job:failed': '2' })
})

it('a job that makes every call throw fails alone: its neighbours lose one attempt at most', async () => {
  const contract = define('poison', { attempts: 2 })
  const jobs = await enqueue(contract, 24)
  const sizes: [attempt: number, size: number][] = []
  const handler = handleBatch(contract, { size: 8, wait: '5s' }, async (items) => {
    sizes.push([items[0]?.ctx.attempt ?? 0, items.length])
    if (items.some(({ input: { n } }) => n === 11)) throw new PermanentError('poison')
    return items.map(() => 'good')
  })
  await shop.work([handler], { concurrency: 24 })
  const records = await endsOf(jobs)
  for (const [n, record] of records.entries()) {
    if (n === 11) expect(record).toMatchObject({ status: 'failed', attempts: 2, error: { message: 'poison' } })
    else expect(record).toMatchObject({ status: 'completed', value: 'good' })
  }
  // Of a call of several nobody is to blame; alone it is the job's own error.
  expect(sizes.filter(([attempt, size]) => attempt > 1 && size > 1)).toEqual([])
  expect(sizes.filter(([attempt]) => attempt === 1).length).toBeLessThanOrEqual(6)
})

it('answers that do not fit fail an attempt of each job', async () => {
  const answers: Record<string, (count: number) => unknown> = {
    none: () => undefined,
    object: () => ({ length: 2, 0: 1, 1: 2 }),
    short: (count) => Array(count - 1).fill(1),
    long: (count) => Array(count + 1).fill(1),
    holes: (count) => Array(count),
    text: () => 'ab',
  }
  const handlers = Object.entries(answers).map(([name, answer]) => {
    const contract = defineJob({ name, queue: 'answers', input, attempts: 1 })
    return handleBatch(contract, { size: 2, wait: '1s' }, (items) => answer(items.length) as never)
  })
  await shop.work(handlers, { concurrency: 12 })
  const jobs = await Promise.all(
    handlers.flatMap(({ contract }) => [1, 2].map((n) => shop.producer.enqueue(contract, { n }))),
  )
  for (const record of await endsOf(jobs))
    expect(record).toMatchObject({ status: 'failed', error: { code: 'BATCH_ANSWER' } })
})

it('a job may be snoozed by its answer while its neighbours complete', async () => {
  const contract = define('snoozed', { attempts: 1 })
  const handler = handleBatch(contract, { size: 4, wait: 50 }, (items) => {
    return items.map(({ input: { n }, ctx }) => (n === 1 && ctx.fence.token === 1 ? snooze(100) : ctx.fence.token))
  })
  await shop.work([handler])
  const records = await endsOf(await enqueue(contract, 4))
  expect(records).toMatchObject([1, 2, 1, 1].map((value) => ({ status: 'completed', value, attempts: 1 })))
  expect(await totalsOf('snoozed')).toEqual({ 'job:completed': '4', 'job:snoozed': '1' })
})

it('a job that is cancelled leaves its call, which goes on for the others', async () => {
  const contract = define('leaves', { attempts: 1 })
  const running = createGate()
  const left = createGate()
  let isAborted: boolean | undefined
  const handler = handleBatch(contract, { size: 3, wait: '10s' }, async (items, { signal }) => {
    const second = items.find(({ input: { n } }) => n === 1)
    second?.ctx.signal.addEventListener('abort', () => left.open())
    running.open()
    await left.promise
    isAborted = signal.aborted
    return items.map(() => 'done')
  })
  await shop.work([handler])
  const jobs = await enqueue(contract, 3)
  await running.promise
  await shop.producer.jobs.cancel(jobs[1] as (typeof jobs)[0])
  expect((await endsOf(jobs)).map(({ status }) => status)).toEqual(['completed', 'failed', 'completed'])
  expect(isAborted).toBe(false)
})

it('a job that left its call fails no neighbour: what is still counted and staged for it is dropped', async () => {
  const contract = define('dropped', { attempts: 1 })
  const running = createGate()
  const left = createGate()
  const handler = handleBatch(contract, { size: 3, wait: '10s' }, async (items) => {
    const early = items.map(({ ctx }) => ctx.effects)
    items.find(({ input: { n } }) => n === 1)?.ctx.signal.addEventListener('abort', () => left.open())
    running.open()
    await left.promise
    // Its attempt is over for sure, and not only told so.
    await new Promise((resolve) => setImmediate(resolve))
    for (const [index, { ctx }] of items.entries()) {
      ctx.counter('sum').add(1)
      ctx.effects.rpush('dropped', ctx.id)
      early[index]?.rpush('dropped', ctx.id)
      await ctx.enqueue(contract, { n: 9 }, { delay: '1h' })
    }
    return items.map(() => 'done')
  })
  await shop.work([handler])
  const jobs = await enqueue(contract, 3)
  await running.promise
  await shop.producer.jobs.cancel(jobs[1] as (typeof jobs)[0])
  expect((await endsOf(jobs)).map(({ status }) => status)).toEqual(['completed', 'failed', 'completed'])
  expect(await shop.producer.counters.get('dropped', 'sum')).toBe(2)
  const ids = [jobs[0]?.id, jobs[0]?.id, jobs[2]?.id, jobs[2]?.id].sort()
  expect((await shop.redis.lrange('dropped', 0, -1)).sort()).toEqual(ids)
  expect(await shop.redis.zcard(`${shop.keys('dropped').bullBase}delayed`)).toBe(2)
})

it('an answer may be a promise: each job has its own, and a late one keeps nobody waiting', async () => {
  const contract = define('promises', { attempts: 1 })
  const fast = createGate()
  const handler = handleBatch(contract, { size: 5, wait: '10s' }, (items) => {
    const answer = async (n: number) => {
      if (n === 1) throw new PermanentError('its own')
      if (n === 2) return new TypeError('answered')
      if (n === 3) await fast.promise
      return n
    }
    return items.map(({ input: { n } }) => answer(n)) as never
  })
  await shop.work([handler])
  const jobs = await enqueue(contract, 5)
  const [slow] = jobs.splice(3, 1) as [(typeof jobs)[0]]
  expect(
    (await endsOf(jobs)).map((record) => (record.status === 'completed' ? record.value : record.error.name)),
  ).toEqual([0, 'PermanentError', 'TypeError', 4])
  fast.open()
  expect(await shop.end(slow)).toMatchObject({ status: 'completed', value: 3 })
})

it('a promise that rejects for a job that is over harms nothing', async () => {
  const contract = define('rejects-late', { attempts: 1, timeout: 200 })
  const over = createGate()
  const handler = handleBatch(contract, { size: 1, wait: 50 }, async ([item]) => {
    await new Promise((resolve) => item?.ctx.signal.addEventListener('abort', resolve))
    setImmediate(() => setImmediate(over.open))
    // Vitest fails the run for a rejection that nobody handles.
    return [Promise.reject(new Error('late'))] as never
  })
  await shop.work([handler])
  const records = await endsOf(await enqueue(contract, 1))
  await over.promise
  expect(records).toMatchObject([{ status: 'failed', error: { code: 'JOB_TIMEOUT' } }])
})

it('a call whose jobs are all over their time is told by its signal, and none of its answers counts', async () => {
  const contract = define('late', { attempts: 1, timeout: 300 })
  const told = createGate<unknown>()
  const handler = handleBatch(contract, { size: 3, wait: 50 }, async (items, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    told.open((signal.reason as { code: string }).code)
    return items.map(() => 'late')
  })
  await shop.work([handler])
  for (const record of await endsOf(await enqueue(contract, 3))) {
    expect(record).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } })
  }
  expect(await told.promise).toBe('JOB_TIMEOUT')
})

it('a shutdown hands back what is gathered and what runs, at no attempt', async () => {
  const contract = define('down', { attempts: 1 })
  const running = createGate()
  let isHeld = true
  const handler = () => {
    return handleBatch(contract, { size: 4, wait: isHeld ? '30s' : 10 }, async (items, { signal }) => {
      running.open()
      if (isHeld) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return items.map(({ ctx }) => ctx.attempt)
    })
  }
  const first = await shop.work([handler()])
  const jobs = await enqueue(contract, 6)
  await running.promise
  await expect.poll(() => first.running).toBe(6)
  const closed = await first.close()
  expect(closed.abandoned).toBe(0)
  // A fetch that was on its way may bring one of them once more, which goes back too.
  expect(closed.handedBack).toBeGreaterThanOrEqual(6)
  isHeld = false
  await shop.work([handler()])
  for (const record of await endsOf(jobs)) expect(record).toMatchObject({ status: 'completed', value: 1, attempts: 1 })
  expect(await totalsOf('down')).toEqual({ 'job:completed': '6' })
})
