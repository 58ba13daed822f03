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

/** Crashes until a worker that lives clears up: fewer than end a job that was there each time, see docs/job-lifecycle.md. */
const CRASHES_IN_A_ROW = 4
const LONG_JOBS_EACH = 4
const LONG_MS = 3_000

export default defineRow<Size>({
  name: 'F03',
  title: 'a process that crashes between any two steps leaves everything exact',
  small: { killsEach: 1, jobsEach: 12, places: [3, 1, 1] },
  full: { killsEach: 50, jobsEach: 12, places: [12, 4, 4] },
  run: async (context) => {
    const { size } = context
    const { url } = await context.startRedis()
    const [workers, shutdowns, producers] = size.places
    const inProducers = pickSome(context, IN_PRODUCERS, producers)
    const others = [...pickSome(context, IN_WORKERS, workers), ...pickSome(context, IN_SHUTDOWN, shutdowns)]
    const planNext = planInTurns(context)
    const endMs = performance.now() + (context.minutesMs ?? Number.POSITIVE_INFINITY)
    let rounds = 0
    for (; rounds < size.killsEach && performance.now() < endMs; rounds++) {
      await crashProducers(context, url, inProducers, planNext(inProducers.length))
      for (let at = 0; at < others.length; at += CRASHES_IN_A_ROW) {
        const places = others.slice(at, at + CRASHES_IN_A_ROW)
        await context.finish(
          context.startProducer({ redis: url, jobs: planNext(places.length, places.some(isInShutdown)) }),
        )
        for (const place of places) await crashOne(context, url, place)
        const living = await context.startWorker({ redis: url })
        await context.drain(url)
        await endInOrder(context, living)
      }
    }
    const report = await context.check({ url })
    const points = [...inProducers, ...others]
    context.figure('crashPoints', points.join(','))
    context.figure('rounds', rounds)
    const expected = points.length * rounds
    context.require(report.faults === expected, 'missed-crash', `${report.faults} crashes of ${expected}`)
  },
})

function pickSome(context: Context, places: readonly string[], count: number): string[] {
  const left = [...places]
  return Array.from({ length: count }, () => left.splice(context.random.below(left.length), 1)[0] ?? '')
}

/**
 * Gives the jobs for so many crashes, new ones each time: each fifth needs a second attempt. Long ones are few, and still
 * run when their worker has been told to end.
 */
function planInTurns({ plan, size }: Context): (crashes: number, isLong?: boolean) => PlannedJob[] {
  let next = 1
  return (crashes, isLong = false) => {
    const count = crashes * (isLong ? LONG_JOBS_EACH : size.jobsEach)
    const msOf = (n: number) => (isLong ? LONG_MS : n % 3 === 0 ? 300 : 20)
    const jobs = plan(count, (n) => ({ ms: msOf(n), ...(n % 5 === 0 ? { failTimes: 1 } : {}) }), next)
    next += count
    return jobs.map((job) => ({ ...job, attempts: job.input.failTimes ? 2 : 1 }))
  }
}

/** Each producer crashes and the next begins again with the first job that was not acknowledged. */
async function crashProducers(context: Context, url: string, places: readonly string[], jobs: PlannedJob[]) {
  let left = jobs
  for (const place of places) {
    const crashAt = `${place}:${1 + context.random.below(Math.floor(context.size.jobsEach / 2))}`
    await untilCrashed(context, context.startProducer({ redis: url, jobs: left, crashAt, inFlight: 2 }), crashAt)
    const acked = new Set(context.ledger().flatMap((line) => (line.e === 'ack' ? [line.id] : [])))
    left = jobs.filter(({ id }) => !acked.has(id))
  }
  await context.finish(context.startProducer({ redis: url, jobs: left }))
}

const isInShutdown = (place: string): boolean => (IN_SHUTDOWN as readonly string[]).includes(place)

const crashOne = (context: Context, url: string, place: string): Promise<void> =>
  isInShutdown(place) ? crashInShutdown(context, url, place) : crashWorker(context, url, place)

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
