// F02: workers are killed in the middle of long jobs, so that one job may lose its worker several times.
import { anyBusy, runningIn } from '../nemesis.js'
import type { PlannedJob } from '../processes.js'
import { defineRow, type RowContext } from '../row.js'

/** A machine that stands still lets jobs end before they are hit: then there are others, so many times over. */
const MOST_ROUNDS = 5

export default defineRow({
  name: 'F02',
  title: 'long jobs whose workers are killed again and again never fail for it, and lose no attempt',
  small: { jobs: 10, ms: 700, kills: 2 },
  full: { jobs: 10, ms: 1_500, kills: 20 },
  run: async (context) => {
    const { size, kill } = context
    const { url } = await context.startRedis()
    // One attempt: were a crash to burn one, the job would fail.
    const contract = { attempts: 1 }
    const start = () => context.startWorker({ redis: url, contract })
    const workers = await Promise.all([start(), start(), start()])
    let hits = 0
    for (let round = 0; hits < size.kills && round < MOST_ROUNDS * size.kills; round++) {
      // New jobs for each kill, so that there is something to hit however slow the machine.
      const jobs = context.plan(size.jobs, () => ({ ms: size.ms }), 1 + round * size.jobs)
      const planned = jobs.map((job) => ({ ...job, attempts: 1 }))
      const producer = context.startProducer({ redis: url, jobs: planned, contract, inFlight: 1 })
      const victim = await anyBusy(context, workers, () => haveRun(context, jobs))
      if (victim) {
        await kill(victim)
        // One whose jobs ended between the look and the kill was no hit.
        if (runningIn(context, victim) > 0) hits++
        workers.splice(workers.indexOf(victim), 1, await start())
      }
      await context.finish(producer)
    }
    context.require(hits === size.kills, 'missed', `${hits} kills of ${size.kills} hit a running job`)
    await context.drain(url)
    const report = await context.check({ url })
    context.require(report.failed === 0, 'innocent-failed', `${report.failed} jobs failed for a crash`)
    context.require(report.reruns > 0, 'no-rerun', 'no kill hit a running job')
  },
})

function haveRun(context: RowContext<unknown>, jobs: readonly PlannedJob[]): boolean {
  const ended = new Set(context.ledger().flatMap((line) => (line.e === 'end' ? [line.id] : [])))
  return jobs.every(({ id }) => ended.has(id))
}
