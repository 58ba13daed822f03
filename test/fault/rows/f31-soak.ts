// F31: a mix of faults at random, for minutes or hours (`--minutes`), with what must not grow meanwhile.
import { endLoad } from '../redis-load.js'
import { countDowns, openSoak, type Sample, slopePerHour, strikeAtRandom, takeSample } from '../redis-soak.js'
import { defineRow } from '../row.js'

interface Size {
  readonly minutes: number
  /** Jobs are sent in parts of so many, each by a producer of its own. */
  readonly jobsEach: number
  readonly perSecond: number
}

export default defineRow<Size>({
  name: 'F31',
  title: 'a mix of all faults, for as long as it takes, leaves everything exact and nothing growing',
  small: { minutes: 0.3, jobsEach: 200, perSecond: 40 },
  full: { minutes: 30, jobsEach: 2_000, perSecond: 50 },
  run: async (context) => {
    const { size } = context
    const soak = await openSoak(context)
    const samples: Sample[] = []
    const recoveredMs: Record<string, number[]> = {}
    let next = 1
    // Resolves when it sends: the time that a process takes to start is no recovery.
    const send = async () => {
      // Parts take turns: one whose Redis may lose what it has not written yet, and one whose Redis may lose nothing.
      await soak.useFsync(next % (2 * size.jobsEach) === 1 ? 'everysec' : 'always')
      const jobs = context.plan(size.jobsEach, () => ({ ms: context.random.below(50) }), next)
      next += size.jobsEach
      const started = context.startProducer({
        redis: soak.toProducers.url,
        jobs,
        perSecond: size.perSecond,
        persistent: true,
        persistsWhenRefused: true,
      })
      await context.until('the producer is ready', () => started.hasEnded() || started.said.some(({ ready }) => ready))
      return started
    }
    try {
      const untilMs = performance.now() + (context.minutesMs ?? size.minutes * 60_000)
      let producer = await send()
      while (performance.now() < untilMs) {
        if (producer.hasEnded()) {
          await context.finish(producer)
          producer = await send()
        }
        const { kind, ms } = await strikeAtRandom(soak, producer)
        recoveredMs[kind] = [...(recoveredMs[kind] ?? []), Math.round(ms)]
        samples.push(await takeSample(soak))
      }
      for (const proxy of [soak.toWorkers, soak.toProducers]) proxy.set('pass')
      await endLoad(context, { producer, workers: soak.workers }, { url: soak.server.url })
      context.figure('redisKills', countDowns(context.ledger()))
      context.figure('recoveredMsByKind', JSON.stringify(recoveredMs))
      for (const name of ['rssBytes', 'sharedKeys', 'clients'] as const) {
        const of = (sample: Sample) => sample[name]
        context.figure(`${name}FirstLast`, `${samples[0]?.[name]}..${samples.at(-1)?.[name]}`)
        context.figure(`${name}SlopePerHour`, slopePerHour(samples, of))
      }
    } finally {
      await Promise.all([soak.toWorkers.close(), soak.toProducers.close()])
    }
  },
})
