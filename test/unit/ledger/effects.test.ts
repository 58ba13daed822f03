import { describe, expect, it } from 'vitest'
import { EffectLimitError, EffectRejectedError } from '../../../src/job/index.js'
import { Effects, MAX_EFFECT_CHARACTERS, MAX_EFFECTS } from '../../../src/ledger/index.js'
import { queueKeys } from '../../../src/redis/index.js'

const keys = queueKeys('drover', 'media')
const newEffects = (cluster = false) => new Effects(keys, { cluster })
/** As a caller without types would use them. */
type Untyped = Record<string, (...args: unknown[]) => void>
const untyped = (effects: Effects) => effects as unknown as Untyped

describe('staged writes', () => {
  it('are commands as Redis takes them, numbers as JavaScript writes them, in the order they were made', () => {
    const effects = newEffects()
    effects.set('a', 1e21, { ttlMs: 5 })
    effects.hset('h', { x: -0, y: 'z' })
    effects.ltrim('l', -5, -1)
    effects.zadd('z', 0.1, 7)
    effects.incrby('n', -0)
    expect(effects.close()).toEqual([
      ['SET', 'a', '1e+21', 'PX', '5'],
      ['HSET', 'h', 'x', '0', 'y', 'z'],
      ['LTRIM', 'l', '-5', '-1'],
      ['ZADD', 'z', '0.1', '7'],
      ['INCRBY', 'n', '0'],
    ])
  })
})

