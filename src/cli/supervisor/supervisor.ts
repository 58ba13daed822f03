// Keeps a number of worker processes running: starts them again when they end, replaces them one at a time (for new code
// or for a limit, the new one first), and ends them in order. What a process is, is managed-process.ts; when it is
// started again, restart-policy.ts; signals and settings are verbs/worker.ts.
import type { Logger } from 'pino'
import { logThinned } from '../../job/index.js'
import type { HealthQuestion, ProcessHealth } from '../../worker/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import type { Ending, ManagedProcess, ManagedProcessOptions } from './managed-process.js'
import type { ToSupervisor } from './messages.js'
import { CRASH_LOOP_ENDS, RestartPolicy, type RestartTiming } from './restart-policy.js'

export interface SupervisorOptions {
  readonly processes: number
  readonly launch: (options: Pick<ManagedProcessOptions, 'number' | 'onMessage'>) => ManagedProcess
  readonly logger: Logger
  /** Shorter in tests. */
  readonly timing?: RestartTiming
}

/** A place for one process, which has a number. */
interface Place {
  readonly number: number
  readonly policy: RestartPolicy
  current: ManagedProcess | undefined
  /** What takes over from the current one once it is ready. */
  replacement: ManagedProcess | undefined
  /** What was replaced, while it waits for its jobs. */
  leaving: ManagedProcess | undefined
  restart: NodeJS.Timeout | undefined
  /** A recycle is waiting for its turn. */
  isDue: boolean
  isToldOfLoop: boolean
  /** Its process was told from outside to close. */
  isGone: boolean
}

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #logger: Logger
  readonly #places: readonly Place[]
  readonly #done: Promise<number>
  #finish: (code: number) => void = () => undefined
  /** Replacements come one after another, so that there is one process more than asked for at most. */
  #changes: Promise<unknown> = Promise.resolve()
  #rolling: 'no' | 'yes' | 'again' = 'no'
  #isClosing = false

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#logger = options.logger
    this.#places = Array.from({ length: options.processes }, (_, index) => createPlace(index + 1, options.timing))
    this.#done = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  /** The processes that are there, those that start and end included. */
  get processes(): readonly ManagedProcess[] {
    return this.#places.flatMap(({ current, replacement, leaving }) =>
      [current, replacement, leaving].filter((each) => each !== undefined),
    )
  }

  /**
   * Runs until it is closed, every process was told to close, or nothing but a crash loop is left; gives the exit code.
   * One process is started alone first: when it cannot start, its exit code is the answer, as without a supervisor.
   */
  async run(): Promise<number> {
    const [scout, ...others] = this.#places
    if (scout === undefined) return EXIT_CODES.ok.code
    const first = this.#launch(scout)
    scout.current = first
    if (!(await first.ready)) {
      if (this.#isClosing) return this.#done
      const { code, signal } = await first.ended
      this.#logger.error({ process: 1, code, signal }, 'the first process ended before it was ready, none is started')
      return code === null || code === 0 ? EXIT_CODES.failed.code : code
    }
    this.#watch(scout, first)
    for (const place of others) this.#start(place)
    return this.#done
  }

  /** How each place is doing; the depths of the queues, which all share, are asked of one process. */
  health({ depths = false, ...question }: HealthQuestion): Promise<ProcessHealth[]> {
    const places = this.#places.filter(({ isGone }) => !isGone)
    const teller = depths ? places.find(({ current }) => current?.isReady) : undefined
    return Promise.all(
      places.map(async (place) => {
        const { number, current } = place
        const health = await current?.health({ ...question, depths: place === teller })
        return { process: number, health, silentMs: current?.silentMs ?? 0 }
      }),
    )
  }

  /** Replaces every process, one at a time, the next once the last is done. The new ones load the code and settings that are there now. */
  restartAll(): void {
    if (this.#isClosing) return
    const isRolling = this.#rolling !== 'no'
    this.#rolling = isRolling ? 'again' : 'yes'
    if (!isRolling) void this.#inTurn(() => this.#roll())
  }

  /** Ends every process in order; `run` resolves then. */
  async close(): Promise<void> {
    this.#isClosing = true
    for (const place of this.#places) clearTimeout(place.restart)
    const processes = this.processes
    await Promise.all(processes.map((each) => each.close()))
    this.#finish(this.#tellOfKilled(processes) ? EXIT_CODES.failed.code : EXIT_CODES.ok.code)
  }

  /** Ends every process at once. */
  kill(): void {
    this.#isClosing = true
    for (const place of this.#places) clearTimeout(place.restart)
    for (const each of this.processes) each.kill()
  }

  #launch(place: Place): ManagedProcess {
    const launched: ManagedProcess = this.#options.launch({
      number: place.number,
      onMessage: (message) => this.#hear(place, launched, message),
    })
    return launched
  }

  #start(place: Place): void {
    try {
      const started = this.#launch(place)
      place.current = started
      this.#watch(place, started)
    } catch (error) {
      // Without memory for a fork, say: the processes that run go on, and this one is tried again.
      const againInMs = place.policy.ended(0, true)
      const fields = { process: place.number, err: error, againInMs }
      logThinned(this.#logger, 'error', fields, 'a process could not be started', `${place.number}`)
      this.#startLater(place, againInMs)
    }
  }

  #watch(place: Place, watched: ManagedProcess): void {
    void watched.ended.then((ending) => this.#onEnd(place, watched, ending))
  }

  #hear(place: Place, from: ManagedProcess, message: ToSupervisor): void {
    if (message.kind === 'ready') this.#logger.info({ process: place.number, processPid: from.pid }, 'process ready')
    if (message.kind !== 'recycle' || place.isDue || place.current !== from || this.#isClosing) return
    place.isDue = true
    const { why, rssBytes, handled } = message
    this.#logger.info(
      { process: place.number, why, rssBytes, handled },
      'process has reached its limit, it is replaced',
    )
    void this.#inTurn(async () => {
      place.isDue = false
      if (place.current === from) await this.#replace(place)
    })
  }

  // Only an end that nobody asked for: one that was replaced is not the place's current process any more.
  #onEnd(place: Place, ended: ManagedProcess, { code, signal }: Ending): void {
    if (place.current !== ended || this.#isClosing) return
    place.current = undefined
    if (ended.hasLeft) {
      this.#leave(place)
      return
    }
    const isOutside = code === EXIT_CODES.redisUnreachable.code
    const againInMs = place.policy.ended(ended.readyMs, isOutside)
    const fields = { process: place.number, code, signal, ends: place.policy.ends, againInMs }
    logThinned(this.#logger, 'error', fields, 'process ended by itself, it is started again', `${place.number}`)
    this.#tellOfLoop(place)
    // Where a replacement is starting it takes over, or #replace sees to it.
    if (!this.#isClosing && place.replacement === undefined) this.#startLater(place, againInMs)
  }

  #startLater(place: Place, waitMs: number): void {
    place.restart = setTimeout(() => this.#start(place), waitMs)
  }

  #leave(place: Place): void {
    place.isGone = true
    this.#logger.info({ process: place.number }, 'process was told to close, it is not replaced')
    if (this.#places.every(({ isGone }) => isGone)) this.#finish(EXIT_CODES.ok.code)
  }

  #tellOfLoop(place: Place): void {
    if (!isLooping(place)) {
      place.isToldOfLoop = false
      return
    }
    const fields = { process: place.number, ends: place.policy.ends, limit: CRASH_LOOP_ENDS }
    const text = 'crash loop: the process ends again and again soon after its start'
    // Once for each loop, so none is left out for another's.
    if (!place.isToldOfLoop) this.#logger.error(fields, text)
    place.isToldOfLoop = true
    if (!this.#places.every((each) => each.isGone || isLooping(each))) return
    this.#logger.fatal(fields, 'every process is in a crash loop, the supervisor ends')
    this.kill()
    this.#finish(EXIT_CODES.crashLoop.code)
  }

  #inTurn(change: () => Promise<void>): Promise<unknown> {
    this.#changes = this.#changes.then(change).catch((error: unknown) => {
      this.#logger.error({ err: error }, 'a process could not be replaced')
    })
    return this.#changes
  }

  async #roll(): Promise<void> {
    try {
      do {
        this.#rolling = 'yes'
        this.#logger.info({ processes: this.#places.length }, 'rolling restart')
        const isDone = await this.#rollOnce()
        if (isDone) this.#logger.info('rolling restart done')
      } while ((this.#rolling as string) === 'again' && !this.#isClosing)
    } finally {
      this.#rolling = 'no'
    }
  }

  async #rollOnce(): Promise<boolean> {
    for (const place of this.#places) {
      if (this.#isClosing) return false
      if (await this.#replace(place)) continue
      if (!this.#isClosing) {
        const fields = { process: place.number }
        this.#logger.error(
          fields,
          'rolling restart stopped: the new process was not ready, the others go on as they are',
        )
      }
      return false
    }
    return true
  }

  /** Starts the place's next process, and ends the present one once that is ready. False when it never was: then nothing changed. */
  async #replace(place: Place): Promise<boolean> {
    if (place.isGone || this.#isClosing) return !this.#isClosing
    const next = this.#launch(place)
    clearTimeout(place.restart)
    place.replacement = next
    const isReady = await next.ready
    place.replacement = undefined
    if (this.#isClosing) return false
    const last = place.current
    if (!isReady) {
      const { code, signal } = await next.ended
      this.#logger.error({ process: place.number, code, signal }, 'the replacement ended before it was ready')
      // The last one ended meanwhile, or had before.
      if (last === undefined && !place.isGone) this.#startLater(place, place.policy.ended(0))
      return false
    }
    // Told to close while its replacement started: the place is given up.
    if (place.isGone) {
      await this.#end(place, next)
      return true
    }
    place.current = next
    this.#watch(place, next)
    if (last !== undefined) await this.#end(place, last)
    return true
  }

  async #end(place: Place, leaving: ManagedProcess): Promise<void> {
    place.leaving = leaving
    await leaving.close()
    place.leaving = undefined
    // close() tells of it, when it came meanwhile.
    if (!this.#isClosing) this.#tellOfKilled([leaving])
  }

  #tellOfKilled(processes: readonly ManagedProcess[]): boolean {
    const killed = processes.filter((each) => each.wasKilled).map(({ number }) => number)
    if (killed.length > 0) this.#logger.error({ processes: killed }, 'processes did not end in time and were killed')
    return killed.length > 0
  }
}

function isLooping({ policy, current }: Place): boolean {
  return policy.isCrashLoop(current?.readyMs ?? 0)
}

function createPlace(number: number, timing: RestartTiming | undefined): Place {
  return {
    number,
    policy: new RestartPolicy(timing),
    current: undefined,
    replacement: undefined,
    leaving: undefined,
    restart: undefined,
    isDue: false,
    isToldOfLoop: false,
    isGone: false,
  }
}
