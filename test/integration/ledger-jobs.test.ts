// Jobs that a job stages: they enter their queues with its commit, as BullMQ itself would put them in, or not at all.
import { Job, Queue } from 'bullmq'
import { afterAll, describe, expect, it } from 'vitest'
import type { StagedJob } from '../../src/ledger/staged-job.js'
import { queueKeys } from '../../src/redis/index.js'
import { useKernel, writes } from '../support/kernel.js'

const { kernel } = await useKernel()
const redis = kernel.client.duplicate()
const target = new Queue('mail', { connection: redis, prefix: queueKeys('drover', 'mail').bull })
target.on('error', () => undefined)
afterAll(async () => {
  await target.close()
  redis.disconnect()
})

const NOW = 1_750_000_000_000

function staged(jobId: string, opts: object = {}, queue = 'mail'): StagedJob {
  const fields = { progress: 0, attemptsMade: 0, attemptsStarted: 0, stalledCounter: 0, timestamp: NOW }
  const job = { id: jobId, name: 'send', data: '{"to":"a"}', opts, ...fields, failedReason: '', returnvalue: 'null' }
  return { queue, jobId, job: job as unknown as StagedJob['job'] }
}

describe('a job that another one staged', () => {
  it.each([
    ['waiting', {}, 'waiting'],
    ['delayed', { delay: 3_600_000 }, 'delayed'],
    ['prioritized', { priority: 7 }, 'prioritized'],
  ])('enters its queue with the commit: %s', async (_what, opts, state) => {
    const parent = await kernel.start()
    await kernel.complete(parent, { jobs: [staged('next', { attempts: 4, ...opts })], counters: new Map([['n', 1]]) })
    const job = await Job.fromId(target, 'next')
    expect(job).toMatchObject({ name: 'send', data: { to: 'a' }, timestamp: NOW, opts: { attempts: 4, ...opts } })
    expect(await job?.getState()).toBe(state)
    // Byte for byte as BullMQ's own queue stores it.
    const { id: _id, ...stored } = await redis.hgetall(target.toKey('next'))
    await target.add('send', { to: 'a' }, { jobId: 'twin', timestamp: NOW, attempts: 4, ...opts })
    const twin = await redis.hgetall(target.toKey('twin'))
    expect({ ...stored, opts: JSON.parse(stored.opts ?? '') }).toEqual({
      ...twin,
      opts: { ...withoutCopies(JSON.parse(twin.opts ?? '')) },
    })
  })

  it('wakes a worker that waits for jobs, and may be in the queue of the job that staged it', async () => {
    const parent = await kernel.start()
    await kernel.complete(parent, { jobs: [staged('own', {}, 'media'), staged('other')] })
    expect((await kernel.take()).id).toBe('own')
    expect(await redis.zcard(target.toKey('marker'))).toBe(1)
  })

  it('is there once when its commit is sent twice, and not at all when the lock is lost', async () => {
    const parent = await kernel.start()
    await kernel.complete(parent, { jobs: [staged('once')] })
    await expect(kernel.complete(parent, { jobs: [staged('again')] })).rejects.toMatchObject({ code: -2 })
    expect(await redis.lrange(target.toKey('wait'), 0, -1)).toEqual(['once'])
    const zombie = await kernel.start()
    await redis.del(kernel.bull(`${zombie.id}:lock`))
    await expect(kernel.complete(zombie, { jobs: [staged('late')] })).rejects.toMatchObject({ code: -2 })
    expect(await redis.exists(target.toKey('late'))).toBe(0)
  })

  it('stays out, and so do all writes of its parent, when its queue is broken or a write of the parent is bad', async () => {
    const parent = await kernel.start()
    await redis.set(target.toKey('wait'), 'not a list')
    const effects = writes(['SET', 'own', 1])
    await expect(kernel.complete(parent, { ...effects, jobs: [staged('a')] })).rejects.toMatchObject({
      code: 'EFFECT_REJECTED',
      command: 'ENQUEUE',
      key: 'mail',
    })
    await redis.del(target.toKey('wait'))
    const bad = writes(['HSET', 'own', 'f', 1], ['SADD', 'own', 1])
    await expect(kernel.complete(parent, { ...bad, jobs: [staged('a')] })).rejects.toMatchObject({ command: 'SADD' })
    expect(await redis.exists('own', target.toKey('a'), kernel.keys.result(String(parent.id)))).toBe(0)
    await kernel.complete(parent, { ...effects, jobs: [staged('a')] })
    expect(await redis.exists('own', target.toKey('a'))).toBe(2)
  })
})

// BullMQ's own queue leaves copies of the id and the time in the options; Drover's producer does not.
function withoutCopies({
  jobId: _jobId,
  timestamp: _timestamp,
  ...options
}: Record<string, unknown>): Record<string, unknown> {
  return options
}
