// What a producer knows of its Redis beyond that it answers: whether it keeps jobs as asked for, and whether it has room
// for more. Looked at when a connection is new, then at most once a second while jobs are enqueued, beside them; a call
// waits for a look only at the start, or when Redis refused the one before or may be nearly full. replica-wait.ts is the rest of `strict`.
import { RedisFullError, type RedisNotDurableError } from '../job/index.js'
import {
  type DurabilityDemand,
  FULL_SHARE,
  type RedisClient,
  readMemoryShare,
  readServerInfo,
  requireDurable,
} from '../redis/index.js'

/** Below this share a Redis that was too full takes jobs again: room enough that it does not fill up at once. */
const RESUME_SHARE = 0.8
const LOOK_INTERVAL_MS = 1_000
/** What a job takes in Redis beside its input, roughly: its options, its id in lists, its result to come. */
const JOB_BYTES = 1_024
/** Several producers may fill the same room between two looks. */
const ROOM_PARTS = 8

export class StoreWatch {
  readonly #client: RedisClient
  readonly #demand: DurabilityDemand
  #isJudged = false
  #refusal: RedisNotDurableError | undefined
  #hasReplicas = false
  #isFull = false
  #usedPercent: number | undefined
  /** Bytes that may be sent before the next look; none while Redis is full or not known yet. */
  #budgetBytes = 0
  #nextLookMs = 0
  #looking: Promise<void> | undefined

  constructor(client: RedisClient, demand: DurabilityDemand) {
    this.#client = client
    this.#demand = demand
    client.on('ready', () => {
      this.#looking = this.#judge()
    })
  }

  /** True when a connection has been looked at; before, a call waits for `settled`. */
  get isJudged(): boolean {
    return this.#isJudged
  }

  /** With `strict`: whether this Redis has, or ever had, a replica that a job must have reached. */
  get needsReplica(): boolean {
    return this.#demand.durability === 'strict' && this.#hasReplicas
  }

  /** Resolves when the look at the connection is done, whatever it brought; begins one where none is under way. */
  settled(): Promise<void> {
    this.#looking ??= this.#judge()
    return this.#looking
  }

  /**
   * Lets `jobs` jobs with `characters` of input go, or gives what to wait for before asking again.
   * @throws RedisFullError, RedisNotDurableError: nothing is to be sent
   */
  admit(operation: string, nowMs: number, jobs: number, characters: number): Promise<void> | undefined {
    if (this.#refusal) {
      if (nowMs < this.#nextLookMs) throw this.#refusal
      // Somebody may have set by now what the error asked for.
      return this.settled()
    }
    if (nowMs < this.#nextLookMs && this.#budgetBytes > 0) {
      this.#budgetBytes -= characters + jobs * JOB_BYTES
      return undefined
    }
    const isDue = nowMs >= this.#nextLookMs
    if (isDue || !this.#isFull) this.#looking ??= this.#look()
    if (this.#budgetBytes > 0) {
      this.#budgetBytes -= characters + jobs * JOB_BYTES
      return undefined
    }
    if (this.#looking) return this.#looking
    throw this.#full(operation)
  }

  /** Redis refused a write for want of memory. Gives the error for it. */
  noteFull(operation: string, cause: Error): RedisFullError {
    this.#isFull = true
    this.#budgetBytes = 0
    this.#nextLookMs = performance.now() + LOOK_INTERVAL_MS
    return new RedisFullError(operation, { cause })
  }

  #full(operation: string): RedisFullError {
    return new RedisFullError(operation, this.#usedPercent === undefined ? {} : { usedPercent: this.#usedPercent })
  }

  /** Of a new connection, which may be one to another server. */
  async #judge(): Promise<void> {
    try {
      const [info] = await Promise.all([readServerInfo(this.#client), this.#measure()])
      this.#hasReplicas ||= (info.connectedReplicas ?? 0) > 0
      requireDurable(info, this.#demand)
      this.#refusal = undefined
      this.#isJudged = true
    } catch (error) {
      this.#noteFailure(error)
    } finally {
      this.#looking = undefined
    }
  }

  async #look(): Promise<void> {
    try {
      await this.#measure()
    } catch {
      // The connection was lost; the call beside it says so, and the next connection is judged anew.
      this.#budgetBytes = Number.POSITIVE_INFINITY
      this.#nextLookMs = performance.now() + LOOK_INTERVAL_MS
    } finally {
      this.#looking = undefined
    }
  }

  async #measure(): Promise<void> {
    const { share, maxmemoryBytes } = await readMemoryShare(this.#client)
    this.#isFull = share >= (this.#isFull ? RESUME_SHARE : FULL_SHARE)
    this.#usedPercent = this.#isFull ? Math.round(100 * share) : undefined
    this.#nextLookMs = performance.now() + LOOK_INTERVAL_MS
    if (this.#isFull) this.#budgetBytes = 0
    else if (maxmemoryBytes === 0) this.#budgetBytes = Number.POSITIVE_INFINITY
    else this.#budgetBytes = ((FULL_SHARE - share) * maxmemoryBytes) / ROOM_PARTS
  }

  #noteFailure(error: unknown): void {
    this.#nextLookMs = performance.now() + LOOK_INTERVAL_MS
    if (isNotDurable(error)) {
      this.#refusal = error
      this.#budgetBytes = 0
      this.#isJudged = true
    } else if (error instanceof Error && error.name === 'ReplyError') {
      // A server that answers, and not this: what it is like stays unknown.
      this.#isJudged = true
      this.#budgetBytes = Number.POSITIVE_INFINITY
    }
  }
}

function isNotDurable(error: unknown): error is RedisNotDurableError {
  return (error as { code?: unknown } | undefined)?.code === 'REDIS_NOT_DURABLE'
}
