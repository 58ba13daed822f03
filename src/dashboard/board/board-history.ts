// bull-board's history and latency pages, fed from the stats of Drover: they count every job that ended, also those that are
// no longer kept.
import type { MetricsHistoryProvider, MetricsLatencyPoint } from '@bull-board/api/typings/app'
import { type JobStats, percentile } from '../../ledger/index.js'
import { HOUR_MS } from '../overview/history-steps.js'
import { MAX_QUEUES, readQueueNames } from '../overview-data.js'
import { BoardHours, type HourReads } from './board-hours.js'

const DAY_HOURS = 24
/** Stats of hours are kept this long; nothing older is asked for. */
const MAX_HOURS = 90 * DAY_HOURS
/** Hashes of one answer: over all queues, the hours are cut to the newest. */
const MAX_READS = 10_000

interface Step {
  readonly at: number
  readonly stats: readonly JobStats[]
}

export function boardHistory(reads: HourReads): MetricsHistoryProvider {
  const { client, prefix } = reads
  const boardHours = new BoardHours(reads)

  async function steps(
    queue: string | undefined,
    { from, to, granularity }: { readonly from: number; readonly to: number; readonly granularity: string },
  ): Promise<Step[]> {
    const names = await readQueueNames(client, prefix)
    const queues = queue === undefined ? names.slice(0, MAX_QUEUES) : names.filter((name) => name === queue)
    const last = Math.floor(Math.min(to, Date.now()) / HOUR_MS)
    const most = Math.min(MAX_HOURS, Math.floor(MAX_READS / Math.max(1, queues.length)))
    const first = Math.max(Math.floor(from / HOUR_MS), last - most + 1)
    if (!(first <= last)) return []
    const hours = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    const perQueue = await boardHours.read(queues, hours, Date.now())
    const found = new Map<number, JobStats[]>()
    for (const [index, hour] of hours.entries()) {
      const start = granularity === 'range' ? first : granularity === 'day' ? hour - (hour % DAY_HOURS) : hour
      const step = found.get(start) ?? []
      found.set(start, step)
      for (const ofQueue of perQueue) {
        const stats = ofQueue[index]
        if (stats) step.push(stats)
      }
    }
    return [...found].map(([hour, stats]) => ({ at: hour * HOUR_MS, stats }))
  }

  return {
    async getHistory({ queue, metric, ...span }) {
      // How old waiting jobs were is not kept.
      if (metric === 'queueage') return []
      const kind = metric === 'failed' ? 'failed' : 'completed'
      return (await steps(queue, span)).map(({ at, stats }) => ({
        ts: at,
        value: stats.reduce((sum, each) => sum + each[kind], 0),
      }))
    },
    async getLatency({ queue, metric, percentiles, ...span }): Promise<MetricsLatencyPoint[]> {
      const kind = metric === 'waittime' ? 'wait' : 'run'
      return (await steps(queue, span)).map(({ at, stats }) => {
        const counts: number[] = []
        for (const each of stats) {
          for (const [bucket, count] of each[kind].entries()) counts[bucket] = (counts[bucket] ?? 0) + count
        }
        return latencyPoint(at, counts, percentiles)
      })
    },
  }
}

function latencyPoint(at: number, counts: readonly number[], percentiles: readonly number[]): MetricsLatencyPoint {
  const values: Record<string, number> = {}
  for (const share of percentiles) {
    const ms = percentile(counts, share / 100)
    if (ms !== null) values[String(share)] = ms
  }
  return { ts: at, count: counts.reduce((sum, count) => sum + (count ?? 0), 0), values }
}
