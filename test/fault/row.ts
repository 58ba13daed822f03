// One row of the fault matrix: what it does, in a small and a full size, and what a run of it is given. run-row.ts runs
// it; the rows themselves are in rows/, one a file.
import type { RedisClient } from '../../src/redis/index.js'
import type { Random } from '../support/random.js'
import type { TestRedis, TestRedisOptions } from '../support/redis.js'
import type { CheckOptions, Report } from './check.js'
import type { Noted } from './ledger-file.js'
import type { FaultProcess, PlannedJob, ProducerPlan, WorkerPlan } from './processes.js'

export interface RowContext<Size> {
  readonly seed: number
  readonly random: Random
  readonly size: Size
  /** Which of the two sizes it is: only `full` may hold a time against a target. */
  readonly isFull: boolean
  /** For rows that run for a time: how long, in milliseconds. */
  readonly minutesMs: number | undefined
  /** A folder of the run, removed at its end. */
  readonly directory: string
  /** The queue of the run, unless a row makes up its own. */
  readonly queue: string
  /** A server with an append-only file that is never rewritten, closed at the end of the run. */
  startRedis(options?: TestRedisOptions): Promise<TestRedis>
  /** A client of the row's own, closed at the end of the run; for Sentinel and Cluster too. */
  connect(url: string): RedisClient
  startWorker(plan: Omit<WorkerPlan, 'queue'> & { readonly queue?: string }): Promise<FaultProcess>
  startProducer(plan: Omit<ProducerPlan, 'queue'> & { readonly queue?: string }): FaultProcess
  startScript(script: string, plan: { readonly redis: string } & Readonly<Record<string, unknown>>): FaultProcess
  /** `count` jobs `j-<n>` from number `from` on, each as `input` says. */
  plan(count: number, input: (n: number) => Omit<PlannedJob['input'], 'n'>, from?: number): PlannedJob[]
  /** Waits for the end of a producer, which must have ended in order. */
  finish(producer: FaultProcess): Promise<void>
  /** Kills a process, waits for its end, and writes the fault down. */
  kill(victim: FaultProcess, kind?: string): Promise<void>
  /** Kills a Redis, and writes down what it may have taken with it; the fault is the row's to write down. */
  killRedis(server: TestRedis): Promise<void>
  /** Writes a fault down: a run without any has failed. */
  fault(kind: string, more?: { readonly pid?: number }): void
  /** All lines so far. */
  ledger(): readonly Noted[]
  /** How long something took to be well again after a fault, in milliseconds. */
  recovered(ms: number): void
  /** A figure of the row's own for the outcome. */
  figure(name: string, value: number | string | boolean): void
  /** What must be so beside the check; else the run fails with this problem. */
  require(condition: boolean, kind: string, text: string): void
  /** Resolves when the condition holds; else the run fails. Never for a time. */
  until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs?: number): Promise<void>
  /** Waits until so many jobs of the queue have ended. */
  untilEnded(url: string, count: number, timeoutMs?: number): Promise<void>
  /** Waits until nothing of the queue waits or runs any more. */
  drain(url: string, timeoutMs?: number): Promise<void>
  /** Holds Redis against the ledger. The last report of a run is its outcome. */
  check(options: { readonly url: string } & Partial<CheckOptions>): Promise<Report>
}

export interface Row<Size = unknown> {
  /** `F01` and so on, as in docs/reliability.md. */
  readonly name: string
  /** A fact in the present tense. */
  readonly title: string
  /** Why it does not run, when it cannot; then it is not green but skipped. */
  readonly pending?: string
  readonly small: Size
  readonly full: Size
  run(context: RowContext<Size>): Promise<void>
}

/** Gives the row as the runner takes it. */
export function defineRow<const Size>(row: Row<Size>): Row {
  return row as Row
}
