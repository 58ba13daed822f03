// F22: a producer is killed in the middle of many enqueues, and of a bulk, and started again with the same jobs: under the
// same ids, and with the same idempotency keys.
import type { FaultProcess, PlannedJob } from '../processes.js'
import { defineRow, type RowContext } from '../row.js'

interface Size {
  readonly jobs: number
  readonly kills: number
  /** So slow that the kill comes before the end of those few, on a machine that stands still for some seconds too. */
  readonly perSecond?: number
}

export default defineRow<Size>({
  name: 'F22',
  title: 'a producer that is killed among many enqueues, or in a bulk, and starts again enqueues each job once',
  small: { jobs: 1_000, kills: 2, perSecond: 150 },
  full: { jobs: 20_000, kills: 12 },
  run: async (context) => {
    const { size } = context
    const { url } = await context.startRedis()
    const worker = await context.startWorker({ redis: url, concurrency: 50 })
    const single = context.plan(size.jobs, () => ({})).map((job) => ({ ...job, attempts: 1 }))
    await killAgainAndAgain(context, url, { jobs: single, inFlight: 50 }, () => countAcks(context))
    const bulk = context.plan(size.jobs, () => ({}), size.jobs + 1)
    const last = await killAgainAndAgain(context, url, { jobs: bulk, bulk: true }, lastProgress)
    const deduplicated = last.said.find((line) => line.deduplicated !== undefined)?.deduplicated
    context.figure('bulkJobsThereAlready', Number(deduplicated))
    context.require(Number(deduplicated) > 0, 'not-resumed', 'the last bulk found nothing of the ones before it')
    await context.drain(url)
    await context.kill(worker)
    const report = await context.check({ url })
    const all = 2 * size.jobs
    context.require(report.completed === all, 'not-exact', `${report.completed} of ${all} completed`)
  },
})

const countAcks = ({ ledger }: RowContext<Size>) => ledger().filter(({ e }) => e === 'ack').length
const lastProgress = ({ said }: FaultProcess) =>
  Number(said.findLast((line) => line.enqueued !== undefined)?.enqueued ?? 0)

/** Kills the producer of these jobs when it is on its way, and lets the last one come to its end, which is given back. */
async function killAgainAndAgain(
  context: RowContext<Size>,
  url: string,
  plan: { readonly jobs: readonly PlannedJob[]; readonly inFlight?: number; readonly bulk?: boolean },
  enqueued: (producer: FaultProcess) => number,
): Promise<FaultProcess> {
  const { size, random, until, kill, require } = context
  const pace = size.perSecond === undefined ? {} : { perSecond: size.perSecond }
  const share = Math.floor(size.jobs / (size.kills + 2))
  for (let kills = 0; kills < size.kills; kills++) {
    const producer = context.startProducer({ redis: url, ...plan, ...pace })
    const next = (plan.bulk ? 0 : enqueued(producer)) + 1 + random.below(share)
    await until(`the producer has enqueued ${next} jobs`, () => producer.hasEnded() || enqueued(producer) >= next)
    require(!producer.hasEnded(), 'too-fast', 'the producer was done before it was killed')
    await kill(producer)
  }
  const last = context.startProducer({ redis: url, ...plan })
  await context.finish(last)
  return last
}
