// createOutboxRelay: moves the rows of an outbox to Redis, batch after batch, for as long as it is open. One batch is in
// move-batch.ts; here is when the next one comes, and what is said while Postgres or Redis is away.
import { flushThrottled } from '../../job/index.js'
import { BullQueues } from '../bull-queues.js'
import { RedisGate } from '../redis-gate.js'
import { moveBatch } from './move-batch.js'
import { type OutboxRelayOptions, type RelayPlan, readRelayOptions } from './relay-options.js'
import type { RelayRedis } from './send-rows.js'

/** Moves rows until it is closed. As many relays as wanted may work on one table, in any number of processes. */
export interface OutboxRelay extends AsyncDisposable {
  /** Rows that this relay has moved. */
  readonly moved: number
  /** Looks at the table now rather than after `interval`: for a process that has just committed rows itself. */
  wake(): void
  /** Waits for the batch under way, at most Postgres's 30 s and `timeout`, and closes the connection to Redis. */
  close(): Promise<void>
}

/** While Postgres or Redis is away: the longest wait before the next try. */
const MAX_AWAY_PAUSE_MS = 5_000

/**
 * Starts to move rows at once.
 * @throws UnknownOptionError, InvalidOptionError, InvalidPrefixError, RedisUrlError; ConfigError for the environment
 */
export function createOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  return new OpenRelay(readRelayOptions(options))
}

class OpenRelay implements OutboxRelay {
  readonly #plan: RelayPlan
  readonly #redis: RelayRedis
  readonly #ended: Promise<void>
  #closing: Promise<void> | undefined
  #wakeUp: (() => void) | undefined
  #isWoken = false
  #moved = 0

  constructor(plan: RelayPlan) {
    this.#plan = plan
    const gate = new RedisGate(plan.settings, plan.timeoutMs, plan.demand)
    this.#redis = { gate, queues: new BullQueues(gate.client, plan.prefix) }
    this.#ended = this.#run()
  }

  get moved(): number {
    return this.#moved
  }

  wake(): void {
    this.#isWoken = true
    this.#wakeUp?.()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(): Promise<void> {
    const { intervalMs, logger } = this.#plan
    let failures = 0
    // Not before the caller has its relay: `close` must be able to end the loop.
    await Promise.resolve()
    while (!this.#closing) {
      this.#isWoken = false
      try {
        const { moved, hasMore } = await moveBatch(this.#plan, this.#redis)
        this.#moved += moved
        if (failures > 0) logger?.info({ failures }, 'the outbox relay moves rows again')
        failures = 0
        if (!hasMore) await this.#pause(intervalMs)
      } catch (error) {
        failures++
        if (failures === 1) logger?.warn({ err: error }, 'the outbox relay cannot move rows now; it goes on trying')
        await this.#pause(Math.min(intervalMs * 2 ** Math.min(failures, 10), MAX_AWAY_PAUSE_MS))
      }
    }
  }

  async #pause(pauseMs: number): Promise<void> {
    if (this.#isWoken || this.#closing) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs)
      this.#wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wakeUp = undefined
  }

  async #close(): Promise<void> {
    this.#wakeUp?.()
    await this.#ended
    await this.#redis.gate.close()
    await this.#redis.queues.close()
    if (this.#plan.logger) flushThrottled(this.#plan.logger)
  }
}
