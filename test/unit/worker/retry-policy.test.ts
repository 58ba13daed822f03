import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  CancelledError,
  defineJob,
  InputVersionError,
  InvalidInputError,
  JobTimeoutError,
  LockLostError,
  NotJsonError,
  PermanentError,
  retryIn,
  ShutdownError,
  snooze,
} from '../../../src/job/index.js'
import { backoffMs, decide } from '../../../src/worker/retry-policy.js'

const contract = defineJob({ name: 'a', queue: 'q', input: z.any(), backoff: { type: 'fixed', delay: 500, jitter: 0 } })
const job = (attemptsMade: number, attempts?: number) => ({
  attemptsMade,
  opts: attempts === undefined ? {} : { attempts },
})

describe('the decision about an attempt', () => {
  it('is another one while attempts are left, and the end of the job after the last', () => {
    const error = new Error('any')
    expect(decide(error, job(0, 3), contract)).toEqual({ kind: 'retry', delayMs: 500 })
    expect(decide(error, job(1, 3), contract)).toEqual({ kind: 'retry', delayMs: 500 })
    expect(decide(error, job(2, 3), contract)).toEqual({ kind: 'fail' })
    expect(decide(error, job(5, 3), contract)).toEqual({ kind: 'fail' })
    expect(decide(error, job(0, 1), contract)).toEqual({ kind: 'fail' })
    expect(decide(error, job(0), contract)).toEqual({ kind: 'fail' })
  })

  it.each<[string, unknown]>([
    ['a PermanentError', new PermanentError('x')],
    ['an input that fails its schema', new InvalidInputError('a', [])],
    ['an input that no upcast brings to this version', new InputVersionError('a', 1, 2, 'none')],
    ['a cancellation', new CancelledError()],
  ])('is the end of the job at once for %s', (_what, error) => {
    expect(decide(error, job(0, 9), contract)).toEqual({ kind: 'fail' })
  })

  it.each<[string, unknown]>([
    ['a timeout', new JobTimeoutError(5)],
    ['a result that is not JSON', new NotJsonError('$', 'x')],
    ['what is no error at all', null],
    ['a shutdown that ended another thing', new ShutdownError()],
    ['a lost lock of another job', new LockLostError('other')],
  ])('is another attempt for %s', (_what, error) => {
    expect(decide(error, job(0, 2), contract)).toEqual({ kind: 'retry', delayMs: 500 })
  })

  it('leaves the attempt uncounted when it was ended from outside, whatever its handler then threw', () => {
    for (const thrown of [undefined, new PermanentError('x'), retryIn(5)]) {
      expect(decide(thrown, job(8, 9), contract, new ShutdownError())).toEqual({ kind: 'hand-back' })
      expect(decide(thrown, job(8, 9), contract, new LockLostError('a'))).toEqual({ kind: 'abandon' })
    }
  })

  it('takes the wait that retryIn says, at least 1 ms, and the backoff of no contract where none is known', () => {
    expect(decide(retryIn('2m'), job(0, 2), contract)).toEqual({ kind: 'retry', delayMs: 120_000 })
    expect(decide(retryIn(0), job(0, 2), contract)).toEqual({ kind: 'retry', delayMs: 1 })
    expect(decide(retryIn('2m'), job(1, 2), contract)).toEqual({ kind: 'fail' })
    const { delayMs } = decide(new Error('x'), job(0, 2), undefined) as { delayMs: number }
    expect(delayMs).toBeGreaterThanOrEqual(500)
    expect(delayMs).toBeLessThanOrEqual(1_000)
  })
})

describe('a snooze', () => {
  it('is no attempt, whatever is left of them, unless the attempt was ended from outside', () => {
    expect(decide(snooze('10m'), job(8, 9), contract)).toEqual({ kind: 'snooze', delayMs: 600_000 })
    const timeout = new JobTimeoutError(5)
    expect(decide(timeout, job(0, 2), contract, timeout)).toEqual({ kind: 'retry', delayMs: 500 })
  })

  it('is the end of a job that was started 10,000 times without a failed attempt', () => {
    const started = (attemptsStarted: number) => ({ ...job(2, 9), attemptsStarted })
    expect(decide(snooze(100), started(10_002), contract)).toEqual({ kind: 'snooze', delayMs: 100 })
    const error = expect.objectContaining({ code: 'SNOOZE_LIMIT', starts: 10_001 })
    expect(decide(snooze(100), started(10_003), contract)).toEqual({ kind: 'fail', error })
  })
})

