import { randomUUID } from 'node:crypto'
import { Queue } from 'bullmq'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob } from '../../src/index.js'
import { newJobId } from '../../src/job/job-id.js'
import { queueKeys } from '../../src/redis/index.js'
import { startLedgerWorker } from '../support/ledger-worker.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const { server: redis, redis: client, producer } = await useWorkshop()

const input = z.object({ url: z.url(), width: z.number().int().positive().default(800) })
function job(options: Partial<Parameters<typeof defineJob>[0]> = {}) {
  return defineJob({ name: 'image.resize', queue: `q-${randomUUID().slice(0, 8)}`, attempts: 5, ...options, input })
}
function stored(queue: string, id: string) {
  return client.hgetall(queueKeys('drover', queue).bullBase + id)
}
function waiting(queue: string) {
  return client.lrange(`${queueKeys('drover', queue).bullBase}wait`, 0, -1)
}

describe('enqueue', () => {
  it('a job is in its queue with the input as it was given, once enqueue resolves', async () => {
    const contract = job()
    const handle = await producer.enqueue(contract, { url: 'https://example.com/ü' })
    expect(handle).toEqual({
      id: expect.stringMatching(/^[a-z][0-9a-z]{19}$/),
      name: 'image.resize',
      queue: contract.queue,
    })
    expect(JSON.parse(JSON.stringify(handle))).toEqual(handle)
    const record = await stored(contract.queue, handle.id)
    expect(record).toMatchObject({ name: 'image.resize', data: '{"url":"https://example.com/ü"}' })
    expect(await waiting(contract.queue)).toEqual([handle.id])
  })

  it.each([{}, { delay: 60_000 }, { priority: 7 }, { lifo: true }, { attempts: 2, delay: 300_000, priority: 1 }])(
    'a job enqueued with %j is stored field for field as BullMQ stores it',
    async (options) => {
      const contract = job()
      const id = newJobId()
      await producer.enqueue(contract, { url: 'https://example.com' }, { id, ...options })
      const ours = await stored(contract.queue, id)
      const queue = new Queue('bare', { connection: client, prefix: '{bare}' })
      const timestamp = Number(ours.timestamp)
      const common = { attempts: 5, backoff: { type: 'drover' }, stackTraceLimit: 10, jobId: id, timestamp }
      await queue.add('image.resize', { url: 'https://example.com' }, { ...common, ...options })
      const theirs = await client.hgetall(`{bare}:bare:${id}`)
      await queue.obliterate({ force: true })
      await queue.close()
      expect({ ...ours, opts: null }).toEqual({ ...theirs, opts: null })
      // Among the options, `add` also keeps the id, and the time when it was given.
      expect({ ...JSON.parse(ours.opts ?? ''), jobId: id, timestamp }).toEqual(JSON.parse(theirs.opts ?? ''))
    },
  )

  it('a delayed job and one for a certain time wait until then', async () => {
    const contract = job()
    const at = new Date(Date.now() + 3_600_000)
    const inputOf = { url: 'https://example.com' }
    const delayed = await producer.enqueue(contract, inputOf, { delay: '30m' })
    const timed = await Promise.all(
      [at, at.getTime(), at.toISOString()].map((time) => producer.enqueue(contract, inputOf, { at: time })),
    )
    const key = `${queueKeys('drover', contract.queue).bullBase}delayed`
    // BullMQ keeps the time of a delayed job in the upper bits of its score.
    const due = async (id: string) => Math.floor(Number(await client.zscore(key, id)) / 4096)
    const enqueuedAt = Number((await stored(contract.queue, delayed.id)).timestamp)
    expect(await due(delayed.id)).toBe(enqueuedAt + 1_800_000)
    for (const handle of timed) expect(await due(handle.id)).toBe(at.getTime())
    expect(await waiting(contract.queue)).toEqual([])
  })

  it('jobs without priority run first, then lower numbers, and a lifo job before those that wait', async () => {
    const contract = job()
    const order: string[] = []
    const enqueue = (id: string, options: object) =>
      producer.enqueue(contract, { url: 'https://example.com' }, { id, ...options })
    await enqueue('last', { priority: 2_097_151 })
    await enqueue('first', { priority: 1 })
    await enqueue('plain', {})
    await enqueue('newest', { lifo: true })
    const worker = await startLedgerWorker({
      url: redis.url,
      queue: contract.queue,
      concurrency: 1,
      run: ({ id }) => {
        order.push(String(id))
        return undefined
      },
    })
    await vi.waitFor(() => expect(order).toEqual(['newest', 'plain', 'first', 'last']), PATIENCE)
    await worker.close()
  })

  it('an id that the queue knows enqueues nothing again and leaves the job as it is', async () => {
    const contract = job()
    const first = await producer.enqueue(contract, { url: 'https://one.example' }, { id: 'daily.2026-01-01' })
    const second = await producer.enqueue(contract, { url: 'https://two.example' }, { id: 'daily.2026-01-01' })
    expect(second).toEqual(first)
    expect(await waiting(contract.queue)).toEqual(['daily.2026-01-01'])
    expect(await stored(contract.queue, first.id)).toMatchObject({ data: '{"url":"https://one.example"}' })
  })

  it('the queue is listed under the prefix, and keys of another prefix are left alone', async () => {
    const other = createProducer({ redis: redis.url, prefix: 'other' })
    const contract = job()
    const handle = await other.enqueue(contract, { url: 'https://example.com' })
    await vi.waitFor(async () => expect(await client.smembers('other:queues')).toEqual([contract.queue]), PATIENCE)
    expect(await client.sismember('drover:queues', contract.queue)).toBe(0)
    expect(await client.exists(queueKeys('other', contract.queue).bullBase + handle.id)).toBe(1)
    await other.close()
  })

  it('a schema that answers later is waited for', async () => {
    const contract = defineJob({
      name: 'later',
      queue: 'later',
      input: z.string().refine(async (text) => text !== 'no'),
    })
    await expect(producer.enqueue(contract, 'no')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await producer.enqueue(contract, 'yes')
    expect(await waiting('later')).toHaveLength(1)
  })
})

describe('bad input to enqueue', () => {
  const good = { url: 'https://example.com' }
  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  const past = Date.now() - 1
  const cases: [string, unknown, Record<string, unknown>, string][] = [
    ['an input that fails its schema', { url: 'no' }, {}, 'INVALID_INPUT'],
    ['a function', { url: 'https://example.com', width: () => 1 }, {}, 'NOT_JSON'],
    ['a cycle', cyclic, {}, 'NOT_JSON'],
    ['a __proto__ key', JSON.parse('{"url":"https://example.com","__proto__":{"a":1}}'), {}, 'NOT_JSON'],
    ['too large an input', { url: `https://example.com/${'x'.repeat(262_144)}` }, {}, 'TOO_LARGE'],
    ['an unknown option', good, { delya: 5 }, 'UNKNOWN_OPTION'],
    ['a negative delay', good, { delay: -1 }, 'INVALID_OPTION'],
    ['a delay without unit', good, { delay: '5' }, 'INVALID_OPTION'],
    ['a Date in the past', good, { at: new Date(past) }, 'INVALID_OPTION'],
    ['a time in the past', good, { at: past }, 'INVALID_OPTION'],
    ['ISO text in the past', good, { at: '2020-01-01T00:00:00Z' }, 'INVALID_OPTION'],
    ['ISO text without a zone', good, { at: '2099-01-01T00:00:00' }, 'INVALID_OPTION'],
    ['an invalid Date', good, { at: new Date('no') }, 'INVALID_OPTION'],
    ['a time more than 365 days ahead', good, { at: past + 366 * 86_400_000 }, 'INVALID_OPTION'],
    ['delay and at', good, { delay: 1, at: past + 3_600_000 }, 'INVALID_OPTION'],
    ['priority 0', good, { priority: 0 }, 'INVALID_OPTION'],
    ['a priority beyond the last', good, { priority: 2_097_152 }, 'INVALID_OPTION'],
    ['a fraction of a priority', good, { priority: 1.5 }, 'INVALID_OPTION'],
    ['no attempts', good, { attempts: 0 }, 'INVALID_OPTION'],
    ['lifo that is not a boolean', good, { lifo: 1 }, 'INVALID_OPTION'],
    ['lifo and priority', good, { lifo: true, priority: 1 }, 'INVALID_OPTION'],
    ['lifo and delay', good, { lifo: true, delay: 1 }, 'INVALID_OPTION'],
    ['an id with a colon', good, { id: 'a:b' }, 'INVALID_JOB_ID'],
    ['an id that is a number', good, { id: '42' }, 'INVALID_JOB_ID'],
    ['an id that is a key of BullMQ', good, { id: 'wait' }, 'INVALID_JOB_ID'],
    ['an id with braces', good, { id: '{a}' }, 'INVALID_JOB_ID'],
  ]

  it.each(cases)('%s is refused and nothing is sent', async (_, value, options, code) => {
    const contract = job()
    await expect(producer.enqueue(contract, value as never, options)).rejects.toMatchObject({ code })
    expect(await client.keys(`*${contract.queue}*`)).toEqual([])
  })

  it('a contract that is none is refused', async () => {
    const contract = { ...job() }
    await expect(producer.enqueue(contract, good)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'contract' })
  })

  it('a mistyped option names the one that was meant', async () => {
    const options = { prioirty: 3 } as never
    await expect(producer.enqueue(job(), good, options)).rejects.toThrow('did you mean "priority"?')
  })
})

