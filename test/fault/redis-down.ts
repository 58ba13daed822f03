// The kill of the one Redis of a run, and what it said of its append-only file just before.
import type { RedisClient } from '../../src/redis/index.js'
import type { TestRedis } from '../support/redis.js'
import { ledgerNow, type RedisDownLine } from './ledger-file.js'

/** Asks, kills, and gives the line for the ledger. Waits for the answers: a Redis that hangs is killed when it goes on. */
export async function killRedis(redis: RedisClient, server: TestRedis): Promise<RedisDownLine> {
  const askedMs = ledgerNow()
  const [info, settings] = await Promise.all([redis.info('persistence'), redis.config('GET', 'appendfsync')])
  await server.kill()
  const goneMs = ledgerNow()
  const count = (name: string) => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1])
  return {
    e: 'redis-down',
    askedMs,
    goneMs,
    appendfsync: String((settings as string[])[1]),
    pendingFsyncs: count('aof_pending_bio_fsync'),
    bufferBytes: count('aof_buffer_length'),
    delayedFsyncs: count('aof_delayed_fsync'),
  }
}
