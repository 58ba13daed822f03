import { describe, expect, it } from 'vitest'
import { formatDuration, InvalidOptionError, parseDuration } from '../../../src/job/index.js'

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['2s', 2_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['1.5h', 5_400_000],
    ['1.001s', 1_001],
    ['4137.542h', 14_895_151_200],
    [0, 0],
    [1234, 1234],
  ])('reads %j as %d ms', (value, ms) => {
    expect(parseDuration(value, 'timeout')).toBe(ms)
  })

  it.each([
    -5,
    '-5s',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1.5,
    '0.5ms',
    '5',
    '',
    's',
    '5 s',
    '5S',
    '5 minutes',
    '5m ',
    '1m30s',
    '1e3s',
    '0x10s',
    '٣s',
    `${'9'.repeat(400)}s`,
    1e15,
    null,
    undefined,
    true,
    5n,
    [5],
    {},
    new Date(),
  ])('refuses %o', (value) => {
    expect(() => parseDuration(value, 'delay')).toThrow(InvalidOptionError)
  })

  it('names the option, what was expected and what came', () => {
    expect(() => parseDuration('5 minutes', { option: 'timeout', minMs: 1, maxMs: 2_592_000_000 })).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        option: 'timeout',
        got: '"5 minutes"',
        message: expect.stringMatching(/option timeout: expected a duration from 1ms to 30d.*got "5 minutes"/),
      }),
    )
  })

  it('accepts both ends of its range and nothing outside', () => {
    const range = { option: 'timeout', minMs: 1_000, maxMs: 60_000 }
    expect(parseDuration('1s', range)).toBe(1_000)
    expect(parseDuration('1m', range)).toBe(60_000)
    expect(() => parseDuration(999, range)).toThrow(InvalidOptionError)
    expect(() => parseDuration(60_001, range)).toThrow(InvalidOptionError)
  })

  it('allows from 0 to 365 days unless told otherwise', () => {
    expect(parseDuration('365d', 'delay')).toBe(31_536_000_000)
    expect(() => parseDuration(31_536_000_001, 'delay')).toThrow(InvalidOptionError)
  })

  it('reads -0 as 0', () => {
    expect(Object.is(parseDuration(-0, 'delay'), 0)).toBe(true)
  })
})

describe('formatDuration', () => {
  it.each([
    [0, '0ms'],
    [0.256, '0.26ms'],
    [500, '500ms'],
    [1_000, '1s'],
    [1_500, '1.5s'],
    [59_999, '59.99s'],
    [60_000, '1m'],
    [90_500, '1m 30s'],
    [1_234_567, '20m 34s'],
    [3_600_000, '1h'],
    [3_605_000, '1h'],
    [86_400_000, '1d'],
    [97_200_000, '1d 3h'],
    [-1_500, '-1.5s'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
})
