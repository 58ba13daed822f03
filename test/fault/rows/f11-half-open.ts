// F11: connections fall silent without an end, as behind a router that forgot them, while new ones work.
import { startFaultProxy } from '../../../src/testing/index.js'
import { spreadOf } from '../check.js'
import { answerTimes, endLoad, startLoad, target, untilFreshEnd } from '../redis-load.js'
import { defineRow } from '../row.js'

const ANSWER_TARGET_MS = 3_000
const RESUME_TARGET_MS = 10_000
const PER_SECOND = 20

interface Size {
  readonly silences: number
  readonly jobsEach: number
}

export default defineRow<Size>({
  name: 'F11',
  title: 'a producer answers and a worker goes on when their connections have fallen silent',
  small: { silences: 1, jobsEach: 200 },
  full: { silences: 10, jobsEach: 400 },
  run: async (context) => {
    const { size } = context
    const server = await context.startRedis()
    const [toWorkers, toProducer] = await Promise.all([
      startFaultProxy({ target: server.url }),
      startFaultProxy({ target: server.url }),
    ])
    try {
      const load = await startLoad(context, {
        redis: toWorkers.url,
        jobs: size.jobsEach * size.silences,
        producer: { redis: toProducer.url, perSecond: PER_SECOND },
      })
      // Tells when the workers are well again, whatever becomes of the other producer.
      const steady = context.startProducer({
        redis: server.url,
        jobs: context.plan(size.jobsEach * size.silences, () => ({ ms: 5 }), 1_000_000),
        perSecond: PER_SECOND,
      })
      for (let silence = 0; silence < size.silences; silence++) {
        await context.untilEnded(server.url, Math.floor((silence + 0.1) * size.jobsEach))
        context.fault('connections-silent')
        for (const proxy of [toWorkers, toProducer]) proxy.set('silent', 'open')
        const ms = await untilFreshEnd(context, load)
        context.recovered(ms)
        target(context, 'first job after the silence', ms, RESUME_TARGET_MS)
      }
      await context.finish(steady)
      await endLoad(context, load, { url: server.url })
      const answers = spreadOf(answerTimes(context))
      context.figure('answerMs', JSON.stringify(answers))
      target(context, 'slowest answer of an enqueue', answers.max, ANSWER_TARGET_MS)
    } finally {
      await Promise.all([toWorkers.close(), toProducer.close()])
    }
  },
})
