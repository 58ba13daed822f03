// Reads that are sent together: each answers as it would alone, also where one is refused.
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type Read, readTogether } from '../../src/ledger/read-together.js'
import { createReaderClient, parseRedisUrl, type RedisClient } from '../../src/redis/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { PATIENCE } from '../support/until.js'

let redis: TestRedis
let client: RedisClient

beforeAll(async () => {
  redis = await startTestRedis()
  client = createReaderClient(parseRedisUrl(redis.url), { timeoutMs: 60_000, onError: () => undefined })
  await vi.waitFor(() => expect(client.status).toBe('ready'), PATIENCE)
})
afterAll(async () => {
  client?.disconnect()
  await redis?.close()
})

it('reads sent together answer as each alone, what is missing included', async () => {
  await client.rpush('{q}:list', 'a', '', 'c')
  await client.zadd('{q}:set', '1.5', 'one', '16384000000000000', 'held')
  await client.hset('{q}:hash', 'field', 'é\u0000')
  const reads: readonly Read[] = [
    ['llen', '{q}:none'],
    ['hmget', '{q}:hash', 'none', 'field'],
    ['hmget', '{q}:none', 'a', 'b'],
    ['lrange', '{q}:list', -2, -1],
    ['zrange', '{q}:set', 0, -1, 'WITHSCORES'],
    ['zcount', '{q}:set', 4e12 * 4_096, '+inf'],
    ['exists', '{q}:list'],
  ]
  const alone: unknown[] = []
  for (const [command, ...words] of reads) alone.push(await client.call(command, ...words))
  expect(await readTogether(client, reads)).toEqual(alone)
  expect(await readTogether(client, [])).toEqual([])
})

it('a read of a key of another type fails all of them as it would fail alone', async () => {
  await client.set('{q}:text', 'x')
  const read = ['llen', '{q}:text'] as const
  const alone = await client.llen('{q}:text').catch((error: Error) => error.message)
  await expect(readTogether(client, [['exists', '{q}:text'], read])).rejects.toThrow(String(alone))
})
