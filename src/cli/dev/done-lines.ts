// Tells of each job that ends, from the messages that commits publish: the worker itself logs only what goes wrong.

import type { JobResult } from '../../ledger/index.js'
import { parseResult } from '../../ledger/index.js'
import { createSubscriberClient, queueTag, type RedisSettings } from '../../redis/index.js'

/** More a second are counted, not shown. */
const MAX_LINES_A_SECOND = 20

export interface DoneLines {
  close(): void
}

/** Shows completed jobs of every queue under the prefix. A cluster has no messages for all of its nodes: nothing there. */
export function showDone(
  redis: RedisSettings,
  prefix: string,
  show: (result: JobResult) => void,
  showMore: (count: number) => void,
): DoneLines {
  if (redis.kind === 'cluster') return { close: () => undefined }
  const client = createSubscriberClient(redis)
  let shown = 0
  let more = 0
  const timer = setInterval(() => {
    if (more > 0) showMore(more)
    shown = 0
    more = 0
  }, 1_000)
  client.on('pmessage', (_pattern, _channel, text: string) => {
    const result = parseResult(text)
    // A large result is not in its message, and failed jobs are in the worker's log.
    if (result?.status === 'failed') return
    if (result !== null && shown < MAX_LINES_A_SECOND) {
      shown++
      show(result)
    } else more++
  })
  client.psubscribe(`${queueTag(prefix, '*')}:done:*`).catch(() => undefined) // ended by close, or taken up again
  return {
    close: () => {
      clearInterval(timer)
      client.disconnect()
    },
  }
}
