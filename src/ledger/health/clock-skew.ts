// This machine's clock beside that of Redis: delays, times of results and the minutes of the stats go by both.
import type { RedisClient } from '../../redis/index.js'
import { type Finding, ok } from './finding.js'

const CLOCK_SAMPLES = 3
/** Delays and times of results are off by as much; a second is what people begin to notice. */
const SKEW_WARNING_MS = 1_000
/** A minute is the step of the stats: beyond it, work is counted in minutes when it did not happen. */
const SKEW_ERROR_MS = 60_000

/** Compares this machine's clock with Redis's; of a few samples, the one with the shortest way counts. */
export async function findClockSkew(client: RedisClient): Promise<Finding> {
  const samples: { skewMs: number; roundTripMs: number }[] = []
  for (let sample = 0; sample < CLOCK_SAMPLES; sample++) {
    const startedAt = performance.now()
    const startedMs = Date.now()
    const [seconds, microseconds] = await client.time()
    const roundTripMs = performance.now() - startedAt
    const redisMs = Number(seconds) * 1_000 + Number(microseconds) / 1_000
    samples.push({ skewMs: startedMs + roundTripMs / 2 - redisMs, roundTripMs })
  }
  const { skewMs } = samples.reduce((best, sample) => (sample.roundTripMs < best.roundTripMs ? sample : best))
  const aheadMs = Math.round(skewMs)
  const evidence = `this machine's clock is ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} that of Redis`
  if (Math.abs(aheadMs) < SKEW_WARNING_MS) return ok('CLOCK_SKEW', evidence)
  return {
    level: Math.abs(aheadMs) < SKEW_ERROR_MS ? 'warning' : 'error',
    code: 'CLOCK_SKEW',
    evidence: `${evidence}: delayed jobs start, and times are shown, that much off`,
    remedy: 'synchronize the clocks of both machines (NTP)',
  }
}
