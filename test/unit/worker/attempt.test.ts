import type { Job } from 'bullmq'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { type AnyJobContract, defineJob, ShutdownError } from '../../../src/job/index.js'
import { queueKeys } from '../../../src/redis/index.js'
import { Attempt } from '../../../src/worker/attempt.js'
import { type HandlerFunction, handle, type JobContext } from '../../../src/worker/index.js'
import { collectLog } from '../../support/worker.js'

const contract = defineJob({ name: 'resize', queue: 'media', input: z.object({ n: z.number() }), timeout: 60_000 })

/** An attempt of a job that is nowhere but here. */
function newAttempt(run: HandlerFunction<AnyJobContract>, of: AnyJobContract = contract, fields: object = {}) {
  const bullJob = {
    id: 'j1',
    name: 'resize',
    data: { n: 1 },
    attemptsMade: 0,
    attemptsStarted: 1,
    timestamp: 5,
    opts: {},
  }
  const room = {
    keys: queueKeys('drover', 'media'),
    queue: 'media',
    cluster: false,
    logger: collectLog().logger,
    addLog: async () => undefined,
  }
  return new Attempt({ ...bullJob, ...fields } as unknown as Job, 'token', handle(of, run as never), room)
}

describe('an attempt', () => {
  it('resolves with what to commit: the result as JSON, counters summed up, writes in order', async () => {
    const attempt = newAttempt(async (_input, ctx) => {
      ctx.counter('n').add()
      ctx.counter('n').add(4)
      ctx.counter('m').add(-1)
      ctx.effects.sadd('k', 'a')
      return { ok: true }
    })
    const outcome = await attempt.run()
    expect(outcome).toMatchObject({ status: 'completed', valueJson: '{"ok":true}', keepResultMs: 86_400_000 })
    expect([...(outcome.counters ?? [])]).toEqual([
      ['n', 5],
      ['m', -1],
    ])
    expect(outcome.effects).toEqual([['SADD', 'k', 'a']])
    expect(outcome.runMs).toBeGreaterThanOrEqual(0)
  })

  it('lets its handler take everything out of the context', async () => {
    const attempt = newAttempt(
      async (_input, { counter, effects, log, signal, progress, fence, attempt, attempts }) => {
        counter('n').add()
        effects.del('k')
        log.info('fine')
        await progress(5).catch(() => undefined)
        return [signal.aborted, fence, attempt, attempts]
      },
    )
    const outcome = await attempt.run()
    expect(JSON.parse(outcome.valueJson)).toEqual([false, { jobId: 'j1', token: 1 }, 1, 1])
    expect([outcome.counters?.get('n'), outcome.effects]).toEqual([1, [['DEL', 'k']]])
  })

  it('takes nothing after its end, and what it resolved with stays as it was', async () => {
    let ctx: JobContext | undefined
    const attempt = newAttempt((_input, context) => {
      ctx = context
      context.counter('n').add(1)
      context.effects.del('k')
    })
    const outcome = await attempt.run()
    expect(() => ctx?.counter('n').add(1)).toThrow(/attempt has ended/)
    expect(() => ctx?.effects.del('late')).toThrow(/attempt has ended/)
    expect([outcome.counters?.get('n'), outcome.effects]).toEqual([1, [['DEL', 'k']]])
  })

  it('that failed takes nothing afterwards either, not even through what its handler had taken out of the context', async () => {
    let ctx: JobContext | undefined
    let taken: JobContext['effects'] | undefined
    const attempt = newAttempt((_input, context) => {
      ctx = context
      taken = context.effects
      throw new Error('failed')
    })
    await expect(attempt.run()).rejects.toThrow('failed')
    expect(() => taken?.del('late')).toThrow(/attempt has ended/)
    expect(() => ctx?.effects.del('late')).toThrow(/attempt has ended/)
    expect(() => ctx?.counter('late').add()).toThrow(/attempt has ended/)
    await expect(ctx?.progress(50)).resolves.toBeUndefined()
  })

  it('does not start its handler when it was aborted before', async () => {
    const run = vi.fn()
    const attempt = newAttempt(run)
    attempt.abort(new ShutdownError())
    await expect(attempt.run()).rejects.toBeInstanceOf(ShutdownError)
    expect(run).not.toHaveBeenCalled()
  })

  it('does not start its handler when it is aborted while its input is checked', async () => {
    const schema = {
      '~standard': { version: 1, vendor: 'test', validate: async (value: unknown) => ({ value }) },
    } as const
    const run = vi.fn()
    const attempt = newAttempt(run, defineJob({ name: 'resize', queue: 'media', input: schema }))
    const ending = attempt.run()
    attempt.abort(new ShutdownError())
    await expect(ending).rejects.toBeInstanceOf(ShutdownError)
    expect(run).not.toHaveBeenCalled()
  })

  it('rejects at once when it is aborted, and tells its handler why', async () => {
    let ctx: JobContext | undefined
    const attempt = newAttempt((_input, context) => {
      ctx = context
      return new Promise(() => undefined)
    })
    const ending = attempt.run()
    const reason = new ShutdownError()
    attempt.abort(reason)
    attempt.abort(new Error('a second reason'))
    await expect(ending).rejects.toBe(reason)
    expect([ctx?.signal.aborted, ctx?.signal.reason, attempt.abortReason]).toEqual([true, reason, reason])
  })

  it('is not aborted by what comes after its end', async () => {
    const attempt = newAttempt(() => 1)
    await attempt.run()
    attempt.abort(new ShutdownError())
    expect([attempt.abortReason, attempt.signal.aborted]).toEqual([undefined, false])
  })

  it.each<[string, unknown, string]>([
    ['no progress', undefined, 'undefined'],
    ['more than all of it', 101, '101'],
    ['less than nothing', -1, '-1'],
    ['no number', Number.NaN, 'NaN'],
    ['a text', '50', '"50"'],
  ])('refuses progress of %s', async (_what, percent, shown) => {
    const attempt = newAttempt((_input, ctx) => ctx.progress(percent as number))
    await expect(attempt.run()).rejects.toThrow(`option progress: expected a number from 0 to 100, got ${shown}`)
  })
})

