// The worker's side of one thread or process for isolated handlers: starting, idle, or running one attempt; ended by
// force when an attempt is over and its handler is not. Its inside is serve-attempts.ts; child-pool.ts keeps several.
import { HandlerExitedError, JobFileError } from '../../job/index.js'
import type { CompletedOutcome } from '../../ledger/index.js'
import type { Isolation } from '../isolation.js'
import { type Channel, openChannel } from './channel.js'
import { ANSWER_EVERY, type LogLine, readLogLine } from './child-log.js'
import { packError, unpackError } from './error-data.js'
import type { KeptAsk } from './kept-asks.js'
import { type FromChild, isMessage, type JobRecord, type Setup } from './messages.js'

/** How long the job file may take to load; longer, and it counts as hung. */
const LOAD_LIMIT_MS = 30_000
/** Messages of a handler's own (`process.send`) in one attempt, which nobody reads. More of them would fill the worker. */
const MAX_FOREIGN_MESSAGES = 1_000

/** One attempt, as its isolated run needs it. */
export interface IsolatedRun {
  readonly job: JobRecord
  /** Aborts when the attempt is over. */
  readonly signal: AbortSignal
  /** The handler starts now; until then its thread or process was starting. */
  readonly onStarted: () => void
  readonly onLog: (line: LogLine) => void
  readonly onProgress: (value: number | object) => Promise<unknown>
  /** What it keeps between its attempts; the answer is data. */
  readonly onAsk: (ask: KeptAsk) => Promise<unknown>
}

export interface ChildEnds {
  /** It can take an attempt. */
  readonly onIdle: (child: IsolatedChild) => void
  /** It is gone; `error` says why, when it went by itself. */
  readonly onGone: (child: IsolatedChild, error: Error | undefined) => void
}

interface Current {
  readonly run: IsolatedRun
  readonly resolve: (outcome: CompletedOutcome) => void
  readonly reject: (error: unknown) => void
}

export class IsolatedChild {
  readonly #isolation: Isolation
  readonly #file: string
  readonly #ends: ChildEnds
  readonly #channel: Channel
  readonly #onAbort = () => this.#abort()
  readonly #gone: Promise<void>
  #isLoaded = false
  #isEnding = false
  #current: Current | undefined
  #runs = 0
  #foreign = 0
  /** Of loading, or of the grace after an abort. */
  #killTimer: NodeJS.Timeout | undefined
  /** Why it will end, when that is known before it does. */
  #why: Error | undefined

