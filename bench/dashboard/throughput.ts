// What fifty open tabs take from busy workers: jobs per second with and without them, in turns, in the same seconds of the
// same machine.
import { createProducer } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { inputs, QUEUE, work } from '../scenarios/shared.js'
import { startDashboard } from './start-dashboard.js'
import { openTabs, TABS } from './tabs.js'

const CONCURRENCY = 100

export interface ThroughputFigures {
  readonly without: number
  readonly withTabs: number
  /** Median of the rounds' changes, per cent: below 0 is slower. */
  readonly changePercent: number
  /** The rounds' changes, sorted. */
  readonly changes: readonly number[]
}

/** Each round works `jobs` jobs without tabs and with them; which comes first takes turns too. */
export async function measureThroughput(redisUrl: string, rounds: number, jobs: number): Promise<ThroughputFigures> {
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const dashboard = await startDashboard(redisUrl)
  const producer = createProducer({ redis: redisUrl, timeout: '60s' })
  const results: { without: number; withTabs: number }[] = []
  await workAll(redisUrl, redis, producer, Math.min(jobs, 3_000))
  for (let round = 0; round < rounds; round++) {
    const figures = { without: 0, withTabs: 0 }
    for (const kind of round % 2 === 0 ? (['without', 'withTabs'] as const) : (['withTabs', 'without'] as const)) {
      const close = kind === 'withTabs' ? await openTabs(dashboard.url, TABS) : () => undefined
      figures[kind] = await workAll(redisUrl, redis, producer, jobs)
      close()
    }
    results.push(figures)
  }
  await producer.close()
  await dashboard.close()
  redis.disconnect()
  const changes = results.map(({ without, withTabs }) => 100 * (withTabs / without - 1)).sort((a, b) => a - b)
  const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
  return {
    without: median(results.map(({ without }) => without)),
    withTabs: median(results.map(({ withTabs }) => withTabs)),
    changePercent: median(changes),
    changes,
  }
}

/** Jobs per second of one worker, from its first job to its last. */
async function workAll(
  url: string,
  redis: Redis,
  producer: ReturnType<typeof createProducer>,
  jobs: number,
): Promise<number> {
  await producer.enqueueBulk(work, inputs(jobs))
  let handled = 0
  let firstAt = 0
  const handler = handle(work, (input, ctx) => {
    if (handled++ === 0) firstAt = performance.now()
    ctx.counter('handled').add(1)
    return { ok: true, n: input.n }
  })
  const logger = pino({ level: 'error' })
  const worker = await createWorker({ redis: url, handlers: [handler], concurrency: CONCURRENCY, logger })
  while (handled < jobs || (await redis.llen(`{drover:${QUEUE}}:${QUEUE}:active`)) > 0) {
    await new Promise((resolve) => setTimeout(resolve, handled < jobs ? 5 : 0))
  }
  const seconds = (performance.now() - firstAt) / 1_000
  await worker.close()
  return jobs / seconds
}
