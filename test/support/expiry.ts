// How long Redis keeps a key, held against what it was told, whatever time passes until a test asks.
import type { Redis } from 'ioredis'
import { expect } from 'vitest'

/** `key` was told to stay for so many seconds, at `sinceMs` (`performance.now()`) or later. */
export async function expectExpiry(client: Redis, key: string, seconds: number, sinceMs: number): Promise<void> {
  const left = await client.ttl(key)
  const passed = (performance.now() - sinceMs) / 1_000
  expect(left).toBeLessThanOrEqual(seconds)
  // Redis rounds to whole seconds too.
  expect(left).toBeGreaterThanOrEqual(Math.round(seconds - passed))
}
