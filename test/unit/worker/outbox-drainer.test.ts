// When an outbox is looked at: whatever a commit puts in is looked for after it, also when a look is just ending.
import pino from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createWorkerClient, parseRedisUrl, queueKeys, type RedisClient } from '../../../src/redis/index.js'
import { OutboxDrainer } from '../../../src/worker/outbox-drainer.js'
import { startTestRedis, type TestRedis } from '../../support/redis.js'

let redis: TestRedis
let client: RedisClient

beforeAll(async () => {
  redis = await startTestRedis()
  client = createWorkerClient(parseRedisUrl(redis.url))
})
afterAll(async () => {
  client.disconnect()
  await redis.close()
})

// The reply that ends a look and the one of a commit come in one piece: their promises go on by turns.
it.each(Array.from({ length: 8 }, (_, turns) => turns))(
  'a job that is committed %i turns after the answer to a look is looked for by another one',
  async (turns) => {
    let looks = 0
    let tell: () => void = () => undefined
    const another = new Promise<void>((resolve) => {
      tell = resolve
    })
    const watched = Object.create(client, {
      isCluster: { value: true },
      hkeys: {
        value: async (key: string) => {
          const queues = await client.hkeys(key)
          if (++looks === 2) tell()
          if (looks === 1) void later(turns, commit)
          return queues
        },
      },
    }) as RedisClient
    const room = { client: watched, prefix: 'drover', queue: 'from', keys: queueKeys('drover', 'from') }
    const drainer = new OutboxDrainer(room, pino({ enabled: false }))
    const commit = () => drainer.noteJobs([{ queue: 'to' } as never])
    commit()
    await another
    await drainer.close()
    expect(looks).toBeGreaterThan(1)
  },
)

async function later(turns: number, run: () => void): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined
  run()
}
