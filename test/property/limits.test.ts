// Limits by key against a model, on a real Redis: whatever is enqueued, taken, finished, failed, cancelled, put back after a
// lost lock or removed by hand, or counted wrong by somebody, in whatever order. No key has more jobs at once than it may, a strict one runs in the order
// of its enqueue, permits are those of jobs that have one, a job that may start does, and everything runs at the end.
import { type Job, QueueKeys } from 'bullmq'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { repairLimits } from '../../src/ledger/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { type Kernel, openKernel } from '../support/kernel.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { report, runsOf, settings } from './runs.js'

const RUNS = 60
const KEYS = ['a', 'b', 'c'] as const
const MOST = { two: 2, strict: 1, fair: Number.POSITIVE_INFINITY } as const
type Name = keyof typeof MOST
const options = { queue: 'media', input: anything, attempts: 3 }
const key = ({ key }: { key: string }) => key
const contracts = {
  two: defineJob({ name: 'two', ...options, limit: { key: key as never, concurrency: 2 } }),
  strict: defineJob({ name: 'strict', ...options, limit: { key: key as never, order: 'strict' } }),
  fair: defineJob({ name: 'fair', ...options, limit: { key: key as never, weight: 3 } }),
}
let server: TestRedis
let kernel: Kernel
let producer: Producer
beforeAll(async () => {
  server = await startTestRedis()
  kernel = await openKernel(server.url, 'media', 'drover', { backoffMs: () => 0 })
  producer = createProducer({ redis: server.url, timeout: '60s' })
})
afterAll(async () => {
  await producer?.close()
  await kernel?.close()
  await server?.close()
})

const act = fc.constantFrom(
  'enqueue',
  'enqueue',
  'enqueue',
  'take',
  'take',
  'complete',
  'fail',
  'retry',
  'stall',
  'cancel',
  'remove',
  'miscount',
)
const step = fc.record({
  act,
  name: fc.constantFrom<Name[]>('two', 'strict', 'fair'),
  key: fc.constantFrom(...KEYS),
  nth: fc.nat({ max: 20 }),
})
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

interface Known {
  readonly id: string
  /** Job name and key: whose limit it is. */
  readonly limit: string
  readonly name: Name
  /** Attempts that failed. */
  failed: number
}

/** What should be: jobs that wait in the order of their enqueue, and those that run. */
class Limits {
  readonly waiting: Known[] = []
  readonly running = new Map<string, { readonly known: Known; readonly job: Job }>()
  readonly ran: Record<string, number> = {}
  ended = 0

  active(limit: string): number {
    return [...this.running.values()].filter(({ known }) => known.limit === limit).length
  }

  mayStart(): Known[] {
    return this.waiting.filter(({ limit, name }) => this.active(limit) < MOST[name])
  }

  nth<Value>(values: Iterable<Value>, nth: number): Value | undefined {
    const all = [...values]
    return all[nth % all.length]
  }
}

async function take(model: Limits): Promise<boolean> {
  const may = model.mayStart()
  if (may.length === 0) {
    await expect(kernel.take()).rejects.toThrow('no job was there')
    return false
  }
  const job = await kernel.take()
  const known = may.find(({ id }) => id === job.id)
  if (known === undefined)
    throw new Error(`${job.id} was handed out, of those that may start: ${may.map(({ id }) => id)}`)
  // Of a strict key the first.
  if (known.name === 'strict') expect(may.find(({ limit }) => limit === known.limit)?.id).toBe(known.id)
  model.waiting.splice(model.waiting.indexOf(known), 1)
  model.running.set(known.id, { known, job })
  return true
}

