// Rolls the stats of past minutes up to hours, which are kept longer. Every worker calls it on a timer; whoever comes
// first writes an hour, and rollup.lua makes any further call change nothing.
import { readFileSync } from 'node:fs'
import type { KeysOfQueue, RedisClient } from '../redis/index.js'
import { HOUR_MS, MINUTE_MS, minutesOf } from './stats-hashes.js'

const rollupLua = readFileSync(new URL('./rollup.lua', import.meta.url), 'utf8')

/** How long an hour stays open for workers whose clocks are late. */
const SETTLE_MS = 10 * MINUTE_MS
/** Past these the minutes, kept for 48 hours, begin to be gone. */
const HOURS_BACK = 47
const HOUR_TTL_SECONDS = 90 * 86_400

/** Writes every past hour that has none yet, and gives the start of each one written, in milliseconds since 1970. */
export async function rollUpStats(
  client: RedisClient,
  keys: KeysOfQueue,
  nowMs: number = Date.now(),
): Promise<number[]> {
  const current = Math.floor(nowMs / HOUR_MS)
  const lastEnded = Math.floor((nowMs - SETTLE_MS) / HOUR_MS) - 1
  const hours: number[] = []
  for (let hour = current - HOURS_BACK; hour <= lastEnded; hour++) hours.push(hour)
  const exists = client.pipeline()
  for (const hour of hours) exists.exists(keys.statsHour(hour))
  const found = (await exists.exec()) ?? []
  const written: number[] = []
  for (const [index, hour] of hours.entries()) {
    const [error, there] = found[index] ?? []
    if (error) throw error
    if (there === 1) continue
    const hashes = [keys.statsHour(hour), ...minutesOf(keys, hour)]
    const wrote = await client.eval(rollupLua, hashes.length, ...hashes, HOUR_TTL_SECONDS)
    if (wrote === 1) written.push(hour * HOUR_MS)
  }
  return written
}
