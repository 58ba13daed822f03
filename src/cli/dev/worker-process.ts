// The worker of `drover dev`: a process of its own, so that a reload is an end in order and a fresh start.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('../main.js', import.meta.url))

export interface WorkerProcessOptions {
  /** Words after `drover worker`. */
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** From SIGTERM to SIGKILL. */
  readonly killAfterMs: number
  /** Each line of its standard output. */
  readonly onLine: (line: string) => void
  /** It ended without having been asked to. */
  readonly onExit: (how: string) => void
}

export class WorkerProcess {
  readonly #options: WorkerProcessOptions
  #child: ChildProcess | undefined
  #work: Promise<void> = Promise.resolve()
  #isRestartWanted = false
  #isClosed = false

  constructor(options: WorkerProcessOptions) {
    this.#options = options
    this.#start()
  }

  /** Ends the process and starts it anew. Calls that come while it still ends are one. */
  restart(): void {
    if (this.#isRestartWanted || this.#isClosed) return
    this.#isRestartWanted = true
    this.#work = this.#work.then(async () => {
      await this.#end()
      this.#isRestartWanted = false
      if (!this.#isClosed) this.#start()
    })
  }

  /** Ends the process for good. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#end()
    await this.#work
  }

  /** Ends it without waiting for anything. */
  kill(): void {
    this.#isClosed = true
    this.#child?.kill('SIGKILL')
  }

  #start(): void {
    const { args, env, onLine, onExit } = this.#options
    // Detached: Ctrl-C in the terminal is for us, who then end it. When we are killed, its IPC channel closes, on which
    // it ends by itself.
    const child = fork(COMMAND, ['worker', ...args, '--with-parent'], {
      detached: true,
      env,
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    this.#child = child
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', onLine)
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return
      this.#child = undefined
      onExit(signal === null ? `with code ${code}` : `by ${signal}`)
    })
  }

  async #end(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    // Its end is expected from here on.
    this.#child = undefined
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.killAfterMs)
    await exited
    clearTimeout(timer)
  }
}
