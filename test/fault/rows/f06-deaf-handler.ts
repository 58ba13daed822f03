// F06: handlers that never settle and do not hear their signal take every slot; then the worker is told to end.
import { endInOrder, untilBusy } from '../nemesis.js'
import { defineRow } from '../row.js'

export default defineRow({
  name: 'F06',
  title: 'a slot of a handler that never settles comes back at its timeout, and its worker ends when told to',
  small: { rounds: 1 },
  full: { rounds: 10 },
  run: async (context) => {
    const { size, fault, plan } = context
    const { url } = await context.startRedis()
    const exitMs: number[] = []
    for (let round = 0; round < size.rounds; round++) {
      const first = 1 + round * 6
      // Two take both slots, and are well at their second attempt; those behind them must get a slot before that.
      const contract = { timeout: '1s', attempts: 2 }
      const deaf = plan(2, () => ({ deafStarts: 1 }), first).map((job) => ({ ...job, attempts: 2 }))
      const good = plan(2, () => ({}), first + 2).map((job) => ({ ...job, attempts: 1 }))
      fault('two handlers never settle')
      await context.finish(context.startProducer({ redis: url, jobs: [...deaf, ...good], contract, inFlight: 1 }))
      const worker = await context.startWorker({ redis: url, concurrency: 2, contract })
      await context.untilEnded(url, round * 6 + 4)
      await endInOrder(context, worker)

      // Two more, of a worker that is told to end while they run: they go back, and are well elsewhere.
      const patient = { timeout: '10m' }
      const left = plan(2, () => ({ deafStarts: 1 }), first + 4).map((job) => ({ ...job, attempts: 1 }))
      await context.finish(context.startProducer({ redis: url, jobs: left, contract: patient }))
      const plan2 = { redis: url, concurrency: 2, contract: patient }
      const victim = await context.startWorker({ ...plan2, worker: { shutdownTimeout: '500ms' } })
      await untilBusy(context, victim, 2)
      fault('SIGTERM while two handlers never settle', { pid: victim.pid })
      exitMs.push(await endInOrder(context, victim))
      const next = await context.startWorker(plan2)
      await context.untilEnded(url, round * 6 + 6)
      await endInOrder(context, next)
    }
    for (const ms of exitMs) context.recovered(ms)
    await context.check({ url })
  },
})
