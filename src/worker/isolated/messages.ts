// What a worker and the thread or process of an isolated handler tell each other. All of it is data: JSON, so that it
// passes both a thread's port and a process's channel. `drover` parts these messages from a handler's own.
import type { StoredError } from '../../job/index.js'
import type { CompletedOutcome } from '../../ledger/index.js'
import type { StartedOptions } from '../attempt-room.js'
import type { KeptAsk } from './kept-asks.js'

/** What an attempt is told about its job. */
export interface JobRecord {
  readonly id: string
  readonly name: string
  readonly data: unknown
  readonly attemptsMade: number
  readonly attemptsStarted: number
  readonly timestamp: number
  readonly opts: StartedOptions
}

/** An error on its way: what is stored of it, the nearest class of ours, and the fields of that class. */
export interface ErrorData {
  readonly stored: StoredError
  readonly of?: string
  readonly fields?: Readonly<Record<string, unknown>>
}

/** A completed attempt's outcome; only its counters are a Map, which JSON has not. */
export type OutcomeData = Omit<CompletedOutcome, 'counters'> & {
  readonly counters: readonly (readonly [name: string, delta: number])[]
}

export interface Setup {
  readonly drover: 'setup'
  readonly file: string
  readonly queue: string
  readonly prefix: string
  readonly cluster: boolean
  /** Whether lines of `ctx.log.debug` are wanted. */
  readonly debug: boolean
}

export type ToChild =
  | Setup
  | { readonly drover: 'run'; readonly run: number; readonly job: JobRecord }
  | { readonly drover: 'abort'; readonly run: number; readonly reason: ErrorData }
  | { readonly drover: 'progressed'; readonly error?: ErrorData }
  | { readonly drover: 'logged'; readonly lines: number }
  | { readonly drover: 'answered'; readonly number: number; readonly value?: unknown; readonly error?: ErrorData }
  | { readonly drover: 'end' }

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type FromChild =
  | { readonly drover: 'ready' }
  | { readonly drover: 'unloadable'; readonly error: ErrorData }
  | { readonly drover: 'crashed'; readonly error: ErrorData }
  | { readonly drover: 'completed'; readonly run: number; readonly outcome: OutcomeData }
  | { readonly drover: 'failed'; readonly run: number; readonly error: ErrorData }
  | { readonly drover: 'progress'; readonly run: number; readonly value: number | object }
  | { readonly drover: 'ask'; readonly run: number; readonly number: number; readonly ask: KeptAsk }
  | { readonly drover: 'log'; readonly run: number; readonly line: string; readonly answer: boolean }

export function isMessage<Message extends FromChild | ToChild>(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && typeof (value as { drover?: unknown }).drover === 'string'
}
