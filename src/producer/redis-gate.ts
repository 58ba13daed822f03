// A producer's way to Redis: one fail-fast connection, and what a call does while Redis is away. Sent at once when it is
// there; else again and again until the call's timeout. Nothing is kept per call unless Redis is away.
import { setTimeout as sleep } from 'node:timers/promises'
import { ClosedError, isDroverError, RedisRefusedError, RedisUnavailableError } from '../job/index.js'
import {
  clientAddress,
  createProducerClient,
  type DurabilityDemand,
  type KeysOfQueue,
  maskRedisError,
  type RedisClient,
  type RedisSettings,
} from '../redis/index.js'
import { ReplicaWait } from './replica-wait.js'
import { StoreWatch } from './store-watch.js'

/** After so long without a byte, a connection that owes an answer is taken for dead and a new one tried. */
const SILENCE_MS = 2_000
const FIRST_PAUSE_MS = 25
const MAX_PAUSE_MS = 500

/** A call under way: what errors say of it, and when it began by `performance.now()`. */
export interface GateCall {
  readonly operation: string
  readonly startedMs: number
  readonly jobId?: string
}

/** What a call adds to Redis. */
export interface SentLoad {
  readonly keys: KeysOfQueue
  readonly jobs: number
  /** Of all inputs as JSON. */
  readonly characters: number
}

type Waiter = (error?: Error) => void

export class RedisGate {
  readonly client: RedisClient
  readonly timeoutMs: number
  readonly #store: StoreWatch
  readonly #replicas: ReplicaWait
  readonly #waiters = new Set<Waiter>()
  #inFlight = 0
  #closing: Promise<void> | undefined
  #drained: (() => void) | undefined
  /** First and latest failure of the connection since it was last ready. */
  #failures: { readonly firstMs: number; readonly lastMs: number } | undefined
  /** Why Redis will not have us: a wrong password or database, until a connection succeeds. */
  #refusal: Error | undefined
  #lastError: Error | undefined

