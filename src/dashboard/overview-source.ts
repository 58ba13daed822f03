// The overview, read once for all who look at it: at most once a second, however many tabs are open. While Redis is down
// the last one stays, with what is wrong.
import type { StatsOfStep } from '../ledger/index.js'
import { queueKeys, type RedisClient, type RedisSettings } from '../redis/index.js'
import { untilConnected } from './connection.js'
import { LastHour } from './last-hour.js'
import { LatestResults } from './latest-results.js'
import { type History, HistorySource } from './overview/history.js'
import type { RangeName } from './overview/history-steps.js'
import { Rates } from './overview/rates.js'
import { SlowFactsSource } from './overview/slow-facts.js'
import { MAX_QUEUES, type Overview, readOverview, readQueueNames } from './overview-data.js'
import { type Problem, redisProblem } from './problems.js'
import type { Shared } from './shared.js'

/** The latest overview there is, and why it is not a current one. */
export interface OverviewState {
  readonly overview: Overview | undefined
  readonly problem: Problem | undefined
}

type OverviewSourceOptions = Pick<Shared, 'client' | 'prefix' | 'redis' | 'redact' | 'timeoutMs'>

const FRESH_MS = 1_000

export class OverviewSource {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #redis: RedisSettings
  readonly #timeoutMs: number
  readonly #lastHour = new LastHour()
  readonly #latestResults: LatestResults
  readonly #rates = new Rates()
  readonly #slowFacts: SlowFactsSource
  readonly #history: HistorySource
  #reading: Promise<OverviewState> | undefined
  #state: OverviewState = { overview: undefined, problem: undefined }
  #freshUntil = 0

  constructor({ client, prefix, redis, redact, timeoutMs }: OverviewSourceOptions) {
    this.#latestResults = new LatestResults(redact)
    this.#timeoutMs = timeoutMs
    this.#client = client
    this.#prefix = prefix
    this.#redis = redis
    this.#slowFacts = new SlowFactsSource(client, prefix, redis)
    this.#history = new HistorySource(client, prefix)
  }

  /**
   * Reads the last hour of each queue, one queue after the other, so that the first look need not wait for some thousand
   * hashes. What goes wrong is met and said by that look.
   */
  async warm(): Promise<void> {
    try {
      await untilConnected(this.#client)
      const names = await readQueueNames(this.#client, this.#prefix)
      for (const queue of names.slice(0, MAX_QUEUES)) await this.minutesOf(queue, Date.now())
    } catch {
      // Redis is not there yet, or a key is of another type.
    }
  }

  /** Rejects only for what is our own fault; a Redis that does not answer is part of the state. */
  async read(): Promise<OverviewState> {
    if (performance.now() < this.#freshUntil) return this.#state
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  /**
   * The series behind the charts, over these queues of the overview read last.
   * @throws what Redis rejects a read with
   */
  async history(range: RangeName, queues: readonly string[], nowMs: number): Promise<History> {
    return this.#history.read(range, queues, (queue) => this.#lastHour.minutesOf(queue), nowMs)
  }

  /**
   * The minutes of the last hour of a queue, read when the overview has not just done so.
   * @throws what Redis rejects a read with
   */
  async minutesOf(queue: string, nowMs: number): Promise<readonly StatsOfStep[]> {
    const isFresh = performance.now() < this.#freshUntil && this.#lastHour.minutesOf(queue).length > 0
    if (isFresh) return this.#lastHour.minutesOf(queue)
    await untilConnected(this.#client)
    await this.#lastHour.read(this.#client, queueKeys(this.#prefix, queue), queue, nowMs)
    return this.#lastHour.minutesOf(queue)
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
        rates: this.#rates,
        slowFacts: this.#slowFacts,
      })
      this.#history.keepOnly(overview.queues.map(({ queue }) => queue))
      this.#state = { overview, problem: undefined }
    } catch (error) {
      const problem = redisProblem(error, this.#timeoutMs)
      if (problem === undefined) throw error
      this.#state = { overview: this.#state.overview, problem }
    }
    this.#freshUntil = performance.now() + FRESH_MS
    return this.#state
  }
}
