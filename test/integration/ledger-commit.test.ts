// One finish of one job: what it writes, that it writes all of it in one atomic step, and that a refused one writes nothing.
import type { Job } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { EffectRejectedError } from '../../src/job/index.js'
import { parseResult } from '../../src/ledger/index.js'
import { readSteps, stepsOn } from '../support/append-only-file.js'
import { differences, dumpDb } from '../support/dump-db.js'
import { type Kernel, openKernel } from '../support/kernel.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

let server: TestRedis
let kernel: Kernel
let redis: Redis

beforeAll(async () => {
  server = await startTestRedis({ appendonly: true })
  kernel = await openKernel(server.url)
  redis = kernel.client
})
beforeEach(() => redis.flushdb())
afterAll(async () => {
  await kernel.close()
  await server.close()
})

const resultOf = async (job: Job) => parseResult(await redis.get(kernel.keys.result(String(job.id))))

async function errorOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not reject')
}

describe('a completed job', () => {
  it('leaves its result record, kept as long as its contract says, rounded up to seconds', async () => {
    const job = await kernel.start({ delay: 0, attempts: 3 })
    await kernel.complete(job, { valueJson: '{"bytes":[1,"é\\u2028"]}', keepResultMs: 90_001, runMs: 12.6 })
    const record = await resultOf(job)
    expect(record).toEqual({
      v: 1,
      id: job.id,
      job: 'resize',
      queue: 'media',
      status: 'completed',
      value: { bytes: [1, 'é\u2028'] },
      attempts: 1,
      enqueuedAt: job.timestamp,
      startedAt: job.processedOn,
      finishedAt: Number(await redis.hget(kernel.bull(String(job.id)), 'finishedOn')),
      runMs: 13,
      waitMs: Number(job.processedOn) - job.timestamp,
    })
    expect(await redis.ttl(kernel.keys.result(String(job.id)))).toBe(91)
  })

  it('waited from the end of its delay, not from enqueue', async () => {
    const job = await kernel.start({})
    job.opts = { ...job.opts, delay: 40 }
    job.timestamp = Number(job.processedOn) - 100
    await kernel.complete(job)
    expect((await resultOf(job))?.waitMs).toBe(60)
  })

  it('counts in the totals, in the minute of its end with both histograms, and its counters in both', async () => {
    const job = await kernel.start({ name: 'image.resize' })
    job.timestamp = Number(job.processedOn) - 7
    const { finishedOn } = (await kernel.complete(job, {
      runMs: 42,
      counters: new Map([
        ['bytes', 5],
        ['files', -2],
      ]),
    })) as { finishedOn: number }
    const stats = kernel.keys.stats(Math.floor(finishedOn / 60_000))
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'image.resize:completed': '1' })
    expect(await redis.hgetall(stats)).toEqual({ 'image.resize|c|5|3': '1', '#bytes': '5', '#files': '-2' })
    expect(await redis.ttl(stats)).toBe(172_800)
    expect(await redis.mget(kernel.keys.counter('bytes'), kernel.keys.counter('files'))).toEqual(['5', '-2'])
    expect((await redis.smembers(kernel.keys.counterNames)).sort()).toEqual(['bytes', 'files'])
  })

  it('adds to counters that other programs made, up to the edge of what a sum can be', async () => {
    await redis.set(kernel.keys.counter('bytes'), '8990000000000000000')
    await redis.set(kernel.keys.counter('files'), '-3')
    const counters = new Map([
      ['bytes', Number.MAX_SAFE_INTEGER],
      ['files', 3],
    ])
    await kernel.complete(await kernel.start(), { counters })
    expect(await redis.get(kernel.keys.counter('bytes'))).toBe('8999007199254740991')
    expect(await redis.get(kernel.keys.counter('files'))).toBe('0')
  })

  it('of a later attempt tells nothing about how long the queue lets jobs wait', async () => {
    const job = await kernel.start()
    job.attemptsMade = 1
    const { finishedOn } = (await kernel.complete(job)) as { finishedOn: number }
    expect(await redis.hkeys(kernel.keys.stats(Math.floor(finishedOn / 60_000)))).toEqual(['resize|c|0|-'])
    expect((await resultOf(job))?.attempts).toBe(2)
  })

  it('leaves BullMQ only the name of its result, in the job and in the event stream', async () => {
    const job = await kernel.start()
    await kernel.complete(job, { valueJson: JSON.stringify('x'.repeat(50_000)) })
    const kept = await redis.hget(kernel.bull(String(job.id)), 'returnvalue')
    expect(kept).toBe(JSON.stringify(kernel.keys.result(String(job.id))))
    expect(JSON.stringify(await redis.xrange(kernel.bull('events'), '-', '+'))).not.toContain('xxx')
  })

  it('hands the next job over in the same call', async () => {
    const job = await kernel.start()
    await kernel.add({ jobId: 'next' })
    kernel.backend.stage(job, { status: 'completed', valueJson: '1', keepResultMs: 1_000, runMs: 1 })
    const { result } = await kernel.backend.moveToCompleted(job, null, { count: 1 }, 'worker-1:0', true)
    expect([result?.[1], (await resultOf(job))?.status]).toEqual(['next', 'completed'])
  })

  it('leaves its result also when BullMQ is to keep nothing of it', async () => {
    const job = await kernel.start()
    kernel.backend.stage(job, { status: 'completed', valueJson: '1', keepResultMs: 1_000, runMs: 1 })
    await kernel.backend.moveToCompleted(job, null, { count: 0 }, 'worker-1:0', false)
    expect(await redis.exists(kernel.bull(String(job.id)))).toBe(0)
    expect((await resultOf(job))?.status).toBe('completed')
  })

  it('commits also when Redis has forgotten the script', async () => {
    const job = await kernel.start()
    await redis.script('FLUSH')
    await kernel.complete(job)
    expect((await resultOf(job))?.status).toBe('completed')
  })
})