  constructor(isolation: Isolation, setup: Setup, ends: ChildEnds) {
    this.#isolation = isolation
    this.#file = setup.file
    this.#ends = ends
    let resolveGone: () => void = () => undefined
    this.#gone = new Promise((resolve) => {
      resolveGone = resolve
    })
    this.#channel = openChannel(isolation, {
      onMessage: (message) => this.#take(message),
      onEnd: (how) => {
        this.#ended(how)
        resolveGone()
      },
    })
    this.#channel.post(setup)
    this.#killIn(LOAD_LIMIT_MS, `it did not load ${setup.file} within ${LOAD_LIMIT_MS / 1_000} s`)
  }

  /** Runs one attempt; only for a child that is idle or new. Resolves and rejects as an attempt in the worker would. */
  run(run: IsolatedRun): Promise<CompletedOutcome> {
    return new Promise((resolve, reject) => {
      this.#current = { run, resolve, reject }
      if (run.signal.aborted) this.#abort()
      else run.signal.addEventListener('abort', this.#onAbort)
      if (this.#isLoaded) this.#send()
    })
  }

  /** Whether an attempt was ever started in it. */
  get hasRun(): boolean {
    return this.#runs > 0
  }

  /** Asks it to end, and ends it by force when it does not. Resolves when it is gone. */
  end(): Promise<void> {
    this.#isEnding = true
    if (this.#current === undefined) this.#channel.post({ drover: 'end' })
    // What runs has been aborted before, with a grace of its own.
    if (this.#killTimer === undefined || !this.#isLoaded) this.#killIn(this.#isolation.killGraceMs)
    return this.#gone
  }

  kill(): void {
    this.#isEnding = true
    clearTimeout(this.#killTimer)
    this.#channel.kill()
  }

  #send(): void {
    const current = this.#current
    if (current === undefined) return
    this.#foreign = 0
    this.#channel.post({ drover: 'run', run: ++this.#runs, job: current.run.job })
    current.run.onStarted()
  }

  #abort(): void {
    const current = this.#current
    if (current === undefined) return
    const { signal } = current.run
    if (this.#isLoaded) {
      this.#channel.post({ drover: 'abort', run: this.#runs, reason: packError(signal.reason) })
      this.#killIn(this.#isolation.killGraceMs)
      return
    }
    // It goes on to load, for the next attempt.
    this.#settle()?.reject(signal.reason)
  }

  #take(message: unknown): void {
    if (!isMessage<FromChild>(message)) {
      this.#countForeign()
      return
    }
    try {
      this.#read(message)
    } catch (cause) {
      // A handler's own message that looks like one of ours must not take the worker with it.
      this.#why ??= new HandlerExitedError(
        `it sent a message of its own with a field "drover", which is not one of ours: its ${this.#channel.what} was ended`,
        { cause },
      )
      this.#channel.kill()
    }
  }

  #read(message: FromChild): void {
    switch (message.drover) {
      case 'ready':
        this.#loaded()
        return
      case 'unloadable':
        this.#why = new JobFileError(this.#file, unpackError(message.error))
        return
      case 'crashed':
        this.#why = crash(unpackError(message.error))
        return
      case 'progress':
        void this.#progress(message.run, message.value)
        return
      case 'ask':
        void this.#answer(message.run, message.number, message.ask)
        return
      case 'log':
        this.#log(message.run, message.line, message.answer)
        return
    }
    if (message.run !== this.#runs) return
    if (message.drover === 'failed') {
      const error = unpackError(message.error)
      this.#settle()?.reject(error)
    } else {
      const outcome = { ...message.outcome, counters: new Map(message.outcome.counters) }
      this.#settle()?.resolve(outcome)
    }
    this.#ends.onIdle(this)
  }

  #loaded(): void {
    clearTimeout(this.#killTimer)
    this.#killTimer = undefined
    this.#isLoaded = true
    if (this.#current !== undefined) this.#send()
    else this.#ends.onIdle(this)
  }

  async #progress(run: number, value: number | object): Promise<void> {
    try {
      if (run === this.#runs) await this.#current?.run.onProgress(value)
      this.#channel.post({ drover: 'progressed' })
    } catch (error) {
      this.#channel.post({ drover: 'progressed', error: packError(error) })
    }
  }

  async #answer(run: number, number: number, ask: KeptAsk): Promise<void> {
    const current = this.#current
    // Of an attempt that is over: nothing of it may be kept, and nobody waits for the answer.
    if (run !== this.#runs || current === undefined) return
    try {
      this.#channel.post({ drover: 'answered', number, value: await current.run.onAsk(ask) })
    } catch (error) {
      this.#channel.post({ drover: 'answered', number, error: packError(error) })
    }
  }

  #log(run: number, line: string, answer: boolean): void {
    const read = readLogLine(line)
    if (run === this.#runs && read !== undefined) this.#current?.run.onLog(read)
    if (answer) this.#channel.post({ drover: 'logged', lines: ANSWER_EVERY })
  }

  #countForeign(): void {
    if (++this.#foreign <= MAX_FOREIGN_MESSAGES || this.#why !== undefined) return
    this.#why = new HandlerExitedError(
      `it sent more than ${MAX_FOREIGN_MESSAGES} messages of its own, which nobody reads: its ${this.#channel.what} was ended`,
    )
    this.#channel.kill()
  }

  #killIn(ms: number, why?: string): void {
    clearTimeout(this.#killTimer)
    this.#killTimer = setTimeout(() => {
      if (why !== undefined) this.#why ??= new HandlerExitedError(why)
      this.#channel.kill()
    }, ms)
  }

  /** The attempt is over for this child. */
  #settle(): Current | undefined {
    const current = this.#current
    this.#current = undefined
    current?.run.signal.removeEventListener('abort', this.#onAbort)
    if (this.#isLoaded) {
      clearTimeout(this.#killTimer)
      this.#killTimer = undefined
    }
    return current
  }

  #ended(how: string): void {
    const error = this.#why ?? new HandlerExitedError(how)
    clearTimeout(this.#killTimer)
    const current = this.#settle()
    // Ended on purpose, or its attempt hears of it: then nobody else needs to.
    const isToldElsewhere = this.#isEnding || current !== undefined
    current?.reject(current.run.signal.aborted ? current.run.signal.reason : error)
    this.#ends.onGone(this, isToldElsewhere ? undefined : error)
  }
}

// The frames are those of what was thrown: they say where.
function crash(thrown: unknown): HandlerExitedError {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const error = new HandlerExitedError(`it threw outside of its handler: ${message}`, { cause: thrown })
  const stack = thrown instanceof Error ? thrown.stack : undefined
  if (stack !== undefined) {
    const frames = stack.indexOf('\n    at ')
    error.stack = `${error.name}: ${error.message}${frames === -1 ? '' : stack.slice(frames)}`
  }
  return error
}
