import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { JobDeadlineError } from '../../../src/job/index.js'
import { checkDeadline, untilDeadline } from '../../../src/worker/deadline.js'

beforeEach(() => {
  vi.useFakeTimers({ now: 10_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

it('a deadline counts from when the job was first due: its enqueue, and the delay it was given', () => {
  expect(untilDeadline({ timestamp: 9_000, opts: {} }, 3_000)).toBe(2_000)
  expect(untilDeadline({ timestamp: 9_000, opts: { delay: 5_000 } }, 3_000)).toBe(7_000)
})

it('it has passed from its very millisecond on', () => {
  const job = { timestamp: 7_000, opts: {} }
  expect(() => checkDeadline(job, 3_001)).not.toThrow()
  expect(() => checkDeadline(job, 3_000)).toThrow(JobDeadlineError)
})
