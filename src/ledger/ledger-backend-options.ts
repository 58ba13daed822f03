// What the ledger's backend is made with, beside what BullMQ gives every backend.
import type { MinimalJob } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import type { KeysOfQueue } from '../redis/index.js'
import type { Outcome } from './commit.js'

export interface LedgerBackendOptions {
  /** The connection of commands. */
  readonly client: Redis | Cluster
  readonly keys: KeysOfQueue
  readonly prefix: string
  readonly queue: string
  /** The connection of blocking reads, which nobody else has. */
  readonly blockingClient: Redis | Cluster
  /** How long the result of a job is kept that fails without an outcome of its own, by job name. Default 24 h. */
  readonly keepResultMs?: ((job: string) => number | undefined) | undefined
  /** True when a contract of the queue has a limit. Default: as soon as a job with one comes. */
  readonly isLimited?: boolean | undefined
  /** Which release of the application the worker is of; empty when it was not told. */
  readonly release?: string | undefined
  /**
   * Told when a finish was answered, either way, or given up: from then on the job's lock is not needed any more.
   * `committed` is what the answer says was committed.
   */
  readonly onSettled?: ((job: MinimalJob, isRefused: boolean, committed: Outcome | undefined) => void) | undefined
}
