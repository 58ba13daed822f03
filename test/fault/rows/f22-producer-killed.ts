// F22: a producer is killed in the middle of many enqueues, and started again with the same jobs under the same ids.
import { defineRow } from '../row.js'

export default defineRow({
  name: 'F22',
  title: 'a producer that is killed among many enqueues and starts again enqueues each job once',
  small: { jobs: 1_500, kills: 3 },
  full: { jobs: 20_000, kills: 12 },
  run: async (context) => {
    const { size, ledger, until, random, kill } = context
    const { url } = await context.startRedis()
    const jobs = context.plan(size.jobs, () => ({})).map((job) => ({ ...job, attempts: 1 }))
    const acks = () => ledger().filter(({ e }) => e === 'ack').length
    const worker = await context.startWorker({ redis: url, concurrency: 50 })
    for (let kills = 0; kills < size.kills; kills++) {
      const before = acks()
      const producer = context.startProducer({ redis: url, jobs, inFlight: 50 })
      const next = before + 1 + random.below(Math.floor(size.jobs / (size.kills + 2)))
      await until(`the producer has enqueued up to job ${next}`, () => producer.hasEnded() || acks() >= next)
      context.require(!producer.hasEnded(), 'too-fast', 'the producer was done before it was killed')
      await kill(producer)
    }
    await context.finish(context.startProducer({ redis: url, jobs, inFlight: 50 }))
    await context.drain(url)
    await context.kill(worker)
    const report = await context.check({ url })
    context.require(report.completed === size.jobs, 'not-exact', `${report.completed} of ${size.jobs} completed`)
    context.figure('sentTwice', ledger().filter(({ e }) => e === 'try').length - size.jobs)
  },
})