describe('the message of a commit', () => {
  it('carries the record on the channel of the job, and nothing of a large one', async () => {
    const small = await kernel.start()
    const large = await kernel.start()
    const listener = new Redis(server.url)
    const messages: [string, string][] = []
    listener.on('message', (channel: string, text: string) => messages.push([channel, text]))
    const channels = [small, large].map((job) => kernel.keys.done(String(job.id)))
    await listener.subscribe(...channels)
    await kernel.complete(small)
    await kernel.complete(large, { valueJson: JSON.stringify('x'.repeat(8_192)) })
    await expect.poll(() => messages.length).toBe(2)
    listener.disconnect()
    expect(messages).toEqual([
      [channels[0], await redis.get(kernel.keys.result(String(small.id)))],
      [channels[1], ''],
    ])
  })

  it('may be refused to a worker without harm to its commit', async () => {
    await redis.call('ACL', 'SETUSER', 'quiet', 'on', '>pw', '~*', '+@all', 'resetchannels')
    const quiet = await openKernel(`redis://quiet:pw@${server.host}:${server.port}`)
    const job = await quiet.start()
    await quiet.complete(job)
    expect((await resultOf(job))?.status).toBe('completed')
    await quiet.close()
  })
})

describe('a failed job', () => {
  it('leaves its error as its result, and counts as failed', async () => {
    const job = await kernel.start()
    const error = { name: 'TypeError', message: 'no "such" thing', code: 'E_NONE', stack: 'TypeError: …' }
    const { finishedOn } = (await kernel.fail(job, { error, runMs: 3, keepResultMs: 5_000 })) as { finishedOn: number }
    expect(await resultOf(job)).toMatchObject({ v: 1, status: 'failed', error, attempts: 1, runMs: 3 })
    expect(await resultOf(job)).not.toHaveProperty('value')
    expect(await redis.ttl(kernel.keys.result(String(job.id)))).toBe(5)
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:failed': '1' })
    const [field] = await redis.hkeys(kernel.keys.stats(Math.floor(finishedOn / 60_000)))
    expect(field).toMatch(/^resize\|f\|2\|\d+$/)
  })

  it('that stalled too often leaves JOB_STALLED', async () => {
    await kernel.start({ jobId: 'lost' })
    await redis.del(`${kernel.bull('lost')}:lock`)
    Object.assign((kernel.backend as unknown as { queue: { opts: object } }).queue.opts, {
      maxStalledCount: 0,
      stalledInterval: 1,
    })
    await kernel.backend.moveStalledJobsToWait()
    await expect.poll(() => redis.exists(kernel.bull('stalled-check'))).toBe(0)
    expect(await kernel.backend.moveStalledJobsToWait()).toEqual(['lost'])
    const job = await kernel.take()
    expect(job.deferredFailure).toBeTruthy()
    await kernel.failAttempt(job, new Error(job.deferredFailure))
    expect(await resultOf(job)).toMatchObject({
      status: 'failed',
      error: { name: 'JobStalledError', code: 'JOB_STALLED', message: job.deferredFailure },
    })
  })

  it('that BullMQ failed for another reason leaves that one', async () => {
    const job = await kernel.start()
    await kernel.failAttempt(job, new Error('child x failed'))
    expect(await resultOf(job)).toMatchObject({ error: { name: 'Error', message: 'child x failed' } })
    expect(await resultOf(job)).not.toHaveProperty('error.code')
  })

  it('whose last commit was refused leaves why, kept as its contract says', async () => {
    await redis.set('text', 'abc')
    const job = await kernel.start()
    const refusal = await errorOf(
      kernel.complete(job, { effects: [['INCRBY', 'text', 1]], keepResultMs: 7_000, runMs: 60 }),
    )
    expect(refusal).toBeInstanceOf(EffectRejectedError)
    await kernel.failAttempt(job, refusal)
    expect(await resultOf(job)).toMatchObject({
      status: 'failed',
      runMs: 60,
      error: { name: 'EffectRejectedError', code: 'EFFECT_REJECTED', message: refusal.message },
    })
    expect(await redis.ttl(kernel.keys.result(String(job.id)))).toBe(7)
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:failed': '1' })
  })
})

