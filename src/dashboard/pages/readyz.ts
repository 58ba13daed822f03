// Whether the dashboard can do its work: Redis answers PING in time.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Request, Response } from 'express'
import type { RedisClient } from '../../redis/index.js'
import { untilConnected } from '../connection.js'
import type { Shared } from '../shared.js'

const PING_TIMEOUT_MS = 1_000

export async function showReady(_request: Request, response: Response, { client }: Shared): Promise<void> {
  const isReady = await answersPing(client)
  response.status(isReady ? 200 : 503).json({ status: isReady ? 'ok' : 'redis unavailable' })
}

async function answersPing(client: RedisClient): Promise<boolean> {
  const timer = new AbortController()
  const timeout = sleep(PING_TIMEOUT_MS, false, { signal: timer.signal })
  // Why Redis did not answer is logged where the connection is watched; here only that it did not counts.
  const answer = untilConnected(client)
    .then(() => client.ping())
    .then(
      () => true,
      () => false,
    )
  const isReady = await Promise.race([answer, timeout])
  timer.abort()
  await timeout.catch(() => false)
  return isReady
}
