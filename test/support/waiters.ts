// Result waiters for tests: over two connections of their own, looking again so late that a test without that look would
// end first, and a way to see which channels are subscribed to.
import type { Redis } from 'ioredis'
import { expect, vi } from 'vitest'
import { ResultWaiter } from '../../src/ledger/index.js'
import { createReaderClient, createSubscriberClient, parseRedisUrl, type RedisClient } from '../../src/redis/index.js'
import { PATIENCE } from './until.js'

const NEVER_MS = 3_600_000

export interface TestWaiter {
  readonly waiter: ResultWaiter
  readonly reader: RedisClient
  /** The connections it opened so far. */
  readonly subscribers: readonly RedisClient[]
  close(): void
}

export interface TestWaiterOptions {
  readonly url: string
  /** Default: `url`. */
  readonly subscriberUrl?: string
  readonly recheckMs?: number
}

export function openWaiter({ url, subscriberUrl = url, recheckMs = NEVER_MS }: TestWaiterOptions): TestWaiter {
  const reader = createReaderClient(parseRedisUrl(url))
  const subscribers: RedisClient[] = []
  const openSubscriber = (onError: (error: Error) => void) => {
    const subscriber = createSubscriberClient(parseRedisUrl(subscriberUrl), { onError })
    subscribers.push(subscriber)
    return subscriber
  }
  const waiter = new ResultWaiter({ prefix: 'drover', reader, openSubscriber, recheckMs })
  const close = () => {
    waiter.close()
    reader.disconnect()
  }
  return { waiter, reader, subscribers, close }
}

/** The `done` channels that anyone is subscribed to. */
export async function doneChannels(client: Redis): Promise<string[]> {
  return (await client.pubsub('CHANNELS', '*done:*')) as string[]
}

export async function untilSubscribed(client: Redis, channel: string): Promise<void> {
  await vi.waitFor(async () => expect(await doneChannels(client)).toContain(channel), { ...PATIENCE, interval: 5 })
}
