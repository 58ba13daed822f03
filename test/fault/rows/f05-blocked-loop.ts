// F05: a handler keeps its worker's event loop busy for several times as long as a lock holds.
import { endInOrder } from '../nemesis.js'
import { type Spread, spreadOf } from '../recovery.js'
import { defineRow, type RowContext } from '../row.js'

export interface Size {
  readonly lockMs: number
  /** For how many locks a blocker blocks. */
  readonly locks: number
  readonly blockers: number
  readonly neighbours: number
}

export default defineRow<Size>({
  name: 'F05',
  title: 'a handler that blocks the event loop past its lock runs once, and its neighbours too',
  small: { lockMs: 4_000, locks: 2.5, blockers: 1, neighbours: 40 },
  full: { lockMs: 3_000, locks: 4, blockers: 5, neighbours: 400 },
  run: async (context) => {
    const { p50, p99, max } = await blockLoops(context)
    context.figure('neighbourStartMs', `p50:${p50},p99:${p99},max:${max}`)
  },
})

/** Runs of each slot before the first blocker, so that an isolated one's thread is there: starting it is no part of the row. */
const WARM_RUNS = 2
const CONCURRENCY = 4

/** Gives how long neighbours waited, from their acknowledgement to their start. */
export async function blockLoops(context: RowContext<Size>, isolation: { isolate?: 'thread' } = {}): Promise<Spread> {
  const { size, fault } = context
  const { url } = await context.startRedis()
  const blockMs = size.locks * size.lockMs
  const all = size.blockers + size.neighbours
  const every = Math.floor(all / size.blockers)
  const warm = 2 * CONCURRENCY * WARM_RUNS
  const first = context.plan(warm, () => ({ ms: 200 }))
  const jobs = context.plan(all, (n) => (n % every === 0 ? { blockMs } : { ms: 20 }), warm + 1)
  const once = (some: typeof jobs) => some.map((job) => ({ ...job, attempts: 1 }))
  const worker = { lockDuration: size.lockMs, stalledInterval: '200ms' }
  const contract = { timeout: '60s' }
  const start = () => context.startWorker({ redis: url, concurrency: CONCURRENCY, worker, contract, ...isolation })
  const workers = await Promise.all([start(), start()])
  await context.finish(context.startProducer({ redis: url, jobs: once(first), contract }))
  await context.untilEnded(url, warm)
  fault(`${size.blockers} handlers block their loop for ${blockMs} ms`)
  await context.finish(context.startProducer({ redis: url, jobs: once(jobs), perSecond: 40, contract }))
  await context.drain(url)
  for (const each of workers) await endInOrder(context, each)
  const report = await context.check({ url })
  context.require(report.reruns === 0, 're-runs', `${report.reruns} jobs ran again beside a blocked loop`)
  const isWarm = new Set(first.map(({ id }) => id))
  return spreadOf(startDelays(context.ledger().filter((line) => !('id' in line && isWarm.has(line.id)))))
}

/** From the acknowledgement of each job to its start. */
function startDelays(lines: readonly { readonly e: string; readonly at: number; readonly id?: string }[]): number[] {
  const acked = new Map(lines.flatMap(({ e, at, id = '' }) => (e === 'ack' ? [[id, at] as const] : [])))
  return lines.flatMap(({ e, at, id = '' }) => {
    const since = acked.get(id)
    return e === 'start' && since !== undefined ? [Math.max(0, at - since)] : []
  })
}
