// A finish that is refused, by BullMQ or by what stands in the keys of counters, and that it writes nothing.
import { describe, expect, it } from 'vitest'
import { EffectRejectedError } from '../../src/job/index.js'
import { differences, dumpDb } from '../support/dump-db.js'
import { useKernel } from '../support/kernel.js'
import { rejectionOf } from '../support/rejection.js'

const { kernel, redis, resultOf } = await useKernel()

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
      const error = await rejectionOf(kernel.complete(job, { counters: new Map([['bytes', 1]]), effects }))
      expect(error).toMatchObject({ code, message: expect.stringMatching(text) })
      expectOnly(differences(before, await dumpDb(redis)), ofBullmq(String(job.id), code))
    },
  )

  it.each(cases)('writes nothing when %s (%i), for a failed job', async (_what, code, spoil) => {
    const job = await kernel.start()
    await spoil(String(job.id))
    const before = await dumpDb(redis)
    expect(await rejectionOf(kernel.fail(job))).toMatchObject({ code })
    expectOnly(differences(before, await dumpDb(redis)), ofBullmq(String(job.id), code))
  })

  it('is also the second finish of the same job, which counts it once', async () => {
    const job = await kernel.start()
    await kernel.complete(job, { counters: new Map([['bytes', 1]]) })
    const before = await dumpDb(redis)
    for (const again of [() => kernel.complete(job, { valueJson: '2' }), () => kernel.fail(job)]) {
      expect(await rejectionOf(again())).toMatchObject({ code: -2 })
    }
    expect(differences(before, await dumpDb(redis))).toEqual({})
    await redis.del(kernel.bull(String(job.id)))
    expect(await rejectionOf(kernel.complete(job))).toMatchObject({ code: -1 })
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:completed': '1' })
  })

  it('is that of a stale run: the run with the lock commits, whichever comes first', async () => {
    const stale = await kernel.start({ jobId: 'shared' })
    await redis.set(`${kernel.bull('shared')}:lock`, 'worker-2:0')
    expect(await rejectionOf(kernel.complete(stale, { valueJson: '"stale"' }))).toMatchObject({ code: -6 })
    await kernel.complete(stale, { valueJson: '"live"' }, 'worker-2:0')
    expect(await rejectionOf(kernel.complete(stale, { valueJson: '"stale"' }))).toMatchObject({ code: -2 })
    expect(await resultOf(stale)).toMatchObject({ value: 'live' })
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:completed': '1' })
  })
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
    const refusal = await rejectionOf(kernel.complete(job, { counters, effects: [['SADD', 'own', 'a']] }))
    expect(refusal).toBeInstanceOf(EffectRejectedError)
    expect(refusal).toMatchObject({ command: 'INCRBY', key, reason: expect.stringMatching(reason) })
    expect(differences(before, await dumpDb(redis))).toEqual({})
  })
})

/** Nothing but these keys changed. */
function expectOnly(changed: Record<string, unknown>, allowed: readonly string[]): void {
  expect(Object.keys(changed).filter((key) => !allowed.includes(key))).toEqual([])
}
