// What an attempt is given: its job, and the worker's part that it runs in.
import type { Logger } from 'pino'
import type { StoringMiddleware } from '../ledger/index.js'
import type { KeysOfQueue } from '../redis/index.js'
import type { Needs, ReadResult } from './dependencies.js'
import type { QueueChildren } from './isolated/queue-children.js'
import type { LeftBehind } from './left-behind.js'
import type { RunMiddleware } from './run-middleware.js'
import type { KeptStore } from './steps/kept-store.js'

/** What an attempt needs of its job, which is BullMQ's or a copy of its record in an isolated handler's process. */
export interface StartedJob {
  readonly id?: string | undefined
  readonly name: string
  readonly data: unknown
  readonly attemptsMade: number
  readonly attemptsStarted: number
  readonly timestamp: number
  /** Of the attempt before, while the job was not retried by hand. */
  readonly failedReason?: string | undefined
  readonly opts: StartedOptions
  readonly updateProgress: (value: number | object) => Promise<unknown>
}

/** Of its options; another program may have put anything there. */
export interface StartedOptions {
  readonly attempts?: number | undefined
  readonly delay?: number | undefined
  readonly version?: number | undefined
  readonly needs?: Needs | undefined
}

/** What an attempt needs of the worker that runs it. */
export interface AttemptRoom {
  readonly keys: KeysOfQueue
  readonly queue: string
  readonly cluster: boolean
  readonly logger: Logger
  /** Appends a line to a job's own log. */
  readonly addLog: (id: string, line: string) => Promise<unknown>
  /** Where isolated handlers run. Without it every handler runs right here. */
  readonly children?: QueueChildren | undefined
  readonly leftBehind?: LeftBehind | undefined
  readonly middleware?: readonly RunMiddleware[] | undefined
  /** What a run keeps between its attempts, by the job's id and the token of its lock. */
  readonly openKept?: ((id: string, token: string) => KeptStore) | undefined
  readonly enqueueMiddleware?: readonly StoringMiddleware[] | undefined
  /** Not there in an isolated handler, which has no Redis. */
  readonly readResult?: ReadResult | undefined
}
