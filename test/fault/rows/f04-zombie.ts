// F04: a worker is stopped in the middle of its jobs, past their locks; others do them; then it goes on where it was.
import { readFileSync } from 'node:fs'
import { endInOrder, parseLog, untilBusy } from '../nemesis.js'
import { defineRow } from '../row.js'

export default defineRow({
  name: 'F04',
  title: 'a worker that was stopped past its locks commits nothing of what others have done since',
  small: { jobs: 10, rounds: 1 },
  full: { jobs: 20, rounds: 10 },
  run: async (context) => {
    const { size, fault } = context
    const { url } = await context.startRedis()
    let refused = 0
    for (let round = 0; round < size.rounds; round++) {
      // Half of them would end as soon as the worker goes on, half of them run on then and must be told to end.
      const input = (n: number) => ({ ms: n % 2 === 0 ? 4_000 : 9_000 })
      const jobs = context.plan(size.jobs, input, 1 + round * size.jobs).map((job) => ({ ...job, attempts: 1 }))
      await context.finish(context.startProducer({ redis: url, jobs }))
      const zombie = await context.startWorker({ redis: url, concurrency: size.jobs })
      await untilBusy(context, zombie, size.jobs)
      fault('SIGSTOP', { pid: zombie.pid })
      zombie.signal('SIGSTOP')
      const other = await context.startWorker({ redis: url, concurrency: size.jobs })
      await context.untilEnded(url, (round + 0.5) * size.jobs)
      fault('SIGCONT')
      zombie.signal('SIGCONT')
      await context.untilEnded(url, (round + 1) * size.jobs)
      await endInOrder(context, zombie)
      await endInOrder(context, other)
      refused += countRefusals(readFileSync(zombie.log, 'utf8'))
    }
    context.figure('refusalsLogged', refused)
    context.require(refused > 0, 'silent-zombie', 'the log of the stopped worker has no word of its lost locks')
    const report = await context.check({ url })
    const expected = size.rounds * size.jobs
    context.require(report.reruns >= expected, 'no-rerun', `${report.reruns} runs of ${expected} were taken over`)
  },
})

/** Lines that say that a run lost its lock, or that its commit was refused. */
function countRefusals(log: string): number {
  return parseLog(log).filter(({ msg }) => /lock lost|without the lock/.test(String(msg))).length
}
