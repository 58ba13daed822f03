// One worker process below a supervisor: its start, what it says, and its end. When it is started and ended is decided in
// supervisor.ts.
import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { HealthQuestion, WorkerHealth } from '../../worker/index.js'
import type { ToProcess, ToSupervisor } from './messages.js'

/** A process that is not ready by then is ended: its job files hang while they load, say. */
const START_TIMEOUT_MS = 180_000
const LAST_LINES_MS = 1_000
/** Longer than a process itself waits for Redis. */
const HEALTH_MS = 2_000

export interface ManagedProcessOptions {
  /** Of the place that it fills, from 1. */
  readonly number: number
  /** The JavaScript file that it runs, and its words. */
  readonly file: string
  readonly words: readonly string[]
  /** From SIGTERM to SIGKILL. */
  readonly killAfterMs: number
  /** Each line of its standard output. */
  readonly onLine: (line: string) => void
  readonly onMessage: (message: ToSupervisor) => void
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class ManagedProcess {
  readonly number: number
  readonly pid: number | undefined
  /** Resolves when it takes jobs; with false when it ended before. */
  readonly ready: Promise<boolean>
  readonly ended: Promise<Ending>
  /** It was told from outside to close, and is not to be replaced. */
  hasLeft = false
  /** It did not end in time when it was told to, and was killed. */
  wasKilled = false
  readonly #child: ChildProcess
  readonly #killAfterMs: number
  #readyAt: number | undefined
  #signals: readonly NodeJS.Signals[] = []
  #hasEnded = false
  #isClosing = false
  #questions = 0
  readonly #asked = new Map<number, (health: WorkerHealth) => void>()
  #silentSince: number | undefined

  constructor({ number, file, words, killAfterMs, onLine, onMessage }: ManagedProcessOptions) {
    this.number = number
    this.#killAfterMs = killAfterMs
    // Detached: Ctrl-C in the terminal is for the supervisor, which then ends it. When that is killed, the IPC channel
    // closes, on which it ends by itself.
    const child = fork(file, [...words], { detached: true, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    this.#child = child
    this.pid = child.pid
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', onLine)
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => this.#noteEnd({ code, signal }, resolve))
      // It could not even be started, as the system has no process left, say.
      child.on('error', () => {
        if (child.pid === undefined) this.#noteEnd({ code: null, signal: null }, resolve)
      })
    })
    const startTimer = setTimeout(() => this.kill(), START_TIMEOUT_MS)
    this.ready = new Promise((resolve) => {
      child.on('message', (message: ToSupervisor) => {
        if (message.kind === 'ready') {
          this.#readyAt = performance.now()
          this.#signals = message.signals
          clearTimeout(startTimer)
          resolve(true)
        }
        if (message.kind === 'leaving') this.hasLeft = true
        if (message.kind === 'health') this.#asked.get(message.id)?.(message.health)
        onMessage(message)
      })
      void this.ended.then(() => {
        clearTimeout(startTimer)
        resolve(false)
      })
    })
  }

  /** How long it has been taking jobs, or had been at its end; 0 when it never did. */
  get readyMs(): number {
    return this.#readyAt === undefined ? 0 : performance.now() - this.#readyAt
  }

  get isReady(): boolean {
    return this.#readyAt !== undefined && !this.#hasEnded && !this.#isClosing
  }

  /** For how long it has left questions unanswered. */
  get silentMs(): number {
    return this.#silentSince === undefined ? 0 : performance.now() - this.#silentSince
  }

  /** How it is doing; undefined when it does not say in time, or is not ready. */
  async health(question: HealthQuestion): Promise<WorkerHealth | undefined> {
    if (this.#readyAt === undefined || this.#hasEnded || !this.#child.connected) return undefined
    const id = this.#questions++
    const askedAt = performance.now()
    const health = await new Promise<WorkerHealth | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), HEALTH_MS)
      this.#asked.set(id, (answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      this.#child.send({ kind: 'health', id, question } satisfies ToProcess, () => undefined)
    })
    this.#asked.delete(id)
    if (health === undefined) this.#silentSince ??= askedAt
    else this.#silentSince = undefined
    return health
  }

  /** Passes a signal on that the process acts on; others would stop or end it. */
  forward(signal: NodeJS.Signals): void {
    if (this.#signals.includes(signal)) this.#child.kill(signal)
  }

  /** Signals that it acts on, apart from those that end it. */
  get signals(): readonly NodeJS.Signals[] {
    return this.#signals
  }

  /** Ends it in order, and by force when it takes too long. Resolves when it has ended. */
  async close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true
      this.#child.kill('SIGTERM')
    }
    const timer = setTimeout(() => {
      this.wasKilled = true
      this.kill()
    }, this.#killAfterMs)
    await this.ended
    clearTimeout(timer)
  }

  /** Ends it at once. */
  kill(): void {
    if (!this.#hasEnded) this.#child.kill('SIGKILL')
  }

  // What it wrote last is still to be read; but a program that it started may hold its standard output open for ever.
  #noteEnd(ending: Ending, resolve: (ending: Ending) => void): void {
    this.#hasEnded = true
    const timer = setTimeout(() => resolve(ending), LAST_LINES_MS)
    this.#child.once('close', () => {
      clearTimeout(timer)
      resolve(ending)
    })
  }
}
