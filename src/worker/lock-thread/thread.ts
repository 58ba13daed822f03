// The main thread's end of the lock thread: starts it, starts it again should it end, and ends it with the worker.
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { InvalidOptionError, serializeError } from '../../job/index.js'
import type { FromLockThread, LockThreadData, ToLockThread } from './messages.js'

const RESTART_DELAY_MS = 500

export interface LockThreadHooks {
  readonly onMessage: (message: FromLockThread) => void
  /** There has been no thread for as long as a lock holds: no lock can be counted on any more. */
  readonly onGone: () => void
}

export class LockThread {
  readonly #data: LockThreadData
  readonly #logger: Logger
  readonly #hooks: LockThreadHooks
  /** What a thread that is started again must be told too, by what it is about. */
  readonly #told = new Map<string, ToLockThread>()
  readonly #ready: Promise<void>
  #thread: Worker
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined
  #restartTimer: NodeJS.Timeout | undefined
  #goneTimer: NodeJS.Timeout | undefined
  #isClosing = false

  constructor(data: LockThreadData, logger: Logger, hooks: LockThreadHooks) {
    this.#data = data
    this.#logger = logger
    this.#hooks = hooks
    this.#ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever waits for it sees the failure; a worker that closes before it is ready waits for nothing.
    this.#ready.catch(() => undefined)
    this.#thread = this.#open()
  }

  /** Resolves once the first thread is connected; rejects when it ends before. */
  ready(): Promise<void> {
    return this.#ready
  }

  /** Tells the thread, and its successors too, until `about` is told of again; a release ends it. */
  tell(message: ToLockThread, about: string): void {
    if (message.kind === 'release') this.#told.delete(about)
    else this.#told.set(about, message)
    this.#thread.postMessage(message)
  }

  async close(): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#restartTimer)
    clearTimeout(this.#goneTimer)
    await this.#thread.terminate()
  }

  #open(): Worker {
    const thread = startThread(this.#data)
    // It lives as long as the worker's connections keep the process alive, and not longer.
    thread.unref()
    let failure: unknown
    thread.on('message', (message: FromLockThread) => {
      if (message.kind === 'ready') this.#isReady()
      else this.#hooks.onMessage(message)
    })
    thread.on('error', (error) => {
      failure = error
    })
    thread.on('exit', (code) => this.#hasEnded(failure ?? new Error(`the thread ended with code ${code}`)))
    for (const message of this.#told.values()) thread.postMessage(message)
    return thread
  }

  #isReady(): void {
    clearTimeout(this.#goneTimer)
    this.#goneTimer = undefined
    this.#settle?.resolve()
    this.#settle = undefined
  }

  #hasEnded(failure: unknown): void {
    if (this.#isClosing) return
    if (this.#settle) {
      this.#settle.reject(failure instanceof Error ? failure : new Error(String(failure)))
      this.#settle = undefined
      return
    }
    this.#logger.error({ err: serializeError(failure) }, 'the thread that renews locks ended, starting it again')
    this.#goneTimer ??= setTimeout(() => {
      this.#goneTimer = undefined
      this.#hooks.onGone()
    }, this.#data.lockMs)
    this.#restartTimer = setTimeout(() => {
      this.#thread = this.#open()
    }, RESTART_DELAY_MS)
  }
}

// Only our own JavaScript runs in it, so it needs none of the loaders and flags of the user's process. From the sources
// it goes through tsx: Node 20 takes no loader for the file that a thread starts with.
function startThread(workerData: LockThreadData): Worker {
  const options = { name: 'drover-locks', workerData, execArgv: [] }
  try {
    if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./main.js', import.meta.url), options)
    const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api'))
    const main = JSON.stringify(new URL('./main.ts', import.meta.url).href)
    const source = `import { register } from ${tsx}; register(); await import(${main})`
    return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), options)
  } catch (error) {
    if ((error as { name?: unknown }).name !== 'DataCloneError') throw error
    throw new InvalidOptionError(
      'redis.tls',
      'values that another thread can be given: text, numbers, buffers; no functions and no secureContext',
      'others',
    )
  }
}
