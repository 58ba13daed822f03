import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../../src/job/index.js'
import { handleBatch, isHandler } from '../../../src/worker/index.js'

const contract = defineJob({ name: 'a', queue: 'q', input: z.object({ n: z.number() }), timeout: '5s' })
const run = () => []

it('a batch handler is a handler', () => {
  expect(isHandler(handleBatch(contract, { size: 100, wait: '50ms' }, run))).toBe(true)
})

it.each<[unknown, string]>([
  [undefined, 'option options: expected an object of options for handleBatch'],
  [{}, 'option size: expected a whole number from 1 to 10000, got undefined'],
  [{ size: 0 }, 'option size'],
  [{ size: -1 }, 'option size'],
  [{ size: 1.5 }, 'option size'],
  [{ size: 10_001 }, 'option size'],
  [{ size: '5' }, 'option size'],
  [{ size: 5, wait: -1 }, 'option wait: expected a duration from 0ms to 1m'],
  [{ size: 5, wait: '61s' }, 'option wait'],
  [{ size: 5, wait: '5s' }, "option wait: expected less than the job's timeout of 5s"],
  [{ size: 5, retries: 'never' }, "option retries: expected 'alone' or 'together'"],
  [{ size: 5, isolate: 'thread' }, 'unknown option "isolate" of handleBatch'],
  [{ size: 5, retryDelay: () => 1 }, 'option retryDelay'],
])('the options %j are refused', (options, message) => {
  expect(() => handleBatch(contract, options as never, run)).toThrow(message)
})

it('what is no contract or no function is refused', () => {
  expect(() => handleBatch({} as never, { size: 5 }, run)).toThrow('option contract')
  expect(() => handleBatch(contract, { size: 5 }, 5 as never)).toThrow('option handler: expected a function, got 5')
})
