import { describe, expect, it } from 'vitest'
import { describeSpeed } from '../../../src/cli/enqueue/progress.js'
import { readWaitMs } from '../../../src/cli/option-values.js'
import { formatTable } from '../../../src/cli/output.js'

describe('formatTable', () => {
  it('aligns text to the left and numbers to the right, without spaces at line ends', () => {
    expect(
      formatTable([
        ['QUEUE', 'VALUE', 'NOTE'],
        ['a', 7, ''],
        ['longer name', 12_345, 'x'],
      ]),
    ).toBe('QUEUE        VALUE  NOTE\na                7\nlonger name  12345  x')
  })

  it('lets no name steer the terminal, or turn its text around', () => {
    expect(formatTable([['a\x1b[2J\x9b31m\nb', 'c\u202edcba']])).toBe('a?[2J?31m?b  c?dcba')
  })
})

describe('describeSpeed', () => {
  it('tells count, time and rate', () => {
    expect(describeSpeed(12_000, 1_500)).toBe('12,000 jobs in 1.5s, 8,000 a second')
    expect(describeSpeed(1, 0)).toBe('1 job in 0ms')
  })
})

describe('readWaitMs', () => {
  it('is a minute without a time, and undefined without --wait', () => {
    expect([readWaitMs(undefined), readWaitMs(true), readWaitMs('5m')]).toEqual([undefined, 60_000, 300_000])
  })

  it.each(['0', '0s', 'soon', '25h'])('refuses %j', (text) => {
    expect(() => readWaitMs(text)).toThrow('option --wait: expected a duration')
  })
})
