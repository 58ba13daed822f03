import { describe, expect, it } from 'vitest'
import { describeValue, isJobName, isQueueName } from '../../../src/job/index.js'

describe('job and queue names', () => {
  it('leave out what divides keys and fields', () => {
    for (const odd of ['a|b', 'a:b', 'a{b', 'a}b', 'a\0b', 'a\nb', '', ' a']) {
      expect([odd, isJobName(odd), isQueueName(odd)]).toEqual([odd, false, false])
    }
  })

  it('may be 128 and 64 characters long', () => {
    expect([128, 129].map((length) => isJobName('x'.repeat(length)))).toEqual([true, false])
    expect([64, 65].map((length) => isQueueName('x'.repeat(length)))).toEqual([true, false])
  })
})

describe('describeValue', () => {
  it.each<[unknown, string]>([
    ['abc', '"abc"'],
    ['a"b\n', '"a\\"b\\n"'],
    ['x'.repeat(61), `"${'x'.repeat(59)}…"`],
    ['redis://u:p@host', '"redis://***@host"'],
    [-0, '-0'],
    [Number.NaN, 'NaN'],
    [undefined, 'undefined'],
    [null, 'null'],
    [1n, 'a BigInt'],
    [[1, 2], 'an array of 2'],
    [{}, 'an object'],
    [Object.create(null), 'an object'],
    [new Date(0), 'a Date'],
    [new Error('x'), 'an Error'],
    [{ constructor: { name: 5 } }, 'an object'],
  ])('describes %o in a few words', (value, text) => {
    expect(describeValue(value)).toBe(text)
  })
})
