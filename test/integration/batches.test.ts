// Batches in Redis: members counted by their commits, and the jobs that follow enqueued once.
import { type JobJson, QueueKeys, RedisConnection, RedisQueueBackend } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  attachBatchScripts,
  type BatchEvent,
  type BatchRoom,
  closeBatch,
  createBatch,
  listBatches,
  readBatch,
} from '../../src/ledger/batches/batches.js'
import type { StagedJob } from '../../src/ledger/staged-job.js'
import { newStoredJob } from '../../src/ledger/stored-job.js'
import { queueKeys } from '../../src/redis/index.js'
import { type Kernel, openKernel } from '../support/kernel.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

let server: TestRedis
let kernel: Kernel
let redis: Redis
let room: BatchRoom

beforeAll(async () => {
  server = await startTestRedis()
  kernel = await openKernel(server.url)
  redis = new Redis(server.url)
  attachBatchScripts(redis)
  const bullKeys = new QueueKeys(kernel.keys.bull)
  const toKey = (type: string) => bullKeys.toKey('media', type)
  const connection = new RedisConnection(redis, { shared: true, blocking: false })
  const options = { connection: {}, prefix: kernel.keys.bull }
  const backend = new RedisQueueBackend(
    connection,
    'media',
    bullKeys.getKeys('media'),
    toKey,
    options,
    undefined,
    false,
  )
  await backend.waitUntilReady()
  room = { client: redis, backend, prefix: 'drover', keys: kernel.keys }
})
beforeEach(() => redis.flushdb())
afterAll(async () => {
  redis.disconnect()
  await kernel.close()
  await server.close()
})

const mail = queueKeys('drover', 'mail')
function follower(jobId: string): StagedJob {
  return { queue: 'mail', jobId, job: newStoredJob('tell', jobId, '{}', { attempts: 1 }, Date.now()) as JobJson }
}
const all = (id: string): Record<BatchEvent, StagedJob> => ({
  success: follower(`${id}-success`),
  complete: follower(`${id}-complete`),
  death: follower(`${id}-death`),
})
/** Jobs that followed, in the order in which they were enqueued. */
const followed = async () => (await redis.lrange(`${mail.bullBase}wait`, 0, -1)).reverse()
const start = (batch: string) => kernel.start({ batch } as never)
const read = (id: string) => readBatch(redis, kernel.keys, id)

describe('a batch', () => {
  it('ends with its last member, once it is closed, and its jobs follow once', async () => {
    expect(await createBatch(room, { id: 'b', jobs: all('b') })).toBe(true)
    const members = [await start('b'), await start('b'), await start('b')]
    for (const member of members.slice(1)) await kernel.complete(member)
    expect(await closeBatch(room, 'b', 3)).toBe('closed')
    expect(await followed()).toEqual([])
    await kernel.complete(members[0] as never)
    expect(await followed()).toEqual(['b-complete', 'b-success'])
    expect(await closeBatch(room, 'b', 3)).toBe('closed')
    expect(await followed()).toEqual(['b-complete', 'b-success'])
    expect(await read('b')).toMatchObject({
      total: 3,
      completed: 3,
      failed: 0,
      fired: ['success', 'complete'],
      errors: {},
    })
  })

  it('ends when it is closed after its last member, and one without members at once', async () => {
    await createBatch(room, { id: 'b', jobs: all('b') })
    await kernel.complete(await start('b'))
    expect(await followed()).toEqual([])
    await closeBatch(room, 'b', 1)
    expect(await followed()).toEqual(['b-complete', 'b-success'])
    await createBatch(room, { id: 'empty', jobs: all('empty') })
    await closeBatch(room, 'empty', 0)
    expect((await followed()).slice(2)).toEqual(['empty-complete', 'empty-success'])
  })

  it('tells of its first failed member at once, completes without success, and succeeds after a manual retry', async () => {
    await createBatch(room, { id: 'b', jobs: all('b') })
    await closeBatch(room, 'b', 2)
    const [bad, good] = [await start('b'), await start('b')]
    await kernel.fail(bad)
    expect(await followed()).toEqual(['b-death'])
    await kernel.complete(good)
    expect(await followed()).toEqual(['b-death', 'b-complete'])
    expect(await read('b')).toMatchObject({ completed: 1, failed: 1 })
    await bad.retry('failed')
    await kernel.complete(await kernel.take())
    expect(await followed()).toEqual(['b-death', 'b-complete', 'b-success'])
    expect(await read('b')).toMatchObject({ completed: 2, failed: 0 })
  })

  it('counts a member once whose worker comes back as a zombie', async () => {
    await createBatch(room, { id: 'b', jobs: all('b') })
    await closeBatch(room, 'b', 2)
    const member = await start('b')
    await kernel.complete(member)
    await expect(kernel.complete(member)).rejects.toMatchObject({ code: -2 })
    expect(await read('b')).toMatchObject({ completed: 1 })
  })

  it('may be a member of another: that one ends with it', async () => {
    await createBatch(room, { id: 'outer', jobs: all('outer') })
    await createBatch(room, { id: 'inner', jobs: all('inner'), parent: 'outer' })
    const [own, nested] = [await start('outer'), await start('inner')]
    await closeBatch(room, 'outer', 2)
    await closeBatch(room, 'inner', 1)
    await kernel.complete(own)
    expect(await followed()).toEqual([])
    await kernel.fail(nested)
    expect(await followed()).toEqual(['inner-death', 'inner-complete', 'outer-death', 'outer-complete'])
    expect(await read('outer')).toMatchObject({ completed: 1, failed: 1 })
    await nested.retry('failed')
    await kernel.complete(await kernel.take())
    expect((await followed()).slice(4)).toEqual(['inner-success', 'outer-success'])
  })

  it('that is opened twice stays as it was, and closed with another number says so', async () => {
    await createBatch(room, { id: 'b', jobs: all('b') }, 1_000)
    expect(await createBatch(room, { id: 'b', jobs: {} }, Date.now())).toBe(false)
    await closeBatch(room, 'b', 5)
    expect(await closeBatch(room, 'b', 6)).toBe('other')
    expect(await closeBatch(room, 'none', 1)).toBe('missing')
    expect(await read('none')).toBeUndefined()
  })

  it('whose following job has a broken queue says why, and the member itself completes', async () => {
    await createBatch(room, { id: 'b', jobs: { success: follower('s') } })
    await redis.set(`${mail.bullBase}wait`, 'not a list')
    const member = await start('b')
    await closeBatch(room, 'b', 1)
    await kernel.complete(member)
    expect(await read('b')).toMatchObject({
      completed: 1,
      fired: [],
      errors: { success: expect.stringContaining('holds a string') },
    })
    await redis.del(`${mail.bullBase}wait`)
    await closeBatch(room, 'b', 1)
    expect(await followed()).toEqual(['s'])
  })

  it('that is gone does not keep its members from ending', async () => {
    await createBatch(room, { id: 'b', jobs: {} })
    const member = await start('b')
    await redis.del(kernel.keys.batch('b'))
    await kernel.complete(member)
    expect(await redis.exists(kernel.keys.batch('b'), kernel.keys.result(String(member.id)))).toBe(1)
  })

  it('is listed, the newest first', async () => {
    const now = Date.now()
    for (const [index, id] of ['a', 'b', 'c'].entries()) await createBatch(room, { id, jobs: {} }, now + index)
    expect((await listBatches(redis, kernel.keys, 2)).map(({ id }) => id)).toEqual(['c', 'b'])
  })
})
