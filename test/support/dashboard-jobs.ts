// Queues as the dashboard finds them: plain BullMQ queues, listed in the set of queues as a worker's start lists its own.
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { queuesKey, queueTag } from '../../src/redis/index.js'
import type { TestRedis } from './redis.js'

export interface TestQueue {
  readonly queue: Queue
  close(): Promise<void>
}

/** Close it in the test. */
export async function openTestQueue(redis: TestRedis, name: string, prefix = 'drover'): Promise<TestQueue> {
  const client = new Redis({ host: redis.host, port: redis.port, password: redis.password, maxRetriesPerRequest: null })
  // A test that ends Redis expects its errors.
  client.on('error', () => undefined)
  await client.sadd(queuesKey(prefix), name)
  const queue = new Queue(name, { connection: client as never, prefix: queueTag(prefix, name) })
  queue.on('error', () => undefined)
  return {
    queue,
    close: async () => {
      await queue.close()
      client.disconnect()
    },
  }
}
