// How long a failed job waits by the kind of its backoff, until when it is retried, and jobs that ask to run later.
import { Queue } from 'bullmq'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob, PermanentError } from '../../src/job/index.js'
import { handle, handleCommand, type RetryDelay, retryIn, snooze } from '../../src/worker/index.js'
import { type TestWorker, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const totalsOf = (queue: string) => shop.redis.hgetall(shop.keys(queue).totals)
const waitsOf = ({ lines }: TestWorker) => lines.filter(({ msg }) => msg === 'attempt failed').map((l) => l.retryInMs)

describe('the wait after a failed attempt', () => {
  it('follows a list, whose last repeats', async () => {
    const backoff = { type: 'list', delays: [30, 10, 20], jitter: 0 } as const
    const contract = defineJob({ name: 'listed', queue: 'listed', input, attempts: 6, backoff })
    const worker = await shop.work([handle(contract, () => Promise.reject(new Error('no')))])
    expect(await shop.end(await shop.producer.enqueue(contract, { n: 1 }))).toMatchObject({ attempts: 6 })
    expect(waitsOf(worker)).toEqual([30, 10, 20, 20, 20])
  })

  it('is what the function of a custom one says, up to its cap, once for each attempt', async () => {
    const backoff = { type: 'custom', maxDelay: 40, delay: 1 } as const
    const contract = defineJob({ name: 'asked', queue: 'asked', input, attempts: 4, backoff })
    const asked: unknown[] = []
    const retryDelay: RetryDelay = (error, attempt) => {
      asked.push([(error as Error).message, attempt])
      return attempt === 2 ? '1h' : 10 * attempt
    }
    const worker = await shop.work([
      handle(contract, (_, ctx) => Promise.reject(new Error(`${ctx.attempt}`)), { retryDelay }),
    ])
    expect(await shop.end(await shop.producer.enqueue(contract, { n: 1 }))).toMatchObject({ attempts: 4 })
    expect(waitsOf(worker)).toEqual([10, 40, 30])
    expect(asked.map((each) => JSON.stringify(each))).toEqual(['["1",1]', '["2",2]', '["3",3]'])
  })

  it('is the exponential one of the contract when the function throws or gives what is no wait, and the job is not lost', async () => {
    const rubbish: (() => unknown)[] = [
      () => {
        throw new Error('of its own')
      },
      () => {
        throw null
      },
      () => -1,
      () => Number.NaN,
      () => '366d',
      () => 'soon',
      async () => 5,
      () => null,
      () => new Proxy({}, { get: () => rubbish[0]?.() }),
    ]
    const backoff = { type: 'custom', delay: 2, maxDelay: 3 } as const
    const attempts = rubbish.length + 1
    const contract = defineJob({ name: 'odd', queue: 'odd', input, attempts, backoff })
    const retryDelay = (_error: unknown, attempt: number) => rubbish[attempt - 1]?.() as number
    const worker = await shop.work([handle(contract, () => Promise.reject(new Error('no')), { retryDelay })])
    const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
    expect(record).toMatchObject({ status: 'failed', attempts, error: { message: 'no' } })
    expect(waitsOf(worker)).toEqual([2, ...Array(attempts - 2).fill(3)])
    const told = worker.lines.filter(({ msg }) => msg === 'retryDelay gave no wait, the backoff stands in')
    expect(told.map(({ attempt }) => attempt)).toEqual(rubbish.map((_, index) => index + 1))
  })

  it('is that of the contract, told to nobody, when the function gives nothing', async () => {
    const backoff = { type: 'custom', delay: 2, maxDelay: 3 } as const
    const contract = defineJob({ name: 'none', queue: 'none', input, attempts: 2, backoff })
    const worker = await shop.work([
      handle(contract, () => Promise.reject(new Error('no')), { retryDelay: () => undefined }),
    ])
    await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
    expect(waitsOf(worker)).toEqual([2])
    expect(worker.lines.filter(({ msg }) => msg.startsWith('retryDelay'))).toEqual([])
  })
})

describe('retryUntil', () => {
  it('ends a job at once whose wait would lead beyond it, with the error of that attempt', async () => {
    const backoff = { type: 'fixed', delay: '1h', maxDelay: '1h', jitter: 0 } as const
    const contract = defineJob({ name: 'beyond', queue: 'beyond', input, backoff, retryUntil: '10m' })
    await shop.work([handle(contract, () => Promise.reject(new Error('no')))])
    const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
    expect(record).toMatchObject({ status: 'failed', attempts: 1, error: { message: 'no' } })
    expect(await totalsOf('beyond')).toEqual({ 'beyond:failed': '1' })
  })

  it('lets a job run as often as there is time, and none of its attempts starts after it', async () => {
    const backoff = { type: 'fixed', delay: 20, jitter: 0 } as const
    const contract = defineJob({ name: 'often', queue: 'often', input, backoff, retryUntil: '1h' })
    const now = Date.now.bind(Date)
    const clock = vi.spyOn(Date, 'now')
    let runs = 0
    const handler = handle(contract, () => {
      // More than the three of a contract that does not say; then the hour is over.
      if (++runs === 5) clock.mockImplementation(() => now() + 3_600_000)
      throw new Error('no')
    })
    try {
      await shop.work([handler])
      expect(await shop.end(await shop.producer.enqueue(contract, { n: 1 }))).toMatchObject({ status: 'failed' })
      expect(runs).toBe(5)
    } finally {
      clock.mockRestore()
    }
  })

  it('fails a retry that nobody could start in time, without a run; by hand it runs', async () => {
    const backoff = { type: 'fixed', delay: 1, jitter: 0 } as const
    const contract = defineJob({ name: 'late', queue: 'late', input, backoff, retryUntil: '2s' })
    let runs = 0
    const queue = new Queue('late', { connection: { url: shop.server.url }, prefix: shop.keys('late').bull })
    const failing = handle(contract, async () => {
      runs++
      await queue.pause()
      throw new Error('the first')
    })
    const first = await shop.work([failing])
    const job = await shop.producer.enqueue(contract, { n: 1 })
    const enqueuedBy = Date.now()
    await expect.poll(() => totalsOf('late')).toEqual({ 'late:retried': '1' })
    await first.close()
    await expect.poll(() => Date.now() - enqueuedBy).toBeGreaterThan(2_010)
    await queue.resume()
    const worker = await shop.work([handle(contract, () => void runs++)])
    const error = { code: 'RETRY_UNTIL_PASSED', message: expect.stringContaining('failed with: the first') }
    expect(await shop.end(job)).toMatchObject({ status: 'failed', attempts: 2, error })
    expect(runs).toBe(1)

    await (await queue.getJob(job.id))?.retry()
    await expect.poll(() => runs).toBe(2)
    expect(await shop.end(job)).toMatchObject({ status: 'completed' })
    await worker.close()
    await queue.close()
  })

  it('counts from when a delayed job is due', async () => {
    const contract = defineJob({ name: 'due', queue: 'due', input, backoff: { delay: 0 }, retryUntil: '10s' })
    await shop.work([
      handle(contract, (_input, ctx) => {
        if (ctx.attempt === 1) throw new Error('once')
      }),
    ])
    const job = await shop.producer.enqueue(contract, { n: 1 }, { delay: '1h' })
    // As if it had been enqueued an hour ago: its ten seconds begin now.
    const enqueuedAt = Date.now() - 3_600_000
    await shop.redis.hset(`${shop.keys('due').bullBase}${job.id}`, { timestamp: enqueuedAt })
    const queue = new Queue('due', { connection: { url: shop.server.url }, prefix: shop.keys('due').bull })
    await (await queue.getJob(job.id))?.promote()
    await queue.close()
    expect(await shop.end(job)).toMatchObject({ status: 'completed', attempts: 2, enqueuedAt })
  })
})

describe('a snooze', () => {
  const ways = {
    thrown: () => {
      throw snooze('100ms', 'not there yet')
    },
    context: (ctx: { snooze: (ms: number) => never }) => ctx.snooze(100),
    swallowed: (ctx: { snooze: (ms: number) => never }) => {
      try {
        ctx.snooze(100)
      } catch {
        return 'all is well'
      }
    },
  }

  it.each(Object.keys(ways) as (keyof typeof ways)[])(
    'that is %s runs the job later: no attempt is used, nothing of the run is kept',
    async (way) => {
      const contract = defineJob({ name: 'later', queue: `later-${way}`, input, attempts: 1 })
      const runs: unknown[] = []
      const handler = handle(contract, async (_input, ctx) => {
        runs.push([ctx.attempt, ctx.fence.token, Date.now()])
        ctx.counter('runs').add()
        ctx.effects.rpush(`later:${way}`, ctx.fence.token)
        if (runs.length < 4) return ways[way](ctx)
        return 'done'
      })
      const worker = await shop.work([handler])
      const job = await shop.producer.enqueue(contract, { n: 1 })
      expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 'done', attempts: 1 })
      const seen = runs as [number, number, number][]
      expect(seen.map(([attempt, token]) => [attempt, token])).toEqual([
        [1, 1],
        [1, 2],
        [1, 3],
        [1, 4],
      ])
      // BullMQ starts a delayed job at most a few milliseconds early.
      for (const [index, [, , at]] of seen.slice(1).entries())
        expect(at - (seen[index]?.[2] ?? 0)).toBeGreaterThanOrEqual(95)
      expect(await totalsOf(contract.queue)).toEqual({ 'later:snoozed': '3', 'later:completed': '1' })
      expect(await shop.redis.lrange(`later:${way}`, 0, -1)).toEqual(['4'])
      expect(await shop.producer.counters.get(contract.queue, 'runs')).toBe(1)
      expect(worker.lines.filter(({ msg }) => msg === 'job snoozed').map(({ delayMs }) => delayMs)).toEqual([
        100, 100, 100,
      ])
      expect(worker.lines.filter(({ msg }) => msg === 'attempt failed')).toEqual([])
    },
  )

  it('uses none of the attempts that are left, and retries around it are counted as ever', async () => {
    const contract = defineJob({ name: 'mixed', queue: 'mixed', input, attempts: 2, backoff: { delay: 0 } })
    const seen: number[] = []
    const handler = handle(contract, (_input, ctx) => {
      seen.push(ctx.attempt)
      if (seen.length === 2) ctx.snooze(100)
      throw new Error('no')
    })
    await shop.work([handler])
    expect(await shop.end(await shop.producer.enqueue(contract, { n: 1 }))).toMatchObject({
      status: 'failed',
      attempts: 2,
    })
    expect(seen).toEqual([1, 2, 2])
    expect(await totalsOf('mixed')).toEqual({ 'mixed:retried': '1', 'mixed:snoozed': '1', 'mixed:failed': '1' })
  })

  it('too many fail the job', async () => {
    const contract = defineJob({ name: 'endless', queue: 'endless', input })
    const job = await shop.producer.enqueue(contract, { n: 1 })
    await shop.redis.hset(`${shop.keys('endless').bullBase}${job.id}`, 'ats', 10_000)
    await shop.work([handle(contract, (_input, ctx) => ctx.snooze(100))])
    expect(await shop.end(job)).toMatchObject({ status: 'failed', error: { code: 'SNOOZE_LIMIT' } })
  })

  it('of no good duration fails the attempt', async () => {
    const contract = defineJob({ name: 'short', queue: 'short', input, attempts: 1 })
    await shop.work([handle(contract, (_input, ctx) => ctx.snooze('99ms'))])
    const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
    expect(record).toMatchObject({ status: 'failed', error: { code: 'INVALID_OPTION' } })
  })

  it('does not outlive a permanent error, nor the other way round', async () => {
    const contract = defineJob({ name: 'last', queue: 'last', input })
    const handler = handle(contract, (_input, ctx) => {
      try {
        ctx.snooze(100)
      } catch {
        throw new PermanentError('the last word')
      }
    })
    await shop.work([handler])
    const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
    expect(record).toMatchObject({ status: 'failed', error: { message: 'the last word' } })
  })
})