describe('one atomic step', () => {
  it('holds the end of the job, its result, every count and every staged write, by the append-only file', async () => {
    const job = await kernel.start()
    const id = String(job.id)
    const { finishedOn } = (await kernel.complete(job, {
      counters: new Map([['bytes', 5]]),
      effects: [
        ['SADD', 'own-set', 'a'],
        ['INCRBY', 'own-number', 3],
      ],
    })) as { finishedOn: number }
    const { keys } = kernel
    const touched = [
      ...[keys.result(id), keys.totals, keys.stats(Math.floor(finishedOn / 60_000)), keys.counter('bytes')],
      ...[keys.counterNames, 'own-set', 'own-number', kernel.bull('completed')],
    ]
    // The last step on each of them is one and the same.
    const [finishing = []] = stepsOn(server, keys.result(id))
    for (const key of touched) expect(stepsOn(server, key).at(-1), key).toEqual(finishing)
    expect(finishing).toContainEqual(['DEL', `${kernel.bull(id)}:lock`])
    expect(finishing).toContainEqual(['LREM', kernel.bull('active'), '-1', id])
    expect(stepsOn(server, keys.result(id))).toHaveLength(1)
  })

  it('of a refused commit does not exist', async () => {
    await redis.set('text', 'abc')
    const job = await kernel.start()
    const before = readSteps(server).length
    await errorOf(
      kernel.complete(job, {
        effects: [
          ['SET', 'first', '1'],
          ['INCRBY', 'text', 1],
        ],
      }),
    )
    await redis.set('marker-of-test', '1')
    expect(readSteps(server).slice(before)).toEqual([[['set', 'marker-of-test', '1']]])
  })
})