describe('createProducer', () => {
  it.each([
    [{ redis: 'http://localhost' }, 'REDIS_URL_INVALID'],
    [{ redis: 6379 }, 'INVALID_OPTION'],
    [{ redis: { host: 'localhost' } }, 'INVALID_OPTION'],
    [{ prefix: '{a}' }, 'INVALID_PREFIX'],
    [{ timeout: 0 }, 'INVALID_OPTION'],
    [{ timeout: '11m' }, 'INVALID_OPTION'],
    [{ redsi: 'redis://localhost' }, 'UNKNOWN_OPTION'],
    [null, 'INVALID_OPTION'],
  ])('%j is refused with %s', (options, code) => {
    expect(() => createProducer(options as never)).toThrow(expect.objectContaining({ code }))
  })

  it('without a URL the environment says where Redis is', async () => {
    vi.stubEnv('REDIS_URL', redis.url)
    await using fromEnvironment = createProducer()
    const contract = job()
    await fromEnvironment.enqueue(contract, { url: 'https://example.com' })
    expect(await waiting(contract.queue)).toHaveLength(1)
    vi.stubEnv('REDIS_URL', 'nonsense')
    expect(() => createProducer()).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    vi.unstubAllEnvs()
  })

  it('settings from parseRedisUrl and another database are taken', async () => {
    const { parseRedisUrl } = await import('../../src/index.js')
    await using inThree = createProducer({ redis: parseRedisUrl(`${redis.url}/3`) })
    const contract = job()
    const handle = await inThree.enqueue(contract, { url: 'https://example.com' })
    const key = queueKeys('drover', contract.queue).bullBase + handle.id
    expect(await redis.cli('-n', '3', 'EXISTS', key)).toBe('1')
    expect(await redis.cli('EXISTS', key)).toBe('0')
  })

  it('a closed producer refuses every call, and closing again is harmless', async () => {
    const closed = createProducer({ redis: redis.url })
    const contract = job()
    const last = closed.enqueue(contract, { url: 'https://example.com' })
    await closed.close()
    await closed.close()
    await last
    expect(await waiting(contract.queue)).toHaveLength(1)
    const refused = { code: 'CLOSED' }
    await expect(closed.enqueue(contract, { url: 'https://example.com' })).rejects.toMatchObject(refused)
    await expect(closed.enqueueBulk(contract, [])).rejects.toMatchObject(refused)
    await expect(closed.results.get({ queue: 'a', id: 'b' })).rejects.toMatchObject(refused)
    await expect(closed.counters.get('a', 'b')).rejects.toMatchObject(refused)
    await expect(closed.counters.incr('a', 'b')).rejects.toMatchObject(refused)
  })

  it('the ids of jobs without one differ', async () => {
    const contract = defineJob({ name: 'many', queue: 'many', input: anything })
    const handles = await Promise.all(Array.from({ length: 1_000 }, () => producer.enqueue(contract, 1)))
    expect(new Set(handles.map(({ id }) => id)).size).toBe(1_000)
    expect(new Set(await waiting('many'))).toEqual(new Set(handles.map(({ id }) => id)))
  })
})
