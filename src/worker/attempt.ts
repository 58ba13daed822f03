// One attempt's life: the input is checked, the handler runs until it returns, throws or is aborted, the result is
// checked, and what was staged is handed over. All of it happens in the worker, or in the thread or process of an isolated
// handler (isolated/), which hands its outcome to the worker's attempt. What becomes of an error is in retry-policy.ts.
import {
  encodeResult,
  InvalidOptionError,
  JobDeadlineError,
  JobTimeoutError,
  parseInput,
  StepRejectedError,
  snooze,
  versionOf,
} from '../job/index.js'
import { type CompletedOutcome, Effects } from '../ledger/index.js'
import type { AttemptRoom, StartedJob } from './attempt-room.js'
import type { JobContext, JobLogger } from './context.js'
import { checkDeadline, untilDeadline } from './deadline.js'
import { readDependency } from './dependencies.js'
import type { Handler } from './handle.js'
import type { QueueChildren } from './isolated/queue-children.js'
import { runOfAttempt } from './isolated/run-of-attempt.js'
import { createJobLogger } from './job-logger.js'
import { checkRetryUntil } from './retry-until.js'
import { joinOutcomes, type RunMiddleware, runAttemptThrough } from './run-middleware.js'
import { StagedCounters } from './staged-counters.js'
import { StagedJobs } from './staged-jobs.js'
import { checkStartBy } from './start-by.js'
import { KeptContext } from './steps/kept-context.js'
import { isThenable } from './thenable.js'

/** The longest a timer of Node can wait; it fires at once when given more. */
const MAX_TIMER_MS = 2 ** 31 - 1

export class Attempt implements JobContext {
  readonly id: string
  readonly token: string
  /** Milliseconds of the monotonic clock. */
  readonly startedAt = performance.now()
  readonly #bullJob: StartedJob
  readonly #handler: Handler
  readonly #room: AttemptRoom
  #ended = false
  #abortReason: Error | undefined
  #controller: AbortController | undefined
  #rejectStep: ((reason: Error) => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #counters: StagedCounters | undefined
  #effects: Effects | undefined
  #jobs: StagedJobs | undefined
  #kept: KeptContext | undefined
  #log: JobLogger | undefined
  #rejection: Error | undefined
  #isSealed = false
  #dropsLate = false
  /** How long an isolated handler's thread or process took to start, which is no time of the handler. */
  #startMs = 0

  constructor(bullJob: StartedJob, token: string, handler: Handler, room: AttemptRoom) {
    this.id = String(bullJob.id)
    this.token = token
    this.#bullJob = bullJob
    this.#handler = handler
    this.#room = room
  }

