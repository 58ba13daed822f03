// F01: workers are killed at random in the middle of short jobs, and each is replaced by a new one.
import { target } from '../redis-load.js'
import { defineRow, type RowContext } from '../row.js'

const AGAIN_TARGET_MS = 5_000

interface Size {
  readonly jobs: number
  readonly kills: number
  readonly longestMs: number
}

export default defineRow<Size>({
  name: 'F01',
  title: 'jobs of workers that are killed run again, and everything is exact',
  small: { jobs: 1_000, kills: 4, longestMs: 30 },
  full: { jobs: 30_000, kills: 100, longestMs: 50 },
  run: async (context) => {
    const { size, random } = context
    const { url } = await context.startRedis()
    const jobs = context.plan(size.jobs, () => ({ ms: 5 + random.below(size.longestMs - 5) }))
    const planned = jobs.map((job) => ({ ...job, attempts: 1 }))
    const producer = context.startProducer({ redis: url, jobs: planned, persistent: true })
    await killAtRandom(context, url, size)
    await context.finish(producer)
    await context.drain(url)
    const report = await context.check({ url })
    const most = size.kills * 10
    context.require(report.reruns <= most, 're-runs', `${report.reruns} re-runs, at most ${most} jobs were cut short`)
    target(context, 'killed to running again, p99', report.recoveryMs?.p99 ?? 0, AGAIN_TARGET_MS)
    target(context, 'killed twice to running again', report.cutTwiceMs?.max ?? 0, 2 * AGAIN_TARGET_MS)
  },
})

/**
 * Three workers, of which one at a time is killed when the next share of the jobs has ended. Nobody waits for the one that
 * takes its place, so that the kills keep up with the jobs.
 */
async function killAtRandom({ startWorker, random, kill, untilEnded }: RowContext<Size>, url: string, size: Size) {
  const start = () => {
    const worker = startWorker({ redis: url })
    // Told where it is awaited.
    worker.catch(() => undefined)
    return worker
  }
  const workers = [start(), start(), start()]
  await Promise.all(workers)
  for (let kills = 0; kills < size.kills; kills++) {
    await untilEnded(url, Math.floor((size.jobs * (kills + random.below(100) / 100)) / (size.kills + 1)))
    const index = random.below(workers.length)
    const victim = await workers[index]
    // While none is up nobody can take over: a job would wait for a start, not for its worker to be found dead.
    await Promise.any(workers.filter((_worker, other) => other !== index))
    if (victim) await kill(victim)
    workers[index] = start()
  }
  await Promise.all(workers)
}
