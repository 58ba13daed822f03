import { describe, expect, it } from 'vitest'
import { BUCKET_BOUNDS_MS, bucketOf, percentile } from '../../../src/ledger/index.js'

const counts = (entries: Record<number, number>) =>
  Array.from({ length: BUCKET_BOUNDS_MS.length + 1 }, (_, bucket) => entries[bucket] ?? 0)

describe('bucketOf', () => {
  it.each([
    [0, 0],
    [1, 0],
    [1.01, 1],
    [2, 1],
    [999, 9],
    [1_000, 9],
    [1_001, 10],
    [21_600_000, 18],
    [21_600_001, 19],
    [Number.MAX_SAFE_INTEGER, 19],
  ])('%d ms falls in bucket %d', (ms, bucket) => {
    expect(bucketOf(ms)).toBe(bucket)
  })

  it('agrees with a plain search for every bound and its neighbours', () => {
    for (const ms of BUCKET_BOUNDS_MS.flatMap((bound) => [bound - 0.5, bound, bound + 0.5])) {
      const found = BUCKET_BOUNDS_MS.findIndex((bound) => ms <= bound)
      expect(bucketOf(ms)).toBe(found === -1 ? BUCKET_BOUNDS_MS.length : found)
    }
  })
})

describe('percentile', () => {
  it('is null without observations', () => {
    expect(percentile([], 0.5)).toBeNull()
    expect(percentile(counts({}), 0.99)).toBeNull()
  })

  it('interpolates within the bucket, as histogram_quantile does', () => {
    expect(percentile(counts({ 3: 100 }), 0.5)).toBe(7.5)
    expect(percentile(counts({ 0: 10 }), 0.5)).toBe(0.5)
    expect(percentile(counts({ 3: 50, 9: 50 }), 0.5)).toBe(10)
    expect(percentile(counts({ 3: 50, 9: 50 }), 0.75)).toBe(750)
    expect(percentile(counts({ 3: 99, 9: 1 }), 1)).toBe(1_000)
  })

  it('gives the lower bound of the open last bucket', () => {
    expect(percentile(counts({ 19: 3 }), 0.5)).toBe(21_600_000)
  })
})
