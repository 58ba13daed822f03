// Waiting for results: woken by the message each commit publishes, never by polling. What makes it certain: a look at
// the job before and after the subscription takes hold, after each reconnect, and every 10 s for a message that was lost.
import type { ChainableCommander } from 'ioredis'
import {
  ClosedError,
  isDroverError,
  RedisRefusedError,
  RedisUnavailableError,
  ResultNotFoundError,
  ResultWaitTimeoutError,
} from '../job/index.js'
import {
  bareRedisError,
  clientAddress,
  type KeysOfQueue,
  maskRedisError,
  queueKeys,
  type RedisClient,
} from '../redis/index.js'
import { ChannelSet } from './channel-set.js'
import { readHeldFlow } from './explain/job-facts.js'
import { type JobResult, parseResult } from './results.js'

const RECHECK_MS = 10_000
/** Jobs looked at in one round trip. */
const CHUNK = 500
const OPERATION = 'the wait for a result'

export interface ResultWaiterOptions {
  readonly prefix: string
  /** Reads results; stays its owner's. */
  readonly reader: RedisClient
  /** Opens the subscriber's own connection, at the first wait; `close` ends it. */
  readonly openSubscriber: (onError: (error: Error) => void) => RedisClient
  /** Milliseconds between two looks at jobs whose message may have been lost. Default 10,000. */
  readonly recheckMs?: number
}

export interface WaitOptions {
  readonly timeoutMs: number
  /** Ends the wait with the signal's reason; the job goes on. */
  readonly signal?: AbortSignal | undefined
}

interface Wait {
  readonly settle: (result: JobResult | undefined, error?: unknown) => void
}

/** One job that at least one wait is for. */
interface Watch {
  readonly id: string
  readonly queue: string
  readonly keys: KeysOfQueue
  readonly channel: string
  readonly waits: Set<Wait>
}

/**
 * Waits for the results of any number of jobs over one subscribed connection. A job that many wait for is subscribed to
 * once; a wait that ends leaves no timer, listener or subscription behind.
 */
export class ResultWaiter {
  readonly #options: ResultWaiterOptions
  readonly #keys = new Map<string, KeysOfQueue>()
  readonly #watches = new Map<string, Watch>()
  #new: Watch[] = []
  #channels: ChannelSet | undefined
  #recheck: NodeJS.Timeout | undefined
  #lookError: Error | undefined
  #closed = false

  constructor(options: ResultWaiterOptions) {
    this.#options = options
  }

