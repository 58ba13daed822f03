// F10: Redis is away for a time, under load and while nothing is to be done, and comes back.
import { setTimeout as sleep } from 'node:timers/promises'
import { ledgerNow } from '../ledger-file.js'
import { endLoad, startLoad, target, untilNextEnd, untilNextRun } from '../redis-load.js'
import { RESUME_TARGET_MS } from '../redis-restarts.js'
import { defineRow, type RowContext } from '../row.js'

interface Size {
  readonly outages: readonly { readonly seconds: number; readonly isIdle: boolean }[]
  readonly perSecond: number
}

const both = (seconds: number) => [
  { seconds, isIdle: false },
  { seconds, isIdle: true },
]

export default defineRow<Size>({
  name: 'F10',
  title: 'a worker takes jobs again by itself after Redis was away',
  // 7 s: longer than a worker waits for a job in one call, after which bullmq#4585 had workers never come back.
  small: {
    outages: [
      { seconds: 1, isIdle: false },
      { seconds: 7, isIdle: true },
    ],
    perSecond: 50,
  },
  full: { outages: [1, 7, 20, 60].flatMap(both), perSecond: 100 },
  run: async (context) => {
    const server = await context.startRedis()
    const { url } = server
    const load = await startLoad(context, { redis: url, jobs: 1, workers: 2 })
    await context.finish(load.producer)
    let next = 2
    let producer = load.producer
    for (const { seconds, isIdle } of context.size.outages) {
      const send = (count: number) => {
        const jobs = context.plan(count, () => ({ ms: context.random.below(20) }), next)
        next += count
        return context.startProducer({ redis: url, jobs, persistent: true, perSecond: context.size.perSecond })
      }
      await context.drain(url)
      // Enough to go on for a second after Redis is back.
      if (!isIdle) producer = send(context.size.perSecond * (seconds + 2))
      if (!isIdle) await untilNextEnd(context, url)
      context.fault(`redis-away-${seconds}s-${isIdle ? 'idle' : 'load'}`)
      await context.killRedis(server)
      // The time Redis is away is the fault itself.
      await sleep(seconds * 1_000)
      await server.restart()
      const backMs = ledgerNow()
      if (isIdle) producer = send(20)
      const endedMs = await untilNextRun(context, { redis: url, producer }, backMs)
      // An idle queue: from the first job on, as a producer takes its time to start.
      const ms = isIdle ? firstRunMs(context) : endedMs
      context.recovered(ms)
      context.figure(`resumedMs-${seconds}s-${isIdle ? 'idle' : 'load'}`, Math.round(ms))
      target(context, `first job after ${seconds} s without Redis`, ms, RESUME_TARGET_MS)
      await context.finish(producer)
    }
    await endLoad(context, { ...load, producer }, { url })
  },
})

/** From the first send after the latest fault to the first end after it. */
function firstRunMs(context: RowContext<Size>): number {
  const lines = context.ledger()
  const since = lines.slice(lines.findLastIndex(({ e }) => e === 'fault'))
  const at = (kind: string) => since.find(({ e }) => e === kind)?.at ?? 0
  return at('end') - at('try')
}