describe('a staged write is rejected', () => {
  it.each<[string, string, unknown[]]>([
    ['no key', 'set', [undefined, 'v']],
    ['an empty key', 'set', ['', 'v']],
    ['a key that is no string', 'del', [5]],
    ['a key without a description', 'del', [Object.create(null)]],
    ['a symbol for a key', 'del', [Symbol('k')]],
    ['no value', 'set', ['k']],
    ['null', 'set', ['k', null]],
    ['a boolean', 'set', ['k', true]],
    ['NaN', 'set', ['k', Number.NaN]],
    ['infinity', 'set', ['k', Number.POSITIVE_INFINITY]],
    ['a BigInt', 'set', ['k', 1n]],
    ['an object', 'rpush', ['k', {}]],
    ['a symbol', 'sadd', ['k', Symbol('m')]],
    ['a Buffer', 'append', ['k', Buffer.from('x')]],
    ['a ttl of zero', 'set', ['k', 'v', { ttlMs: 0 }]],
    ['a ttl that is no number', 'set', ['k', 'v', { ttlMs: '5m' }]],
    ['an option that does not exist', 'set', ['k', 'v', { ttl: 5 }]],
    ['options that are none', 'set', ['k', 'v', null]],
    ['a fraction where a whole number is needed', 'incrby', ['k', 1.5]],
    ['a number beyond 2^53', 'incrby', ['k', 2 ** 53]],
    ['a text where a number is needed', 'incrby', ['k', '1']],
    ['no number', 'incrbyfloat', ['k']],
    ['NaN to add', 'incrbyfloat', ['k', Number.NaN]],
    ['infinity to add', 'zincrby', ['k', Number.NEGATIVE_INFINITY, 'm']],
    ['infinity as a score', 'zadd', ['k', Number.POSITIVE_INFINITY, 'm']],
    ['infinity as a bound', 'zremrangebyscore', ['k', Number.NEGATIVE_INFINITY, 0]],
    ['an expiry of zero', 'expire', ['k', 0]],
    ['an expiry of half a second', 'expire', ['k', 0.5]],
    ['no members', 'sadd', ['k']],
    ['no values', 'lpush', ['k']],
    ['no fields', 'hdel', ['k']],
    ['an object without fields', 'hset', ['k', {}]],
    ['null in place of fields', 'hset', ['k', null]],
    ['an array in place of fields', 'hset', ['k', ['a', 'b']]],
    ['a Map in place of fields', 'hset', ['k', new Map([['a', 1]])]],
    ['a field without a value', 'hset', ['k', 'f']],
    ['a field whose value is no text', 'hset', ['k', { f: undefined }]],
    ['a fraction as an index', 'ltrim', ['k', 0, 0.5]],
    ['more words than one write takes', 'sadd', ['k', ...Array.from({ length: 999 }, (_, i) => i)]],
  ])('with %s', (_what, method, args) => {
    const effects = newEffects()
    expect(() => untyped(effects)[method]?.(...args)).toThrow(EffectRejectedError)
    // Whoever swallows the error does not get a commit without the write.
    expect(() => effects.close()).toThrow(EffectRejectedError)
  })

  it.each([
    ...['{drover:media}:result:1', '{drover:media}:counter:bytes', '{drover:media}:counters', '{drover:media}:totals'],
    ...['{drover:media}:stats:29000000', '{drover:media}:stats:h:483333', '{drover:media}:done:1'],
    ...['{drover:media}:media:wait', '{drover:media}:media:job-1', '{drover:media}:media:job-1:lock'],
  ])('on the key %s, which Drover or BullMQ uses', (key) => {
    const effects = newEffects()
    expect(() => effects.del(key)).toThrow(/belongs to Drover or BullMQ/)
  })

  it.each([
    ...['{drover:media}:results', '{drover:media}:mine', '{drover:media}:media', '{drover:other}:own', 'result:1', 'x'],
  ])('not on the key %s, which is free', (key) => {
    const effects = newEffects()
    effects.del(key)
    expect(effects.close()).toEqual([['DEL', key]])
  })

  it('on a cluster when its key is not in the slot of the queue, also where the tag only stands further behind', () => {
    for (const key of [
      'mine',
      '{other}:mine',
      'x{a}{drover:media}',
      '{}{drover:media}',
      '{drover:media',
      '{{drover:media}}',
    ]) {
      const effects = newEffects(true)
      expect(() => effects.del(key), key).toThrow(/must carry the queue's tag \{drover:media\}/)
    }
    const effects = newEffects(true)
    for (const key of ['{drover:media}:mine', 'mine{drover:media}', '}{drover:media}{b}']) effects.del(key)
    expect(effects.close()).toHaveLength(3)
  })

  it('after the attempt has ended', () => {
    const effects = newEffects()
    effects.set('k', 1)
    expect(effects.close()).toHaveLength(1)
    expect(() => effects.set('k', 2)).toThrow(/the attempt has ended/)
  })
})

describe('the limits of one job', () => {
  it('are 1,000 writes', () => {
    const effects = newEffects()
    for (let i = 0; i < MAX_EFFECTS; i++) effects.del('k')
    expect(() => effects.del('k')).toThrow(EffectLimitError)
    expect(() => effects.close()).toThrow(/staged 1001 writes, a job may stage 1000/)
  })

  it('are 1,048,576 characters of keys and values', () => {
    const effects = newEffects()
    effects.set('k', 'x'.repeat(MAX_EFFECT_CHARACTERS - 1))
    expect(effects.close()).toHaveLength(1)
    const over = newEffects()
    expect(() => over.set('k', 'x'.repeat(MAX_EFFECT_CHARACTERS))).toThrow(EffectLimitError)
    expect(() => over.close()).toThrow(/staged 1048577 characters, a job may stage 1048576/)
  })

  it('are 20,000 words, command and key among them, however short they are', () => {
    const effects = newEffects()
    for (let i = 0; i < 20; i++) effects.sadd('k', ...Array.from({ length: 998 }, () => ''))
    expect(() => effects.del('k')).toThrow(EffectLimitError)
    expect(() => effects.close()).toThrow(/staged 20002 words, a job may stage 20000/)
  })

  it('stay broken once they were, whatever is staged next', () => {
    const effects = newEffects()
    expect(() => effects.set('k', 'x'.repeat(MAX_EFFECT_CHARACTERS))).toThrow(EffectLimitError)
    expect(() => effects.set('', 1)).toThrow(EffectRejectedError)
    expect(() => effects.close()).toThrow(EffectLimitError)
  })
})
