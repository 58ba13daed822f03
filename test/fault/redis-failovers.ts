// Rows F16 and F17: a Sentinel group under load loses its master, by a kill or by a pause after which it comes back.
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestRedis } from '../support/redis.js'
import { type SentinelGroup, startSentinelGroup } from '../support/redis-topologies.js'
import { endLoad, startLoad, target, untilFreshEnd } from './redis-load.js'
import type { RowContext } from './row.js'

export interface FailoverSize {
  readonly jobs: number
  readonly perSecond: number
  readonly failovers: number
}

interface FailoverOptions {
  /** Further redis-server arguments. */
  readonly args?: readonly string[]
  /** Further options of createProducer. */
  readonly producer?: Readonly<Record<string, unknown>>
  readonly kind: string
  /** Ends or freezes the master; what it gives brings that server back when another one is master. */
  readonly strike: (master: TestRedis) => Promise<() => Promise<void>>
}

const GAP_TARGET_MS = 6_000
const DOWN_AFTER_MS = 1_000

/**
 * Fails over again and again, then holds the last master against the ledger. Writes to results are counted where its file
 * has the whole run: when it was never struck itself, as a server that comes back takes a copy and starts its file anew.
 */
export async function failOver(context: RowContext<FailoverSize>, options: FailoverOptions): Promise<void> {
  const { size } = context
  const args = ['--auto-aof-rewrite-percentage', '0', ...(options.args ?? [])]
  const group = await startSentinelGroup({ downAfterMs: DOWN_AFTER_MS, args })
  try {
    const load = await startLoad(context, {
      redis: group.url,
      jobs: size.jobs,
      producer: { perSecond: size.perSecond, persistsWhenRefused: true, producer: options.producer ?? {} },
    })
    const struck = new Set<TestRedis>()
    for (let failover = 0; failover < size.failovers; failover++) {
      await context.untilEnded(group.url, Math.floor((size.jobs * (failover + 0.2)) / (size.failovers + 1)))
      const master = await untilCaughtUp(context, group)
      struck.add(master)
      const comeBack = await options.strike(master)
      context.fault(options.kind)
      const ms = await untilFreshEnd(context, load)
      context.recovered(ms)
      target(context, 'first job after the master was gone', ms, GAP_TARGET_MS)
      await context.until('another server is master', async () => (await group.master()) !== master)
      await comeBack()
      await group.untilReplicated()
    }
    const last = await group.master()
    await endLoad(context, load, { url: group.url, servers: struck.has(last) ? [] : [last] })
  } finally {
    await group.close()
  }
}

/**
 * Waits until each replica has what the master had when it was asked, and gives the master. `online` in the master's own view
 * is not enough: a replica that is still taking its copy would be a second failure at the same time.
 */
async function untilCaughtUp(context: RowContext<FailoverSize>, group: SentinelGroup): Promise<TestRedis> {
  await group.untilReplicated()
  const master = await group.master()
  const offset = await readOffset(master, 'master_repl_offset')
  const replicas = group.servers.filter((server) => server !== master)
  await context.until('each replica has caught up', async () => {
    const offsets = await Promise.all(replicas.map((replica) => readOffset(replica, 'slave_repl_offset')))
    return offsets.every((each) => each >= offset)
  })
  return master
}

/** A number of a server's replication; -1 where it has none, or while its link to the master is down. */
async function readOffset(server: TestRedis, field: string): Promise<number> {
  const info = await server.cli('INFO', 'replication')
  if (info.includes('master_link_status:down')) return -1
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? -1)
}

export async function kill(master: TestRedis): Promise<() => Promise<void>> {
  await master.kill()
  return () => master.restart()
}

/** Freezes the master for a time that the other servers do not wait for. */
export function pauseFor(ms: number): (master: TestRedis) => Promise<() => Promise<void>> {
  return async (master) => {
    await master.kill('SIGSTOP')
    const over = sleep(ms)
    return async () => {
      await over
      await master.kill('SIGCONT')
    }
  }
}
