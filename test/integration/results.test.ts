import { describe, expect, it } from 'vitest'
import { defineJob } from '../../src/index.js'
import { readResults } from '../../src/ledger/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startLedgerWorker, type TestOutcome } from '../support/ledger-worker.js'
import { anything } from '../support/schemas.js'
import { useWorkshop } from '../support/worker.js'

const { server: redis, redis: client, producer } = await useWorkshop()

async function finish(queue: string, outcome: TestOutcome) {
  const job = defineJob({ name: 'report', queue, input: anything })
  const worker = await startLedgerWorker({ url: redis.url, queue, run: () => outcome })
  const handle = await producer.enqueue(job, null, { attempts: 1 })
  const awaited = await producer.results.wait(handle)
  await worker.close()
  return { handle, awaited }
}

describe('results', () => {
  it('a completed job leaves its value and times', async () => {
    const before = Date.now()
    const { handle } = await finish('completed', { status: 'completed', valueJson: '{"pages":[1,"ü"]}', runMs: 12.4 })
    const record = await producer.results.get(handle)
    expect(record).toMatchObject({ v: 1, id: handle.id, job: 'report', queue: 'completed', status: 'completed' })
    expect(record).toMatchObject({ value: { pages: [1, 'ü'] }, attempts: 1, runMs: 12 })
    expect(record?.enqueuedAt).toBeGreaterThanOrEqual(before)
    expect(record?.startedAt).toBeGreaterThanOrEqual(record?.enqueuedAt ?? Number.NaN)
    expect(record?.finishedAt).toBeGreaterThanOrEqual(record?.startedAt ?? Number.NaN)
    expect(record?.waitMs).toBe((record?.startedAt ?? 0) - (record?.enqueuedAt ?? 0))
  })

  it('a job that failed for good leaves its error', async () => {
    const error = { name: 'RangeError', message: 'too far', code: 'E_FAR', stack: 'RangeError: too far\n    at x' }
    const { handle, awaited } = await finish('failed', { status: 'failed', error })
    expect(await producer.results.get(handle)).toMatchObject({ status: 'failed', error })
    expect(awaited).toMatchObject({ ok: false, error, record: { status: 'failed', attempts: 1 } })
    expect(awaited.record).not.toHaveProperty('value')
  })

  it('a result exists until it is deleted, once', async () => {
    const { handle } = await finish('deleted', { status: 'completed', valueJson: '1' })
    expect(await producer.results.exists(handle)).toBe(true)
    expect(await producer.results.delete(handle)).toBe(true)
    expect(await producer.results.exists(handle)).toBe(false)
    expect(await producer.results.delete(handle)).toBe(false)
    expect(await producer.results.get(handle)).toBeNull()
  })

  it('a result is kept as long as its job says', async () => {
    const { handle } = await finish('kept', { status: 'completed', keepResultMs: 3_599_500 })
    const ttl = await client.ttl(queueKeys('drover', 'kept').result(handle.id))
    expect(ttl).toBeGreaterThan(3_500)
    expect(ttl).toBeLessThanOrEqual(3_600)
  })

  it('several results are read in the order asked for, null where there is none', async () => {
    const keys = queueKeys('drover', 'several')
    const first = await finish('several', { status: 'completed', valueJson: '"first"' })
    const second = await finish('several', { status: 'completed', valueJson: '"second"' })
    const records = await readResults(client, keys, [second.handle.id, 'missing', first.handle.id])
    expect(records.map((record) => record?.status === 'completed' && record.value)).toEqual(['second', false, 'first'])
    expect(await readResults(client, keys, [])).toEqual([])
  })

  it('what is no result record reads as none', async () => {
    const keys = queueKeys('drover', 'strange')
    for (const text of ['', '{', 'null', '[]', '{"v":2,"status":"completed","value":1}', '{"v":1,"status":"other"}']) {
      await client.set(keys.result('job-1'), text)
      expect(await producer.results.get({ queue: 'strange', id: 'job-1' })).toBeNull()
    }
  })

  it('fields that a later release adds are kept', async () => {
    const { handle } = await finish('later', { status: 'completed', valueJson: '1' })
    const key = queueKeys('drover', 'later').result(handle.id)
    const record = { ...JSON.parse((await client.get(key)) ?? ''), region: 'north' }
    await client.set(key, JSON.stringify(record))
    expect(await producer.results.get(handle)).toEqual(record)
  })

  it.each([
    [{ queue: 'a:b', id: 'x' }, 'INVALID_QUEUE_NAME'],
    [{ queue: 'a', id: '' }, 'INVALID_JOB_ID'],
    [{ queue: 'a', id: 7 as never }, 'INVALID_JOB_ID'],
    [null as never, 'INVALID_OPTION'],
  ])('a reference %j is refused with %s', async (reference, code) => {
    await expect(producer.results.get(reference)).rejects.toMatchObject({ code })
    await expect(producer.results.exists(reference)).rejects.toMatchObject({ code })
    await expect(producer.results.delete(reference)).rejects.toMatchObject({ code })
    await expect(producer.results.wait(reference)).rejects.toMatchObject({ code })
  })

  it.each([
    [{ timeout: -1 }, 'INVALID_OPTION'],
    [{ timeout: 0 }, 'INVALID_OPTION'],
    [{ timeuot: 5 }, 'UNKNOWN_OPTION'],
    [{ signal: {} }, 'INVALID_OPTION'],
  ])('a wait with %j is refused with %s', async (options, code) => {
    await expect(producer.results.wait({ queue: 'a', id: 'x' }, options as never)).rejects.toMatchObject({ code })
  })
})
