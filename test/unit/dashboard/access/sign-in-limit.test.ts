import { describe, expect, it } from 'vitest'
import { MAX_FAILURES, SignInLimit, WINDOW_MS } from '../../../../src/dashboard/access/sign-in-limit.js'

describe('the limit on failed sign-ins', () => {
  it('lets an address fail five times in 15 minutes', () => {
    const limit = new SignInLimit()
    for (let second = 0; second < MAX_FAILURES; second++) {
      expect(limit.waitMs('10.0.0.1', second * 1_000)).toBe(0)
      limit.addFailure('10.0.0.1', second * 1_000)
    }
    expect([MAX_FAILURES, WINDOW_MS]).toEqual([5, 900_000])
    expect(limit.waitMs('10.0.0.1', 5_000)).toBe(WINDOW_MS - 5_000)
    expect(limit.waitMs('10.0.0.2', 5_000)).toBe(0)
  })

  it('gives one attempt back each time a failure is 15 minutes old', () => {
    const limit = new SignInLimit()
    for (let second = 0; second < MAX_FAILURES; second++) limit.addFailure('10.0.0.1', second * 1_000)
    expect(limit.waitMs('10.0.0.1', WINDOW_MS - 1)).toBe(1)
    expect(limit.waitMs('10.0.0.1', WINDOW_MS)).toBe(0)
    limit.addFailure('10.0.0.1', WINDOW_MS)
    expect(limit.waitMs('10.0.0.1', WINDOW_MS)).toBe(1_000)
  })

  it('forgets the failures of an address that knows the token', () => {
    const limit = new SignInLimit()
    for (let count = 0; count < MAX_FAILURES; count++) limit.addFailure('10.0.0.1', 0)
    limit.clear('10.0.0.1')
    expect(limit.waitMs('10.0.0.1', 1)).toBe(0)
  })

  it('remembers 10,000 addresses at most, and drops the one that failed longest ago', () => {
    const limit = new SignInLimit()
    const fail = (address: string) => {
      for (let count = 0; count < MAX_FAILURES; count++) limit.addFailure(address, 0)
    }
    fail('first')
    fail('second')
    for (let count = 0; count < 9_999; count++) limit.addFailure(`address ${count}`, 0)
    expect(limit.waitMs('first', 1)).toBe(0)
    expect(limit.waitMs('second', 1)).toBeGreaterThan(0)
  })
})
