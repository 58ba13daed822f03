import { describe, expect, it } from 'vitest'
import { committedJson, MAX_COMMITTED_BYTES, type Written } from '../../../src/ledger/committed.js'

const of = (written: Written) => JSON.parse(committedJson(written)) as Record<string, unknown>
const many = <Value>(count: number, make: (at: number) => Value) => Array.from({ length: count }, (_, at) => make(at))
const job = (at: number) => ({ queue: 'q', jobId: `job-${at}`, job: {} as never })

describe('what a completion wrote', () => {
  it('is named: counters with their steps, commands with their number, jobs, and each key once', () => {
    const effects = [
      ['SADD', '{drover:q}:seen', 'a'],
      ['ZINCRBY', '{drover:q}:top', 1, 'a'],
      ['ZINCRBY', '{drover:q}:top', 2, 'b'],
    ]
    expect(of({ counters: new Map([['files', -2]]), effects, jobs: [job(1)] })).toEqual({
      counters: { files: -2 },
      writes: { SADD: 1, ZINCRBY: 2 },
      jobs: ['q/job-1'],
      keys: ['{drover:q}:seen', '{drover:q}:top'],
    })
    expect(committedJson({ effects: [], jobs: [] })).toBe('{}')
  })

  it.each<[string, Written, number]>([
    ['1,000 counters', { counters: new Map(many(1_000, (at) => [`counter-${at}`, at])) }, 1_000],
    ['1,000 writes', { effects: many(1_000, (at) => ['SET', `key:${at}`, 1]) }, 1_000],
    ['1,000 jobs', { jobs: many(1_000, job) }, 1_000],
    [
      'long keys of many bytes',
      {
        effects: [
          ['SET', '\u20ac'.repeat(90), 1],
          ['SET', 'x'.repeat(1_000_000), 1],
        ],
      },
      2,
    ],
    ['keys that JSON escapes', { effects: many(3, (at) => ['SET', '\u0001'.repeat(30) + at, 1]) }, 3],
  ])('takes no more than its bytes with %s, and says how many are not named', (_, written, count) => {
    const text = committedJson(written)
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_COMMITTED_BYTES)
    const { counters = {}, jobs = [], keys = [], more } = of(written) as Record<string, object> & { more: number }
    expect(Object.keys(counters).length + Object.keys(jobs).length + Object.keys(keys).length + more).toBe(count)
    expect(more).toBeGreaterThan(0)
  })

  it('names what still fits behind what does not', () => {
    const effects = [
      ['SET', 'x'.repeat(300), 1],
      ['SET', 'short', 1],
    ]
    expect(of({ effects })).toEqual({ writes: { SET: 2 }, keys: ['short'], more: 1 })
  })
})
