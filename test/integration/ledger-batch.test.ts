// Jobs that end in the same moment share script calls: that they do, and that each still stands for itself.
import type { Redis } from 'ioredis'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { batchLimit } from '../../src/ledger/commit-batch.js'
import { attachLedger, type LedgerBackend, ledgerBackendFactory, readResult } from '../../src/ledger/index.js'
import { createWorkerClient, parseRedisUrl } from '../../src/redis/index.js'
import { KERNEL_CONCURRENCY, openKernel, TOKEN, useKernel, writes } from '../support/kernel.js'
import { PATIENCE } from '../support/until.js'

const { server, kernel } = await useKernel()
const redis = kernel.client.duplicate()
afterAll(() => redis.disconnect())

const callsOfCommit = async () => Number(/cmdstat_fcall:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0)

async function startMany(count: number) {
  const jobs = []
  for (let index = 0; index < count; index++) jobs.push(await kernel.start())
  return jobs
}

describe('jobs that end together', () => {
  it('share one script call up to the limit, and each leaves its result and its counts', async () => {
    const limit = batchLimit(KERNEL_CONCURRENCY)
    const jobs = await startMany(limit + 1)
    // The first one loads what it calls, and calls twice.
    await kernel.complete(await kernel.start({ name: 'first' }))
    const before = await callsOfCommit()
    await Promise.all(
      jobs.map((job, index) => kernel.complete(job, { valueJson: String(index), counters: new Map([['sum', index]]) })),
    )
    expect((await callsOfCommit()) - before).toBe(2)
    for (const [index, job] of jobs.entries()) {
      expect(await readResult(redis, kernel.keys, String(job.id))).toMatchObject({ status: 'completed', value: index })
    }
    expect(await redis.hget(kernel.keys.totals, 'resize:completed')).toBe(String(limit + 1))
    expect(await redis.get(kernel.keys.counter('sum'))).toBe(String((limit * (limit + 1)) / 2))
  })

  it('add up to the last digit', async () => {
    const most = Number.MAX_SAFE_INTEGER
    const jobs = await startMany(3)
    await kernel.complete(await kernel.start({ name: 'first' }))
    const before = await callsOfCommit()
    const counters = new Map([...[['most', most] as const], ['sum', 1]])
    await Promise.all(jobs.map((job) => kernel.complete(job, { counters })))
    expect((await callsOfCommit()) - before).toBe(1)
    expect(await redis.get(kernel.keys.counter('most'))).toBe(String(3n * BigInt(most)))
    expect(await redis.get(kernel.keys.counter('sum'))).toBe('3')
    // Of two minutes, should one have turned meanwhile.
    const stats = await redis.keys(`${kernel.keys.base}stats:*`)
    const minutes = await Promise.all(stats.map((key) => redis.hgetall(key)))
    const inAll = (field: string) => minutes.reduce((sum, minute) => sum + BigInt(minute[field] ?? 0), 0n)
    expect([inAll('#most|resize'), inAll('#sum|resize')]).toEqual([3n * BigInt(most), 3n])
    for (const key of stats) expect(await redis.ttl(key)).toBeGreaterThan(0)
    expect((await redis.smembers(kernel.keys.counterNames)).sort()).toEqual(['most', 'sum'])
  })

  it('are refused one by one: a bad counter, a bad write, a lost lock and a removed job leave the others alone', async () => {
    await redis.set(kernel.keys.counter('text'), 'not a number')
    const [good, badCounter, badWrite, lockLost, removed, failed] = await startMany(6)
    if (!(good && badCounter && badWrite && lockLost && removed && failed)) throw new Error('jobs are missing')
    await redis.del(kernel.bull(`${lockLost.id}:lock`))
    await redis.del(kernel.bull(String(removed.id)))
    const outcomes = await Promise.allSettled([
      kernel.complete(badCounter, { counters: new Map([['text', 1]]) }),
      kernel.complete(badWrite, writes(['SADD', 'set', 'a'], ['LPUSH', 'set', 'b'])),
      kernel.complete(lockLost, { counters: new Map([['sum', 100]]) }),
      kernel.complete(good, { counters: new Map([['sum', 1]]) }),
      kernel.complete(removed, { counters: new Map([['sum', 100]]) }),
      kernel.fail(failed),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...['rejected', 'rejected', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
    ])
    expect(outcomes[0]).toMatchObject({ reason: { code: 'EFFECT_REJECTED', command: 'INCRBY' } })
    expect(outcomes[1]).toMatchObject({ reason: { code: 'EFFECT_REJECTED', command: 'LPUSH' } })
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:completed': '1', 'resize:failed': '1' })
    expect(await redis.get(kernel.keys.counter('sum'))).toBe('1')
    expect(await redis.exists('set')).toBe(0)
    const results = await redis.keys(`${kernel.keys.base}result:*`)
    expect(results.sort()).toEqual([good, failed].map(({ id }) => kernel.keys.result(String(id))).sort())
  })

  it('stand for themselves when a command of one of them breaks', async () => {
    const [good, broken] = await startMany(2)
    if (!(good && broken)) throw new Error('jobs are missing')
    // BullMQ's script raises when a child's dependencies are of another type.
    await redis.set(kernel.bull(`${broken.id}:dependencies`), 'not a set')
    const [first, second] = await Promise.allSettled([kernel.complete(broken), kernel.complete(good)])
    expect(first).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('WRONGTYPE') } })
    expect(second?.status).toBe('fulfilled')
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:completed': '1' })
  })
})

