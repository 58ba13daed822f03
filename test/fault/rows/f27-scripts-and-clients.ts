// F27: under load, Redis forgets its scripts and functions, closes connections of every kind, and is loading its data for a while.
import { endLoad, startLoad, untilFreshEnd } from '../redis-load.js'
import { defineRow } from '../row.js'

interface Size {
  readonly jobs: number
  readonly perSecond: number
  readonly rounds: number
  /**
   * How long Redis takes for each command of its append-only file, in microseconds: it answers LOADING meanwhile. Below
   * zero: one microsecond, and the kernel's wake-up, for one in so many commands.
   */
  readonly loadMicroseconds: number
}

const FAULTS = [
  ['SCRIPT', 'FLUSH'],
  ['CLIENT', 'KILL', 'TYPE', 'normal'],
  ['SCRIPT', 'FLUSH', 'ASYNC'],
  ['FUNCTION', 'FLUSH'],
  ['CLIENT', 'KILL', 'TYPE', 'pubsub'],
] as const

export default defineRow<Size>({
  name: 'F27',
  title: 'a Redis that forgets scripts, closes connections and is loading loses and doubles nothing',
  small: { jobs: 300, perSecond: 60, rounds: 6, loadMicroseconds: 200 },
  full: { jobs: 10_000, perSecond: 200, rounds: 200, loadMicroseconds: -5 },
  run: async (context) => {
    const { size, random } = context
    const slow = ['--key-load-delay', `${size.loadMicroseconds}`, '--loading-process-events-interval-bytes', '1024']
    const server = await context.startRedis({ args: slow })
    const load = await startLoad(context, {
      redis: server.url,
      jobs: size.jobs,
      producer: { perSecond: size.perSecond },
    })
    for (let round = 0; round < size.rounds; round++) {
      await context.untilEnded(
        server.url,
        Math.floor((size.jobs * 0.7 * (round + random.below(100) / 100)) / size.rounds),
      )
      const fault = random.pick(FAULTS)
      context.fault(fault.join('-').toLowerCase())
      // CLIENT KILL spares the connection it came by; that of redis-cli.
      await server.cli(...fault)
    }
    context.fault('loading')
    const fromMs = performance.now()
    await context.killRedis(server)
    await server.restart()
    context.figure('loadingMs', Math.round(performance.now() - fromMs))
    context.recovered(await untilFreshEnd(context, load))
    await endLoad(context, load, { url: server.url })
  },
})