it('a program with an envelope may ask for another run, and fails its attempt when it asks for what is none', async () => {
  const failed = { error: { code: 'COMMAND_OUTPUT' } }
  const cases: [answer: string, record: object, totals: object][] = [
    ['{"retryIn": "20ms", "reason": "busy"}', { value: 7, attempts: 2 }, { retried: '1', completed: '1' }],
    ['{"snooze": 100}', { value: 7, attempts: 1 }, { snoozed: '1', completed: '1' }],
    ['{"snooze": -1}', failed, { failed: '1' }],
    ['{"retryIn": "soon"}', failed, { failed: '1' }],
    ['{"retryIn": 1, "snooze": 1}', failed, { failed: '1' }],
    ['{"snooze": 100, "result": 1}', failed, { failed: '1' }],
    ['{"snooze": 100, "reason": 5}', failed, { failed: '1' }],
  ]
  const contracts = cases.map(([, record], index) => {
    return defineJob({ name: `p${index}`, queue: 'programs', input, attempts: record === failed ? 1 : 2 })
  })
  const handlers = contracts.map((contract, index) => {
    const answer = JSON.stringify(cases[index]?.[0])
    const script = `process.stdout.write(process.env.DROVER_FENCE === '1' ? ${answer} : '{"result": 7}')`
    return handleCommand(contract, { command: ['node', '-e', script], output: 'envelope' })
  })
  await shop.work(handlers)
  const records = await Promise.all(
    contracts.map(async (contract) => shop.end(await shop.producer.enqueue(contract, { n: 1 }))),
  )
  expect(records).toMatchObject(cases.map(([, record]) => record))
  const expected = cases.flatMap(([, , totals], index) => {
    return Object.entries(totals).map(([ending, count]) => [`p${index}:${ending}`, count])
  })
  expect(await totalsOf('programs')).toEqual(Object.fromEntries(expected))
})

it('retryIn beyond retryUntil ends the job', async () => {
  const contract = defineJob({ name: 'asks', queue: 'asks', input, retryUntil: '1m' })
  await shop.work([handle(contract, () => Promise.reject(retryIn('2m', 'slow down')))])
  const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
  expect(record).toMatchObject({ status: 'failed', attempts: 1, error: { message: 'slow down' } })
})
