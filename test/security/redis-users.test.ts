// Producer, workers and dashboard run as exactly the Redis users of SECURITY.md: nothing they do is refused, and nothing
// they need not do is allowed.
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createDashboard } from '../../src/dashboard/index.js'
import { defineJob, retryIn } from '../../src/job/index.js'
import { createProducer } from '../../src/producer/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { change } from '../support/dashboard-board.js'
import { ask } from '../support/dashboard-http.js'
import { untilReady } from '../support/dashboards.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { collectLog } from '../support/worker.js'
import { bullmqCommands, createUser, denials, documentedUser, ownCommands, ROLES, type Role } from './redis-users.js'

const resize = defineJob({
  name: 'resize',
  queue: 'media',
  input: anything,
  attempts: 3,
  backoff: { type: 'fixed', delay: 5 },
})
// A worker asks once whether it may run functions, and goes on with scripts.
const isAsked = (denial: string) => !/ config(\|get)?$|^drover-worker .* fcall$/.test(denial)
const cached = defineJob({ name: 'cached', queue: 'other', input: anything, cache: { ttl: '1h' } })
const rate = { limit: 100, window: '1s' } as const
const limited = defineJob({
  name: 'limited',
  queue: 'media',
  input: anything,
  attempts: 2,
  limit: { key: () => 'one', concurrency: 1, rate },
})
const bucket = defineJob({
  name: 'bucket',
  queue: 'media',
  input: anything,
  limit: { order: 'strict', rate: { kind: 'bucket', ...rate } },
})
let server: TestRedis
let admin: Redis

beforeAll(async () => {
  server = await startTestRedis({ appendonly: true })
  admin = new Redis(server.url)
})
afterAll(async () => {
  admin?.disconnect()
  await server?.close()
})
beforeEach(async () => {
  await admin.flushall()
  await denials(server)
})

async function runHandlers(url: string): Promise<void> {
  const { logger } = collectLog()
  const handler = handle(resize, async (input, ctx) => {
    const { act } = input as { act?: string }
    await ctx.progress(50, 'half')
    ctx.log.info('a line of the job')
    await ctx.step('one', () => ctx.checkpoint({ at: 1 }))
    await ctx.once(`key of ${ctx.queue}`, () => ctx.checkpointed())
    if (act === 'later' && ctx.attempt < 2) throw retryIn('1s')
    if (act === 'again' && ctx.attempt < 2) throw new Error('once more')
    if (act === 'fail') throw new Error('for good')
    ctx.counter('done').add()
    const { effects } = ctx
    effects.set('app:text', '1', { ttlMs: 60_000 })
    effects.setnx('app:once', '1')
    effects.append('app:text', '2')
    effects.incrby('app:number', 2)
    effects.incrbyfloat('app:float', 0.5)
    effects.expire('app:number', 100)
    effects.persist('app:number')
    effects.lpush('app:list', 'a')
    effects.rpush('app:list', 'b', 'c')
    effects.ltrim('app:list', 0, 9)
    effects.lrem('app:list', 1, 'b')
    effects.sadd('app:set', 'a', 'b')
    effects.srem('app:set', 'b')
    effects.zadd('app:zset', 1, 'a')
    effects.zincrby('app:zset', 2, 'b')
    effects.zrem('app:zset', 'a')
    effects.zremrangebyrank('app:zset', 5, 9)
    effects.zremrangebyscore('app:zset', 90, 99)
    effects.hset('app:hash', { a: 1, b: 2 })
    effects.hsetnx('app:hash', 'c', 3)
    effects.hdel('app:hash', 'b')
    effects.hincrby('app:hash', 'a', 1)
    effects.hincrbyfloat('app:hash', 'f', 0.5)
    effects.del('app:once')
    return { ok: true }
  })
  const underLimits = [
    handle(limited, (_, { attempt }) => {
      if (attempt === 1) throw new Error('once more')
    }),
    handle(bucket, () => null),
  ]
  const worker = await createWorker({ redis: url, handlers: [handler, ...underLimits], logger, shutdownTimeout: 0 })
  const count = (set: string) => admin.zcard(`{drover:media}:media:${set}`)
  await vi.waitFor(async () => expect([await count('completed'), await count('failed')]).toEqual([13, 1]), PATIENCE)
  await worker.close()
}

