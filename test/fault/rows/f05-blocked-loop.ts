// F05: a handler keeps its worker's event loop busy for several times as long as a lock holds.
import { endInOrder } from '../nemesis.js'
import { spreadOf } from '../recovery.js'
import { defineRow } from '../row.js'

export default defineRow({
  name: 'F05',
  title: 'a handler that blocks the event loop past its lock runs once, and its neighbours too',
  small: { lockMs: 1_000, blockers: 1, neighbours: 40 },
  full: { lockMs: 3_000, blockers: 5, neighbours: 400 },
  run: async (context) => {
    const { size, fault } = context
    const { url } = await context.startRedis()
    const blockMs = 4 * size.lockMs
    const all = size.blockers + size.neighbours
    const every = Math.floor(all / size.blockers)
    const jobs = context.plan(all, (n) => (n % every === 0 ? { blockMs } : { ms: 20 }))
    const planned = jobs.map((job) => ({ ...job, attempts: 1 }))
    const worker = { lockDuration: size.lockMs, stalledInterval: '200ms' }
    const contract = { timeout: '60s' }
    const start = () => context.startWorker({ redis: url, concurrency: 4, worker, contract })
    const workers = await Promise.all([start(), start()])
    fault(`${size.blockers} handlers block their loop for ${blockMs} ms`)
    await context.finish(context.startProducer({ redis: url, jobs: planned, perSecond: 40, contract }))
    await context.drain(url)
    for (const each of workers) await endInOrder(context, each)
    const report = await context.check({ url })
    context.require(report.reruns === 0, 're-runs', `${report.reruns} jobs ran again beside a blocked loop`)
    context.figure('neighbourStartMs', show(startDelays(context.ledger())))
  },
})

/** From the acknowledgement of each job to its start. */
function startDelays(lines: readonly { readonly e: string; readonly at: number; readonly id?: string }[]): number[] {
  const acked = new Map(lines.flatMap(({ e, at, id = '' }) => (e === 'ack' ? [[id, at] as const] : [])))
  return lines.flatMap(({ e, at, id = '' }) => {
    const since = acked.get(id)
    return e === 'start' && since !== undefined ? [Math.max(0, at - since)] : []
  })
}

function show(delays: readonly number[]): string {
  const { p50, p99, max } = spreadOf(delays)
  return `p50:${p50},p99:${p99},max:${max}`
}
