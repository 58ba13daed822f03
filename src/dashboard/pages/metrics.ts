// `/metrics`: what Redis says of all queues and workers, for Prometheus. It is the overview's look at Redis, a second old at
// most, so that a scrape costs what a tab costs; queues beyond its first 100 are read anew for each scrape. A worker's own
// metrics are on the worker's own port.
import type { Request, Response } from 'express'
import {
  fleetMetrics,
  formatMetrics,
  isWrongType,
  type JobTotals,
  METRICS_TYPE,
  problemMetrics,
  type QueueDepth,
  queueMetrics,
  readQueueNow,
  readTotals,
  totalsMetrics,
  unreadableMetrics,
} from '../../ledger/index.js'
import { queueKeys } from '../../redis/index.js'
import { type Overview, readQueueNames } from '../overview-data.js'
import { answerProblem } from '../problems.js'
import type { Shared } from '../shared.js'

interface Queues {
  readonly depths: QueueDepth[]
  readonly totals: Map<string, ReadonlyMap<string, JobTotals>>
}

export async function showMetrics(request: Request, response: Response, shared: Shared): Promise<void> {
  const { overview, problem } = await shared.overview.read()
  // Numbers of before an outage must not look like those of now.
  if (problem !== undefined || overview === undefined) return answerProblem(request, response, problem ?? NOT_READ)
  const { depths, totals } = queuesOf(overview)
  const { queues, unreadable } = overview.leftOut
  const more = queues > 0 ? await addLeftOut(shared, overview, { depths, totals }) : 0
  const families = [
    ...queueMetrics(depths, overview.readAt),
    ...totalsMetrics(totals),
    ...fleetMetrics(overview.workers),
    ...problemMetrics(overview.problems),
    ...unreadableMetrics(unreadable.length + more),
  ]
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', METRICS_TYPE)
  response.end(formatMetrics(families))
}

function queuesOf({ queues, jobs }: Overview): Queues {
  const totals = new Map(queues.map(({ queue }) => [queue, new Map<string, JobTotals>()]))
  for (const row of jobs) totals.get(row.queue)?.set(row.job, row)
  return { depths: [...queues], totals }
}

// The overview shows the first queues by name; alerts are about all of them. Resolves with how many could not be read.
async function addLeftOut({ client, prefix }: Shared, overview: Overview, { depths, totals }: Queues): Promise<number> {
  let unreadable = 0
  const known = new Set([...overview.queues.map(({ queue }) => queue), ...overview.leftOut.unreadable])
  const names = (await readQueueNames(client, prefix)).filter((queue) => !known.has(queue))
  await Promise.all(
    names.map(async (queue) => {
      const keys = queueKeys(prefix, queue)
      try {
        const [now, jobs] = await Promise.all([
          readQueueNow(client, keys, { nowMs: overview.readAt }),
          readTotals(client, keys),
        ])
        depths.push({ queue, ...now })
        totals.set(queue, jobs)
      } catch (error) {
        // A key of another type, which another program wrote, must not hide every other queue.
        if (!isWrongType(error)) throw error
        unreadable++
      }
    }),
  )
  return unreadable
}

const NOT_READ = { status: 503, code: 'REDIS_UNAVAILABLE', message: 'Redis was not read yet.' } as const