describe('a finish that BullMQ refuses', () => {
  const cases: [string, number, (id: string) => Promise<unknown>, RegExp][] = [
    ['the job was removed', -1, (id) => redis.del(kernel.bull(id)), /Missing key for job/],
    ['the lock has expired', -2, (id) => redis.del(`${kernel.bull(id)}:lock`), /Missing lock for job/],
    [
      'another run has the lock',
      -6,
      (id) => redis.set(`${kernel.bull(id)}:lock`, 'worker-2:0'),
      /Lock mismatch for job/,
    ],
    [
      'the job is not active',
      -3,
      (id) => redis.lrem(kernel.bull('active'), 0, id),
      /not in the active state|is not in/,
    ],
  ]
  const onlyCompleted: typeof cases = [
    ['children are pending', -4, (id) => redis.sadd(`${kernel.bull(id)}:dependencies`, 'x'), /pending dependencies/],
    [
      'children have failed',
      -9,
      (id) => redis.zadd(`${kernel.bull(id)}:unsuccessful`, 1, 'x'),
      /at least one failed child/,
    ],
  ]
  // What BullMQ itself does to a job before it finds that it is not active.
  const ofBullmq = (id: string, code: number) => (code === -3 ? [`${kernel.bull(id)}:lock`, kernel.bull(id)] : [])

  it.each([...cases, ...onlyCompleted])(
    'writes nothing when %s (%i), for a completed job',
    async (_what, code, spoil, text) => {
      const job = await kernel.start()
      await spoil(String(job.id))
      const before = await dumpDb(redis)
      const effects = [['SADD', 'own', 'a']] as const
      const error = await errorOf(kernel.complete(job, { counters: new Map([['bytes', 1]]), effects }))
      expect(error).toMatchObject({ code, message: expect.stringMatching(text) })
      expectOnly(differences(before, await dumpDb(redis)), ofBullmq(String(job.id), code))
    },
  )

  it.each(cases)('writes nothing when %s (%i), for a failed job', async (_what, code, spoil) => {
    const job = await kernel.start()
    await spoil(String(job.id))
    const before = await dumpDb(redis)
    expect(await errorOf(kernel.fail(job))).toMatchObject({ code })
    expectOnly(differences(before, await dumpDb(redis)), ofBullmq(String(job.id), code))
  })

  it('is also the second finish of the same job, which counts it once', async () => {
    const job = await kernel.start()
    await kernel.complete(job, { counters: new Map([['bytes', 1]]) })
    const before = await dumpDb(redis)
    for (const again of [() => kernel.complete(job, { valueJson: '2' }), () => kernel.fail(job)]) {
      expect(await errorOf(again())).toMatchObject({ code: -2 })
    }
    expect(differences(before, await dumpDb(redis))).toEqual({})
    await redis.del(kernel.bull(String(job.id)))
    expect(await errorOf(kernel.complete(job))).toMatchObject({ code: -1 })
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:completed': '1' })
  })

  it('is that of a stale run: the run with the lock commits, whichever comes first', async () => {
    const stale = await kernel.start({ jobId: 'shared' })
    await redis.set(`${kernel.bull('shared')}:lock`, 'worker-2:0')
    expect(await errorOf(kernel.complete(stale, { valueJson: '"stale"' }))).toMatchObject({ code: -6 })
    await kernel.complete(stale, { valueJson: '"live"' }, 'worker-2:0')
    expect(await errorOf(kernel.complete(stale, { valueJson: '"stale"' }))).toMatchObject({ code: -2 })
    expect(await resultOf(stale)).toMatchObject({ value: 'live' })
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:completed': '1' })
  })
})