describe('completed jobs that a worker keeps up to a number', () => {
  it('are removed by its first finish and each tenth after it, the newest kept', async () => {
    const client = createWorkerClient(parseRedisUrl(server.url)) as Redis
    attachLedger(client)
    const options = {
      connection: client,
      prefix: kernel.keys.bull,
      lockDuration: 60_000,
      removeOnComplete: { count: 3 },
    }
    const backend = ledgerBackendFactory(client, 'drover')('media', options as never, {}) as LedgerBackend
    await backend.waitUntilReady()
    const kept = async () => redis.zrange(kernel.bull('completed'), '0', '-1')
    for (let finish = 1; finish <= 22; finish++) {
      const job = await kernel.start()
      backend.stage(job, { status: 'completed', valueJson: 'null', keepResultMs: 60_000, runMs: 1 })
      await backend.moveToCompleted(job, null, undefined as never, TOKEN, false)
      const ids = await kept()
      expect(ids.length).toBe(finish <= 10 ? finish : 3 + ((finish - 1) % 10))
      expect(ids.at(-1)).toBe(String(job.id))
    }
    await backend.close()
    client.disconnect()
  })
})

describe('a commit on a server that became a replica', () => {
  it('is refused as a whole, so that the client sends it again to the new master', async () => {
    const jobs = await startMany(3)
    await redis.replicaof('127.0.0.1', '1')
    const commits = jobs.map((job) => kernel.complete(job, { counters: new Map([['once', 1]]) }))
    await vi.waitFor(async () => expect(await redis.info('errorstats')).toContain('errorstat_READONLY'), PATIENCE)
    expect(await redis.get(kernel.keys.counter('once'))).toBeNull()
    await redis.replicaof('NO', 'ONE')
    await Promise.all(commits)
    expect(await redis.get(kernel.keys.counter('once'))).toBe('3')
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:completed': '3' })
  })
})

describe('a counter that the Redis user may read but not add to', () => {
  it('refuses its own job alone, before anything of it is written, and doubles nothing of the others', async () => {
    const rules = [
      '~{drover:media}:media:*',
      '~{drover:media}:result:*',
      '~{drover:media}:totals',
      '~{drover:media}:stats:*',
    ]
    const counters = ['~{drover:media}:counters', '~{drover:media}:counter:mine', '%R~{drover:media}:counter:theirs']
    await redis.call('ACL', 'SETUSER', 'counting', 'on', '>pw', ...rules, ...counters, '&*', '+@all')
    const own = await openKernel(`redis://counting:pw@${server.host}:${server.port}`)
    const [theirs, mine] = [await kernel.start(), await kernel.start()]
    const [refused, committed] = await Promise.allSettled([
      own.complete(theirs, { counters: new Map([['theirs', 1]]) }),
      own.complete(mine, { counters: new Map([['mine', 1]]) }),
    ])
    expect(refused).toMatchObject({ reason: { code: 'EFFECT_REJECTED', command: 'INCRBY' } })
    expect(committed?.status).toBe('fulfilled')
    expect(await redis.hgetall(own.keys.totals)).toEqual({ 'resize:completed': '1' })
    expect(await redis.get(own.keys.counter('mine'))).toBe('1')
    expect(await redis.exists(own.keys.counter('theirs'), own.keys.result(String(theirs.id)))).toBe(0)
    await own.close()
  })
})

describe('a staged write that the Redis user may not make', () => {
  it('is refused before anything of the job is written', async () => {
    await redis.call(
      'ACL',
      'SETUSER',
      'reader',
      'on',
      '>pw',
      '~{drover*',
      '~drover*',
      '~own',
      '%R~read-only',
      '&*',
      '+@all',
    )
    const own = await openKernel(`redis://reader:pw@${server.host}:${server.port}`)
    const job = await own.start()
    const refused = own.complete(job, writes(['SET', 'own', 1], ['SET', 'read-only', 2]))
    await expect(refused).rejects.toMatchObject({ code: 'EFFECT_REJECTED', command: 'SET', key: 'read-only' })
    expect(await redis.exists('own', own.keys.result(String(job.id)))).toBe(0)
    await own.close()
  })
})
