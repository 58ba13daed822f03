// The table of rules in docs/operations.md against the rules there are.
import { expect, it } from 'vitest'
import { QUEUE_RULES, WORKER_RULES } from '../../../src/ledger/index.js'
import { rows } from './documents.js'

it('lists every rule about queues and workers, in the order of the findings', () => {
  const codes = rows('docs/operations.md', 'rules').map(([code]) => code?.replaceAll('`', ''))
  expect(codes).toEqual([...Object.keys(QUEUE_RULES), ...Object.keys(WORKER_RULES)])
})