  get job(): string {
    return this.#bullJob.name
  }
  get queue(): string {
    return this.#room.queue
  }
  get attempt(): number {
    return this.#bullJob.attemptsMade + 1
  }
  get attempts(): number {
    return Math.max(1, this.#bullJob.opts.attempts ?? 1)
  }
  get enqueuedAt(): number {
    return this.#bullJob.timestamp
  }
  get fence(): { jobId: string; token: number } {
    return { jobId: this.id, token: this.#bullJob.attemptsStarted }
  }
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#abortReason) this.#controller.abort(this.#abortReason)
    return this.#controller.signal
  }
  get log(): JobLogger {
    this.#log ??= createJobLogger(this.describe(), this.#room)
    return this.#log
  }
  get effects(): Effects {
    this.#effects ??= new Effects(this.#room.keys, { cluster: this.#room.cluster })
    if (this.#isSealed) this.#effects.seal()
    return this.#effects
  }
  // Getters, so that a handler may take the two out of its context.
  get progress(): JobContext['progress'] {
    return (percent, text) => this.#showProgress(percent, text)
  }
  get counter(): JobContext['counter'] {
    this.#counters ??= new StagedCounters(this.#room.keys)
    if (this.#isSealed) this.#counters.seal()
    return this.#counters.open.bind(this.#counters)
  }
  get enqueue(): JobContext['enqueue'] {
    this.#jobs ??= new StagedJobs(this.#room)
    if (this.#isSealed) this.#jobs.seal()
    return this.#jobs.stage.bind(this.#jobs)
  }
  get step(): JobContext['step'] {
    return this.#keeping.step
  }
  get checkpoint(): JobContext['checkpoint'] {
    return this.#keeping.checkpoint
  }
  get checkpointed(): JobContext['checkpointed'] {
    return this.#keeping.checkpointed
  }
  get once(): JobContext['once'] {
    return this.#keeping.once
  }
  get snooze(): JobContext['snooze'] {
    return (duration, reason) => {
      try {
        throw snooze(duration, reason)
      } catch (error) {
        this.refuse(error as Error)
        throw error
      }
    }
  }
  get resultOf(): JobContext['resultOf'] {
    return (name, contract) => readDependency(name, contract, this.#bullJob.opts.needs, this.#room.readResult)
  }
  /** Why the attempt was ended from outside, if it was. */
  get abortReason(): Error | undefined {
    return this.#abortReason
  }
  get runMs(): number {
    return performance.now() - this.startedAt
  }
  get room(): AttemptRoom {
    return this.#room
  }
  get hasEnded(): boolean {
    return this.#ended
  }

  /** Ends the attempt from outside: the handler's signal aborts, and `run` rejects at once, with the reason if it waited. */
  abort(reason: Error): void {
    if (this.#ended || this.#abortReason) return
    this.#abortReason = reason
    this.#controller?.abort(reason)
    this.#rejectStep?.(reason)
  }

  /** Runs the handler once. Resolves with what to commit; rejects with the handler's error or the abort's reason. */
  async run(): Promise<CompletedOutcome> {
    const { contract, run, isolation } = this.#handler
    try {
      if (this.#abortReason) throw this.#abortReason
      checkStartBy(this.#bullJob)
      if (contract.deadlineMs !== undefined) checkDeadline(this.#bullJob, contract.deadlineMs)
      if (contract.retryUntilMs !== undefined) checkRetryUntil(this.#bullJob, contract.retryUntilMs)
      if (this.#room.middleware !== undefined) return await this.#runThrough(this.#room.middleware)
      if (isolation !== undefined && this.#room.children !== undefined)
        return await this.#runIsolated(this.#room.children)
      const parsed = parseInput(contract, this.#bullJob.data, versionOf(this.#bullJob.opts))
      const input = parsed instanceof Promise ? await this.#untilEnded(parsed) : parsed
      const returned = run(input, this)
      const value = isThenable(returned) ? await this.#untilEnded(returned) : returned
      const encoded = encodeResult(contract, value)
      const valueJson = encoded instanceof Promise ? await this.#untilEnded(encoded) : encoded
      return this.#complete(valueJson)
    } finally {
      this.#ended = true
      this.#isSealed = !this.#dropsLate
      if (this.#isSealed) this.#seal()
    }
  }

  #seal(): void {
    this.#counters?.seal()
    this.#effects?.seal()
    this.#jobs?.seal()
  }

  #complete(valueJson: string): CompletedOutcome {
    const refused = this.#abortReason ?? this.#rejection
    if (refused) throw refused
    const floating = this.#kept?.unawaited
    if (floating) throw floating.failure
    const writes = this.#effects?.close()
    return {
      status: 'completed',
      valueJson,
      counters: this.#counters?.close(),
      effects: this.#kept === undefined ? writes : this.#kept.withRemoval(writes, this.#room.keys.bullBase + this.id),
      jobs: this.#jobs?.close(),
      keepResultMs: this.#handler.contract.keepResultMs,
      runMs: this.runMs,
    }
  }

  /** What is staged once it is over goes nowhere instead of throwing: in a call of many jobs a throw is all theirs. */
  dropLateWrites(): void {
    this.#dropsLate = true
  }

  get #keeping(): KeptContext {
    if (this.#kept) return this.#kept
    const store = this.#room.openKept?.(this.id, this.token)
    if (store === undefined) throw new StepRejectedError('a step', 'nothing can be kept here')
    this.#kept = new KeptContext(this, store)
    return this.#kept
  }

  /** The attempt fails with this, whatever its handler does. */
  refuse(error: Error): void {
    this.#rejection ??= error
  }

  async #runThrough(middleware: readonly RunMiddleware[]): Promise<CompletedOutcome> {
    const { contract, isolation, run } = this.#handler
    const children = isolation && this.#room.children
    let isolated: CompletedOutcome | undefined
    const call = { contract, ctx: this, input: this.#bullJob.data, resultText: undefined }
    const chain = runAttemptThrough(middleware, call, async (stored) => {
      if (children === undefined) {
        const input = await parseInput(contract, stored, versionOf(this.#bullJob.opts))
        return encodeResult(contract, await run(input, this))
      }
      isolated = await this.#startIsolated(children, stored)
      return isolated.valueJson
    })
    const own = this.#complete(await this.#untilEnded(chain, children !== undefined))
    return isolated === undefined ? own : { ...own, ...joinOutcomes(own, isolated) }
  }

  async #runIsolated(children: QueueChildren): Promise<CompletedOutcome> {
    const outcome = await this.#untilEnded(this.#startIsolated(children, this.#bullJob.data), true)
    if (this.#abortReason) throw this.#abortReason
    return outcome
  }

  #startIsolated(children: QueueChildren, data: unknown): Promise<CompletedOutcome> {
    const onStarted = () => {
      this.#startMs = performance.now() - this.startedAt
      this.#watchTimeout()
    }
    const store = this.#room.openKept?.(this.id, this.token)
    return children.run(this.#handler, runOfAttempt(this, this.#bullJob, data, { onStarted, store }))
  }

  // A handler that ignores its signal is left behind: its attempt is over, and what it still returns goes nowhere.
  #untilEnded<Value>(step: PromiseLike<Value>, isIsolated = false): Promise<Value> {
    return new Promise((resolve, reject) => {
      let isSettled = false
      const settle = (finish: () => void) => {
        isSettled = true
        clearTimeout(this.#timer)
        finish()
      }
      this.#rejectStep = (reason) => {
        if (!isSettled && !isIsolated) this.#room.leftBehind?.watch(this.describe(), step)
        settle(() => reject(reason))
      }
      step.then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      )
      if (this.#abortReason) this.#rejectStep(this.#abortReason)
      else if (!isSettled && !isIsolated) this.#watchTimeout()
    })
  }

  #watchTimeout(): void {
    const { timeoutMs, deadlineMs } = this.#handler.contract
    const leftMs = timeoutMs + this.#startMs - this.runMs
    const leftOfJobMs = deadlineMs === undefined ? leftMs : untilDeadline(this.#bullJob, deadlineMs)
    if (leftMs <= 0) this.abort(new JobTimeoutError(timeoutMs))
    else if (leftOfJobMs <= 0) this.abort(new JobDeadlineError(deadlineMs ?? 0))
    else this.#timer = setTimeout(() => this.#watchTimeout(), Math.min(leftMs, leftOfJobMs, MAX_TIMER_MS))
  }

  async #showProgress(percent: number, text: string | undefined): Promise<void> {
    if (typeof percent !== 'number' || !(percent >= 0 && percent <= 100)) {
      throw new InvalidOptionError('progress', 'a number from 0 to 100', percent)
    }
    if (this.#ended) return
    await this.#bullJob.updateProgress(text === undefined ? percent : { percent, text })
  }

  /** The fields a log line about this attempt carries. */
  describe(): { queue: string; job: string; id: string; attempt: number } {
    return { queue: this.queue, job: this.job, id: this.id, attempt: this.attempt }
  }
}
