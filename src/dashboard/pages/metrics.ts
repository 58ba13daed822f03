// `/metrics`: what Redis says of all queues and workers, for Prometheus. Each scrape asks anew; a worker's own metrics are
// on the worker's own port.
import type { Request, Response } from 'express'
import {
  fleetMetrics,
  formatMetrics,
  type JobTotals,
  METRICS_TYPE,
  problemMetrics,
  type QueueDepth,
  queueMetrics,
  readQueueNow,
  readTotals,
  readWorkers,
  totalsMetrics,
} from '../../ledger/index.js'
import { queueKeys, queuesKey } from '../../redis/index.js'
import { untilConnected } from '../connection.js'
import type { Shared } from '../shared.js'

export async function showMetrics(
  _request: Request,
  response: Response,
  { client, prefix, overview }: Shared,
): Promise<void> {
  await untilConnected(client)
  const nowMs = Date.now()
  const [names, workers] = await Promise.all([
    client.smembers(queuesKey(prefix)),
    readWorkers(client, prefix, { isReadOnly: true }),
  ])
  const depths: QueueDepth[] = []
  const totals = new Map<string, ReadonlyMap<string, JobTotals>>()
  await Promise.all(
    names.sort().map(async (queue) => {
      const keys = queueKeys(prefix, queue)
      const [now, jobs] = await Promise.all([readQueueNow(client, keys, { nowMs }), readTotals(client, keys)])
      depths.push({ queue, ...now })
      totals.set(queue, jobs)
    }),
  )
  const { problems = [] } = (await overview.read()).overview ?? {}
  const families = [
    ...queueMetrics(depths, nowMs),
    ...totalsMetrics(totals),
    ...fleetMetrics(workers),
    ...problemMetrics(problems),
  ]
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', METRICS_TYPE)
  response.end(formatMetrics(families))
}
