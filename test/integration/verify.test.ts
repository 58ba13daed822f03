// `drover verify`: nothing after real work with kills, and each planted drift by its name.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { compare, type Verdict } from '../../src/cli/verify/compare.js'
import { gather } from '../../src/cli/verify/gather.js'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { connectOnce, createReaderClient, parseRedisUrl, queueKeys, type RedisClient } from '../../src/redis/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'

const JOBS = 300
const SCRIPT = fileURLToPath(new URL('../support/verify-worker.ts', import.meta.url))
const keys = queueKeys('drover', 'work')
const HOUR_MS = 3_600_000

let server: TestRedis
let plain: Redis
let client: RedisClient
let producer: Producer
const children = new Set<ChildProcess>()

beforeAll(async () => {
  server = await startTestRedis()
  plain = new Redis(server.port)
  client = createReaderClient(parseRedisUrl(server.url), { timeoutMs: 60_000 })
  await connectOnce(client, 60_000, 'the test')
  producer = createProducer({ redis: server.url, timeout: '60s' })
  await workWithKills()
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await producer.close()
  client.disconnect()
  plain.disconnect()
  await server.close()
})

async function startWorker(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, server.url, 'work'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  await once(child.stdout, 'data')
  return child
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  children.delete(child)
}

const endedSoFar = async () => {
  const [completed, failed] = await plain.hmget(keys.totals, 'count:completed', 'count:failed')
  return Number(completed ?? 0) + Number(failed ?? 0)
}

/** Runs all jobs, with a worker killed in the midst of them a few times. */
async function workWithKills(): Promise<void> {
  const contract = defineJob({ name: 'count', queue: 'work', input: anything, attempts: 3 })
  await producer.enqueueBulk(
    contract,
    Array.from({ length: JOBS }, (_, index) => index + 1),
  )
  for (const share of [0.2, 0.4, 0.6]) {
    const child = await startWorker()
    await vi.waitFor(async () => expect(await endedSoFar()).toBeGreaterThan(share * JOBS), PATIENCE)
    await end(child)
  }
  const last = await startWorker()
  await vi.waitFor(async () => expect(await endedSoFar()).toBe(JOBS), PATIENCE)
  await end(last)
}

async function verify(): Promise<Verdict> {
  return compare(await gather(client, 'drover', undefined))
}

const shape = ({ differences }: Verdict) => differences.map(({ level, code }) => `${level} ${code}`)

