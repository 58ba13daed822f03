import { QueueKeys } from 'bullmq'
import { describe, expect, it } from 'vitest'
import {
  InvalidCounterNameError,
  InvalidJobIdError,
  InvalidPrefixError,
  InvalidQueueNameError,
} from '../../../src/job/index.js'
import {
  BULL_RESERVED_IDS,
  checkCounterName,
  checkJobId,
  checkPrefix,
  checkQueueName,
  contractKey,
  counterKey,
  counterNamesKey,
  doneChannel,
  queueKeys,
  queuesKey,
  queueTag,
  resultKey,
  statsHourKey,
  statsKey,
  totalsKey,
} from '../../../src/redis/index.js'

describe('key names', () => {
  it('are those of key contract 1', () => {
    expect(queueTag('drover', 'media')).toBe('{drover:media}')
    expect(resultKey('drover', 'media', 'a-1')).toBe('{drover:media}:result:a-1')
    expect(counterKey('drover', 'media', 'bytes')).toBe('{drover:media}:counter:bytes')
    expect(counterNamesKey('drover', 'media')).toBe('{drover:media}:counters')
    expect(totalsKey('drover', 'media')).toBe('{drover:media}:totals')
    expect(statsKey('drover', 'media', 29_000_001)).toBe('{drover:media}:stats:29000001')
    expect(statsHourKey('drover', 'media', 483_333)).toBe('{drover:media}:stats:h:483333')
    expect(doneChannel('drover', 'media', 'a-1')).toBe('{drover:media}:done:a-1')
    expect(queuesKey('drover')).toBe('drover:queues')
    expect(contractKey('drover')).toBe('drover:contract')
  })

  it('are the same from the precomputed object of a queue', () => {
    const keys = queueKeys('shop', 'mail')
    expect(keys.tag).toBe(queueTag('shop', 'mail'))
    expect(keys.result('x')).toBe(resultKey('shop', 'mail', 'x'))
    expect(keys.counter('c')).toBe(counterKey('shop', 'mail', 'c'))
    expect(keys.counterNames).toBe(counterNamesKey('shop', 'mail'))
    expect(keys.totals).toBe(totalsKey('shop', 'mail'))
    expect(keys.stats(7)).toBe(statsKey('shop', 'mail', 7))
    expect(keys.statsHour(7)).toBe(statsHourKey('shop', 'mail', 7))
    expect(keys.done('x')).toBe(doneChannel('shop', 'mail', 'x'))
    expect(keys.result('x').startsWith(keys.base)).toBe(true)
  })

  it('give BullMQ a prefix under which its keys have the base that we expect', () => {
    const keys = queueKeys('drover', 'media')
    expect(new QueueKeys(keys.bull).toKey('media', 'wait')).toBe(`${keys.bullBase}wait`)
  })
})

describe('reserved job ids', () => {
  it('are exactly the names BullMQ keeps beside its jobs', () => {
    expect([...BULL_RESERVED_IDS].sort()).toEqual(Object.keys(new QueueKeys('x').getKeys('q')).sort())
  })

  it.each(BULL_RESERVED_IDS)('%j is refused as a job id', (id) => {
    expect(() => checkJobId(id)).toThrow(InvalidJobIdError)
  })
})

const unchecked = (value: unknown) => value as string

describe('a job id', () => {
  it.each(['a', 'order-17', 'x'.repeat(128), '1.5', 'A_b.c-D', '1a', '-'])('%j is taken', (id) => {
    expect(checkJobId(id)).toBe(id)
  })

  it.each(['17', '-17', '007', '0'])('%j is refused, as BullMQ counts its own ids with whole numbers', (id) => {
    expect(() => checkJobId(id)).toThrow(/not a whole number/)
  })

  it.each(['', 'a:b', 'a b', 'a\n', 'é', '{a}', 'x'.repeat(129), 'a/b', unchecked(5), unchecked(null)])(
    '%j is refused',
    (id) => {
      expect(() => checkJobId(id)).toThrow(InvalidJobIdError)
    },
  )
})

describe('a queue name', () => {
  it.each(['media', 'media.images', '1', 'a_b-c', 'x'.repeat(64)])('%j is taken', (name) => {
    expect(checkQueueName(name)).toBe(name)
  })

  it.each(['', '-a', '.a', 'a:b', '{a}', 'a|b', 'x'.repeat(65), unchecked(undefined)])('%j is refused', (name) => {
    expect(() => checkQueueName(name)).toThrow(InvalidQueueNameError)
  })
})

describe('a counter name', () => {
  it.each(['bytes', 'http:200', '1', 'x'.repeat(128)])('%j is taken', (name) => {
    expect(checkCounterName(name)).toBe(name)
  })

  it.each(['', ':a', 'a|b', 'a b', '#a', 'x'.repeat(129), unchecked({})])('%j is refused', (name) => {
    expect(() => checkCounterName(name)).toThrow(InvalidCounterNameError)
  })
})

describe('a prefix', () => {
  it.each(['drover', 'Shop_2', 'x'.repeat(32)])('%j is taken', (prefix) => {
    expect(checkPrefix(prefix)).toBe(prefix)
  })

  it.each(['', '{drover}', 'a:b', 'a.b', '_a', 'x'.repeat(33), unchecked(1)])('%j is refused', (prefix) => {
    expect(() => checkPrefix(prefix)).toThrow(InvalidPrefixError)
  })
})
