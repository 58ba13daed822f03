// F19: the wall clock of one worker of three is wrong, by a minute or an hour, ahead or behind.
import { endInOrder } from '../nemesis.js'
import { spreadOf } from '../recovery.js'
import { defineRow, type RowContext } from '../row.js'

const MINUTE_MS = 60_000

interface Size {
  readonly skewsMs: readonly number[]
  readonly jobs: number
  /** Longer than a busy machine stands still: no job may run again. */
  readonly lockMs: number
  readonly longMs: number
}

export default defineRow<Size>({
  name: 'F19',
  title: 'a worker whose clock is wrong runs no job twice',
  small: { skewsMs: [-MINUTE_MS, MINUTE_MS], jobs: 24, lockMs: 4_000, longMs: 6_000 },
  full: { skewsMs: [-60 * MINUTE_MS, -MINUTE_MS, MINUTE_MS, 60 * MINUTE_MS], jobs: 120, lockMs: 3_000, longMs: 9_000 },
  run: async (context) => {
    const { size, fault } = context
    const { url } = await context.startRedis()
    const worker = { lockDuration: size.lockMs, stalledInterval: '300ms' }
    for (const [round, skewMs] of size.skewsMs.entries()) {
      fault(`clock wrong by ${skewMs} ms`)
      const start = (wrong: object) => context.startWorker({ redis: url, worker, concurrency: 4, ...wrong })
      const workers = await Promise.all([start({ skewMs }), start({}), start({})])
      await context.finish(context.startProducer({ redis: url, jobs: planJobs(context, round) }))
      await context.untilEnded(url, (round + 1) * size.jobs)
      for (const each of workers) await endInOrder(context, each)
    }
    const report = await context.check({ url })
    context.require(report.reruns === 0, 're-runs', `${report.reruns} jobs ran again for a wrong clock`)
    const late = lateness(context)
    const { p50, p99, max } = spreadOf(late.map(({ ms }) => ms))
    context.figure('lateMs', `p50:${p50},p99:${p99},max:${max}`)
    const early = late.filter(({ ms }) => ms < 0)
    context.figure('earlyForAClockAhead', early.length)
    // BullMQ takes the time from the worker: one whose clock is ahead starts delayed jobs early, see docs/reliability.md.
    const without = early.filter(({ round }) => (size.skewsMs[round] ?? 0) <= 0)
    context.require(without.length === 0, 'early', `${without.length} delayed jobs ran early though no clock was ahead`)
  },
})

const delayMs = (n: number) => (n % 3 === 0 ? 0 : 300 + (n % 7) * 200)

/** A third of them at once, and longer than a lock; the others delayed. */
function planJobs({ plan, size }: RowContext<Size>, round: number) {
  const jobs = plan(size.jobs, (n) => (n % 12 === 0 ? { ms: size.longMs } : {}), 1 + round * size.jobs)
  return jobs.map((job) => {
    const delay = delayMs(job.input.n)
    return { ...job, attempts: 1, ...(delay > 0 ? { options: { delay } } : {}) }
  })
}

/** How much later than its delay each delayed job started; counted from before its enqueue was sent. */
function lateness({ ledger, size }: RowContext<Size>): { readonly round: number; readonly ms: number }[] {
  const triedAt = new Map<string, number>()
  return ledger().flatMap((line) => {
    if (line.e === 'try') triedAt.set(line.id, line.at)
    if (line.e !== 'start' || !line.n || delayMs(line.n) === 0) return []
    const round = Math.floor((line.n - 1) / size.jobs)
    return [{ round, ms: line.at - (triedAt.get(line.id) ?? 0) - delayMs(line.n) }]
  })
}