describe('drover verify', () => {
  it('finds no drift after 300 jobs with failures, retries and killed workers', async () => {
    const { queues, sinceMs } = await gather(client, 'drover', undefined)
    expect(sinceMs).toBeGreaterThan(Date.now() - HOUR_MS)
    expect(queues.map(({ queue, kept }) => [queue, kept.jobCount, kept.resultCount])).toEqual([['work', JOBS, JOBS]])
    expect(await verify()).toEqual({ differences: [], unknown: [] })
  })

  const minute = async () => (await plain.keys(`${keys.base}stats:*`)).sort()[0] ?? ''
  const someField = async (key: string) =>
    Object.keys(await plain.hgetall(key)).find((field) => field.startsWith('count|c|')) ?? ''

  /** Of a case that plants and takes away at the same one. */
  let hour = 0
  // What is planted, what it is called, and what takes it away.
  const PLANTED: [what: string, expected: string, plant: () => Promise<unknown>, undo: () => Promise<unknown>][] = [
    [
      'a total that is one too high',
      'drift TOTALS',
      () => plain.hincrby(keys.totals, 'count:completed', 1),
      () => plain.hincrby(keys.totals, 'count:completed', -1),
    ],
    [
      'a total that is one too low',
      'drift TOTALS',
      () => plain.hincrby(keys.totals, 'count:retried', -1),
      () => plain.hincrby(keys.totals, 'count:retried', 1),
    ],
    [
      'a minute that counts one too many',
      'drift TOTALS',
      async () => plain.hincrby(await minute(), 'count|r', 1),
      async () => plain.hincrby(await minute(), 'count|r', -1),
    ],
    [
      'a job that is in no list',
      'drift JOBS',
      () => plain.hset(`${keys.bullBase}lost`, 'name', 'count'),
      () => plain.del(`${keys.bullBase}lost`),
    ],
    [
      'an id in a list without its job',
      'drift JOBS',
      () => plain.lpush(`${keys.bullBase}wait`, 'gone'),
      () => plain.del(`${keys.bullBase}wait`),
    ],
    [
      'an hour that differs from its minutes',
      'drift HOUR',
      async () => {
        // The hour two hours ago, with one minute of its own, rolled up wrongly. The totals know it.
        hour = Math.floor(Date.now() / HOUR_MS) - 2
        await plain.hset(keys.stats(hour * 60 + 7), 'count|c|1|1', 4)
        await plain.hset(keys.statsHour(hour), 'count|c|1|1', 5)
        await plain.hincrby(keys.totals, 'count:completed', 5)
      },
      async () => {
        await plain.del(keys.stats(hour * 60 + 7), keys.statsHour(hour))
        await plain.hincrby(keys.totals, 'count:completed', -5)
      },
    ],
    [
      'a result that was never counted',
      'drift RESULTS',
      async () => {
        const [key = ''] = await plain.keys(keys.result('*'))
        const record = { ...JSON.parse((await plain.get(key)) ?? ''), id: 'forged', finishedAt: Date.now() - HOUR_MS }
        await plain.set(keys.result('forged'), JSON.stringify(record))
      },
      () => plain.del(keys.result('forged')),
    ],
    [
      'a counter that another program changed',
      'outside COUNTER',
      () => plain.incrby(keys.counter('sum'), 1),
      () => plain.incrby(keys.counter('sum'), -1),
    ],
    [
      'a history of a counter that is one too high',
      'outside COUNTER',
      async () => plain.hincrby(await minute(), '#sum', 1),
      async () => plain.hincrby(await minute(), '#sum', -1),
    ],
  ]

  it.each(PLANTED)('finds %s, as %s', async (_, expected, plant, undo) => {
    await plant()
    const verdict = await verify()
    await undo()
    expect(shape(verdict)).toEqual([expected])
    expect(verdict.differences[0]).toMatchObject({ queue: 'work', evidence: expect.stringMatching(/\d/) })
    expect(await verify()).toEqual({ differences: [], unknown: [] })
  })

  it('recounts the permits of limits against the jobs that run', async () => {
    const limit = { key: () => 'a', concurrency: 5 }
    const limited = defineJob({ name: 'limited', queue: 'work', input: anything, limit })
    await producer.enqueue(limited, 1)
    const id = 'limited:a'
    await plain.hset(keys.limit('held'), 'gone', id)
    await plain.hset(keys.limit(`key:${id}`), 'held', 3)
    await plain.lpush(`${keys.bullBase}active`, 'rogue')
    await plain.hset(`${keys.bullBase}rogue`, 'name', 'limited', 'drover:limit', `5,n,0,0,0,1,f ${id}`)
    const verdict = await verify()
    const line = await plain.zrange(keys.limit(`line:${id}`), '0', '-1')
    await plain.lrem(`${keys.bullBase}active`, 1, 'rogue')
    const planted = [...line, 'rogue', 'waiting-children'].map((name) => keys.bullBase + name)
    await plain.del(...(await plain.keys(keys.limit('*'))), ...planted)
    expect(verdict.differences.map(({ code, expected, found }) => [code, expected, found])).toEqual([
      ['PERMITS', '0', '1'],
      ['PERMITS', '2', '1'],
      ['PERMITS', '1', '3'],
    ])
    expect(verdict.differences[0]?.evidence).toContain('gone of limited:a (gone)')
    expect(await verify()).toEqual({ differences: [], unknown: [] })
  })

  it('finds stats that are gone, as totals and results both miss them', async () => {
    const key = await minute()
    const copy = await plain.hgetall(key)
    await plain.hdel(key, await someField(key))
    const verdict = await verify()
    await plain.hset(key, copy)
    expect(shape(verdict)).toContain('drift TOTALS')
    expect(verdict.unknown).toEqual([])
  })

  it('finds more kept jobs than were ever counted', async () => {
    await plain.zadd(`${keys.bullBase}failed`, ...Array.from({ length: JOBS }, (_, n) => [n, `x${n}`]).flat())
    const verdict = await verify()
    await plain.zrem(`${keys.bullBase}failed`, ...Array.from({ length: JOBS }, (_, n) => `x${n}`))
    expect(shape(verdict)).toEqual(['drift KEPT_JOBS', 'drift JOBS'])
  })

  it('says what it cannot know where the counts may be older than what is kept', async () => {
    const since = await plain.hget('drover:contract', 'since')
    await plain.hset('drover:contract', 'since', Date.now() - 72 * HOUR_MS)
    await plain.hincrby(keys.totals, 'count:completed', 5)
    const old = await verify()
    // Fewer in the totals than in the stats is drift at any age.
    await plain.hincrby(keys.totals, 'count:completed', -6)
    const low = await verify()
    await plain.hincrby(keys.totals, 'count:completed', 1)
    await plain.hset('drover:contract', 'since', since ?? '')
    expect(old.differences).toEqual([])
    expect(old.unknown).toEqual([expect.stringMatching(/job count: 5 of \d+ completed are older than what is kept/)])
    expect(shape(low)).toContain('drift TOTALS')
  })

  it('looks at one queue alone when asked, and changes nothing', async () => {
    const before = await plain.dbsize()
    const { queues } = await gather(client, 'drover', 'none')
    expect(queues.map(({ queue, kept }) => [queue, kept.jobCount])).toEqual([['none', 0]])
    expect(await plain.dbsize()).toBe(before)
  })

  it('is not misled by a queue at work: counts that move are compared by their range', async () => {
    const contract = defineJob({ name: 'count', queue: 'work', input: anything, attempts: 3 })
    const child = await startWorker()
    const bulk = producer.enqueueBulk(
      contract,
      Array.from({ length: 400 }, () => 1),
    )
    const verdicts: Verdict[] = []
    await vi.waitFor(async () => {
      verdicts.push(await verify())
      expect(await endedSoFar()).toBe(JOBS + 400)
    }, PATIENCE)
    await bulk
    await end(child)
    expect(verdicts.flatMap(({ differences }) => differences)).toEqual([])
    expect(await verify()).toEqual({ differences: [], unknown: [] })
  })
})
