// F02: workers are killed in the middle of long jobs, so that one job may lose its worker several times.
import { anyBusy } from '../nemesis.js'
import { defineRow } from '../row.js'

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
    for (let kills = 0; kills < size.kills; kills++) {
      // New jobs for each kill, so that there is something to hit however slow the machine.
      const jobs = context.plan(size.jobs, () => ({ ms: size.ms }), 1 + kills * size.jobs)
      const planned = jobs.map((job) => ({ ...job, attempts: 1 }))
      await context.finish(context.startProducer({ redis: url, jobs: planned, contract, inFlight: 1 }))
      const victim = await anyBusy(context, workers)
      await kill(victim)
      workers.splice(workers.indexOf(victim), 1, await start())
    }
    await context.drain(url)
    const report = await context.check({ url })
    context.require(report.failed === 0, 'innocent-failed', `${report.failed} jobs failed for a crash`)
    context.require(report.reruns > 0, 'no-rerun', 'no kill hit a running job')
  },
})
