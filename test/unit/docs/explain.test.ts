// The table of reasons in docs/operations.md against the codes that there are.
import { expect, it } from 'vitest'
import { read, rows } from './documents.js'

it('the table of reasons has every code that drover explain tells', () => {
  const [, list = ''] =
    /type ReasonCode =\n((?: +\| '[A-Z_]+'\n)+)/.exec(read('src/ledger/explain/worker-reasons.ts')) ?? []
  const codes = [...list.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code)
  expect(codes.length).toBeGreaterThan(15)
  const documented = rows('docs/operations.md', 'reasons').flatMap(([cell = '']) => cell.match(/[A-Z_]{4,}/g) ?? [])
  expect([...documented].sort()).toEqual([...codes].sort())
})
