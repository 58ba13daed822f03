// The ledger of a fault run: an append-only file outside of Redis in which producers, handlers and the nemesis write
// what they do, each line on disk before the next step. check.ts holds Redis against it.
// ledger-writer.mjs appends, also from processes that load no TypeScript.
import { existsSync, readFileSync } from 'node:fs'

/** What a job of the run should come to, said before it is sent. */
export interface TryLine {
  readonly e: 'try'
  readonly id: string
  /** How it must end, by default completed. */
  readonly expect?: 'completed' | 'failed' | 'either'
  /** How many attempts its result must show. Left out: any number. */
  readonly attempts?: number
}

/**
 * The one Redis of the run was killed: it was asked about its file at `askedMs`, answered, and was gone by `goneMs`. What
 * it may have taken with it is in lost-tail.ts. No fault of its own: the row writes that down.
 */
export interface RedisDownLine {
  readonly e: 'redis-down'
  readonly askedMs: number
  readonly goneMs: number
  /** What held at the kill, as `CONFIG GET` said. */
  readonly appendfsync: string
  /** Of `INFO persistence`: whether a sync was under way, what waited to be written, and how often it waited too long. */
  readonly pendingFsyncs: number
  readonly bufferBytes: number
  readonly delayedFsyncs: number
}

export type LedgerLine =
  | TryLine
  /** The enqueue resolved. */
  | { readonly e: 'ack'; readonly id: string }
  /** The enqueue rejected with an error that says that nothing was stored. */
  | { readonly e: 'refused'; readonly id: string; readonly code: string }
  /** The enqueue rejected, and the job may be stored or not. */
  | { readonly e: 'unknown'; readonly id: string; readonly code: string }
  /** `token` counts the times the job was handed out, also to workers that were gone before they began it. */
  | {
      readonly e: 'start'
      readonly id: string
      readonly pid: number
      readonly attempt: number
      readonly n?: number
      readonly token?: number
    }
  /** The handler returns; `add` is what it staged, by counter. */
  | {
      readonly e: 'end'
      readonly id: string
      readonly pid: number
      readonly attempt: number
      readonly add: Readonly<Record<string, number>>
    }
  /** The handler was told to end, or threw. */
  | { readonly e: 'threw'; readonly id: string; readonly pid: number; readonly attempt: number; readonly why: string }
  /** The nemesis did something; `pid` when it ended or froze that process. */
  | { readonly e: 'fault'; readonly kind: string; readonly seed: number; readonly pid?: number }
  | RedisDownLine

/** A line with its time: milliseconds of the machine's monotonic clock, the same for all processes. */
export type Noted = LedgerLine & { readonly at: number }

/** Now, on the clock of the ledger. */
export function ledgerNow(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

/** All lines so far, in the order they were written. A last line that a kill cut short is left out. */
export function readLedger(path: string): Noted[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.flatMap((line) => {
    if (line === '') return []
    try {
      return [JSON.parse(line) as Noted]
    } catch {
      // Cut short by a kill: the step after it was not taken.
      return []
    }
  })
}
