// Keeps one worker process (worker.ts) running: starts it, starts another when it ends by itself, and ends it.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ExitError } from './options.js'
import type { WorkerOrder } from './worker.js'

export interface WorkerProcessOptions {
  readonly order: WorkerOrder
  /** Called for each process that has started to work. */
  readonly onStart: (pid: number | undefined) => void
  /** Called for each process that ended by itself; another one is started. */
  readonly onEnd: (how: string) => void
  /** Called with what the process writes to its standard error. */
  readonly onLog: (text: string) => void
  /** Called when processes end before they start to work, so that starting more of them is no use. */
  readonly onFail: (error: Error) => void
}

const PROGRAM = fileURLToPath(new URL('./worker.ts', import.meta.url))
const MAX_FAILED_STARTS = 3
const KILL_AFTER_MS = 10_000

export class WorkerProcess {
  readonly #options: WorkerProcessOptions
  #process: ChildProcess
  #failedStarts = 0
  #closing = false

  constructor(options: WorkerProcessOptions) {
    this.#options = options
    this.#process = this.#start()
  }

  /** SIGTERM, on which running jobs are finished or handed back, and SIGKILL when that takes too long. */
  async close(): Promise<void> {
    this.#closing = true
    const worker = this.#process
    if (worker.exitCode !== null || worker.signalCode !== null) return
    const ended = once(worker, 'exit')
    worker.kill('SIGTERM')
    const timer = setTimeout(() => worker.kill('SIGKILL'), KILL_AFTER_MS)
    await ended
    clearTimeout(timer)
  }

  #start(): ChildProcess {
    const { order, onStart, onLog, onFail } = this.#options
    const worker = fork(PROGRAM, {
      execArgv: ['--import', import.meta.resolve('tsx')],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Settings may hold bytes, such as a certificate, which JSON would not carry.
      serialization: 'advanced',
    })
    let isReady = false
    worker.stderr?.setEncoding('utf8').on('data', onLog)
    worker.once('error', onFail)
    worker.once('message', () => {
      isReady = true
      onStart(worker.pid)
    })
    worker.once('exit', (code, signal) => this.#restart(signal ?? `exit code ${code}`, isReady))
    worker.send(order, () => {
      // A process that ended before it could read this is told of by its exit.
    })
    return worker
  }

  #restart(how: string, wasReady: boolean): void {
    if (this.#closing) return
    this.#failedStarts = wasReady ? 0 : this.#failedStarts + 1
    if (this.#failedStarts === MAX_FAILED_STARTS) {
      this.#options.onFail(new ExitError(`the worker process does not start: it ended with ${how}`, 1))
      return
    }
    this.#options.onEnd(how)
    this.#process = this.#start()
  }
}
