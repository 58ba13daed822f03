// Everything in one Redis database, key by key, so that a test can say that nothing changed, or what did.
import type { Redis } from 'ioredis'

export type RedisDump = ReadonlyMap<string, string>

/**
 * Type, content and whether it expires, of every key that `wanted` lets through. Streams by length alone: their ids
 * are times.
 */
export async function dumpDb(client: Redis, wanted: (key: string) => boolean = () => true): Promise<RedisDump> {
  const keys = (await client.keys('*')).filter(wanted).sort()
  const entries = await Promise.all(
    keys.map(async (key): Promise<[string, string]> => {
      const [type, ttl] = await Promise.all([client.type(key), client.ttl(key)])
      const content = await readContent(client, key, type)
      return [key, JSON.stringify([type, ttl >= 0 ? 'expires' : 'stays', content])]
    }),
  )
  return new Map(entries)
}

/** The keys whose entries differ, each with both. */
export function differences(before: RedisDump, after: RedisDump): Record<string, [string?, string?]> {
  const changed: Record<string, [string?, string?]> = {}
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(key), after.get(key)]
    if (old !== now) changed[key] = [old, now] as [string?, string?]
  }
  return changed
}

async function readContent(client: Redis, key: string, type: string): Promise<unknown> {
  switch (type) {
    case 'string':
      return (await client.getBuffer(key))?.toString('latin1')
    case 'list':
      return client.lrange(key, 0, -1)
    case 'set':
      return (await client.smembers(key)).sort()
    case 'zset':
      return client.call('ZRANGE', key, '0', '-1', 'WITHSCORES')
    case 'hash':
      return Object.entries(await client.hgetall(key)).sort()
    default:
      return type === 'stream' ? await client.xlen(key) : null
  }
}
