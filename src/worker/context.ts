// What a handler is given beside its input. Implemented by attempt.ts.
import type { AnyJobContract, Duration, InputOf, JsonValue, ResultOf } from '../job/index.js'
import type { Effects } from '../ledger/index.js'
import type { FollowUp, FollowUpOptions } from './staged-jobs.js'
import type { OnceOptions } from './steps/steps.js'

/** A line for the worker's log and for the job's own log: fields, then text, or text alone, as pino takes them. */
export interface JobLog {
  (fields: object, text?: string): void
  (text: string): void
}

/** Logs with queue, job, id and attempt on each line. `info` and above also go to the job's own log, 100 lines kept. */
export interface JobLogger {
  readonly debug: JobLog
  readonly info: JobLog
  readonly warn: JobLog
  readonly error: JobLog
}

/** One attempt, as its handler sees it. Everything staged here commits with the result, or not at all. */
export interface JobContext {
  readonly id: string
  readonly job: string
  readonly queue: string
  /** Which attempt this is, from 1. A run that a crash cut short was none, so its successor has the same number. */
  readonly attempt: number
  /** Most attempts of this job, the first included. */
  readonly attempts: number
  /** When the job was enqueued, milliseconds since 1970 by the producer's clock. */
  readonly enqueuedAt: number
  /** Lets systems outside Redis refuse a stale run: `token` grows with every start of this job, crashed ones included. */
  readonly fence: { readonly jobId: string; readonly token: number }
  /** Aborts on timeout, lost lock and forced shutdown; its `reason` is the typed error. */
  readonly signal: AbortSignal
  readonly log: JobLogger
  /** Redis writes that commit with the result. At most 1,000 writes, 20,000 words and 1 MiB of text per job. */
  readonly effects: Effects
  /**
   * Enqueues another job with this one's commit: exactly once, or not at all. Await it. At most 100 jobs and 1 MiB of
   * inputs per attempt. On a cluster a job for another queue is moved there right after the commit, by way of an outbox.
   * @throws InvalidInputError, NotJsonError, TooLargeError, InvalidOptionError, UnknownOptionError, InvalidJobIdError,
   *   EffectRejectedError, EffectLimitError: the attempt fails with it
   */
  enqueue<Contract extends AnyJobContract>(
    contract: Contract,
    input: InputOf<Contract>,
    options?: FollowUpOptions,
  ): Promise<FollowUp>
  /**
   * The result of a job of the flow that this one was enqueued after, by its name there. The contract is that job's, for
   * the type. @throws DependencyError
   */
  resultOf<Contract extends AnyJobContract>(name: string, contract: Contract): Promise<ResultOf<Contract>>
  /**
   * Ends this run, and has the job run again after that time: no attempt is used, nothing of this run is committed. It
   * throws `snooze(duration, reason)`, and the attempt ends so also when the handler catches it and returns. 100 ms to 365
   * days. @throws SnoozeError; InvalidOptionError
   */
  snooze(duration: Duration, reason?: string): never
  /**
   * Runs the function, and keeps what it comes to with the job, so that no later attempt runs it again: they get the kept
   * result. A run that is killed between the function's end and the answer of Redis runs it again. The result is JSON that
   * reads back as it is, or undefined; at most 262,144 bytes, 1,048,576 for all steps and the checkpoint, 1,000 steps.
   * A function that throws keeps nothing. Each name once in a run; 1 to 128 characters.
   * @throws StepRejectedError, InvalidOptionError, what the function throws, and the signal's reason once it has aborted
   */
  step<Value>(name: string, run: () => Value | Promise<Value>): Promise<Value>
  /** Keeps how far a loop is, in place of the last such state. Limits and errors as for `step`. */
  checkpoint(state: JsonValue): Promise<void>
  /** The last state that `checkpoint` kept, in this run or an earlier one; undefined when there is none. */
  checkpointed<State = JsonValue>(): Promise<State | undefined>
  /**
   * Of all jobs of the queue that ask for this key, one runs the function to its end, and its result is kept for `keep`, for
   * all. While one runs it, others wait, as long as their attempt may run; when it fails or its run is over, one of them
   * takes over. Limits and errors as for `step`.
   */
  once<Value>(key: string, run: () => Value | Promise<Value>, options?: OnceOptions): Promise<Value>
  /** Shows how far the job is, 0 to 100, with a text if wanted. Written at once, not with the commit. */
  progress(percent: number, text?: string): Promise<void>
  /** A user counter of this queue; what is added commits with the result. At most 1,000 counters per job. */
  counter(name: string): StagedCounter
}

export interface StagedCounter {
  /** Adds a whole number, by default 1; negative ones subtract. */
  add(delta?: number): void
}