describe('a manual retry', () => {
  it.each(['failed', 'completed'] as const)(
    'of a %s job runs it again, commits again and replaces the result',
    async (state) => {
      const job = await kernel.start({ jobId: 'again' })
      if (state === 'failed') await kernel.fail(job)
      else await kernel.complete(job, { valueJson: '"first"', counters: new Map([['bytes', 2]]) })
      await job.retry(state)
      const second = await kernel.take()
      await kernel.complete(second, { valueJson: '"second"', counters: new Map([['bytes', 3]]) })
      expect(await resultOf(second)).toMatchObject({ id: 'again', status: 'completed', value: 'second', attempts: 2 })
      const ends = state === 'failed' ? { 'resize:failed': '1', 'resize:completed': '1' } : { 'resize:completed': '2' }
      expect(await redis.hgetall(kernel.keys.totals)).toEqual(ends)
      expect(await redis.get(kernel.keys.counter('bytes'))).toBe(state === 'failed' ? '3' : '5')
    },
  )
})

describe('keys that a stranger broke', () => {
  it('are left as they are, and the job commits what is its own', async () => {
    const minute = Math.floor(Date.now() / 60_000)
    const spoiled = [
      kernel.keys.totals,
      kernel.keys.counterNames,
      kernel.keys.stats(minute),
      kernel.keys.stats(minute + 1),
    ]
    await redis.mset(...spoiled.flatMap((key) => [key, 'text']))
    const job = await kernel.start()
    await redis.hset(kernel.keys.result(String(job.id)), 'f', 'v')
    await kernel.complete(job, { counters: new Map([['bytes', 1]]), effects: [['SADD', 'own', 'a']] })
    expect(await redis.mget(...spoiled)).toEqual(['text', 'text', 'text', 'text'])
    expect(await resultOf(job)).toMatchObject({ status: 'completed' })
    expect([await redis.get(kernel.keys.counter('bytes')), await redis.scard('own')]).toEqual(['1', 1])
  })

  it.each<[string, string | string[], RegExp]>([
    ['a text', 'abc', /does not hold a whole number/],
    ['an empty text', '', /does not hold a whole number/],
    ['leading zeros', '007', /does not hold a whole number/],
    ['a plus sign', '+5', /does not hold a whole number/],
    ['spaces', ' 5', /does not hold a whole number/],
    ['a fraction', '1.5', /does not hold a whole number/],
    ['an exponent', '1e3', /does not hold a whole number/],
    ['minus zero', '-0', /does not hold a whole number/],
    ['a NUL', '5\0', /does not hold a whole number/],
    ['infinity', 'inf', /does not hold a whole number/],
    ['a number too large', '9223372036854775807', /would not fit 64 bits/],
    ['a number too small', '-9223372036854775808', /would not fit 64 bits/],
    ['a number beyond 64 bits', '9'.repeat(400), /would not fit 64 bits/],
    ['a list', ['RPUSH', '1'], /does not hold a string/],
    ['a set', ['SADD', '1'], /does not hold a string/],
    ['a hash', ['HSET', 'f', '1'], /does not hold a string/],
    ['a sorted set', ['ZADD', '1', 'm'], /does not hold a string/],
    ['a stream', ['XADD', '*', 'f', '1'], /does not hold a string/],
  ])('refuse a counter whole: %s', async (_what, content, reason) => {
    const key = kernel.keys.counter('bad')
    if (typeof content === 'string') await redis.set(key, content)
    else await redis.call(content[0] as string, key, ...content.slice(1))
    const job = await kernel.start()
    const before = await dumpDb(redis)
    const counters = new Map([
      ['good', 1],
      ['bad', 1],
    ])
    const refusal = await errorOf(kernel.complete(job, { counters, effects: [['SADD', 'own', 'a']] }))
    expect(refusal).toBeInstanceOf(EffectRejectedError)
    expect(refusal).toMatchObject({ command: 'INCRBY', key, reason: expect.stringMatching(reason) })
    expect(differences(before, await dumpDb(redis))).toEqual({})
  })
})

/** Nothing but these keys changed. */
function expectOnly(changed: Record<string, unknown>, allowed: readonly string[]): void {
  expect(Object.keys(changed).filter((key) => !allowed.includes(key))).toEqual([])
}