async function run(model: Limits, { act, name, key, nth }: Step): Promise<void> {
  const running = model.nth(model.running.values(), nth)
  const waiting = model.nth(model.waiting, nth)
  if (act === 'miscount') {
    // Somebody wrote another number: the look of a worker finds the right one again.
    const kept = kernel.keys.limit(`key:${name}:${key}`)
    if ((await kernel.client.exists(kept)) === 0) return
    await kernel.client.hset(kept, 'held', nth - 2)
    await repairLimits(kernel.client, kernel.keys)
  } else if (act === 'enqueue') {
    const { id } = await producer.enqueue(contracts[name] as never, { key } as never)
    model.waiting.push({ id, limit: `${name}:${key}`, name, failed: 0 })
  } else if (act === 'take') await take(model)
  else if (act === 'remove' && waiting) {
    // As BullMQ's own tools remove a job in line.
    const bull = (type: string) => new QueueKeys(kernel.keys.bull).toKey('media', type)
    await kernel.client
      .multi()
      .zrem(bull('waiting-children'), waiting.id)
      .lrem(bull('wait'), 0, waiting.id)
      .del(bull(waiting.id))
      .exec()
    model.waiting.splice(model.waiting.indexOf(waiting), 1)
    await repairLimits(kernel.client, kernel.keys)
  } else if (act === 'cancel' && waiting) {
    expect(await producer.jobs.cancel({ queue: 'media', id: waiting.id })).toBe('cancelled')
    model.waiting.splice(model.waiting.indexOf(waiting), 1)
  } else if (running && ['complete', 'fail', 'retry', 'stall'].includes(act)) {
    const { known, job } = running
    if (act === 'complete') await kernel.complete(job)
    if (act === 'fail') await kernel.fail(job)
    const again = act === 'stall' || (act === 'retry' && known.failed < 2)
    if (act === 'retry') {
      await kernel.failAttempt(job, new Error('as the test wants it'))
      known.failed++
    }
    if (act === 'stall') {
      // Its worker was killed: the lock is gone, and two looks for such jobs find it.
      await kernel.client.del(`${kernel.bull(known.id)}:lock`, kernel.bull('stalled-check'))
      await kernel.client.sadd(kernel.bull('stalled'), known.id)
      await kernel.backend.moveStalledJobsToWait()
    }
    model.running.delete(known.id)
    // In its old place: before those of its key that have not begun.
    if (again) model.waiting.unshift(known)
    else model.ended++
  } else return
  model.ran[act] = (model.ran[act] ?? 0) + 1
}

async function check(model: Limits): Promise<void> {
  for (const { known } of model.running.values())
    expect(model.active(known.limit)).toBeLessThanOrEqual(MOST[known.name])
  const held = await kernel.client.hgetall(kernel.keys.limit('held'))
  for (const { known } of model.running.values()) expect(held[known.id]).toBe(known.limit)
  // Beside those that run, one that was put back keeps its permit until it runs again.
  const waiting = new Set(model.waiting.map(({ id }) => id))
  for (const id of Object.keys(held)) expect(model.running.has(id) || waiting.has(id)).toBe(true)
  const counts = new Map<string, number>()
  for (const limit of Object.values(held)) counts.set(limit, (counts.get(limit) ?? 0) + 1)
  for (const [limit, count] of counts) {
    expect([limit, await kernel.client.hget(kernel.keys.limit(`key:${limit}`), 'held')]).toEqual([limit, String(count)])
  }
}

const ran: Record<string, number> = {}

it('a limit holds, leaks no permit and keeps nobody waiting, whatever is called in whatever order', async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
    await kernel.client.flushdb()
    const model = new Limits()
    for (const each of steps) {
      await run(model, each)
      await check(model)
    }
    while (model.waiting.length + model.running.size > 0) {
      while (await take(model)) await check(model)
      for (const { job } of model.running.values()) await kernel.complete(job)
      model.running.clear()
      await check(model)
    }
    // Of a line whose last job was cancelled or removed, a look for a job clears away what is left.
    expect(await take(model)).toBe(false)
    expect(await kernel.client.keys(kernel.keys.limit('*'))).toEqual(
      [kernel.keys.limit('state')].filter(() => model.ran.enqueue),
    )
    for (const [name, count] of Object.entries(model.ran)) ran[name] = (ran[name] ?? 0) + count
  })
  await fc.assert(property, settings(RUNS))
  report('the model of limits', { runs: runsOf(RUNS), ...ran })
  expect(Object.keys(ran).length).toBe(9)
})