describe('retryUntil', () => {
  const limited = defineJob({
    ...{ name: 'a', queue: 'q', input: z.any(), retryUntil: '1m' },
    backoff: { type: 'fixed', delay: '20s', jitter: 0 },
  })
  const due = (agoMs: number, delay = 0) => ({
    attemptsMade: 0,
    opts: { attempts: 9, delay },
    timestamp: Date.now() - agoMs,
  })

  it('is the end of a job whose next attempt would start after it', () => {
    expect(decide(new Error('x'), due(30_000), limited)).toEqual({ kind: 'retry', delayMs: 20_000 })
    expect(decide(new Error('x'), due(45_000), limited)).toEqual({ kind: 'fail' })
    expect(decide(retryIn('2m'), due(0), limited)).toEqual({ kind: 'fail' })
    expect(decide(new Error('x'), due(45_000, 10_000), limited)).toEqual({ kind: 'retry', delayMs: 20_000 })
    expect(decide(snooze('2m'), due(0), limited)).toEqual({ kind: 'snooze', delayMs: 120_000 })
  })

  it('alone says how often a job may run', () => {
    expect(limited.attempts).toBe(1_000)
  })
})

describe('the wait before the next attempt', () => {
  const backoff = { type: 'exponential', delayMs: 1_000, jitter: 0, maxDelayMs: 3_600_000 } as const
  const waits = (random: number, over: object = {}) =>
    [1, 2, 3, 12, 13, 1_000].map((attemptsMade) => backoffMs({ ...backoff, ...over }, attemptsMade, () => random))

  it('doubles with each failed attempt up to the cap', () => {
    expect(waits(0)).toEqual([1_000, 2_000, 4_000, 2_048_000, 3_600_000, 3_600_000])
  })

  it('stays the same when it is fixed', () => {
    expect(waits(0, { type: 'fixed' })).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, 1_000])
  })

  it('goes through a list, whose last repeats', () => {
    expect(waits(0, { type: 'list', delaysMs: [5, 70, 6] })).toEqual([5, 70, 6, 6, 6, 6])
    expect(waits(0, { type: 'list', delaysMs: [5, 70, 6], maxDelayMs: 10 })).toEqual([5, 10, 6, 6, 6, 6])
  })

  it('is what a custom one is told, within cap and jitter, and exponential without', () => {
    const custom = defineJob({
      ...{ name: 'a', queue: 'q', input: z.any() },
      backoff: { type: 'custom', delay: '1s', maxDelay: '1m' },
    })
    const wait = (asked: number | undefined) => decide(new Error('x'), job(1, 9), custom, undefined, () => asked)
    expect(wait(5_000)).toEqual({ kind: 'retry', delayMs: 5_000 })
    expect(wait(0)).toEqual({ kind: 'retry', delayMs: 1 })
    expect(wait(90_000)).toEqual({ kind: 'retry', delayMs: 60_000 })
    expect(wait(undefined)).toEqual({ kind: 'retry', delayMs: 2_000 })
  })

  it('is shortened by chance, by as much as the jitter says, also below the cap', () => {
    expect(waits(0.5, { jitter: 0.5 })).toEqual([750, 1_500, 3_000, 1_536_000, 2_700_000, 2_700_000])
    expect(waits(1, { jitter: 1 })).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('is 1 ms where the contract wants none', () => {
    expect(waits(0, { delayMs: 0 })).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('lies anywhere between, by Math.random', () => {
    const seen = Array.from({ length: 500 }, () => backoffMs({ ...backoff, jitter: 0.5 }, 1))
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(500)
    expect(Math.max(...seen)).toBeLessThanOrEqual(1_000)
    expect(Math.max(...seen) - Math.min(...seen)).toBeGreaterThan(300)
  })
})
