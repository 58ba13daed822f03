// F21: workers and producers of two versions side by side, and a producer that knows BullMQ alone.
import { parseResult } from '../../../src/ledger/index.js'
import { queueKeys } from '../../../src/redis/index.js'
import { endInOrder } from '../nemesis.js'
import { copyAsOtherVersion, LATER_FIELD } from '../other-version.js'
import { defineRow } from '../row.js'

export default defineRow({
  name: 'F21',
  title: 'two versions side by side, and bare BullMQ, run each job once, and keep fields that they do not know',
  small: { jobs: 100, rounds: 1 },
  full: { jobs: 500, rounds: 10 },
  run: async (context) => {
    const { size, directory: home, queue, fault } = context
    const { url } = await context.startRedis()
    copyAsOtherVersion(home)
    const ours = await context.startWorker({ redis: url, concurrency: 4 })
    let later = await context.startWorker({ redis: url, concurrency: 4, home })
    for (let round = 0; round < size.rounds; round++) {
      fault('jobs of two versions and of bare BullMQ')
      const first = 1 + round * size.jobs * 3
      const input = () => ({ ms: 10 })
      const planned = (from: number) => context.plan(size.jobs, input, from).map((job) => ({ ...job, attempts: 1 }))
      const producers = [
        context.startProducer({ redis: url, jobs: planned(first) }),
        context.startProducer({ redis: url, jobs: planned(first + size.jobs), home }),
        context.startScript('bullmq-producer.mjs', {
          redis: url,
          from: first + size.jobs * 2,
          to: first + size.jobs * 3 - 1,
        }),
      ]
      for (const producer of producers) await context.finish(producer)
      fault('SIGTERM to one version', { pid: later.pid })
      await endInOrder(context, later)
      later = await context.startWorker({ redis: url, concurrency: 4, home })
    }
    await context.drain(url)
    await endInOrder(context, later)
    await endInOrder(context, ours)
    const report = await context.check({ url })
    context.require(report.reruns === 0, 're-runs', `${report.reruns} jobs ran again`)

    const { result, bullBase } = queueKeys('drover', queue)
    const redis = context.connect(url)
    const texts = await Promise.all(
      (await redis.zrange(`${bullBase}completed`, '0', '-1')).map((id) => redis.get(result(id))),
    )
    const records = texts.map((text) => parseResult(text) as unknown as Record<string, unknown> | null)
    const ofLater = records.filter((record) => record?.[LATER_FIELD.name] === LATER_FIELD.value).length
    context.figure('ofLaterVersion', ofLater)
    const both = ofLater > 0 && ofLater < records.length && records.every((record) => record !== null)
    context.require(both, 'one-version', `${ofLater} of ${records.length} results are of the later version`)
  },
})
