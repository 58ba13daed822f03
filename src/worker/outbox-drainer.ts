// Moves the jobs of one queue's outbox to their queues: after a commit that put some there, and every few seconds for
// what a worker left that died. Only a cluster fills one. How a job is moved is src/ledger/outbox.
import type { Logger } from 'pino'
import { throttledLine, throttledLog } from '../job/index.js'
import { emptyOutbox, type OutboxRoom, type StagedJob } from '../ledger/index.js'

const LOOK_MS = 5_000

export class OutboxDrainer {
  readonly #room: OutboxRoom
  readonly #onError: (error: unknown) => void
  readonly #logStuck: (fields: object) => void
  #timer: NodeJS.Timeout | undefined
  #draining: Promise<void> | undefined
  #isAsked = false
  #isUsed = false
  #isClosed = false

  constructor(room: OutboxRoom, logger: Logger) {
    this.#room = room
    const own = logger.child({ queue: room.queue })
    this.#onError = throttledLog(own, 'warn', 'the outbox was not emptied, will retry')
    this.#logStuck = throttledLine(own, 'error', 'jobs wait in the outbox: their queue does not take them')
  }

  /** Looks now, and from then on every few seconds: without a cluster only where one has left something. */
  start(): void {
    void this.#wake().then(() => this.#lookLater())
  }

  /** Told of the jobs of a commit. On a cluster those for other queues are in the outbox. */
  noteJobs(jobs: readonly StagedJob[]): void {
    const { client, queue } = this.#room
    if (!client.isCluster || jobs.every((job) => job.queue === queue)) return
    this.#isUsed = true
    void this.#wake()
  }

  /** Empties it now; a look under way is followed by another one. */
  #wake(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isAsked = true
    this.#draining ??= this.#drain()
    return this.#draining
  }

  /** Looks once more, as this may be the queue's last worker for now. Rejects never. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    const last = this.#isUsed ? this.#wake() : this.#draining
    this.#isClosed = true
    await last
  }

  /** Leaves no timer. */
  cut(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #drain(): Promise<void> {
    while (this.#isAsked) {
      this.#isAsked = false
      try {
        const { stuck, isUsed } = await emptyOutbox(this.#room)
        this.#isUsed ||= isUsed
        for (const [to, reason] of stuck) this.#logStuck({ to, reason })
      } catch (error) {
        this.#onError(error)
      }
    }
    // In the same turn as the last look at the question: one that is asked in a later turn would find nobody.
    this.#draining = undefined
  }

  #lookLater(): void {
    if (this.#isClosed || !(this.#isUsed || this.#room.client.isCluster)) return
    this.#timer = setTimeout(() => void this.#wake().then(() => this.#lookLater()), LOOK_MS)
  }
}