async function enqueueAll(url: string): Promise<void> {
  const producer = createProducer({ redis: url, timeout: '60s' })
  const job = await producer.enqueue(resize, {})
  await producer.enqueue(resize, {}, { id: 'twice' })
  await producer.enqueue(resize, {}, { id: 'twice' })
  await producer.enqueue(resize, {}, { delay: 5 })
  await producer.enqueue(resize, {}, { priority: 3 })
  await producer.enqueue(resize, {}, { lifo: true })
  await producer.enqueue(resize, { act: 'later' })
  await producer.enqueue(resize, { act: 'again' })
  await producer.enqueue(resize, { act: 'fail' })
  await producer.enqueueBulk(resize, [{}, {}])
  await producer.enqueueBulk(limited, [{}, {}])
  await producer.enqueueBulk(bucket, [{}, {}])
  await producer.limits.setQueue('media', { concurrency: 50, rate: { limit: 1_000, window: '1s' } })
  expect(await producer.limits.list('media')).toHaveLength(2)
  expect(await producer.limits.counts('media')).toMatchObject({ keys: 2, parked: 4 })
  await admin.set('{drover:other}:result:done', '{"status":"completed"}', 'EX', 50)
  await producer.enqueue(cached, {})
  const [record = ''] = await admin.keys('{drover:other}:cache:*')
  await admin.set(record, 'done 0 cache')
  expect(await producer.enqueue(cached, {})).toMatchObject({ id: 'done', cached: true })
  await producer.cache.invalidate(cached, { input: {} })
  await producer.cache.clear(cached)
  expect(await producer.results.get(job)).toBeNull()
  await producer.counters.incr('media', 'seen', 5)
  expect(await producer.counters.list('media')).toHaveLength(1)
  await producer.counters.read('media', 'seen')
  await producer.counters.exists('media', 'seen')
  await producer.counters.delete('media', 'seen')
  await producer.close()
}

async function readResults(url: string): Promise<void> {
  const producer = createProducer({ redis: url, timeout: '60s' })
  const job = { queue: 'media', id: 'twice' }
  expect((await producer.results.wait(job)).ok).toBe(true)
  const late = await producer.enqueue(resize, {}, { delay: '1h' })
  const unwanted = await producer.enqueue(resize, {}, { delay: '1h' })
  expect(await producer.jobs.cancel(unwanted)).toBe('cancelled')
  const [group] = (await producer.errors.list()).groups
  expect((await producer.errors.get('media', group?.id ?? '')).samples).toHaveLength(1)
  const discard = await producer.errors.discard('media', { group: group?.id })
  expect(await producer.errors.undo('media', discard.id)).toMatchObject({ restored: 1 })
  const replay = await producer.errors.retry('media', { ids: [unwanted.id] }, { wait: '1s' })
  expect(await producer.errors.stop('media', replay.id)).toMatchObject({ state: 'waited', retried: 1 })
  await expect(producer.results.wait(late, { timeout: 50 })).rejects.toMatchObject({ code: 'RESULT_WAIT_TIMEOUT' })
  expect(await producer.results.exists(job)).toBe(true)
  expect(await producer.results.delete(job)).toBe(true)
  expect(await producer.counters.get('media', 'done')).toBe(9)
  await producer.close()
}