describe('the timer of an attempt', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it.each<[string, () => unknown]>([
    ['returns', async () => 1],
    ['throws', async () => Promise.reject(new Error('failed'))],
    // biome-ignore lint/suspicious/noThenProperty: a handler may return anything
    ['returns what is no real promise', () => ({ then: () => void JSON.parse('{') })],
    // biome-ignore lint/suspicious/noThenProperty: a handler may return anything
    ['returns what settles at once', () => ({ then: (resolve: (value: number) => void) => resolve(1) })],
  ])('is gone when the handler %s', async (_what, run) => {
    vi.useFakeTimers()
    await newAttempt(run as never)
      .run()
      .catch(() => undefined)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is gone when the attempt is aborted, before its handler waits or after', async () => {
    vi.useFakeTimers()
    const before = newAttempt(() => {
      before.abort(new ShutdownError())
      return new Promise(() => undefined)
    })
    await expect(before.run()).rejects.toBeInstanceOf(ShutdownError)
    const after = newAttempt(() => new Promise(() => undefined))
    const ending = after.run()
    expect(vi.getTimerCount()).toBe(1)
    after.abort(new ShutdownError())
    await expect(ending).rejects.toBeInstanceOf(ShutdownError)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('waits as long as the contract says, also when that is longer than one timer can', async () => {
    vi.useFakeTimers()
    const days = 86_400_000
    const attempt = newAttempt(
      () => new Promise(() => undefined),
      defineJob({ ...optionsOf(contract), timeout: '30d' }),
    )
    const ending = attempt.run()
    const outcome = ending.catch((error: { code: string }) => error.code)
    await vi.advanceTimersByTimeAsync(30 * days - 1_000)
    expect(attempt.abortReason).toBeUndefined()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await outcome).toBe('JOB_TIMEOUT')
  })
})

const optionsOf = ({ name, queue, input }: AnyJobContract) => ({ name, queue, input })
