// When each release of an application's workers was first seen: the marks on the dashboard's charts, and what an incident is
// held against first. A worker notes it once, at its start.
import { type RedisClient, releasesKey } from '../redis/index.js'

/** The releases that are kept, those first seen last. */
export const MAX_RELEASES = 100

export interface Release {
  /** As the worker was told; of a worker that was told none, the version of Drover. */
  readonly name: string
  /** Milliseconds since 1970, by the worker's clock. */
  readonly firstSeenAt: number
}

export async function noteRelease(client: RedisClient, prefix: string, name: string, atMs: number): Promise<void> {
  const key = releasesKey(prefix)
  await client.zadd(key, 'NX', String(atMs), name)
  await client.zremrangebyrank(key, 0, -1 - MAX_RELEASES)
}

/** Oldest first. */
export async function readReleases(client: RedisClient, prefix: string): Promise<Release[]> {
  const flat = await client.zrange(releasesKey(prefix), '0', '-1', 'WITHSCORES')
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    name: flat[2 * index] ?? '',
    firstSeenAt: Number(flat[2 * index + 1]),
  }))
}
