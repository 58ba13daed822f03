// F20: workers are replaced one after the other by SIGTERM, as a deployment does it, while jobs keep coming.
import { endInOrder } from '../nemesis.js'
import { defineRow } from '../row.js'

export default defineRow({
  name: 'F20',
  title: 'workers that are replaced one after the other run each job once',
  small: { restarts: 5, jobs: 300, perSecond: 50 },
  full: { restarts: 20, jobs: 2_000, perSecond: 50 },
  run: async (context) => {
    const { size, fault } = context
    const { url } = await context.startRedis()
    const jobs = context.plan(size.jobs, (n) => ({ ms: 20 + (n % 10) * 10 })).map((job) => ({ ...job, attempts: 1 }))
    const start = () => context.startWorker({ redis: url })
    const workers = [await start(), await start()]
    const producer = context.startProducer({ redis: url, jobs, perSecond: size.perSecond })
    for (let restarts = 0; restarts < size.restarts; restarts++) {
      await context.untilEnded(url, Math.floor((size.jobs * (restarts + 0.5)) / (size.restarts + 1)))
      // The new one first, then the oldest goes.
      workers.push(await start())
      const oldest = workers.shift()
      if (!oldest) break
      fault('SIGTERM', { pid: oldest.pid })
      context.recovered(await endInOrder(context, oldest))
    }
    await context.finish(producer)
    await context.drain(url)
    for (const worker of workers) await endInOrder(context, worker)
    const report = await context.check({ url })
    context.require(report.reruns === 0, 're-runs', `${report.reruns} jobs ran again for a restart`)
  },
})
