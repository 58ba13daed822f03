// Tells each 5 s how many workers the pool of this worker should have: one of its workers does, whoever comes first. For
// workers with `autoscale` alone.
import type { Logger } from 'pino'
import { throttledLog } from '../job/index.js'
import { type AutoscaleRules, askAutoscale, lastAutoscale } from '../ledger/index.js'
import type { RedisClient } from '../redis/index.js'

const TICK_MS = 5_000

export interface AutoscaleRoom {
  readonly client: RedisClient
  readonly prefix: string
  readonly queues: readonly string[]
  readonly rules: AutoscaleRules
  readonly logger: Logger
}

export class AutoscaleTicker {
  readonly #room: AutoscaleRoom
  readonly #onError: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #isBusy = false
  #isClosed = false
  #desired: number | undefined

  constructor(room: AutoscaleRoom) {
    this.#room = room
    const logFailed = throttledLog(room.logger, 'warn', 'the number of workers was not worked out, will retry')
    // Where Redis is away, the client's own line says so.
    this.#onError = (error) => {
      if (!this.#isClosed && room.client.status === 'ready') logFailed(error)
    }
  }

  start(): void {
    this.#timer = setInterval(() => void this.#tick(), TICK_MS).unref()
    void this.#tick()
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
  }

  async #tick(): Promise<void> {
    if (this.#isBusy || this.#room.client.status !== 'ready') return
    this.#isBusy = true
    try {
      const { client, prefix, queues, rules, logger } = this.#room
      const age = Date.now() - (await lastAutoscale(client, prefix, queues, rules.waitTargetMs))
      // A clock that is ahead must not silence the others for long.
      if (age >= 0 && age < TICK_MS - 500) return
      const { desired, wanted, workers } = await askAutoscale(client, { prefix, queues, rules, keeps: 'number' })
      if (desired !== this.#desired) logger.info({ queues, workers, desired, wanted }, 'number of workers wanted')
      this.#desired = desired
    } catch (error) {
      this.#onError(error)
    } finally {
      this.#isBusy = false
    }
  }
}
