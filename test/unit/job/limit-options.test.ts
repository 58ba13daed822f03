import { describe, expect, it } from 'vitest'
import { ContractError, defineJob, InvalidOptionError, type JobLimit, limitOf } from '../../../src/job/index.js'
import { anything } from '../../support/schemas.js'

const define = (limit: unknown, more = {}) =>
  defineJob({ name: 'job', queue: 'queue', input: anything, limit, ...more } as never)
const of = (limit: unknown, input: unknown) => limitOf({ name: 'job', limit: define(limit).limit as JobLimit }, input)

function problemsOf(limit: unknown, more = {}): readonly string[] {
  try {
    define(limit, more)
  } catch (error) {
    if (error instanceof ContractError) return error.problems
    throw error
  }
  return []
}

describe('the option limit', () => {
  it.each([
    [5, 'limit: expected an object'],
    [[], 'limit: expected an object'],
    [{}, 'limit: expected a key, concurrency, rate or order'],
    [{ weight: 2 }, 'limit: expected a key'],
    [{ conurrency: 2 }, 'concurrency'],
    [{ key: 7 }, 'limit.key'],
    [{ key: [] }, 'limit.key'],
    [{ key: ['a', ''] }, 'limit.key'],
    [{ concurrency: 0 }, 'limit.concurrency: expected a whole number from 1 to 100000, got 0'],
    [{ concurrency: -1 }, 'limit.concurrency'],
    [{ concurrency: 1.5 }, 'limit.concurrency'],
    [{ concurrency: 100_001 }, 'limit.concurrency'],
    [{ concurrency: Number.POSITIVE_INFINITY }, 'limit.concurrency'],
    [{ concurrency: '3' }, 'limit.concurrency'],
    [{ order: 'strict', concurrency: 2 }, "limit.concurrency: expected 1 beside order 'strict'"],
    [{ order: 'random' }, 'limit.order'],
    [{ key: 'a', scope: 'world' }, 'limit.scope'],
    [{ key: 'a', weight: 0 }, 'limit.weight'],
    [{ key: 'a', weight: 1001 }, 'limit.weight'],
    [{ rate: 5 }, 'limit.rate'],
    [{ rate: { limit: 5 } }, 'limit.rate.window'],
    [{ rate: { limit: 0, window: '1s' } }, 'limit.rate.limit'],
    [{ rate: { limit: 10_001, window: '1s' } }, 'limit.rate.limit: expected a whole number from 1 to 10000'],
    [{ rate: { limit: 1_000_001, window: '1s', kind: 'fixed' } }, 'limit.rate.limit'],
    [{ rate: { limit: 5, window: 0 } }, 'limit.rate.window'],
    [{ rate: { limit: 5, window: -1 } }, 'limit.rate.window'],
    [{ rate: { limit: 5, window: '31d' } }, 'limit.rate.window'],
    [{ rate: { limit: 5, window: '1s', kind: 'leaky' } }, 'limit.rate.kind'],
    [{ rate: { limit: 5, window: '1s', burst: 2 } }, "limit.rate.burst: expected kind 'bucket'"],
    [{ rate: { limit: 5, window: '1s', kind: 'bucket', burst: 0 } }, 'limit.rate.burst'],
    [{ rate: { limit: 5, windows: '1s' } }, 'window'],
  ])('as %j is refused', (limit, problem) => {
    expect(problemsOf(limit).join()).toContain(problem)
  })

  it('with a strict order refuses a debounce', () => {
    expect(problemsOf({ order: 'strict' }, { debounce: { wait: '1s' } })).toHaveLength(1)
  })

  it('is written as its scripts read it', () => {
    expect(of({ concurrency: 3 }, {})).toBe('3,n,0,0,0,1,f job:')
    expect(of({ key: 'a', order: 'strict' }, { a: 'x y' })).toBe('1,n,0,0,0,1,s job:x y')
    expect(of({ key: ['a', 'b'], scope: 'queue' }, { a: '1', b: '2' })).toBe('0,n,0,0,0,1,f :["1","2"]')
    expect(of({ key: () => 'k', rate: { limit: 5, window: '2s' } }, 1)).toBe('0,s,5,2000,0,1,f job:k')
    expect(of({ rate: { kind: 'fixed', limit: 5, window: '2s' } }, 1)).toBe('0,f,5,2000,0,1,f job:')
    expect(of({ rate: { kind: 'bucket', limit: 5, window: '2s' }, weight: () => 7 }, 1)).toBe('0,b,5,2000,5,7,f job:')
  })
})

describe('a key or weight of an input', () => {
  const fails = () => {
    throw new Error('no')
  }
  it.each([
    ['a missing field', { key: 'a' }, {}],
    ['a number', { key: 'a' }, { a: 7 }],
    ['an inherited field', { key: 'toString' }, {}],
    ['an empty text', { key: 'a' }, { a: '' }],
    ['no object', { key: 'a' }, 'text'],
    ['null', { key: ['a', 'b'] }, { a: 'x', b: null }],
    ['a text that is too long', { key: 'a' }, { a: 'x'.repeat(257) }],
    ['a long text of a function', { key: () => 'x'.repeat(257) }, {}],
    ['a function that throws', { key: fails }, {}],
    ['a function that gives no text', { key: () => 7 }, {}],
    ['a function that gives a promise', { key: async () => 'x' }, {}],
    ['a weight of zero', { key: 'a', weight: () => 0 }, { a: 'x' }],
    ['a weight that throws', { key: 'a', weight: fails }, { a: 'x' }],
  ])('is refused where it is %s', (_, limit, input) => {
    expect(() => of(limit, input)).toThrow(InvalidOptionError)
  })

  it('may be any text of up to 256 characters', () => {
    for (const key of ['x'.repeat(256), 'a b\n{c}:|,%s\u0000é😀', '__proto__']) {
      expect(of({ key: () => key, concurrency: 1 }, {})).toBe(`1,n,0,0,0,1,f job:${key}`)
    }
  })
})

it('takes no half of a character for a key: a slice that cut an emoji is told before anything is sent', () => {
  const cut = { key: (input: { name: string }) => input.name.slice(0, 3), concurrency: 1 }
  expect(() => of(cut, { name: 'ab\u{1f600}' })).toThrow(InvalidOptionError)
  expect(of(cut, { name: 'a\u{1f600}' })).toContain('a\u{1f600}')
})