  /**
   * The result of the job's present run, at once when it has finished.
   * @throws ResultNotFoundError when there is no result and none can come: the job is unknown or was removed, or it
   *   finished and its result has expired
   * @throws ResultWaitTimeoutError when the job does not finish in time; RedisUnavailableError when Redis is away then
   * @throws RedisAuthError, RedisRefusedError, ClosedError
   */
  wait(job: { readonly queue: string; readonly id: string }, options: WaitOptions): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      const { timeoutMs, signal } = options
      if (this.#closed) throw new ClosedError('producer')
      signal?.throwIfAborted()
      const watch = this.#watch(job.queue, job.id)
      const leave = (error: unknown) => {
        wait.settle(undefined, error)
        if (watch.waits.size === 0) this.#drop(watch)
      }
      const timer = setTimeout(() => leave(this.#timeoutError(watch, timeoutMs)), timeoutMs)
      const abort = () => leave(signal?.reason)
      const wait: Wait = {
        settle: (result, error) => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', abort)
          watch.waits.delete(wait)
          if (result) resolve(result)
          else reject(error)
        },
      }
      signal?.addEventListener('abort', abort)
      watch.waits.add(wait)
    })
  }

  /** Ends every wait with ClosedError, and the subscriber's connection. */
  close(): void {
    this.#closed = true
    this.#rejectAll(new ClosedError('producer'))
    this.#channels?.close()
    this.#channels = undefined
  }

  #watch(queue: string, id: string): Watch {
    let keys = this.#keys.get(queue)
    if (!keys) {
      keys = queueKeys(this.#options.prefix, queue)
      this.#keys.set(queue, keys)
    }
    const channel = keys.done(id)
    const known = this.#watches.get(channel)
    if (known) return known
    const watch: Watch = { id, queue, keys, channel, waits: new Set() }
    if (this.#watches.size === 0) this.#start()
    this.#watches.set(channel, watch)
    this.#new.push(watch)
    // All waits that begin in one turn of the event loop share one subscription command and one look.
    if (this.#new.length === 1) queueMicrotask(() => this.#look(this.#new.splice(0), { early: true }))
    return watch
  }

  #start(): void {
    this.#lookError = undefined
    this.#recheck = setInterval(this.#lookAtAll, this.#options.recheckMs ?? RECHECK_MS)
    this.#options.reader.on('ready', this.#lookAtAll)
    this.#channels ??= new ChannelSet({
      open: this.#options.openSubscriber,
      onMessage: (channel, text) => this.#wake(channel, text),
      onReconnect: this.#lookAtAll,
      onError: (error) => {
        if (isDroverError(error)) this.#rejectAll(error)
      },
    })
  }

  #stop(): void {
    clearInterval(this.#recheck)
    this.#options.reader.off('ready', this.#lookAtAll)
  }

  readonly #lookAtAll = () => {
    this.#look([...this.#watches.values()], { early: false })
  }

  /** Subscribes and looks; `early` looks before the subscription is confirmed too, which finds a finished job sooner. */
  #look(watches: readonly Watch[], { early }: { early: boolean }): void {
    for (const group of groupByQueue(watches.filter((watch) => this.#isOpen(watch)))) {
      const channels = group.map((watch) => watch.channel)
      const behind = early ? this.#channels?.addAndRead(channels) : undefined
      if (behind) {
        void this.#check(group, behind)
        continue
      }
      if (early) void this.#check(group)
      const subscribed = this.#channels?.add(channels) ?? Promise.resolve()
      subscribed.then(
        () => this.#check(group),
        (error: unknown) => this.#fail(group, error),
      )
    }
  }

  /** Settles the jobs that have finished or are gone. Those that still run are left to their message. */
  async #check(group: readonly Watch[], behind?: ChainableCommander): Promise<void> {
    const open = group.filter((watch) => this.#isOpen(watch))
    if (open.length === 0) return
    const look = behind ?? this.#options.reader.pipeline()
    // The job first: what it finishes with later is in a message, what it finished with before is in the result.
    for (const { keys, id } of open) {
      look.hmget(keys.bullBase + id, 'timestamp', 'finishedOn').get(keys.result(id))
    }
    try {
      const replies = (await look.exec()) ?? []
      const [subscribeError] = behind ? (replies.shift() ?? []) : []
      if (subscribeError) throw subscribeError
      this.#lookError = undefined
      for (const [index, watch] of open.entries()) {
        const [jobError, job] = replies[2 * index] ?? []
        const [resultError, text] = replies[2 * index + 1] ?? []
        if (jobError ?? resultError) this.#fail([watch], jobError ?? resultError)
        else this.#judge(watch, job as (string | null)[] | undefined, text as string | null)
      }
    } catch (error) {
      this.#fail(open, error)
    }
  }

  #judge(watch: Watch, job: readonly (string | null)[] | undefined, text: string | null): void {
    const [enqueued, finished] = job ?? []
    const isRunning = typeof enqueued === 'string' && typeof finished !== 'string'
    // A result beside it is that of an earlier run, or its message is on the way.
    if (isRunning) return
    const result = parseResult(text)
    if (result === null && typeof enqueued !== 'string') void this.#settleUnlessHeld(watch)
    else this.#settle(watch, result ?? undefined, new ResultNotFoundError(watch.id, watch.queue))
  }

  /** A job that is nowhere may be one of a flow: it is in no queue before those that it comes after have completed. */
  async #settleUnlessHeld(watch: Watch): Promise<void> {
    const { keys, id } = watch
    try {
      if (await readHeldFlow(this.#options.reader, keys, id)) return
      // Let go between the two reads, it is in its queue by now.
      const [job, text] = await Promise.all([
        this.#options.reader.exists(keys.bullBase + id),
        this.#options.reader.get(keys.result(id)),
      ])
      const result = parseResult(text)
      if (result !== null || job === 0) {
        this.#settle(watch, result ?? undefined, new ResultNotFoundError(id, watch.queue))
      }
    } catch (error) {
      this.#fail([watch], error)
    }
  }

  #wake(channel: string, text: string): void {
    const watch = this.#watches.get(channel)
    if (!watch) return
    const result = parseResult(text)
    // A large result is not in the message.
    if (result) this.#settle(watch, result)
    else void this.#check([watch])
  }

  /** While Redis is away the waits go on, and look again when it is back; any other error ends them. */
  #fail(group: readonly Watch[], error: unknown): void {
    if (this.#channels?.cannotRead(error)) {
      this.#look(group, { early: true })
      return
    }
    const { reader } = this.#options
    const masked = maskRedisError(error, { operation: OPERATION, timeoutMs: 0, address: clientAddress(reader) })
    if (masked instanceof RedisUnavailableError) {
      this.#lookError = bareRedisError(masked.cause ?? masked)
      return
    }
    const told = isDroverError(masked) ? masked : new RedisRefusedError(OPERATION, masked.message, { cause: masked })
    for (const watch of group) this.#settle(watch, undefined, told)
  }

  #settle(watch: Watch, result: JobResult | undefined, error?: unknown): void {
    for (const wait of watch.waits) wait.settle(result, error)
    this.#drop(watch)
  }

  #drop(watch: Watch): void {
    if (!this.#isOpen(watch)) return
    this.#watches.delete(watch.channel)
    this.#channels?.remove(watch.channel)
    if (this.#watches.size === 0) this.#stop()
  }

  #rejectAll(error: unknown): void {
    for (const watch of [...this.#watches.values()]) this.#settle(watch, undefined, error)
  }

  #isOpen(watch: Watch): boolean {
    return this.#watches.get(watch.channel) === watch
  }

  #timeoutError({ id, queue }: Watch, timeoutMs: number): Error {
    const isRedisThere = this.#lookError === undefined && this.#options.reader.status === 'ready'
    if (isRedisThere) return new ResultWaitTimeoutError(id, queue, timeoutMs)
    return new RedisUnavailableError(OPERATION, timeoutMs, this.#lookError ? { cause: this.#lookError } : {})
  }
}

/** On a cluster, what one command or transaction touches must be of one queue. */
function groupByQueue(watches: readonly Watch[]): Watch[][] {
  const groups = new Map<string, Watch[][]>()
  for (const watch of watches) {
    const groupsOfQueue = groups.get(watch.queue) ?? [[]]
    groups.set(watch.queue, groupsOfQueue)
    let group = groupsOfQueue.at(-1)
    if (!group || group.length >= CHUNK) {
      group = []
      groupsOfQueue.push(group)
    }
    group.push(watch)
  }
  return [...groups.values()].flat()
}
