// Failed jobs run again in stages, discarded and brought back: each once, also when a replay is killed or two run at once.
import { describe, expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import type { ReplayRecord } from '../../src/ledger/index.js'
import { handle } from '../../src/worker/index.js'
import { differences, dumpDb } from '../support/dump-db.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const STAGES = { stages: [1, 3, 'rest'], wait: '60s' } as const

/** The keys of a queue, without those that come and go by themselves and those of discards. */
const dumpOf = (queue: string) =>
  dumpDb(shop.redis, (key) => key.startsWith(`{drover:${queue}}`) && !/:discard|stalled-check$/.test(key))

interface Bench {
  readonly queue: string
  readonly group: string
  readonly ids: readonly string[]
  /** Runs of each job since they failed. */
  readonly runs: Map<string, number>
  failed(): Promise<string[]>
}

/** Fails so many jobs of a queue of this name; from then on `handler` runs them. */
async function failMany(
  queue: string,
  count: number,
  handler: (n: number) => unknown = () => null,
  options: { job?: string; tags?: string[] } = {},
): Promise<Bench> {
  const contract = defineJob({ name: options.job ?? 'mail', queue, input: anything, attempts: 1 })
  const runs = new Map<string, number>()
  let isMended = false
  await shop.work(
    [
      handle(contract, (input, { id }) => {
        if (!isMended) throw new Error('out of stock')
        runs.set(id, (runs.get(id) ?? 0) + 1)
        return handler((input as { n: number }).n) as null
      }),
    ],
    { queues: { [queue]: 4 } },
  )
  const tags = options.tags === undefined ? {} : { tags: options.tags }
  const jobs = []
  for (let n = 0; n < count; n++) jobs.push(await shop.producer.enqueue(contract, { n }, tags))
  await Promise.all(jobs.map((job) => shop.end(job)))
  isMended = true
  const [group] = (await shop.producer.errors.list({ queue })).groups
  return {
    queue,
    group: group?.id ?? '',
    ids: jobs.map(({ id }) => id),
    runs,
    failed: () => shop.redis.zrange(`${shop.keys(queue).bullBase}failed`, '0', '-1'),
  }
}

describe('a replay', () => {
  it('runs each job of a group once more, one first, then more, then the rest, and tells of each step', async () => {
    const { queue, group, ids, runs, failed } = await failMany('staged', 9)
    const seen: ReplayRecord[] = []
    const plan = await shop.producer.errors.plan(queue, { group }, STAGES)
    expect(plan).toMatchObject({ total: 9, stages: [1, 3, 5], target: `group ${group}`, samples: await failed() })
    expect(await failed()).toHaveLength(9)
    const record = await shop.producer.errors.retry(
      queue,
      { group },
      { ...STAGES, onProgress: (step) => seen.push(step) },
    )
    expect(record).toMatchObject({ state: 'done', stage: 3, total: 9, retried: 9, ended: 9, failed: 0, by: 'library' })
    expect([...runs.values()]).toEqual(ids.map(() => 1))
    expect(await failed()).toEqual([])
    // The stages: nothing is put back before the one before has ended.
    const whenAll = seen.filter(({ retried, ended }) => retried === ended && ended > 0).map(({ retried }) => retried)
    expect([...new Set(whenAll)]).toEqual([1, 4, 9])
    expect((await shop.producer.errors.get(queue, group)).group).toMatchObject({ count: 9, failed: 0 })
    expect(await shop.producer.errors.replays(queue)).toEqual([record])
    expect(await shop.redis.hgetall(shop.keys(queue).totals)).toEqual({ 'mail:failed': '9', 'mail:completed': '9' })
  })

  it('stops when the same error comes again, and leaves the rest failed', async () => {
    let ran = 0
    const { queue, group, runs, failed } = await failMany('returns', 9, () => {
      if (++ran === 2) throw new Error('out of stock')
      return null
    })
    const record = await shop.producer.errors.retry(queue, { group }, STAGES)
    expect(record).toMatchObject({ state: 'returned', stage: 2, retried: 4, failed: 1, returned: 1 })
    await vi.waitFor(async () => expect(await failed()).toHaveLength(6), PATIENCE)
    expect([...runs.values()].every((count) => count === 1)).toBe(true)
    expect((await shop.producer.errors.get(queue, group)).group).toMatchObject({ count: 10, failed: 6 })
  })

  it('goes on when another error comes, and counts it', async () => {
    const { queue, failed } = await failMany('another', 5, (n) => {
      if (n === 0) throw new TypeError('not that')
      return null
    })
    const record = await shop.producer.errors.retry(queue, { job: 'mail' }, STAGES)
    expect(record).toMatchObject({ state: 'done', retried: 5, ended: 5, failed: 1, returned: 0 })
    expect(await failed()).toHaveLength(1)
  })

  it('is planned by a look at so many failed jobs, and says so where there are more', async () => {
    const queue = 'crowded'
    const { bullBase } = shop.keys(queue)
    const plant = shop.redis.multi()
    for (let n = 0; n < 900; n++) {
      plant
        .zadd(`${bullBase}failed`, n, `job-${n}`)
        .hset(`${bullBase}job-${n}`, { name: n < 300 ? 'old' : 'new', opts: '{}' })
    }
    await plant.exec()
    const { errors } = shop.producer
    const looksAt = { stages: [100, 'rest'], maxRead: 600 } as const
    expect(await errors.plan(queue, { job: 'old' }, looksAt)).toMatchObject({
      total: 300,
      stages: [100, 200],
      isPartial: true,
    })
    expect(await errors.plan(queue, { job: 'new' }, looksAt)).toMatchObject({ total: 300, isPartial: true })
    expect(await errors.plan(queue, { job: 'none' }, looksAt)).toMatchObject({
      total: 0,
      stages: [],
      samples: [],
      isPartial: true,
    })
    // All of them, or those of a time, are counted without a look at each.
    const all = await errors.plan(queue, { all: true }, looksAt)
    expect(all).toMatchObject({ total: 900, stages: [100, 800] })
    expect(all).not.toHaveProperty('isPartial')
    expect(await errors.plan(queue, { since: 1, until: 800 }, { maxRead: 1 })).toMatchObject({ total: 800 })
    expect(await errors.plan(queue, { job: 'new' }, { maxRead: 900 })).not.toHaveProperty('isPartial')
    await expect(errors.plan(queue, { job: 'none' })).rejects.toMatchObject({ code: 'NO_FAILED_JOBS' })
    await expect(errors.plan(queue, { all: true }, { maxRead: 0 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(errors.plan(queue, { all: true }, { most: 1 } as never)).rejects.toMatchObject({
      code: 'UNKNOWN_OPTION',
    })
  })

  it('takes the jobs of a name, a tag, a time or of ids alone', async () => {
    const { queue, ids, failed } = await failMany('chosen', 3, undefined, { tags: ['shop-1'] })
    const { errors } = shop.producer
    for (const target of [{ job: 'sms' }, { tag: 'shop-2' }, { until: 1 }, { since: Date.now() }]) {
      await expect(errors.retry(queue, target)).rejects.toMatchObject({ code: 'NO_FAILED_JOBS', queue })
    }
    expect(await failed()).toHaveLength(3)
    expect(await errors.plan(queue, { tag: 'shop-1', job: 'mail' })).toEqual({
      queue,
      target: 'jobs named mail, tag shop-1',
      total: 3,
      stages: [1, 2],
      samples: await failed(),
    })
    expect((await errors.retry(queue, { ids: ids.slice(0, 1) })).retried).toBe(1)
    expect((await errors.retry(queue, { tag: 'shop-1' }, { stages: [1] })).retried).toBe(1)
    expect((await errors.retry(queue, { all: true })).retried).toBe(1)
    expect(await failed()).toEqual([])
  })

  it('that is ended midway is done by another one, and no job runs twice', async () => {
    const gates: (() => void)[] = []
    const { queue, group, ids, runs, failed } = await failMany(
      'ended',
      9,
      () => new Promise((resolve) => gates.push(() => resolve(null))),
    )
    const abort = new AbortController()
    const first = shop.producer.errors.retry(queue, { group }, { stages: [4, 'rest'], signal: abort.signal })
    await vi.waitFor(() => expect(gates).toHaveLength(4), PATIENCE)
    abort.abort()
    expect(await first).toMatchObject({ state: 'stopped', retried: 4 })
    expect(await failed()).toHaveLength(5)
    const opener = setInterval(
      () =>
        gates.splice(0).forEach((open) => {
          open()
        }),
      10,
    )
    const second = await shop.producer.errors.retry(queue, { group }, STAGES)
    clearInterval(opener)
    expect(second).toMatchObject({ state: 'done', retried: 5 })
    expect([...runs.values()]).toEqual(ids.map(() => 1))
  })

  it('beside another one of the same group runs each job once', async () => {
    const { queue, group, ids, runs } = await failMany('two', 40)
    const both = [1, 2].map(() => shop.producer.errors.retry(queue, { group }, { stages: [2, 'rest'] }))
    const records = await Promise.all(both)
    expect(records.map(({ state }) => state)).toEqual(['done', 'done'])
    expect(records.reduce((sum, { retried }) => sum + retried, 0)).toBe(40)
    await vi.waitFor(() => expect([...runs.values()]).toEqual(ids.map(() => 1)), PATIENCE)
  })

  it('is stopped by whoever asks, before it puts further jobs back', async () => {
    const gates: (() => void)[] = []
    const { queue, group, failed } = await failMany(
      'stopped',
      5,
      () => new Promise((resolve) => gates.push(() => resolve(null))),
    )
    const { id, ended } = await shop.producer.errors.start(queue, { group }, { by: 'ann' })
    await vi.waitFor(() => expect(gates).toHaveLength(1), PATIENCE)
    expect(await shop.producer.errors.stop(queue, id)).toMatchObject({ state: 'stopped', by: 'ann' })
    for (const open of gates) open()
    expect(await ended).toMatchObject({ state: 'stopped', retried: 1 })
    expect(await failed()).toHaveLength(4)
  })

  it('ends when a stage takes longer than it may', async () => {
    const gates: (() => void)[] = []
    const { queue, group } = await failMany('slow', 2, () => new Promise((resolve) => gates.push(() => resolve(null))))
    const record = await shop.producer.errors.retry(queue, { group }, { stages: [1, 'rest'], wait: '1s' })
    expect(record).toMatchObject({ state: 'waited', stage: 1, retried: 1, ended: 0 })
    for (const open of gates) open()
  })
})

describe('a discard', () => {
  it('takes jobs out, and its undo brings them back exactly as they were', async () => {
    const { queue, group, ids, failed } = await failMany('aside', 3)
    await shop.redis.rpush(`${shop.keys(queue).bullBase}${ids[0]}:logs`, 'a line')
    const { errors } = shop.producer
    const before = await dumpOf(queue)
    const discard = await errors.discard(queue, { group }, { by: 'ann', undo: '1h' })
    expect(discard).toMatchObject({ count: 3, by: 'ann', target: `group ${group}`, undoUntil: discard.at + 3_600_000 })
    expect(await failed()).toEqual([])
    expect((await errors.get(queue, group)).group).toMatchObject({ count: 3, failed: 0 })
    for (const key of await shop.redis.keys(`${shop.keys(queue).discard(discard.id)}*`)) {
      expect(await shop.redis.pttl(key)).toBeGreaterThan(3_500_000)
      expect(await shop.redis.pttl(key)).toBeLessThanOrEqual(3_600_000)
    }
    expect(await errors.discards(queue)).toMatchObject([{ id: discard.id, count: 3, restored: 0 }])
    expect(await errors.undo(queue, discard.id)).toEqual({ id: discard.id, queue, restored: 3, taken: 0 })
    expect(differences(before, await dumpOf(queue))).toEqual({})
    expect(await errors.undo(queue, discard.id)).toMatchObject({ restored: 0 })
    expect((await errors.retry(queue, { group })).retried).toBe(3)
  })

  it('of a job whose id is enqueued again stays aside', async () => {
    const { queue, ids } = await failMany('again', 2)
    const { id } = await shop.producer.errors.discard(queue, { all: true })
    await shop.producer.enqueue(defineJob({ name: 'mail', queue, input: anything }), {}, { id: ids[0], delay: '1h' })
    expect(await shop.producer.errors.undo(queue, id)).toMatchObject({ restored: 1, taken: 1 })
    expect(await shop.redis.zrange(`${shop.keys(queue).discard(id)}:jobs`, '0', '-1')).toEqual([ids[0]])
  })
})

describe('what cannot be done is told and changes nothing', () => {
  it.each([
    [{}, 'INVALID_OPTION'],
    [{ ids: [] }, 'INVALID_OPTION'],
    [{ ids: ['a b'] }, 'INVALID_JOB_ID'],
    [{ ids: ['a'], group: 'other' }, 'INVALID_OPTION'],
    [{ ids: ['nobody'] }, 'JOB_NOT_FOUND'],
    [{ group: 'x' }, 'INVALID_OPTION'],
    [{ group: '0123456789abcdef' }, 'ERROR_GROUP_NOT_FOUND'],
    [{ job: '' }, 'INVALID_OPTION'],
    [{ tag: '' }, 'INVALID_OPTION'],
    [{ since: 'x' }, 'INVALID_OPTION'],
    [{ since: 2, until: 1 }, 'INVALID_OPTION'],
    [{ all: 'yes' }, 'INVALID_OPTION'],
    [{ every: true }, 'UNKNOWN_OPTION'],
  ])('of %j: %s', async (target, code) => {
    const before = await dumpOf('nothing')
    await expect(shop.producer.errors.retry('nothing', target as never)).rejects.toMatchObject({ code })
    await expect(shop.producer.errors.plan('nothing', target as never)).rejects.toMatchObject({ code })
    await expect(shop.producer.errors.discard('nothing', target as never)).rejects.toMatchObject({ code })
    expect(differences(before, await dumpOf('nothing'))).toEqual({})
  })

  it('of an id that is not failed, also beside one that is', async () => {
    const { queue, ids, failed } = await failMany('mixed', 1)
    const waiting = await shop.producer.enqueue(
      defineJob({ name: 'mail', queue, input: anything }),
      {},
      { delay: '1h' },
    )
    const target = { ids: [ids[0] ?? '', waiting.id] }
    await expect(shop.producer.errors.retry(queue, target)).rejects.toMatchObject({ code: 'JOB_STATE', id: waiting.id })
    await expect(shop.producer.errors.discard(queue, target)).rejects.toMatchObject({ code: 'JOB_STATE' })
    expect(await failed()).toEqual(ids)
  })

  it.each([
    [{ stages: [] }],
    [{ stages: ['rest', 1] }],
    [{ stages: [0] }],
    [{ stages: [1.5] }],
    [{ wait: '1ms' }],
    [{ stages: 5 }],
  ])('of the options %j', async (options) => {
    await expect(shop.producer.errors.retry('nothing', { all: true }, options as never)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
  })

  it('of unknown replays and discards', async () => {
    const { errors } = shop.producer
    for (const id of ['x', '0123456789abcdef']) {
      await expect(errors.replay('nothing', id)).rejects.toMatchObject({ code: 'REPLAY_NOT_FOUND' })
      await expect(errors.stop('nothing', id)).rejects.toMatchObject({ code: 'REPLAY_NOT_FOUND' })
      await expect(errors.undo('nothing', id)).rejects.toMatchObject({ code: 'DISCARD_NOT_FOUND' })
    }
  })
})
