// What the rules of health look at. Who asks gathers it: `drover doctor` once, the dashboard with each poll of its own.
import type { Durability, RedisSettings, ServerInfo } from '../../redis/index.js'
import type { WorkerBeat } from '../fleet.js'
import type { JobStats } from '../stats.js'
import type { ActiveJobs } from './active-jobs.js'
import type { QueueNow } from './queue-now.js'

/** All that is known; what could not be read is left out, and the rules about it say nothing. */
export interface HealthFacts {
  /** Milliseconds since 1970. */
  readonly nowMs: number
  readonly server?: ServerFacts | undefined
  readonly workers: readonly WorkerBeat[]
  readonly queues: readonly QueueFacts[]
}

export interface ServerFacts {
  readonly info: ServerInfo
  readonly redis: RedisSettings
  readonly durability: Durability
  /** How long Redis took to answer, milliseconds. */
  readonly roundTripMs?: number
}

export interface QueueFacts {
  readonly queue: string
  readonly now: QueueNow
  /** Jobs per second that come in and that end; `in` is null where nobody watched long enough. */
  readonly rates?: QueueRates | undefined
  /** What each job name did in the last 10 minutes, and in the last hour. */
  readonly recent: ReadonlyMap<string, JobStats>
  readonly hour: ReadonlyMap<string, JobStats>
  readonly active?: ActiveJobs | undefined
}

export interface QueueRates {
  readonly in: number | null
  readonly out: number
}

/** How far back `QueueFacts.recent` reaches. */
export const RECENT_MINUTES = 10
