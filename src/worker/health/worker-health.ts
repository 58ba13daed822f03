// How one worker is doing, as plain JSON: what its health answers and metrics are made of, also over the channel between
// a supervisor and its processes.
import type { QueueDepth, WorkerState } from '../../ledger/index.js'
import type { JobTally } from './job-tally.js'

export interface QueueHealth {
  readonly queue: string
  readonly concurrency: number
  readonly running: number
  /** How often its consumer was built anew, as it took nothing although Redis answered. */
  readonly rebuilds: number
  /** Building it anew has not helped: it still takes nothing although Redis answers. */
  readonly isStuck: boolean
  readonly jobs: readonly JobTally[]
}

export interface WorkerHealth {
  readonly id: string
  readonly pid: number
  readonly version: string
  readonly state: WorkerState
  /** Undefined when it was not asked for. */
  readonly isRedisThere: boolean | undefined
  /** Attempts that ended since its start. */
  readonly handled: number
  readonly leftBehind: number
  /** Longest wait of its event loop in the last heartbeats, milliseconds. */
  readonly loopLagMs: number
  readonly rssBytes: number
  readonly cpuMs: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly queues: readonly QueueHealth[]
  /** How its queues stand in Redis; undefined when it was not asked for, or Redis did not answer. */
  readonly depths: readonly QueueDepth[] | undefined
}

/** What is to be found out beside what the process knows: the cost is a round trip, or two for each queue. */
export interface HealthQuestion {
  readonly redis?: boolean
  readonly depths?: boolean
}

/** One place of a worker: the process, or one of several below a supervisor. */
export interface ProcessHealth {
  /** From 1. */
  readonly process: number
  /** Undefined when it did not answer in time, or there is none at the moment. */
  readonly health: WorkerHealth | undefined
  /** For how long it has not answered; 0 when it has, or is not ready yet. */
  readonly silentMs: number
}

/** A process that has not answered for so long counts as stuck. */
export const SILENT_LIMIT_MS = 30_000

/** What is wrong with a process that only a restart mends; undefined when nothing is. */
export function deadReason({ health, silentMs }: ProcessHealth): string | undefined {
  if (silentMs >= SILENT_LIMIT_MS) return 'its event loop has been blocked for 30 s'
  const stuck = health?.queues.filter(({ isStuck }) => isStuck).map(({ queue }) => queue) ?? []
  return stuck.length === 0 ? undefined : `it takes nothing from ${stuck.join(', ')} although Redis answers`
}

/** Why a process takes no jobs right now; undefined when it does. */
export function unreadyReason(of: ProcessHealth): string | undefined {
  const { health } = of
  if (health === undefined) return of.silentMs > 0 ? 'it does not answer' : 'it is not ready yet'
  if (health.state !== 'run') return health.state === 'quiet' ? 'it is quiet' : 'it closes'
  return health.isRedisThere === false ? 'Redis does not answer' : deadReason(of)
}
