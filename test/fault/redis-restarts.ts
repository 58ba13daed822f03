// Rows F08 and F09: the one Redis of a run is killed under load and started again, with or without what it wrote last.
import type { TestRedis } from '../support/redis.js'
import { ledgerNow } from './ledger-file.js'
import { endLoad, type Load, startLoad, target, untilNextRun } from './redis-load.js'
import type { RowContext } from './row.js'

export interface RestartSize {
  readonly jobs: number
  readonly kills: number
  /** How fast jobs come, for the load to last longer than the kills. */
  readonly perSecond: number
}

/** From the answer of a server that is back to the end of the next job: the target of the issue. */
export const RESUME_TARGET_MS = 2_000

interface RestartOptions {
  readonly appendfsync: 'everysec' | 'always'
  readonly kind: string
  /** Done while the server is down. */
  readonly whileDown?: (server: TestRedis) => void | Promise<void>
}

/** The share of the jobs that have ended by the last kill: those that a cut of the file took away never end. */
const MOST_ENDED = 0.85

/** Kills the server again and again while jobs come and run. Gives the load, for the row to end it. */
export async function killRedis(
  context: RowContext<RestartSize>,
  { appendfsync, kind, whileDown }: RestartOptions,
): Promise<{ server: TestRedis; load: Load }> {
  const { size, random } = context
  const server = await context.startRedis({ args: ['--appendfsync', appendfsync] })
  const load = await startLoad(context, {
    redis: server.url,
    jobs: size.jobs,
    producer: { perSecond: size.perSecond },
  })
  for (let kills = 0; kills < size.kills; kills++) {
    const share = Math.floor((size.jobs * MOST_ENDED * (kills + random.below(100) / 100)) / size.kills)
    await context.untilEnded(server.url, share)
    context.fault(kind)
    await context.killRedis(server)
    await whileDown?.(server)
    await server.restart()
    const ms = await untilNextRun(context, load, ledgerNow())
    context.recovered(ms)
    target(context, 'first job after Redis answers', ms, RESUME_TARGET_MS)
  }
  return { server, load }
}

export const RESTART_SIZES = {
  small: { jobs: 500, kills: 3, perSecond: 100 },
  full: { jobs: 20_000, kills: 10, perSecond: 300 },
} as const

/** The whole of F08, for one way of writing to the disk. */
export async function runRestarts(context: RowContext<RestartSize>, appendfsync: 'everysec' | 'always') {
  const { server, load } = await killRedis(context, { appendfsync, kind: 'redis-killed' })
  await endLoad(context, load, { url: server.url })
}
