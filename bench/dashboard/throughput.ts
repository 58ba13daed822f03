// What fifty open tabs take from busy workers: jobs per second with and without them, in turns. The worker, the dashboard and
// the tabs are a process each. A pair of windows gives one change; the median of them counts, with the interval that holds it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { startDashboard } from './start-dashboard.js'
import { openTabs, TABS } from './tabs.js'
import type { Worked } from './throughput-worker.js'

/** Tabs have their first drawing by then, and the dashboard what it reads once. */
const SETTLE_MS = 2_500
const WARM_UP_JOBS = 10_000
export const GOAL_CHANGE_PERCENT = 2
const KINDS = ['without', 'withTabs'] as const

/** How something changed with the tabs, per cent, over the pairs. */
export interface Change {
  readonly medianPercent: number
  /** Holds the median of all such pairs with 95 % certainty: from the order of these. */
  readonly from: number
  readonly to: number
}

export interface ThroughputFigures {
  /** Medians of the windows. */
  readonly without: Worked
  readonly withTabs: Worked
  /** Seconds that a window took. */
  readonly seconds: number
  readonly perSecond: Change
  readonly redisMicros: Change
  readonly pairs: readonly { readonly without: Worked; readonly withTabs: Worked }[]
}

interface Pair {
  without: Worked
  withTabs: Worked
}

/** Each pair works `jobs` jobs without tabs and with them; which comes first takes turns too. */
export async function measureThroughput(redisUrl: string, pairCount: number, jobs: number): Promise<ThroughputFigures> {
  const redis = new Redis(redisUrl)
  // A file that is made anew in some windows and not in others would be what is measured.
  await redis.config('SET', 'auto-aof-rewrite-percentage', '0')
  const dashboard = await startDashboard(redisUrl)
  const worker = await startWorker(redisUrl)
  await worker.work(WARM_UP_JOBS, async () => undefined)
  const pairs: Pair[] = []
  for (let index = 0; index < pairCount; index++) {
    const pair: Partial<Pair> = {}
    for (const kind of index % 2 === 0 ? KINDS : KINDS.toReversed()) {
      let close: () => void = () => undefined
      pair[kind] = await worker.work(jobs, async () => {
        if (kind === 'withTabs') close = await openTabs(dashboard.url, TABS)
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
      })
      close()
    }
    pairs.push(pair as Pair)
  }
  await worker.close()
  await dashboard.close()
  redis.disconnect()
  return {
    without: medians(pairs.map(({ without }) => without)),
    withTabs: medians(pairs.map(({ withTabs }) => withTabs)),
    seconds: jobs / medians(pairs.map(({ without }) => without)).perSecond,
    perSecond: changeOf(pairs, 'perSecond'),
    redisMicros: changeOf(pairs, 'redisMicros'),
    pairs,
  }
}

async function startWorker(redisUrl: string) {
  const file = fileURLToPath(new URL('./throughput-worker.ts', import.meta.url))
  const child = fork(file, [redisUrl], { execArgv: ['--import', 'tsx'] })
  const answer = async () => (await once(child, 'message', { signal: AbortSignal.timeout(120_000) }))[0] as unknown
  await answer()
  return {
    /** Works so many jobs once they are enqueued and `before` is done. */
    work: async (jobs: number, before: () => Promise<unknown>): Promise<Worked> => {
      child.send({ jobs })
      await answer()
      await before()
      child.send('go')
      return (await answer()) as Worked
    },
    close: async () => {
      const closed = once(child, 'exit')
      child.disconnect()
      await closed
    },
  }
}

function medians(windows: readonly Worked[]): Worked {
  const of = (figure: keyof Worked) => middle(windows.map((window) => window[figure]))
  return { perSecond: of('perSecond'), nodeMicros: of('nodeMicros'), redisMicros: of('redisMicros') }
}

function changeOf(pairs: readonly Pair[], figure: keyof Worked): Change {
  const changes = pairs.map(({ without, withTabs }) => 100 * (withTabs[figure] / without[figure] - 1))
  const sorted = changes.toSorted((a, b) => a - b)
  const left = leftOut(sorted.length)
  // Of fewer than six pairs not even the least and the largest are so far apart.
  const [from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY] =
    left < 0 ? [] : [sorted[left], sorted.at(-1 - left)]
  return { medianPercent: middle(sorted), from, to }
}

function middle(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
}

/**
 * How many of the sorted values may be left out at each end for the rest to hold the median with 95 % certainty: each value
 * is above it as often as below, so how many are below is a binomial of one half. -1 when even all are too few.
 */
function leftOut(count: number): number {
  let share = 0.5 ** count
  let below = share
  let left = 0
  while (below <= 0.025) {
    left++
    share *= (count - left + 1) / left
    below += share
  }
  return left - 1
}
