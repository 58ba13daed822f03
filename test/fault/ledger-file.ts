// The ledger of a fault run: an append-only file outside of Redis in which producers, handlers and the nemesis write
// what they do, each line on disk before the next step. check.ts holds Redis against it.
// ledger-writer.mjs appends, also from processes that load no TypeScript.
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'

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
export function readLedger(path: string): readonly Noted[] {
  return openLedgerReader(path)()
}

/**
 * Gives all lines so far each time it is called, and reads only those that are new: who waits for a line asks many times a
 * second, and a proxy in the same process stands still meanwhile.
 */
export function openLedgerReader(path: string): () => readonly Noted[] {
  const lines: Noted[] = []
  let readBytes = 0
  return () => {
    const bytes = readFrom(path, readBytes)
    // Each write begins a line, and none ends with a line break: the last line is whole when it can be read.
    const lastAt = bytes.lastIndexOf('\n') + 1
    const last = parseLine(bytes.toString('utf8', lastAt))
    for (const text of bytes.toString('utf8', 0, lastAt).split('\n')) {
      const line = parseLine(text)
      if (line) lines.push(line)
    }
    if (last) lines.push(last)
    readBytes += last ? bytes.length : lastAt
    return lines
  }
}

function readFrom(path: string, from: number): Buffer {
  if (!existsSync(path)) return Buffer.alloc(0)
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - from))
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, from))
  } finally {
    closeSync(file)
  }
}

function parseLine(text: string): Noted | undefined {
  if (text === '') return undefined
  try {
    return JSON.parse(text) as Noted
  } catch {
    // Cut short by a kill: the step after it was not taken. Or not all there yet.
    return undefined
  }
}
