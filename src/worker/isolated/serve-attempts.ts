// The inside of an isolated handler's thread or process: loads the job file, runs one attempt at a time in the same way as
// a worker does, and hands its outcome over as data. The worker's side is child.ts.
import { importFile } from '../../config/index.js'
import { JobFileError } from '../../job/index.js'
import { queueKeys } from '../../redis/index.js'
import { Attempt } from '../attempt.js'
import type { AttemptRoom } from '../attempt-room.js'
import { type Handler, isHandler } from '../handle.js'
import { createChildLog } from './child-log.js'
import { createChildProgress } from './child-progress.js'
import { packError, unpackError } from './error-data.js'
import { Asking, createAskingStore } from './kept-asks.js'
import { type FromChild, isMessage, type JobRecord, type Setup, type ToChild } from './messages.js'

/** The way to the worker. */
export interface ChildLink {
  /** `sent` is called when the message is on its way, whatever becomes of this thread or process. */
  post(message: FromChild, sent?: () => void): void
  listen(take: (message: unknown) => void): void
}

/** Serves what the worker asks for over this link, until it says that it is the end. */
export function serveAttempts(link: ChildLink): void {
  let serving: Serving | undefined
  // A rejection that nobody handles comes here too. Nothing after it is known to be right: the attempt ends, and we with it.
  process.on('uncaughtException', (error) => {
    link.post({ drover: 'crashed', error: packError(error) }, () => process.exit(1))
  })
  link.listen((message) => {
    if (!isMessage<ToChild>(message)) return
    if (message.drover === 'setup') serving = new Serving(link, message)
    else serving?.take(message)
  })
}

class Serving {
  readonly #link: ChildLink
  readonly #setup: Setup
  readonly #room: AttemptRoom
  readonly #log
  readonly #progress
  readonly #asking
  #exports: Readonly<Record<string, unknown>> = {}
  #run = 0
  #attempt: Attempt | undefined

  constructor(link: ChildLink, setup: Setup) {
    this.#link = link
    this.#setup = setup
    this.#log = createChildLog(setup.debug, (line, answer) => {
      link.post({ drover: 'log', run: this.#run, line, answer })
    })
    this.#progress = createChildProgress((value) => link.post({ drover: 'progress', run: this.#run, value }))
    this.#asking = new Asking((number, ask) => link.post({ drover: 'ask', run: this.#run, number, ask }))
    this.#room = {
      keys: queueKeys(setup.prefix, setup.queue),
      queue: setup.queue,
      cluster: setup.cluster,
      logger: this.#log.logger,
      // The worker keeps each line that it is sent with the job.
      addLog: async () => undefined,
      openKept: () => createAskingStore((ask) => this.#asking.ask(ask)),
    }
    void this.#load()
  }

  take(message: ToChild): void {
    switch (message.drover) {
      case 'run':
        void this.#serve(message.run, message.job)
        return
      case 'abort':
        if (message.run === this.#run) this.#attempt?.abort(unpackError(message.reason) as Error)
        return
      case 'progressed':
        this.#progress.answered(message.error === undefined ? undefined : unpackError(message.error))
        return
      case 'answered': {
        const error = message.error === undefined ? undefined : unpackError(message.error)
        this.#asking.answered(message.number, message.value, error)
        return
      }
      case 'logged':
        this.#log.answered(message.lines)
        return
      case 'end':
        process.exit(0)
    }
  }

  async #load(): Promise<void> {
    try {
      this.#exports = await importFile(this.#setup.file)
      this.#link.post({ drover: 'ready' })
    } catch (error) {
      this.#link.post({ drover: 'unloadable', error: packError(error) }, () => process.exit(1))
    }
  }

  async #serve(run: number, job: JobRecord): Promise<void> {
    this.#run = run
    let left: PromiseLike<unknown> | undefined
    try {
      const handler = this.#handlerOf(job.name)
      const watched = {
        contract: handler.contract,
        run: (...words: Parameters<Handler['run']>) => {
          const returned = handler.run(...words)
          left = Promise.resolve(returned).catch(() => undefined)
          return returned
        },
      }
      const record = { ...job, updateProgress: this.#progress.show }
      this.#attempt = new Attempt(record, '', watched, this.#room)
      const { counters, ...outcome } = await this.#attempt.run()
      this.#link.post({ drover: 'completed', run, outcome: { ...outcome, counters: [...(counters ?? [])] } })
    } catch (error) {
      // The worker takes our answer for the end of the handler: one that ignores its signal has not ended.
      await left
      this.#link.post({ drover: 'failed', run, error: packError(this.#attempt?.abortReason ?? error) })
    } finally {
      this.#attempt = undefined
    }
  }

  #handlerOf(name: string): Handler {
    const { file, queue } = this.#setup
    for (const exported of Object.values(this.#exports)) {
      if (isHandler(exported) && exported.contract.name === name && exported.contract.queue === queue) return exported
    }
    const reason = new Error(`it exports no handler of job ${name} in queue ${queue}; export what handle() returns`)
    throw new JobFileError(file, reason)
  }
}
