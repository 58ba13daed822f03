// What the main thread of a worker and its lock thread tell each other. Running attempts are not told: lock-table.ts.
import type { StoredError } from '../../job/index.js'
import type { RedisSettings } from '../../redis/index.js'
import type { TableEntry } from '../lock-table.js'

/** What a lock thread is started with. Holds the Redis password, so it is never logged. */
export interface LockThreadData {
  readonly memory: SharedArrayBuffer
  readonly redis: RedisSettings
  readonly lockMs: number
  /** How long the event loop may be blocked before the process is ended; 0 for ever. Default: 60 s beyond the longest timeout of the jobs that run. */
  readonly maxBlockedMs: number | undefined
  readonly queues: readonly LockedQueue[]
}

export interface LockedQueue {
  readonly name: string
  /** What each of BullMQ's keys of the queue starts with. */
  readonly bullBase: string
}

export type ToLockThread =
  | { readonly kind: 'owner'; readonly queue: number; readonly token: string }
  | { readonly kind: 'hold'; readonly entry: TableEntry }
  | { readonly kind: 'release'; readonly slot: number }

export type FromLockThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'lost' | 'cancelled'; readonly locks: readonly LostLock[] }
  | { readonly kind: 'failed'; readonly error: StoredError }
  | { readonly kind: 'freed'; readonly blockedMs: number; readonly running: number; readonly jobs: readonly string[] }

/** A slot of the table, as it was written the `version`th time. */
export interface LostLock {
  readonly slot: number
  readonly version: number
}
