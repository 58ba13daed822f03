// How a job ends that does not complete, and how it runs again by a person's hand.
import { describe, expect, it } from 'vitest'
import { EffectRejectedError } from '../../src/job/index.js'
import { expectExpiry } from '../support/expiry.js'
import { useKernel } from '../support/kernel.js'
import { rejectionOf } from '../support/rejection.js'

const { kernel, redis, resultOf } = await useKernel()

describe('a failed job', () => {
  it('leaves its error as its result, and counts as failed', async () => {
    const sinceMs = performance.now()
    const job = await kernel.start()
    const error = { name: 'TypeError', message: 'no "such" thing', code: 'E_NONE', stack: 'TypeError: …' }
    const { finishedOn } = (await kernel.fail(job, { error, runMs: 3, keepResultMs: 5_000_000 })) as {
      finishedOn: number
    }
    expect(await resultOf(job)).toMatchObject({ v: 1, status: 'failed', error, attempts: 1, runMs: 3 })
    expect(await resultOf(job)).not.toHaveProperty('value')
    await expectExpiry(redis, kernel.keys.result(String(job.id)), 5_000, sinceMs)
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:failed': '1' })
    const [field] = await redis.hkeys(kernel.keys.stats(Math.floor(finishedOn / 60_000)))
    expect(field).toMatch(/^resize\|f\|2\|\d+$/)
  })

  it('that stalled too often leaves JOB_CRASHED', async () => {
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
      error: { name: 'JobCrashedError', code: 'JOB_CRASHED', message: job.deferredFailure },
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
    const sinceMs = performance.now()
    const job = await kernel.start()
    const refusal = await rejectionOf(
      kernel.complete(job, { effects: [['INCRBY', 'text', 1]], keepResultMs: 7_000_000, runMs: 60 }),
    )
    expect(refusal).toBeInstanceOf(EffectRejectedError)
    await kernel.failAttempt(job, refusal)
    expect(await resultOf(job)).toMatchObject({
      status: 'failed',
      runMs: 60,
      error: { name: 'EffectRejectedError', code: 'EFFECT_REJECTED', message: refusal.message },
    })
    await expectExpiry(redis, kernel.keys.result(String(job.id)), 7_000, sinceMs)
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'resize:failed': '1' })
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
