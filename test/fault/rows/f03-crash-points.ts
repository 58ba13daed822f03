// F03: processes that kill themselves at named places, between any two steps of an enqueue, a run and a commit.
import { endInOrder, untilBusy, untilCrashed } from '../nemesis.js'
import type { PlannedJob } from '../processes.js'
import { defineRow, type RowContext } from '../row.js'

/** Places in a worker that does its jobs; crash-points.mjs finds them. */
const IN_WORKERS = [
  'before-fetch',
  'sent-fetch',
  'after-fetch',
  'in-handler',
  'after-handler',
  'before-commit',
  'sent-commit',
  'after-commit',
  'before-retry',
  'sent-retry',
  'after-retry',
  'after-stalled',
] as const
/** Places in a worker that is told to end while its jobs run. */
const IN_SHUTDOWN = ['mid-shutdown', 'before-hand-back', 'sent-hand-back', 'after-hand-back'] as const
const IN_PRODUCERS = ['before-send', 'after-send', 'before-ack', 'after-ack'] as const

interface Size {
  readonly killsEach: number
  readonly jobsEach: number
  /** How many places of the three lists, picked by the seed. */
  readonly places: readonly [inWorkers: number, inShutdown: number, inProducers: number]
}
type Context = RowContext<Size>

export default defineRow<Size>({
  name: 'F03',
  title: 'a process that crashes between any two steps leaves everything exact',
  small: { killsEach: 1, jobsEach: 12, places: [5, 1, 2] },
  full: { killsEach: 50, jobsEach: 10, places: [12, 4, 4] },
  run: async (context) => {
    const { url } = await context.startRedis()
    const [workers, shutdowns, producers] = context.size.places
    const inWorkers = pickSome(context, IN_WORKERS, workers)
    const inShutdown = pickSome(context, IN_SHUTDOWN, shutdowns)
    const inProducers = pickSome(context, IN_PRODUCERS, producers)
    await crashProducers(context, url, inProducers)
    for (let round = 0; round < context.size.killsEach; round++) {
      for (const place of inWorkers) await crashWorker(context, url, place)
      for (const place of inShutdown) await crashInShutdown(context, url, place)
    }
    const last = await context.startWorker({ redis: url })
    await context.drain(url)
    await endInOrder(context, last)
    const report = await context.check({ url })
    const points = [...inProducers, ...inWorkers, ...inShutdown]
    context.figure('crashPoints', points.join(','))
    const expected = points.length * context.size.killsEach
    context.require(report.faults === expected, 'missed-crash', `${report.faults} crashes of ${expected}`)
  },
})

function pickSome(context: Context, places: readonly string[], count: number): string[] {
  const left = [...places]
  return Array.from({ length: count }, () => left.splice(context.random.below(left.length), 1)[0] ?? '')
}

/** Jobs for all crashes: each fifth needs a second attempt. */
function planJobs({ plan, size }: Context): PlannedJob[] {
  const count = size.jobsEach * size.killsEach * (size.places[0] + size.places[1])
  const jobs = plan(count, (n) => ({ ms: n % 3 === 0 ? 300 : 20, ...(n % 5 === 0 ? { failTimes: 1 } : {}) }))
  return jobs.map((job) => ({ ...job, attempts: job.input.failTimes ? 2 : 1 }))
}

/** Each producer crashes and the next begins again with the first job that was not acknowledged. */
async function crashProducers(context: Context, url: string, places: readonly string[]): Promise<void> {
  let jobs = planJobs(context)
  const rest = () => {
    const acked = new Set(context.ledger().flatMap((line) => (line.e === 'ack' ? [line.id] : [])))
    return jobs.filter(({ id }) => !acked.has(id))
  }
  for (let round = 0; round < context.size.killsEach; round++) {
    for (const place of places) {
      const crashAt = `${place}:${1 + context.random.below(Math.floor(context.size.jobsEach / 2))}`
      const producer = context.startProducer({ redis: url, jobs, crashAt, inFlight: 2 })
      await untilCrashed(context, producer, crashAt)
      jobs = rest()
    }
  }
  await context.finish(context.startProducer({ redis: url, jobs }))
}

async function crashWorker(context: Context, url: string, place: string): Promise<void> {
  const crashAt = `${place}:${1 + context.random.below(place.endsWith('-commit') ? 5 : 2)}`
  const worker = { lockDuration: '1s', stalledInterval: '200ms' }
  await untilCrashed(context, await context.startWorker({ redis: url, crashAt, concurrency: 4, worker }), crashAt)
}

async function crashInShutdown(context: Context, url: string, place: string): Promise<void> {
  const worker = { shutdownTimeout: place === 'mid-shutdown' ? '10s' : 0 }
  const victim = await context.startWorker({ redis: url, crashAt: place, concurrency: 4, worker })
  await untilBusy(context, victim, 2)
  victim.signal('SIGTERM')
  await untilCrashed(context, victim, place)
}
