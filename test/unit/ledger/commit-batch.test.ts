import { expect, it } from 'vitest'
import { batchLimit, CommitBatch } from '../../../src/ledger/commit-batch.js'

it('lets a third of the jobs that run share a call, one at least and sixteen at most', () => {
  expect([1, 2, 3, 4, 10, 48, 49, 1_000].map(batchLimit)).toEqual([1, 1, 1, 2, 4, 16, 16, 16])
})

const open = (limit: number) => {
  const calls: unknown[][] = []
  const client = {
    runCommand: async (_name: string, args: unknown[]) => {
      calls.push(args)
      return Array.from({ length: args[0] as number }, (_, index) => index)
    },
  }
  return { calls, batch: new CommitBatch(['base', 'bull'], Promise.resolve(client), limit) }
}

it('sends what cannot be shared at once, and gathers the rest until the tick ends', async () => {
  const replies = async (limit: number) => {
    const { batch, calls } = open(limit)
    const words = (key: string) => [key, 1, 't', key]
    return { replies: await Promise.all(['a', 'b', 'c'].map((key) => batch.commit(key, words(key)))), calls }
  }
  const alone = await replies(1)
  expect(alone.replies).toEqual([0, 0, 0])
  expect(alone.calls).toEqual(
    ['a', 'b', 'c'].map((key, at) => [1, key, 'base', 'bull', at === 0 ? 1 : 0, 4, key, 1, 't', key]),
  )
  const shared = await replies(2)
  expect(shared.replies).toEqual([0, 1, 0])
  expect(shared.calls).toEqual([
    [2, 'a', 'b', 'base', 'bull', 1, 4, 'a', 1, 't', 'a', 4, 'b', 1, 't', 'b'],
    [1, 'c', 'base', 'bull', 0, 4, 'c', 1, 't', 'c'],
  ])
})

it("sends BullMQ's options once for jobs that follow each other with the same", async () => {
  const { batch, calls } = open(3)
  const [one, other] = [Buffer.from('one'), Buffer.from('other')]
  await Promise.all([one, one, other].map((packed, at) => batch.commit(at, ['id', 1, 'token', packed])))
  expect(calls[0]?.slice(7)).toEqual([
    ...[4, 'id', 1, 'token', one],
    ...[4, 'id', 1, 'token', ''],
    ...[4, 'id', 1, 'token', other],
  ])
})

it('has events trimmed by its first call and by each tenth', async () => {
  const { batch, calls } = open(1)
  for (let at = 0; at < 21; at++) await batch.commit(at, ['id', 1, 't', 'packed'])
  expect(calls.map((call) => call[4]).join('')).toBe('100000000010000000001')
})
