// What all pages work with: the one reader of Redis, the shared overview, sign-in, open tabs. create-dashboard.ts builds it.
import type { Request, Response } from 'express'
import type { Logger } from 'pino'
import type { AnyJobContract } from '../job/index.js'
import type { RedisClient, RedisSettings } from '../redis/index.js'
import type { SignIn } from './access/sign-in.js'
import type { FailedJobs } from './errors/failed-jobs.js'
import type { JobNames } from './jobs/job-names.js'
import type { JobRooms } from './jobs/job-rooms.js'
import type { Live } from './live.js'
import type { JobAdder } from './options.js'
import type { OverviewSource } from './overview-source.js'
import type { Redact } from './redact.js'

export interface Shared {
  readonly client: RedisClient
  readonly prefix: string
  readonly redis: RedisSettings
  /** How long a read may take before Redis counts as down. */
  readonly timeoutMs: number
  /** What no page may show is taken out of inputs and results by it. */
  readonly redact: Redact
  readonly overview: OverviewSource
  readonly signIn: SignIn
  readonly live: Live
  readonly jobNames: JobNames
  readonly rooms: JobRooms
  readonly contracts: readonly AnyJobContract[]
  readonly producer: JobAdder | undefined
  readonly traceUrl: string | undefined
  readonly failedJobs: FailedJobs
  readonly logger: Logger | undefined
}

/** One page: it answers the request. What it throws becomes a problem, in problems.ts. */
export type Page = (request: Request, response: Response, shared: Shared) => void | Promise<void>