async function useDashboard(url: string, readOnly: boolean, ofProducer: string): Promise<void> {
  const producer = createProducer({ redis: ofProducer, timeout: '60s' })
  const dashboard = createDashboard({ redis: url, port: 0, timeout: '60s', readOnly, contracts: [resize], producer })
  try {
    const { url: at } = await dashboard.listen()
    await untilReady(at)
    const failed = (await admin.zrange('{drover:media}:media:failed', '0', '-1'))[0] ?? ''
    const delayed = (await admin.zrange('{drover:media}:media:delayed', '0', '-1'))[0] ?? ''
    const reads = [
      '/',
      '/results',
      '/results?q=cat',
      '/results?tag=urgent',
      '/results?state=active',
      `/results/media/${failed}`,
      `/results/media/${delayed}`,
      '/audit',
      '/errors',
      '/overview.json',
      '/readyz',
      '/queues',
      '/queues/api/queues?activeQueue=media&status=latest',
    ]
    const lists = ['active', 'waiting', 'prioritized', 'completed', 'failed', 'delayed', 'paused', 'waiting-children']
    for (const list of lists) reads.push(`/queues/api/queues?activeQueue=media&status=${list}`)
    for (const more of ['', '/logs', '/flow']) reads.push(`/queues/api/queues/media/${failed}${more}`)
    for (const path of reads) expect([path, (await ask(at, path)).status]).toEqual([path, 200])
    const act = { method: 'POST', headers: { origin: at } }
    expect((await ask(at, `/results/media/${failed}/retry`, act)).status).toBe(readOnly ? 403 : 303)
    expect((await ask(at, `/results/media/${failed}/cancel`, act)).status).toBe(readOnly ? 403 : 303)
    const changes = [
      ['POST', '/add', { name: 'resize', data: {}, options: { jobId: 'added', delay: 60_000 } }],
      ['PUT', '/added/promote'],
      ['PUT', `/${failed}/retry`],
      ['PUT', '/added/clean'],
      ['PUT', '/pause'],
      ['PUT', '/resume'],
      ['PUT', '/clean/completed'],
      ['PUT', '/promote'],
      ['PUT', '/retry/failed'],
      ['PUT', '/empty'],
      ['PUT', '/pause'],
      ['PUT', '/obliterate', { force: true }],
    ] as const
    for (const [method, path, body] of changes) {
      const { status } = await change(at, method, `/media${path}`, body)
      if (readOnly) expect([path, status]).toEqual([path, 403])
      else expect([path, status]).toEqual([path, status < 300 ? status : 200])
    }
  } finally {
    await dashboard.close()
    await producer.close()
  }
}

describe('the Redis users of SECURITY.md', () => {
  it('are enough: producer, worker and dashboard are refused nothing', async () => {
    const producer = await createUser(server, 'producer')
    const worker = await createUser(server, 'worker', ['~app:*'])
    const dashboard = await createUser(server, 'dashboard')
    const viewer = await createUser(server, 'dashboard-read-only')
    const use = async () => {
      await enqueueAll(producer)
      await runHandlers(worker)
      await readResults(producer)
      await useDashboard(viewer, true, producer)
      await useDashboard(dashboard, false, producer)
    }
    const failure: unknown = await use().catch((error) => error)
    // CONFIG GET is the one thing that is asked for and need not be granted.
    expect((await denials(server)).filter(isAsked)).toEqual([])
    expect(failure).toBeUndefined()
    expect(await admin.hgetall('app:hash')).toMatchObject({ c: '3' })
  })

  it.each(ROLES)('refuse %s what nobody needs, on keys of others and of its own', async (role) => {
    const client = new Redis(await createUser(server, role), { maxRetriesPerRequest: 0 })
    await admin.set('foreign', '1')
    const refused = [
      ['FLUSHALL'],
      ['FLUSHDB'],
      ['KEYS', '*'],
      ['SCAN', '0'],
      ['CONFIG', 'GET', 'requirepass'],
      ['CONFIG', 'SET', 'appendonly', 'no'],
      ['SHUTDOWN'],
      ['ACL', 'WHOAMI'],
      ['SCRIPT', 'FLUSH'],
      ['RESTORE', 'drover:x', '0', 'x'],
      ['MONITOR'],
      ['REPLICAOF', 'NO', 'ONE'],
      ['CLIENT', 'LIST'],
      ['MODULE', 'LIST'],
      ['FUNCTION', 'LIST'],
      ['MIGRATE', '127.0.0.1', '1', 'drover:x', '0', '1'],
      ['GET', 'foreign'],
      ['DEL', 'foreign'],
      ['PUBLISH', 'foreign', 'x'],
      ['SUBSCRIBE', 'foreign'],
      ['EVAL', "return redis.call('GET', KEYS[1])", '1', 'foreign'],
      ['EVAL', "return redis.call('GET', 'foreign')", '0'],
      ['EVAL', "return redis.call('FLUSHALL')", '0'],
    ]
    for (const [command = '', ...words] of refused) {
      const reply = client.call(command, ...words).then(
        (answer) => `answered ${JSON.stringify(answer)}`,
        (error: Error) => error.message,
      )
      expect(await reply, [command, ...words].join(' ')).toMatch(
        /NOPERM|ACL failure|no permission|The user executing the script can't/i,
      )
    }
    client.disconnect()
    expect(await admin.get('foreign')).toBe('1')
  })

  it('the read-only dashboard can change no key, whatever it is made to send', async () => {
    const client = new Redis(await createUser(server, 'dashboard-read-only'))
    await admin.rpush('{drover:media}:media:wait', 'a')
    const { commands } = documentedUser('dashboard-read-only')
    for (const command of ['lpush', 'set', 'hset', 'zadd', 'xadd']) expect(commands).not.toContain(command)
    const script = "return redis.call('LSET', KEYS[1], 0, 'b')"
    await expect(client.call('EVAL', script, '1', '{drover:media}:media:wait')).rejects.toThrow(
      /NOPERM|The user executing the script can't/,
    )
    client.disconnect()
  })
})

