// The two durability profiles: what each asks of Redis, what each can still lose, and when a server is refused. What the
// server is like is read in server-info.ts.
import { InvalidOptionError, RedisNotDurableError } from '../job/index.js'
import type { ServerInfo } from './server-info.js'

export const DURABILITIES = ['standard', 'strict'] as const
/**
 * `standard`: an append-only file, written to disk each second. `strict`: written to disk before each answer
 * (`appendfsync always`), and where there are replicas, on one of them before an enqueue resolves.
 */
export type Durability = (typeof DURABILITIES)[number]

/** What a process asks of its Redis. */
export interface DurabilityDemand {
  readonly durability: Durability
  /** True: also a Redis that can lose everything will do. */
  readonly allowVolatile: boolean
}

/** What a server can lose, in words, and whether it told enough to know. */
export interface DurabilityReport {
  readonly profile: Durability | 'volatile' | 'unknown'
  /** What a crash can take from what was accepted. */
  readonly canLose: string
}

type Environment = Readonly<Record<string, string | undefined>>

const FLAGS: Readonly<Record<string, boolean>> = { 1: true, true: true, yes: true, 0: false, false: false, no: false }

/**
 * The demand of options; what they leave open comes from DROVER_DURABILITY and DROVER_ALLOW_VOLATILE, else it is
 * `standard`, and no volatile server.
 * @throws InvalidOptionError
 */
export function readDurability(
  options: { readonly durability?: unknown; readonly allowVolatile?: unknown },
  env: Environment = process.env,
): DurabilityDemand {
  const durability = options.durability ?? (env.DROVER_DURABILITY || 'standard')
  const allowVolatile = options.allowVolatile ?? FLAGS[env.DROVER_ALLOW_VOLATILE || 'no'] ?? env.DROVER_ALLOW_VOLATILE
  if (durability !== 'standard' && durability !== 'strict') {
    throw new InvalidOptionError('durability', "'standard' or 'strict'", durability)
  }
  if (typeof allowVolatile !== 'boolean') throw new InvalidOptionError('allowVolatile', 'true or false', allowVolatile)
  return { durability, allowVolatile }
}

/** What a crash of this server can take. */
export function reportDurability(info: ServerInfo): DurabilityReport {
  const volatile = findVolatile(info)
  if (volatile !== undefined) return { profile: 'volatile', canLose: volatile.problem }
  if (isUntold(info)) {
    const canLose = 'unknown, as the server does not tell how it keeps jobs: make sure of append-only and noeviction'
    return { profile: 'unknown', canLose }
  }
  const failover = info.connectedReplicas ? '; a failover, what no replica had yet' : ''
  if (info.appendfsync === 'always') return { profile: 'strict', canLose: `a crash takes nothing${failover}` }
  // With everysec Redis puts its writes off while a sync goes on: docs/reliability.md.
  const [ofRedis, ofMachine] =
    info.appendfsync === 'no'
      ? ['nothing', 'what the kernel had not written, often 30 s']
      : ['what came since an unfinished sync began', 'up to the last second']
  const canLose = `a crash of Redis takes ${ofRedis}; of its machine, ${ofMachine} (appendfsync ${info.appendfsync ?? 'unknown'})${failover}`
  return { profile: 'standard', canLose }
}

/** The one line that a starting process logs: which profile it asked for, and what a crash can take all the same. */
export function logDurability(logger: DurabilityLog, info: ServerInfo, { durability }: DurabilityDemand): void {
  const { profile, canLose } = reportDurability(info)
  const level = profile === 'volatile' || profile === 'unknown' ? 'warn' : 'info'
  logger[level]({ durability, found: profile }, `what Redis can lose: ${canLose}`)
}

/** What is needed of a pino logger. */
export interface DurabilityLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/**
 * Passes a server that keeps what the demand asks for, and one that does not tell.
 * @throws RedisNotDurableError naming the setting and the value it needs
 */
export function requireDurable(info: ServerInfo, demand: DurabilityDemand): void {
  const volatile = findVolatile(info)
  if (volatile !== undefined) {
    if (demand.allowVolatile) return
    const allow = 'or allow it with --allow-volatile, DROVER_ALLOW_VOLATILE=1 or allowVolatile: true'
    throw new RedisNotDurableError(`${volatile.problem}. Set ${volatile.remedy}, ${allow}`)
  }
  const { appendfsync } = info
  if (demand.durability === 'standard' || appendfsync === null || appendfsync === 'always') return
  throw new RedisNotDurableError(
    `durability strict is asked for, and appendfsync is ${appendfsync}: a crash of the machine can take what was just ` +
      'accepted. Set it with CONFIG SET appendfsync always, and in redis.conf, or ask for durability standard',
  )
}

/** Whether the server kept back what there is to judge it by: a managed Redis, or a user without CONFIG. */
function isUntold({ aofEnabled, evictionPolicy, rdbSaves }: ServerInfo): boolean {
  return evictionPolicy === null || aofEnabled === null || (!aofEnabled && rdbSaves === null)
}

interface Volatile {
  readonly problem: string
  readonly remedy: string
}

// A managed Redis often says that it has no append-only file, hides its settings, and is durable in another way: only a
// server that shows its settings is known to be volatile.
function findVolatile(info: ServerInfo): Volatile | undefined {
  const { aofEnabled, rdbSaves, evictionPolicy, maxmemoryBytes } = info
  if (aofEnabled === false && rdbSaves !== null) {
    const problem =
      rdbSaves === ''
        ? 'nothing is written to disk (appendonly no): when Redis ends, all jobs, results and counters are gone'
        : `only snapshots are written to disk (appendonly no, save ${rdbSaves}): a crash takes everything since the last one`
    return { problem, remedy: 'CONFIG SET appendonly yes, and appendonly yes in redis.conf' }
  }
  // Without a limit the policy sleeps.
  if (evictionPolicy !== null && evictionPolicy !== 'noeviction' && maxmemoryBytes !== 0) {
    const problem = `maxmemory-policy is ${evictionPolicy}: at its memory limit Redis drops keys of jobs, locks or results`
    return { problem, remedy: 'CONFIG SET maxmemory-policy noeviction, and maxmemory-policy noeviction in redis.conf' }
  }
  return undefined
}
