// What `drover doctor` says about outboxes: jobs that a commit kept for a queue in another slot of the cluster, and that
// nobody moves there.
import { type Finding, readOutboxes } from '../../ledger/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'

/** Workers move them at once, or look within seconds. */
const STUCK_MS = 60_000

export async function findOutboxes(client: RedisClient, queue: string, keys: KeysOfQueue): Promise<Finding[]> {
  const nowMs = Date.now()
  const stuck = (await readOutboxes(client, keys)).filter(({ oldestAt }) => nowMs - oldestAt > STUCK_MS)
  return stuck.map(({ queue: to, jobs, oldestAt }) => {
    const minutes = Math.floor((nowMs - oldestAt) / 60_000)
    return {
      level: 'warning',
      code: 'OUTBOX_STUCK',
      evidence: `${jobs} ${jobs === 1 ? 'job' : 'jobs'} for queue ${to} wait in the outbox of queue ${queue}, the oldest for ${minutes} min`,
      remedy: `run a worker of queue ${queue}, which moves them; where one runs, its log says why ${to} does not take them`,
    } as const
  })
}
