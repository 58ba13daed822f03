// Batches as an app uses them: opened, filled, closed, and followed by jobs of their own, run by a real worker.
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const tell = defineJob({ name: 'tell', queue: 'told', input: z.object({ what: z.string() }) })

function rows(queue: string, failing: readonly number[] = []) {
  const contract = defineJob({ name: 'row', queue, input, attempts: 1 })
  const handler = handle(contract, ({ n }, ctx) => {
    if (failing.includes(n)) throw new Error(`row ${n} is bad`)
    ctx.counter('rows').add()
    return n
  })
  return { contract, handler }
}

const follow = (what: string) => ({ job: tell, input: { what } })

describe('a batch', () => {
  it('is followed by its jobs when all members have ended, however they were added', async () => {
    const { contract, handler } = rows('imports')
    const told: string[] = []
    await shop.work([handler, handle(tell, ({ what }) => void told.push(what))])
    const batch = await shop.producer.batches.open('imports', {
      id: 'import-1',
      onSuccess: follow('success'),
      onComplete: follow('complete'),
      onDeath: follow('death'),
    })
    await batch.enqueue(contract, { n: 0 })
    await batch.enqueueBulk(
      contract,
      Array.from({ length: 50 }, (_, n) => ({ n: n + 1 })),
    )
    await batch.close()
    await vi.waitFor(() => expect([...told].sort()).toEqual(['complete', 'success']), PATIENCE)
    expect(await shop.producer.batches.get('imports', 'import-1')).toMatchObject({
      total: 51,
      completed: 51,
      failed: 0,
      fired: ['success', 'complete'],
    })
    expect(await shop.producer.counters.get('imports', 'rows')).toBe(51)
    expect((await shop.producer.batches.list('imports')).map(({ id }) => id)).toEqual(['import-1'])
  })

  it('with failing members tells of the first, completes, and counts a nested batch as one member', async () => {
    const { contract, handler } = rows('nested', [2])
    await shop.work([handler])
    const outer = await shop.producer.batches.open('nested', { id: 'outer', onComplete: follow('outer done') })
    const inner = await shop.producer.batches.open('nested', {
      id: 'inner',
      parent: outer,
      onDeath: follow('inner died'),
    })
    await outer.enqueue(contract, { n: 1 })
    await inner.enqueueBulk(contract, [{ n: 2 }, { n: 3 }])
    await inner.close()
    await outer.close()
    await vi.waitFor(async () => {
      expect(await shop.producer.batches.get('nested', 'outer')).toMatchObject({ total: 2, completed: 1, failed: 1 })
    }, PATIENCE)
    const waiting = await shop.redis.exists(
      `${shop.keys('told').bullBase}outer.complete`,
      `${shop.keys('told').bullBase}inner.death`,
    )
    expect(waiting).toBe(2)
  })

  it('that was left half way is opened again, its members given by their keys as often as one likes, and ends', async () => {
    const { contract, handler } = rows('resumed')
    const inputs = [{ n: 1 }, { n: 2 }, { n: 3 }]
    const key = ({ n }: { n: number }) => `row-${n}`
    const first = await shop.producer.batches.open('resumed', { id: 'half', onSuccess: follow('resumed') })
    await first.enqueueBulk(contract, inputs.slice(0, 2), { key })
    const second = await shop.producer.batches.open('resumed', { id: 'half', onSuccess: follow('resumed') })
    await second.enqueueBulk(contract, [...inputs, { n: 1 }], { key })
    await second.enqueue(contract, { n: 3 }, { key: 'row-3' })
    await second.close()
    await shop.work([handler])
    await vi.waitFor(async () => {
      expect(await shop.producer.batches.get('resumed', 'half')).toMatchObject({ completed: 3, fired: ['success'] })
    }, PATIENCE)
  })

  it('refuses what would not count: a job of another queue, one that is there outside of it, a member after its close, a second number', async () => {
    const { contract } = rows('strict')
    const { batches } = shop.producer
    const batch = await batches.open('strict', { id: 'strict-1' })
    await expect(batch.enqueue(tell, { what: 'x' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    const { id } = await shop.producer.enqueue(contract, { n: 1 }, { key: 'outside' })
    const outside = { code: 'INVALID_OPTION', option: 'key', got: expect.stringContaining(id) }
    await expect(batch.enqueue(contract, { n: 1 }, { key: 'outside' })).rejects.toMatchObject(outside)
    await expect(batch.enqueueBulk(contract, [{ n: 1 }], { key: () => 'outside' })).rejects.toMatchObject(outside)
    await batch.close()
    await expect(batch.enqueue(contract, { n: 1 })).rejects.toMatchObject({ code: 'CLOSED' })
    const again = await batches.open('strict', { id: 'strict-1' })
    await again.enqueue(contract, { n: 1 })
    await expect(again.close()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect(await batches.get('strict', 'none')).toBeUndefined()
  })

  it.each([
    ['an unknown option', { onSucess: follow('x') }, 'UNKNOWN_OPTION'],
    ['an id with a colon', { id: 'a:b' }, 'INVALID_JOB_ID'],
    ['a follower without a contract', { onSuccess: { job: {}, input: {} } }, 'INVALID_OPTION'],
    ['a follower with a bad input', { onSuccess: { job: tell, input: { what: 1 } } }, 'INVALID_INPUT'],
    ['a parent that is no batch', { parent: { id: 'x', queue: 'q' } }, 'INVALID_OPTION'],
  ])('is not opened with %s', async (_what, options, code) => {
    await expect(shop.producer.batches.open('q', options as never)).rejects.toMatchObject({ code })
    expect(await shop.redis.keys('*{drover:q}*')).toEqual([])
  })
})
