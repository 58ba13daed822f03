// The commit as a Redis function: it is loaded where it is missed, and where functions are not to be had it is a script.
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob, PermanentError } from '../../src/job/index.js'
import { createProducer } from '../../src/producer/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { collectLog, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()
const contract = defineJob({ name: 'add', queue: 'sums', input: z.object({ n: z.number() }) })
const handler = handle(contract, ({ n }, ctx) => {
  ctx.counter('sum').add(n)
  return n
})

/** Calls and failed calls of a command, as the server counts them. */
async function callsOf(server: TestRedis, command: string): Promise<number> {
  const stats = await server.cli('INFO', 'commandstats')
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0)
}

interface Between {
  readonly url?: string
  readonly between?: () => Promise<void>
}

/** Runs a job in a worker that connects as `url` says, and `between` and another one after it. Gives the sum they count. */
async function runTwo(server: TestRedis, { url = server.url, between }: Between = {}): Promise<number> {
  const worker = await createWorker({ redis: url, handlers: [handler], logger: collectLog().logger })
  const producer = createProducer({ redis: server.url, timeout: '60s' })
  try {
    for (const n of [1, 20]) {
      expect(await producer.results.wait(await producer.enqueue(contract, { n }), { timeout: '60s' })).toMatchObject({
        ok: true,
        value: n,
      })
      if (n === 1) await between?.()
    }
    return await producer.counters.get('sums', 'sum')
  } finally {
    await worker.close()
    await producer.close()
  }
}

const libraries = async (server: TestRedis) => (await server.cli('FUNCTION', 'LIST')).match(/drover_\w+/g) ?? []

it('is loaded with the first call that misses it, under a name that tells its text, and again when it is gone', async () => {
  const { server } = shop
  const between = async () => {
    expect((await libraries(server)).at(0)).toMatch(/^drover_droverCommit_[0-9a-f]{12}$/)
    await server.cli('FUNCTION', 'FLUSH')
  }
  expect(await runTwo(server, { between })).toBe(21)
  expect(await libraries(server)).not.toHaveLength(0)
  // Two jobs, and the two calls that missed it.
  expect(await callsOf(server, 'fcall')).toBe(4)
})

it('keeps nothing of one call, or one queue, for the next', async () => {
  const other = defineJob({ name: 'add', queue: 'others', input: z.object({ n: z.number() }) })
  const worker = await shop.work([
    handler,
    handle(other, ({ n }, ctx) => {
      ctx.counter('sum').add(n)
      if (n === 2) throw new PermanentError('never')
    }),
  ])
  await shop.redis.del(shop.keys('sums').counter('sum'))
  const jobs = await Promise.all(
    Array.from({ length: 40 }, (_, n) => shop.producer.enqueue(n % 2 ? contract : other, { n })),
  )
  const ends = await Promise.all(jobs.map((job) => shop.producer.results.wait(job, { timeout: '60s' })))
  expect(ends.filter(({ ok }) => !ok)).toHaveLength(1)
  const sum = (odd: number) => jobs.reduce((total, _, n) => total + (n % 2 === odd && n !== 2 ? n : 0), 0)
  expect(await shop.producer.counters.get('sums', 'sum')).toBe(sum(1))
  expect(await shop.producer.counters.get('others', 'sum')).toBe(sum(0))
  expect(await shop.redis.hgetall(shop.keys('others').totals)).toEqual({ 'add:completed': '19', 'add:failed': '1' })
  await worker.close()
})

it('is a script before Redis 7, which has no functions', async () => {
  const server = await startTestRedis({ args: ['--rename-command', 'FCALL', '', '--rename-command', 'FUNCTION', ''] })
  try {
    expect(await runTwo(server)).toBe(21)
  } finally {
    await server.close()
  }
})

it.each([
  ['call functions', '-fcall'],
  ['load functions', '-function|load'],
])('is a script for a user who may not %s', async (_what, right) => {
  const server = await startTestRedis()
  try {
    await server.cli('ACL', 'SETUSER', 'app', 'on', '>pass', '~*', '&*', '+@all', right)
    const url = server.url.replace('redis://', 'redis://app:pass@')
    expect(await runTwo(server, { url })).toBe(21)
    expect(await libraries(server)).toEqual([])
    // Refused once, it is not asked for again.
    const stats = await server.cli('INFO', 'commandstats')
    const refused = [...stats.matchAll(/^cmdstat_(?:fcall|function\|load):.*rejected_calls=(\d+)/gm)]
    expect(refused.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(1)
  } finally {
    await server.close()
  }
})

it('is a script while Redis is full and has lost it, and a function again when there is room', async () => {
  const { server } = shop
  const full = defineJob({ name: 'full', queue: 'full', input: z.object({ n: z.number() }) })
  const opens: (() => void)[] = []
  const gates = [0, 1].map(() => new Promise<void>((resolve) => void opens.push(resolve)))
  const worker = await shop.work([handle(full, ({ n }) => gates[n])], { concurrency: 1 })
  const jobs = await Promise.all([0, 1].map((n) => shop.producer.enqueue(full, { n })))
  await expect.poll(() => worker.running, { timeout: 60_000 }).toBe(1)
  await server.cli('FUNCTION', 'FLUSH')
  await shop.redis.config('SET', 'maxmemory', '1')
  opens[0]?.()
  await expect.poll(() => shop.redis.hget(shop.keys('full').totals, 'full:completed'), { timeout: 60_000 }).toBe('1')
  expect(await libraries(server)).toEqual([])
  await shop.redis.config('SET', 'maxmemory', '0')
  opens[1]?.()
  const ends = await Promise.all(jobs.map((job) => shop.producer.results.wait(job, { timeout: '60s' })))
  expect(ends.map(({ ok }) => ok)).toEqual([true, true])
  // Not at once: a Redis that stays full is not asked with each commit.
  const again = async () => {
    await shop.producer.results.wait(await shop.producer.enqueue(full, { n: 2 }), { timeout: '60s' })
    return libraries(server)
  }
  await expect.poll(again, { timeout: 60_000, interval: 500 }).not.toEqual([])
  await worker.close()
})
