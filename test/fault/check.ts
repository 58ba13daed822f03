// Holds what Redis has of a queue against the ledger of the run, in the manner of Jepsen's checker `total-queue`, which
// this one goes beyond: it fails on a duplicated effect too, on a count that is off by one, and on a run without a fault.
// Facts of Redis come from queue-state.ts and aof-facts.ts, none of them from the code under test.
import { queueKeys } from '../../src/redis/index.js'
import { type AofFacts, readAofFacts } from './aof-facts.js'
import { type Facts, judge, type Problem } from './judge.js'
import { readLedger } from './ledger-file.js'
import { type Client, hitsKey, readQueue } from './queue-state.js'
import { type Recovery, readRecovery } from './recovery.js'

export type { Problem, ProblemKind } from './judge.js'
export { type Spread, spreadOf } from './recovery.js'

export interface CheckOptions {
  /** The ledger's file. */
  readonly ledger: string
  readonly redis: Client
  readonly queue: string
  /** Servers whose append-only files hold the whole run. Without any, writes to results are not counted. */
  readonly servers?: readonly { readonly directory: string }[]
  /** Keys outside of the queue's tag that belong to the run. */
  readonly ownKeys?: readonly string[]
  /** How many accepted jobs the fault itself may take, as a power loss takes what was not yet on disk. Default 0. */
  readonly mayLose?: number
  /** Set for the honest run that proves the checker: no fault is needed then. */
  readonly needsNoFault?: boolean
}

export interface Report extends Recovery {
  readonly tried: number
  readonly acked: number
  readonly completed: number
  readonly failed: number
  /** Accepted jobs that are nowhere. */
  readonly lost: number
  /** Those among them that Redis had not written when it was killed, as it may with `everysec`: see lost-tail.ts. */
  readonly lostUnwritten: number
  /** Jobs in Redis that nobody sent. */
  readonly unexpected: number
  /** Jobs whose effect was applied more than once. */
  readonly duplicatedEffects: number
  /** By how much all counters together are off. */
  readonly counterOff: number
  /** The least and the most writes to one result key; undefined when no append-only file was given. */
  readonly resultWrites: { readonly min: number; readonly max: number } | undefined
  /** Jobs in Redis whose enqueue was never answered: legal. */
  readonly recovered: number
  readonly faults: number
  readonly ok: boolean
  readonly problems: readonly Problem[]
}

/** Reads both sides and judges. */
export async function check(options: CheckOptions): Promise<Report> {
  const lines = readLedger(options.ledger)
  const state = await readQueue(options.redis, options.queue, options.ownKeys)
  const { servers = [] } = options
  const aof: AofFacts | undefined =
    servers.length === 0 ? undefined : readAofFacts(servers, queueKeys('drover', options.queue), hitsKey(options.queue))
  const { needsNoFault = false, mayLose = 0 } = options
  const facts: Facts = { lines, state, aof, needsNoFault, mayLose }
  const { counts, problems } = judge(facts)
  return { ...counts, ...readRecovery(lines), ok: problems.length === 0, problems }
}
