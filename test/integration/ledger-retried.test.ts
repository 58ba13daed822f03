// A failed attempt that another one follows: counted as retried once, in the step that puts the job back, on both of
// BullMQ's ways of doing so.
import { describe, expect, it, vi } from 'vitest'
import { stepsOn } from '../support/append-only-file.js'
import { differences, dumpDb } from '../support/dump-db.js'
import { expectExpiry } from '../support/expiry.js'
import { TOKEN, useKernel } from '../support/kernel.js'
import { PATIENCE } from '../support/until.js'

const { server, kernel } = await useKernel({ appendonly: true })

const minuteOf = async (): Promise<string> => (await kernel.client.keys(`${kernel.keys.base}stats:*`))[0] ?? ''

describe.each([
  ['with a backoff', 'delayed', { attempts: 3, backoff: { type: 'drover' } }],
  ['without one', 'wait', { attempts: 3 }],
] as const)('a failed attempt of a job %s', (_what, state, options) => {
  it('counts as retried, in the totals and in the minute, and puts the job back', async () => {
    const job = await kernel.start({ ...options, name: 'image.resize' })
    const [before, sinceMs] = [Date.now(), performance.now()]
    await kernel.failAttempt(job, new Error('not now'))
    const { client, keys } = kernel
    expect(await client.hgetall(keys.totals)).toEqual({ 'image.resize:retried': '1' })
    const stats = await minuteOf()
    expect(await client.hgetall(stats)).toEqual({ 'image.resize|r': '1' })
    await expectExpiry(client, stats, 172_800, sinceMs)
    const minutes = [before, Date.now()].map((time) => keys.stats(Math.floor(time / 60_000)))
    expect(minutes).toContain(stats)
    expect(await kernel.backend.isJobInState(state, String(job.id))).toBe(true)
    expect(await client.exists(keys.result(String(job.id)))).toBe(0)
  })

  it('is put back and counted in one atomic step, by the append-only file', async () => {
    const job = await kernel.start(options)
    await kernel.failAttempt(job, new Error('not now'))
    const step = stepsOn(server, kernel.keys.totals).at(-1) ?? []
    expect(step).toContainEqual(['HINCRBY', kernel.keys.totals, 'resize:retried', '1'])
    expect(step).toContainEqual(['HINCRBY', await minuteOf(), 'resize|r', '1'])
    expect(step).toContainEqual(['DEL', `${kernel.bull(String(job.id))}:lock`])
    expect(step.map(([command, key]) => `${command} ${key}`)).toContain(
      state === 'wait' ? `LPUSH ${kernel.bull('wait')}` : `ZADD ${kernel.bull('delayed')}`,
    )
  })

  it('counts each retry once, and the end of the job as failed alone', async () => {
    await kernel.add(options)
    for (let attempt = 1; attempt <= 3; attempt++) {
      const job = await vi.waitFor(() => kernel.take(), { ...PATIENCE, interval: 5 })
      await kernel.failAttempt(job, new Error('never'))
    }
    expect(await kernel.client.hgetall(kernel.keys.totals)).toEqual({ 'resize:retried': '2', 'resize:failed': '1' })
  })

  it('that another run took over counts nothing', async () => {
    const job = await kernel.start(options)
    const lock = `${kernel.bull(String(job.id))}:lock`
    for (const [spoil, code] of [
      [() => kernel.client.set(lock, 'worker-2:0'), -6],
      [() => kernel.client.del(lock), -2],
      [() => kernel.client.del(kernel.bull(String(job.id))), -1],
    ] as const) {
      await spoil()
      const before = await dumpDb(kernel.client)
      await expect(kernel.failAttempt(job, new Error('late'))).rejects.toMatchObject({ code })
      expect(differences(before, await dumpDb(kernel.client))).toEqual({})
    }
  })

  it('is put back also when a stranger broke the keys it counts in', async () => {
    const { client, keys } = kernel
    const minute = Math.floor(Date.now() / 60_000)
    await client.mset(...[keys.totals, keys.stats(minute), keys.stats(minute + 1)].flatMap((key) => [key, 'text']))
    const job = await kernel.start(options)
    await kernel.failAttempt(job, new Error('not now'))
    expect(await kernel.backend.isJobInState(state, String(job.id))).toBe(true)
    expect(await client.get(keys.totals)).toBe('text')
  })
})

describe('what is no failed attempt', () => {
  it('counts nothing: a job that is moved on without one', async () => {
    const first = await kernel.start()
    await kernel.backend.moveToDelayed(String(first.id), Date.now(), 1_000, TOKEN, { skipAttempt: true })
    const second = await kernel.start()
    await kernel.backend.moveJobFromActiveToWait(String(second.id), TOKEN)
    const third = await kernel.take()
    await kernel.backend.retryJob(String(third.id), false, TOKEN)
    expect(await kernel.client.exists(kernel.keys.totals)).toBe(0)
    expect(await minuteOf()).toBe('')
  })
})
