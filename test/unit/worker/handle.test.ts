import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../../src/job/index.js'
import { handle, handleCommand, isHandler } from '../../../src/worker/index.js'

const contract = defineJob({ name: 'a', queue: 'q', input: z.object({ n: z.number() }) })

it('a handler is its contract and its function, frozen', () => {
  const run = () => 1
  const handler = handle(contract, run)
  expect([handler.contract, handler.run, Object.isFrozen(handler), isHandler(handler)]).toEqual([
    contract,
    run,
    true,
    true,
  ])
})

it.each<[string, unknown, unknown, string]>([
  ['no contract', undefined, () => 1, 'option contract: expected what defineJob returned, got undefined'],
  [
    'options instead of a contract',
    { name: 'a', queue: 'q' },
    () => 1,
    'option contract: expected what defineJob returned',
  ],
  ['no function', contract, undefined, 'option handler: expected a function, got undefined'],
  ['a promise', contract, Promise.resolve(1), 'option handler: expected a function, got a Promise'],
])('%s is refused', (_what, first, second, message) => {
  expect(() => handle(first as never, second as never)).toThrow(message)
})

it.each([null, undefined, 5, {}, { contract, run: () => 1 }, () => 1])('%j is not a handler', (value) => {
  expect(isHandler(value)).toBe(false)
})

it('a function for the wait is there where the contract wants one, and only there', () => {
  const custom = defineJob({ name: 'c', queue: 'q', input: z.any(), backoff: { type: 'custom' } })
  const retryDelay = () => 5
  expect(handle(custom, () => 1, { retryDelay }).retryDelay).toBe(retryDelay)
  const expected = 'option retryDelay: expected a function'
  expect(() => handle(custom, () => 1)).toThrow(expected)
  expect(() => handle(custom, () => 1, { retryDelay: 5 as never })).toThrow(expected)
  expect(() => handleCommand(custom, { command: ['true'] })).toThrow(expected)
  expect(() => handle(contract, () => 1, { retryDelay })).toThrow("expected backoff: { type: 'custom' } in job a")
  expect(() => handle(contract, () => 1, { retryDelya: retryDelay } as never)).toThrow('did you mean "retryDelay"?')
})
