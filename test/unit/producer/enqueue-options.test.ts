import { describe, expect, it } from 'vitest'
import { defineJob, readTimeMs } from '../../../src/job/index.js'
import { planOptions } from '../../../src/producer/enqueue-options.js'
import { anything } from '../../support/schemas.js'

const contract = defineJob({ name: 'report', queue: 'media', input: anything, attempts: 4 })
const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6)
const plain = { attempts: 4, backoff: { type: 'drover' }, stackTraceLimit: 10 }

describe('planOptions', () => {
  it('without options the contract decides', () => {
    expect(planOptions(contract, undefined, nowMs)).toEqual(plain)
    expect(planOptions(contract, {}, nowMs)).toEqual(plain)
  })

  it('options that are undefined count as not given', () => {
    const none = {
      id: undefined,
      delay: undefined,
      at: undefined,
      priority: undefined,
      attempts: undefined,
      lifo: undefined,
    }
    expect(planOptions(contract, none, nowMs)).toEqual(plain)
  })

  it('a delay of zero, the present moment and lifo: false are left out', () => {
    expect(planOptions(contract, { delay: 0, lifo: false }, nowMs)).toEqual(plain)
    expect(planOptions(contract, { at: nowMs }, nowMs)).toEqual(plain)
  })

  it.each([
    [{ delay: '1.5s' as const }, { delay: 1_500 }],
    [{ at: new Date(nowMs + 7) }, { delay: 7 }],
    [{ at: nowMs + 7.4 }, { delay: 7 }],
    [{ at: '2026-01-02T04:04:05.016+01:00' }, { delay: 10 }],
    [{ at: nowMs + 365 * 86_400_000 }, { delay: 365 * 86_400_000 }],
    [{ id: 'a.b_c-d' }, {}],
    [
      { priority: 1, attempts: 1000 },
      { priority: 1, attempts: 1_000 },
    ],
    [{ lifo: true }, { lifo: true }],
  ])('%j is stored as %j', (options, stored) => {
    expect(planOptions(contract, options, nowMs)).toEqual({ ...plain, ...stored })
  })

  it('a time one millisecond ago is in the past', () => {
    const options = { at: new Date(nowMs - 1) }
    expect(() => planOptions(contract, options, nowMs)).toThrow(
      'option at: expected a time from now to 365 days ahead: a Date, milliseconds since 1970, or ISO 8601 with its zone, got "2026-01-02T03:04:05.005Z"',
    )
  })

  it.each([null, [], 'delay', 5])('%j is no object of options', (options) => {
    expect(() => planOptions(contract, options as never, nowMs)).toThrow('option options: expected an object')
  })
})

describe('readTimeMs', () => {
  it.each([
    ['2026-01-02T03:04Z', Date.UTC(2026, 0, 2, 3, 4)],
    ['2026-01-02T03:04:05.123456789Z', Date.UTC(2026, 0, 2, 3, 4, 5, 123)],
    ['2026-01-02T03:04:05-05:30', Date.UTC(2026, 0, 2, 8, 34, 5)],
    ['2026-01-02', Number.NaN],
    ['2026-01-02 03:04Z', Number.NaN],
    ['2026-13-02T03:04Z', Number.NaN],
    ['1767322800000', Number.NaN],
    [true, Number.NaN],
    [undefined, Number.NaN],
  ])('%j is %d', (value, ms) => {
    expect(readTimeMs(value)).toBe(ms)
  })
})
