// F29: thousands of jobs are due in the same millisecond, and a worker is killed just then.

import { spreadOf } from '../check.js'
import { ledgerNow } from '../ledger-file.js'
import { defineRow } from '../row.js'

interface Size {
  readonly jobs: number
  /** From the start to the time all are due: enough to enqueue them. */
  readonly aheadMs: number
}

export default defineRow<Size>({
  name: 'F29',
  title: 'of thousands of jobs that are due at once none runs early and none is forgotten',
  small: { jobs: 1_500, aheadMs: 18_000 },
  full: { jobs: 50_000, aheadMs: 180_000 },
  run: async (context) => {
    const { size } = context
    const { url } = await context.startRedis()
    // The ledger's clock first: a pause between the two makes no job early.
    const dueOnLedger = ledgerNow() + size.aheadMs
    const dueAt = Date.now() + size.aheadMs
    const producer = context.startScript('redis-producer-in-chunks.mjs', { redis: url, count: size.jobs, at: dueAt })
    const start = () => context.startWorker({ redis: url, concurrency: 20 })
    const [victim] = await Promise.all([start(), start()])
    await context.finish(producer)
    context.require(ledgerNow() < dueOnLedger, 'too-late', 'the jobs were due before all of them were enqueued')
    await context.untilEnded(url, 1)
    if (victim) await context.kill(victim)
    await start()
    await context.drain(url)
    await context.check({ url })
    const starts = context.ledger().filter((line) => line.e === 'start')
    // The two clocks were read one after the other.
    const early = starts.filter(({ at }) => at < dueOnLedger - 5)
    context.require(early.length === 0, 'early', `${early.length} jobs ran before they were due`)
    context.figure('startedAfterDueMs', JSON.stringify(spreadOf(starts.map(({ at }) => at - dueOnLedger))))
  },
})
