// What a worker's health asks Redis, over the worker's own connection: an answer in time, or none.
import { type QueueDepth, readQueueNow } from '../../ledger/index.js'
import { queueKeys, type RedisClient } from '../../redis/index.js'

const ANSWER_MS = 1_000

/** False also when the connection is down or silent. */
export async function answersPing(client: RedisClient): Promise<boolean> {
  // A command would wait for the connection to come back.
  if (client.status !== 'ready') return false
  return (await inTime(client.ping())) !== undefined
}

/** How the queues stand; undefined when Redis does not say. */
export async function readDepths(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
): Promise<QueueDepth[] | undefined> {
  if (client.status !== 'ready') return undefined
  const nowMs = Date.now()
  return inTime(
    Promise.all(
      queues.map(async (queue) => ({ queue, ...(await readQueueNow(client, queueKeys(prefix, queue), { nowMs })) })),
    ),
  )
}

/** The answer; undefined when it is late or an error, which the worker's own log tells of. */
function inTime<Value>(asked: Promise<Value>): Promise<Value | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ANSWER_MS)
    asked.then(resolve, () => resolve(undefined)).finally(() => clearTimeout(timer))
  })
}
