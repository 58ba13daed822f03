import { expect, it } from 'vitest'
import { batchLimit, CommitBatch } from '../../../src/ledger/commit-batch.js'

it('lets a third of the jobs that run share a call, one at least and sixteen at most', () => {
  expect([1, 2, 3, 4, 10, 48, 49, 1_000].map(batchLimit)).toEqual([1, 1, 1, 2, 4, 16, 16, 16])
})

it('sends what cannot be shared at once, and gathers the rest until the tick ends', async () => {
  const calls: unknown[][] = []
  const client = {
    runCommand: async (_name: string, args: unknown[]) => {
      calls.push(args)
      return Array.from({ length: args[0] as number }, (_, index) => index)
    },
  }
  const replies = async (limit: number) => {
    const batch = new CommitBatch(['base', 'bull'], Promise.resolve(client), limit)
    return Promise.all(['a', 'b', 'c'].map((key) => batch.commit(key, [key, 1])))
  }
  expect(await replies(1)).toEqual([0, 0, 0])
  expect(calls.splice(0)).toEqual(['a', 'b', 'c'].map((key) => [1, key, 'base', 'bull', 2, key, 1]))
  expect(await replies(2)).toEqual([0, 1, 0])
  expect(calls).toEqual([
    [2, 'a', 'b', 'base', 'bull', 2, 'a', 1, 2, 'b', 1],
    [1, 'c', 'base', 'bull', 2, 'c', 1],
  ])
})
