// The histogram of run and wait times: its bucket bounds, which bucket a time falls in, and percentiles read from it.

/** Upper bounds of the buckets in milliseconds; the last bucket takes everything longer. 1-2-5 steps, then minutes and hours. */
export const BUCKET_BOUNDS_MS: readonly number[] = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000,
  21_600_000,
]

/** Number of the bucket a time falls in, from 0; a time on a bound belongs to the bucket that it bounds. */
export function bucketOf(ms: number): number {
  let low = 0
  let high = BUCKET_BOUNDS_MS.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ms <= (BUCKET_BOUNDS_MS[middle] as number)) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * The time in milliseconds below which the given share (0 to 1) of the observations lies, interpolated within its
 * bucket as Prometheus' histogram_quantile does; the open last bucket gives its lower bound. Null without observations.
 */
export function percentile(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const rank = share * total
  let below = 0
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && below + count >= rank) {
      const lower = bucket === 0 ? 0 : (BUCKET_BOUNDS_MS[bucket - 1] as number)
      const upper = BUCKET_BOUNDS_MS[bucket]
      if (upper === undefined) return lower
      return lower + ((upper - lower) * Math.max(0, rank - below)) / count
    }
    below += count
  }
  return BUCKET_BOUNDS_MS.at(-1) ?? null
}
