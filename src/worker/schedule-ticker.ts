// Fires the schedules of one queue: any of its workers may, and whoever comes first does. What that means for missed and
// overlapping ticks is src/ledger/schedules.
import type { Logger } from 'pino'
import { logThinned, throttledLog } from '../job/index.js'
import { fireDue, type ScheduleRoom } from '../ledger/index.js'

/** How often a queue with schedules is looked at, and one without, which may get some at any time. */
const LOOK_MS = 1_000
const IDLE_LOOK_MS = 5_000
const UNREADABLE = 'a schedule cannot be read and does not tick: set it again, or remove it'

export class ScheduleTicker {
  readonly #room: () => ScheduleRoom
  readonly #logger: Logger
  readonly #onError: (error: unknown) => void
  readonly #queue: string
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #isClosed = false

  /** `room` is asked each time, as a worker's backend may be built anew. */
  constructor(room: () => ScheduleRoom, queue: string, logger: Logger) {
    this.#room = room
    this.#queue = queue
    this.#logger = logger.child({ queue })
    this.#onError = throttledLog(this.#logger, 'warn', 'schedules were not looked at, will retry')
  }

  start(): void {
    this.#lookIn(0)
  }

  /** Fires no more; resolves when a look under way has ended. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#looking
  }

  #lookIn(ms: number): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      this.#looking = this.#look()
        .catch((error: unknown) => {
          this.#onError(error)
          return LOOK_MS
        })
        .then((nextMs) => this.#lookIn(nextMs))
    }, ms)
  }

  async #look(): Promise<number> {
    const { schedules, fired } = await fireDue(this.#room())
    for (const { name, job, outcome, ids, passed } of fired) {
      const fields = { schedule: name, job, ids, passed }
      if (outcome === 'fired') this.#logger.info(fields, 'schedule fired')
      else if (outcome === 'skipped') this.#logger.info(fields, 'schedule skipped a tick: its last job is unfinished')
      else if (outcome === 'unreadable') this.#warn({ schedule: name }, UNREADABLE)
      if (passed > 0 && (outcome === 'fired' || outcome === 'passed')) {
        this.#warn(fields, 'schedule passed over missed ticks')
      }
    }
    return schedules > 0 ? LOOK_MS : IDLE_LOOK_MS
  }

  // Lines of one schedule do not stand for those of another.
  #warn(fields: { readonly schedule: string }, text: string): void {
    logThinned(this.#logger, 'warn', fields, text, `${this.#queue} ${fields.schedule}`)
  }
}