const BULLMQ_SCRIPTS: Readonly<Record<Exclude<Role, 'dashboard-read-only'>, readonly string[]>> = {
  producer: ['addStandardJob', 'addDelayedJob', 'addPrioritizedJob', 'isFinished', 'moveToFinished'],
  worker: [
    ...['moveToActive', 'moveToFinished', 'moveToDelayed', 'retryJob', 'moveJobFromActiveToWait', 'isMaxed'],
    ...['extendLock', 'extendLocks', 'releaseLock', 'moveStalledJobsToWait', 'getRateLimitTtl'],
    ...['updateProgress', 'addLog', 'saveStacktrace', 'addStandardJob', 'addDelayedJob', 'addPrioritizedJob'],
  ],
  dashboard: [
    ...['addStandardJob', 'addDelayedJob', 'addPrioritizedJob', 'pause', 'promote', 'reprocessJob', 'removeJob'],
    ...['updateData', 'cleanJobsInSet', 'drain', 'obliterate', 'moveJobsToWait', 'changePriority', 'changeDelay'],
    ...['getRanges', 'getCounts', 'getState', 'getStateV2', 'getMetrics', 'isFinished', 'isMaxed'],
    ...['isJobInList', 'getDependencyCounts', 'removeUnprocessedChildren', 'removeJobScheduler'],
  ],
}

// A command that a script calls and the user lacks would end the script half way: rare paths count as much as common ones.
describe('every command in the text of a script', () => {
  it.each(Object.entries(BULLMQ_SCRIPTS))('of BullMQ is allowed to the %s', (role, scripts) => {
    const { commands } = documentedUser(role as Role)
    expect(bullmqCommands(scripts).filter((command) => !commands.includes(command))).toEqual([])
  })

  it('of ours is allowed to the worker, and to the producer those that it sends', () => {
    // Cancels, discards and the like are sent by producers alone, an audit of limits by the command line.
    const all = ownCommands(/^(?!.*(audit-limits|cancel|discard|restore|retry-failed|count-members))/)
    expect(all.length).toBeGreaterThan(10)
    expect(all.filter((command) => !documentedUser('worker').commands.includes(command))).toEqual([])
    const sent = ownCommands(/add-job|incr-counter|schedules|cancel|ledger.commit|batches|add-staged|errors|limits\//)
    expect(sent.filter((command) => !documentedUser('producer').commands.includes(command))).toEqual([])
  })
})
