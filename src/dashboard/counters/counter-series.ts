// What was added to one counter over an hour to a week, split by the jobs that added it.
import { type CounterSplitPoint, readCounterSplit } from '../../ledger/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { RANGES, type RangeName } from '../overview/history-steps.js'

export interface CounterSeries {
  readonly range: RangeName
  readonly stepMs: number
  /** Oldest first, the last is still going on. */
  readonly points: readonly CounterSplitPoint[]
  /** The jobs that added to it in that time, those that added most first. */
  readonly jobs: readonly { readonly job: string; readonly added: number }[]
  /** What was added in that time, by jobs and producers. */
  readonly added: number
}

const STEP_MS = { minute: 60_000, hour: 3_600_000 } as const

/** @throws what Redis rejects a read with */
export async function readCounterSeriesOf(
  client: RedisClient,
  keys: KeysOfQueue,
  name: string,
  range: RangeName,
  nowMs: number,
): Promise<CounterSeries> {
  const { step, steps, group } = RANGES[range]
  const stepMs = STEP_MS[step] * group
  // Steps begin at whole multiples of their length, so that points stay where they are from one look to the next.
  const last = Math.floor(nowMs / stepMs) * stepMs
  const sinceMs = last - (steps / group - 1) * stepMs
  const read = await readCounterSplit(client, keys, name, { sinceMs, by: step, nowMs })
  const points = new Map<number, { value: number; jobs: Map<string, number> }>()
  const sums = new Map<string, number>()
  for (const { at, value, jobs } of read) {
    const start = at - (at % stepMs)
    const point = points.get(start) ?? { value: 0, jobs: new Map<string, number>() }
    points.set(start, point)
    point.value += value
    for (const [job, added] of jobs) {
      point.jobs.set(job, (point.jobs.get(job) ?? 0) + added)
      sums.set(job, (sums.get(job) ?? 0) + added)
    }
  }
  return {
    range,
    stepMs,
    points: [...points].map(([at, point]) => ({ at, ...point })),
    jobs: [...sums].map(([job, added]) => ({ job, added })).sort((a, b) => Math.abs(b.added) - Math.abs(a.added)),
    added: read.reduce((sum, { value }) => sum + value, 0),
  }
}
