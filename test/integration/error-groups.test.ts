// Jobs that fail for good: in the group of their error, with the attempts that failed, by the commit that fails them.
import { describe, expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { parseAttempts } from '../../src/ledger/index.js'
import { handle } from '../../src/worker/index.js'
import { stepsOn } from '../support/append-only-file.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const contractOf = (queue: string, attempts = 1) =>
  defineJob({ name: 'mail', queue, input: anything, attempts, backoff: { type: 'fixed', delay: 1 } })

/** Fails jobs with these messages, one after the other, and gives them. */
async function failAll(
  queue: string,
  messages: readonly string[],
  options: { attempts?: number; release?: string } = {},
) {
  const contract = contractOf(queue, options.attempts)
  const worker = await shop.work(
    [handle(contract, (input) => Promise.reject(new RangeError((input as { message: string }).message)))],
    options.release === undefined ? {} : { release: options.release },
  )
  const jobs = []
  for (const message of messages) {
    const job = await shop.producer.enqueue(contract, { message })
    await shop.end(job)
    jobs.push(job)
  }
  await worker.close()
  return jobs
}

describe('jobs that fail for good', () => {
  it('are one group for one cause, with when, how often, of which releases, and which jobs', async () => {
    const before = Date.now()
    await failAll('grouped', ['order 1 is bad', 'order 2 is bad'], { release: 'v1' })
    const [third] = await failAll('grouped', ['order 3 is bad', 'no stock'], { release: 'v2' })
    const { groups, next } = await shop.producer.errors.list({ queue: 'grouped' })
    expect(next).toBeUndefined()
    expect(groups.map(({ message, count, failed }) => [message, count, failed])).toEqual([
      ['no stock', 1, 1],
      ['order <number> is bad', 3, 3],
    ])
    const [, group] = groups
    expect(group).toMatchObject({ job: 'mail', name: 'RangeError', queue: 'grouped' })
    expect(group?.frame).toContain('integration/error-groups.test.ts')
    expect(group?.releases).toEqual([
      { release: 'v1', count: 2 },
      { release: 'v2', count: 1 },
    ])
    expect(group?.firstAt).toBeGreaterThanOrEqual(before)
    expect(group?.lastAt).toBeLessThanOrEqual(Date.now())
    expect(group?.hours.reduce((sum, { count }) => sum + count, 0)).toBe(3)
    expect(group?.minutes.reduce((sum, { count }) => sum + count, 0)).toBe(3)
    const { samples, common } = await shop.producer.errors.get('grouped', group?.id ?? '')
    expect(samples).toHaveLength(3)
    expect(samples[0]).toMatchObject({ id: third?.id, error: { name: 'RangeError', message: 'order 3 is bad' } })
    expect(common).toEqual([])
    const second = await shop.producer.errors.list({
      queue: 'grouped',
      limit: 1,
      after: `${groups[0]?.lastAt} grouped ${groups[0]?.id}`,
    })
    expect(second.groups.map(({ id }) => id)).toEqual([group?.id])
    expect((await shop.producer.errors.list({ job: 'other' })).groups).toEqual([])
    expect((await shop.producer.errors.list({ queue: 'grouped', since: Date.now() + 1_000 })).groups).toEqual([])
  })

  it('keep each attempt that failed, the first and the newest 19', async () => {
    const [job] = await failAll('history', ['try 1 of 25'], { attempts: 25 })
    const text = await shop.redis.hget(`${shop.keys('history').bullBase}${job?.id}`, 'drover:attempts')
    const attempts = parseAttempts(text)
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, ...Array.from({ length: 19 }, (_, at) => at + 7)])
    expect(attempts[0]).toMatchObject({
      name: 'RangeError',
      message: 'try 1 of 25',
      worker: expect.stringContaining(String(process.pid)),
    })
    for (const { startedAt, endedAt } of attempts) expect(endedAt).toBeGreaterThanOrEqual(startedAt)
    expect(await shop.redis.hexists(`${shop.keys('history').bullBase}${job?.id}`, 'drover:attempt')).toBe(0)
  })

  it('are written in the step that fails them', async () => {
    await failAll('atomic', ['at once'])
    const keys = shop.keys('atomic')
    const step = stepsOn(shop.server, `${keys.bullBase}failed`).at(-1) ?? []
    const written = step.map(([, key]) => key)
    const [group] = (await shop.producer.errors.list({ queue: 'atomic' })).groups
    expect(written).toEqual(
      expect.arrayContaining([keys.errors, keys.error(group?.id ?? ''), keys.errorJobs(group?.id ?? ''), keys.totals]),
    )
  })

  it('that were cancelled are in no group', async () => {
    const job = await shop.producer.enqueue(contractOf('cancelled'), {})
    await shop.producer.jobs.cancel(job)
    expect((await shop.producer.errors.list({ queue: 'cancelled' })).groups).toEqual([])
  })

  it('are counted as long as they are failed, whoever removes or retries them', async () => {
    const jobs = await failAll('members', ['gone 1', 'gone 2', 'gone 3', 'gone 4'])
    const failed = async () => (await shop.producer.errors.list({ queue: 'members' })).groups[0]
    expect(await failed()).toMatchObject({ count: 4, failed: 4 })
    const { bullBase } = shop.keys('members')
    // As BullMQ's removal, its trim of old ones, and its manual retry leave them.
    await shop.redis.zrem(`${bullBase}failed`, jobs[0]?.id ?? '')
    expect(await failed()).toMatchObject({ count: 4, failed: 3 })
    const [[, group] = []] = [Object.entries((await failed()) ?? {}).find(([name]) => name === 'id') ?? []]
    const { samples } = await shop.producer.errors.get('members', String(group))
    expect(samples.map(({ id }) => id)).not.toContain(jobs[0]?.id)
  })

  it('of another cause after a manual retry change their group', async () => {
    let message = 'first cause'
    const contract = contractOf('moved')
    await shop.work([handle(contract, () => Promise.reject(new Error(message)))])
    const job = await shop.producer.enqueue(contract, {})
    await shop.end(job)
    message = 'second cause'
    await shop.producer.errors.retry('moved', { ids: [job.id] })
    await vi.waitFor(async () => {
      const { groups } = await shop.producer.errors.list({ queue: 'moved' })
      expect(groups.map(({ message: text, failed }) => [text, failed])).toEqual([
        ['second cause', 1],
        ['first cause', 0],
      ])
    }, PATIENCE)
  })

  it('are at most 200 groups, and one for what is beyond', async () => {
    const keys = shop.keys('many')
    const words = Array.from({ length: 200 }, (_, at) => [String(Date.now()), at.toString(16).padStart(16, '0')]).flat()
    await shop.redis.zadd(keys.errors, ...words)
    await failAll('many', ['cause a', 'cause b'])
    expect(await shop.redis.zcard(keys.errors)).toBe(201)
    expect((await shop.producer.errors.get('many', 'other')).group).toMatchObject({ count: 2, failed: 2, message: '' })
    await shop.redis.zadd(keys.errors, Date.now() - 2 * 86_400_000, '0'.repeat(16))
    await failAll('many', ['cause c'])
    expect(await shop.redis.zscore(keys.errors, '0'.repeat(16))).toBeNull()
    expect((await shop.producer.errors.list({ queue: 'many' })).groups[0]).toMatchObject({ message: 'cause c' })
  })

  it('end as they should where a stranger has another type at the keys of groups', async () => {
    await shop.redis.set(shop.keys('strange').errors, 'x')
    const [job] = await failAll('strange', ['anyhow'])
    expect(await shop.redis.zscore(`${shop.keys('strange').bullBase}failed`, job?.id ?? '')).not.toBeNull()
    expect(await shop.redis.hgetall(shop.keys('strange').totals)).toEqual({ 'mail:failed': '1' })
  })

  it('with a hostile message of a megabyte are a group of bounded size', async () => {
    const evil = `<script>alert(1)</script>\u001b[31m\u202e`
    const contract = contractOf('hostile')
    await shop.work([handle(contract, () => Promise.reject(new Error(evil + 'x'.repeat(1_000_000))))])
    await shop.end(await shop.producer.enqueue(contract, {}))
    const [group] = (await shop.producer.errors.list({ queue: 'hostile' })).groups
    expect(group?.message.length).toBeLessThanOrEqual(240)
    expect(group?.message).not.toMatch(/\p{Cc}|\p{Cf}/u)
    expect(await shop.redis.memory('USAGE', shop.keys('hostile').error(group?.id ?? ''))).toBeLessThan(4_000)
  })
})

it.each([
  [{ queue: 'a:b' }, 'INVALID_QUEUE_NAME'],
  [{ limit: 0 }, 'INVALID_OPTION'],
  [{ after: 'x' }, 'INVALID_OPTION'],
  [{ since: 'yesterday' }, 'INVALID_OPTION'],
  [{ job: '|' }, 'INVALID_OPTION'],
  [{ jobs: 'mail' }, 'UNKNOWN_OPTION'],
])('a list of errors by %j is refused with %s', async (options, code) => {
  await expect(shop.producer.errors.list(options as never)).rejects.toMatchObject({ code })
})

it.each(['0123456789abcdef', 'x', ''])('the unknown group %j is told as such', async (group) => {
  await expect(shop.producer.errors.get('grouped', group)).rejects.toMatchObject({ code: 'ERROR_GROUP_NOT_FOUND' })
})
