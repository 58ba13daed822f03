// The overview, read once for all who look at it: at most once a second, however many tabs are open. While Redis is down
// the last one stays, with what is wrong.
import type { RedisClient, RedisSettings } from '../redis/index.js'
import { untilConnected } from './connection.js'
import { LastHour } from './last-hour.js'
import { LatestResults } from './latest-results.js'
import { type Overview, readOverview } from './overview-data.js'
import { type Problem, redisProblem } from './problems.js'

/** The latest overview there is, and why it is not a current one. */
export interface OverviewState {
  readonly overview: Overview | undefined
  readonly problem: Problem | undefined
}

const FRESH_MS = 1_000

export class OverviewSource {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #redis: RedisSettings
  readonly #lastHour = new LastHour()
  readonly #latestResults = new LatestResults()
  #reading: Promise<OverviewState> | undefined
  #state: OverviewState = { overview: undefined, problem: undefined }
  #freshUntil = 0

  constructor(client: RedisClient, prefix: string, redis: RedisSettings) {
    this.#client = client
    this.#prefix = prefix
    this.#redis = redis
  }

  /** Rejects only for what is our own fault; a Redis that does not answer is part of the state. */
  async read(): Promise<OverviewState> {
    if (performance.now() < this.#freshUntil) return this.#state
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readNow(): Promise<OverviewState> {
    try {
      await untilConnected(this.#client)
      const overview = await readOverview({
        client: this.#client,
        prefix: this.#prefix,
        redis: this.#redis,
        nowMs: Date.now(),
        lastHour: this.#lastHour,
        latestResults: this.#latestResults,
      })
      this.#state = { overview, problem: undefined }
    } catch (error) {
      const problem = redisProblem(error)
      if (problem === undefined) throw error
      this.#state = { overview: this.#state.overview, problem }
    }
    this.#freshUntil = performance.now() + FRESH_MS
    return this.#state
  }
}
