import { describe, expect, it } from 'vitest'
import { describeValue, isJobName, isQueueName, QUEUE_NAME_RULE } from '../../../src/job/index.js'
import { queueKeys } from '../../../src/redis/index.js'

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

describe('queue names', () => {
  // BullMQ names a queue's keys `{drover:q}:q:<id>`, Drover its own `{drover:q}:result:<id>` and so on.
  it('may not be those of keys Drover puts under the same tag', () => {
    const keys = queueKeys('p', 'q')
    const own = [keys.result('i'), keys.counter('c'), keys.counterNames, keys.totals, keys.stats(1), keys.done('i')]
    for (const key of own) {
      const name = key.slice(keys.base.length).split(':')[0]
      expect([name, isQueueName(name), QUEUE_NAME_RULE.includes(String(name))]).toEqual([name, false, true])
      expect(isJobName(name)).toBe(true)
    }
    for (const name of ['results', 'Result', 'done-2', 'media']) expect(isQueueName(name)).toBe(true)
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