  /** `gathersTurns` as for `createProducerClient`: for a server, whose calls come from many sockets. */
  constructor(settings: RedisSettings, timeoutMs: number, demand: DurabilityDemand, gathersTurns = false) {
    this.timeoutMs = timeoutMs
    this.client = createProducerClient(settings, {
      timeoutMs,
      silenceMs: Math.min(timeoutMs, SILENCE_MS),
      gathersTurns,
      onError: (error) => this.#noteError(error),
    })
    // Before the listener below: a call that waited for the connection finds the look at it under way.
    this.#store = new StoreWatch(this.client, demand)
    this.#replicas = new ReplicaWait(this.client)
    this.client.on('ready', () => this.#noteReady()).on('close', () => this.#noteClose())
  }

  get isReady(): boolean {
    return this.client.status === 'ready'
  }

  /** @throws ClosedError */
  checkOpen(): void {
    if (this.#closing) throw new ClosedError('producer')
  }

  /** Begins a call that `close` waits for; `leave` ends it. @throws ClosedError */
  enter(): void {
    this.checkOpen()
    this.#inFlight++
  }

  leave(): void {
    if (--this.#inFlight === 0) this.#drained?.()
  }

  /** Waits for the connection. @throws RedisUnavailableError when the call's timeout passes, or Redis's refusal at once */
  untilReady(call: GateCall): Promise<void> {
    if (this.isReady) return Promise.resolve()
    const leftMs = this.#leftMs(call)
    if (this.#refusal) return Promise.reject(this.#refusal)
    // Known to be away for as long as this call may take: answer now, rather than pile up calls that wait.
    const { firstMs, lastMs } = this.#failures ?? { firstMs: 0, lastMs: 0 }
    if (leftMs <= 0 || lastMs - firstMs >= this.timeoutMs) return Promise.reject(this.#unavailable(call))
    return new Promise((resolve, reject) => {
      const settle: Waiter = (error) => {
        clearTimeout(timer)
        this.#waiters.delete(settle)
        if (error) reject(error)
        else resolve()
      }
      const timer = setTimeout(() => settle(this.#unavailable(call)), leftMs)
      this.#waiters.add(settle)
    })
  }

  /**
   * Sends jobs: as `attempt`, when Redis has room for them and keeps them as asked for; with durability `strict`, until a
   * replica has them, too.
   * @throws RedisFullError, RedisNotDurableError: nothing was sent; NotReplicatedError; else as `attempt`
   */
  async send<Value>(
    call: GateCall,
    load: SentLoad,
    first: () => Promise<Value>,
    again: () => Promise<Value>,
  ): Promise<Value> {
    this.enter()
    try {
      const wait = this.#admit(call, load)
      if (wait) await wait
      if (!this.#store.needsReplica) return await this.attempt(call, first, again)
      const confirmed = (command: () => Promise<Value>) => async () => {
        const value = await command()
        await this.#replicas.confirm(`${load.keys.bullBase}meta`, call)
        return value
      }
      return await this.attempt(call, confirmed(first), confirmed(again))
    } finally {
      this.leave()
    }
  }

  // It waits for the look at a first connection, and where Redis may be nearly full; never for a look that is only due.
  #admit(call: GateCall, load: SentLoad): Promise<void> | undefined {
    if (!this.#store.isJudged) return this.#admitLater(call, load)
    const wait = this.#store.admit(call.operation, call.startedMs, load.jobs, load.characters)
    return wait && this.#withinTimeout(call, wait).then(() => this.#admit(call, load))
  }

  async #admitLater(call: GateCall, load: SentLoad): Promise<void> {
    for (;;) {
      await this.untilReady(call)
      await this.#withinTimeout(call, this.#store.settled())
      if (this.#store.isJudged) break
      // The look failed, though the connection may stand: tried again without a wait, nothing else of the process would run.
      if (this.#leftMs(call) <= FIRST_PAUSE_MS) throw this.#unavailable(call)
      await sleep(FIRST_PAUSE_MS)
    }
    await this.#admit(call, load)
  }

  /** A read, or a write that may run twice: run until it succeeds or the timeout has passed. */
  async run<Value>(operation: string, command: () => Promise<Value>): Promise<Value> {
    this.enter()
    try {
      return await this.attempt({ operation, startedMs: performance.now() }, command, command)
    } finally {
      this.leave()
    }
  }

  /** A write that must not run twice: sent once, when Redis is there. */
  async runOnce<Value>(operation: string, command: () => Promise<Value>): Promise<Value> {
    const call = { operation, startedMs: performance.now() }
    this.enter()
    try {
      await this.untilReady(call)
      return await this.#withinTimeout(call, command())
    } catch (error) {
      throw this.errorOf(error, call)
    } finally {
      this.leave()
    }
  }

  /**
   * Runs `first` when Redis is there, and after a lost connection `again`, until one succeeds or the call's timeout has
   * passed. @throws RedisUnavailableError when it has passed; an error that is not about reaching Redis at once
   */
  async attempt<Value>(call: GateCall, first: () => Promise<Value>, again: () => Promise<Value>): Promise<Value> {
    try {
      // The client's own timeout of a command counts from when it is sent, so it will do for one that is sent at once.
      if (this.isReady) return await first()
    } catch (error) {
      return this.#repeat(call, again, error)
    }
    await this.untilReady(call)
    return this.#withinTimeout(call, first()).catch((error: unknown) => this.#repeat(call, again, error))
  }

  /** The error to hand on for one that Redis or its client gave; errors of Drover's own as they are. */
  errorOf(error: unknown, call: GateCall): Error {
    if (isDroverError(error)) return error
    const masked = maskRedisError(error, { ...call, timeoutMs: this.timeoutMs, address: clientAddress(this.client) })
    if (masked instanceof RedisUnavailableError) return this.#unavailable(call, masked.cause)
    if (masked.name !== 'ReplyError') return masked
    if (masked.message.startsWith('OOM ')) return this.#store.noteFull(call.operation, masked)
    return new RedisRefusedError(call.operation, masked.message, { cause: masked })
  }

  /** Waits for the calls under way, at most their timeout, then ends the connection. Later calls get ClosedError. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    this.client.disconnect()
  }

  async #repeat<Value>(call: GateCall, command: () => Promise<Value>, error: unknown): Promise<Value> {
    let failure = error
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      const known = this.errorOf(failure, call)
      if (!(known instanceof RedisUnavailableError) || this.#leftMs(call) <= pauseMs) throw known
      await sleep(pauseMs)
      await this.untilReady(call)
      try {
        return await this.#withinTimeout(call, command())
      } catch (caught) {
        failure = caught
      }
    }
  }

  /** A command that is sent later than its call has only what is left of the call's time. */
  async #withinTimeout<Value>(call: GateCall, running: Promise<Value>): Promise<Value> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#unavailable(call)), Math.max(0, this.#leftMs(call)))
    })
    try {
      return await Promise.race([running, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #leftMs({ startedMs }: GateCall): number {
    return startedMs + this.timeoutMs - performance.now()
  }

  #unavailable({ operation, jobId }: GateCall, cause: unknown = this.#lastError): RedisUnavailableError {
    return new RedisUnavailableError(operation, this.timeoutMs, {
      ...(jobId === undefined ? {} : { jobId }),
      ...(cause === undefined ? {} : { cause }),
    })
  }

  #noteError(error: Error): void {
    this.#lastError = error
    if (!isDroverError(error)) return
    this.#refusal = error
    for (const settle of [...this.#waiters]) settle(error)
  }

  #noteReady(): void {
    this.#failures = undefined
    this.#refusal = undefined
    this.#lastError = undefined
    for (const settle of [...this.#waiters]) settle()
  }

  #noteClose(): void {
    const nowMs = performance.now()
    this.#failures = { firstMs: this.#failures?.firstMs ?? nowMs, lastMs: nowMs }
  }
}
