// F07: a job kills the process that runs it, each time, among good jobs; first in the worker's own process, which a
// supervisor starts again, and then as an isolated handler.
import { endInOrder } from '../nemesis.js'
import type { FaultProcess } from '../processes.js'
import { defineRow, type RowContext } from '../row.js'

/** What docs/job-lifecycle.md says: two crashes beside others, then three alone. */
const MOST_DEATHS = 5

interface Size {
  readonly good: number
  readonly lockDuration: string
}

export default defineRow<Size>({
  name: 'F07',
  title: 'a job that kills its process stops after its crashes, and takes no other job with it',
  small: { good: 20, lockDuration: '1s' },
  full: { good: 200, lockDuration: '3s' },
  run: async (context) => {
    const { size } = context
    const { url } = await context.startRedis()
    const worker = { lockDuration: size.lockDuration }
    // In the worker's own process.
    await enqueue(context, url, 1)
    const { deaths, last } = await supervise(context, size.good + 1, url, () =>
      context.startWorker({ redis: url, worker, concurrency: 8 }),
    )
    context.figure('workerDeaths', deaths)
    context.require(deaths <= MOST_DEATHS, 'too-many-deaths', `the poison job ended ${deaths} processes`)
    await endInOrder(context, last)

    // In a process beside the worker: each of its three attempts fails, and the worker lives.
    await enqueue(context, url, size.good + 2)
    context.fault('a job kills the process of its handler')
    const isolating = await context.startWorker({ redis: url, worker, concurrency: 4, isolate: 'process' })
    await context.untilEnded(url, 2 * size.good + 2)
    context.require(!isolating.hasEnded(), 'worker-death', 'the worker of an isolated handler ended with it')
    await endInOrder(context, isolating)
    const report = await context.check({ url })
    context.require(report.failed === 2, 'collateral', `${report.failed} jobs failed, of two that had to`)
  },
})

/** A poison job behind a few good ones, and the others behind it. */
async function enqueue({ plan, size, startProducer, finish }: RowContext<Size>, url: string, first: number) {
  const jobs = plan(size.good + 1, (n) => (n === first + 3 ? { kills: true } : { ms: 50 }), first)
  const expected = jobs.map((job) =>
    job.input.kills ? { ...job, expect: 'failed' as const } : { ...job, attempts: 1 },
  )
  await finish(startProducer({ redis: url, jobs: expected, inFlight: 1 }))
}

/** Starts a worker again whenever it was killed, until so many jobs have ended. */
async function supervise(context: RowContext<Size>, count: number, url: string, start: () => Promise<FaultProcess>) {
  let deaths = 0
  let last = await start()
  let isDone = false
  const ended = context.untilEnded(url, count).then(() => {
    isDone = true
  })
  while (!isDone) {
    await Promise.race([ended, last.ended])
    if (isDone) break
    context.fault('a job kills its worker', { pid: last.pid })
    deaths++
    last = await start()
  }
  return { deaths, last }
}
