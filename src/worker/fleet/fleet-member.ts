// What makes a worker one of a fleet: its heartbeats, and following what it is told. It neither takes jobs nor ends the
// worker; it calls what does.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { throttledLog } from '../../job/index.js'
import {
  BEAT_MS,
  MAX_BEAT_JOBS,
  noteRelease,
  type RunningJob,
  readOrders,
  removeBeat,
  type WorkerLoad,
  type WorkerState,
  writeBeat,
} from '../../ledger/index.js'
import type { RedisClient } from '../../redis/index.js'

/** How often a worker reads what it is told: each read of each worker wakes Redis up, which costs more than the read. */
const ORDERS_MS = 2_500
const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string
}

/** The worker as its heartbeats tell of it. */
export interface SteeredWorker {
  readonly state: WorkerState
  readonly handled: number
  readonly loads: readonly WorkerLoad[]
  readonly runningJobs: readonly RunningJob[]
  quiet(): void
  resume(): void
  close(): unknown
  setConcurrency(queue: string, concurrency: number): void
}

export interface FleetMemberOptions {
  readonly client: RedisClient
  readonly prefix: string
  readonly worker: SteeredWorker
  readonly logger: Logger
  /** Which release of the application it is of. */
  readonly release?: string | undefined
}

export class FleetMember {
  readonly id = `${hostname().slice(0, 64)}-${process.pid}-${randomBytes(4).toString('hex')}`
  readonly #options: FleetMemberOptions
  readonly startedAt = Date.now()
  /** Of Drover. */
  readonly version = version
  readonly #onError: (error: unknown) => void
  /** What the last heartbeat said that somebody may wait for. */
  #told = ''
  /** Orders that were followed. */
  readonly #seen = new Map<string, string>()
  #isReleaseNoted = false
  #isClosed = false
  #timer: NodeJS.Timeout | undefined
  #dueAt = 0
  #lastBeatAt = Number.NEGATIVE_INFINITY
  #loopLagMs = 0
  #lastLagMs = 0
  #busy: Promise<void> = Promise.resolve()
  #isBusy = false

  constructor(options: FleetMemberOptions) {
    this.#options = options
    const logFailed = throttledLog(options.logger, 'warn', 'the heartbeat was not written, will retry')
    // Where Redis is away, the client's own line says so.
    this.#onError = (error) => {
      if (!this.#isClosed && options.client.status === 'ready') logFailed(error)
    }
  }

  /** Longest wait of the event loop since the heartbeat before the last. */
  get loopLagMs(): number {
    return Math.round(Math.max(this.#loopLagMs, this.#lastLagMs))
  }

  /** Says at once that the worker is there, and then each 5 s. */
  start(): void {
    this.#dueAt = performance.now() + ORDERS_MS
    this.#timer = setInterval(() => this.#tick(), ORDERS_MS).unref()
    this.#tick()
  }

  /** Says that the worker is gone, once the connection allows. No timer is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    await this.#busy
    await removeBeat(this.#options.client, this.#options.prefix, this.id).catch(this.#onError)
  }

  #tick(): void {
    const now = performance.now()
    this.#loopLagMs = Math.max(this.#loopLagMs, now - this.#dueAt, 0)
    this.#dueAt = now + ORDERS_MS
    // Redis may be away for longer than a tick; no queue of heartbeats builds up meanwhile.
    if (this.#isBusy) return
    this.#isBusy = true
    this.#busy = this.#follow()
      .catch(this.#onError)
      .finally(() => {
        this.#isBusy = false
      })
  }

  async #follow(): Promise<void> {
    const { client, prefix, worker } = this.#options
    const orders = await readOrders(client, prefix, this.id, this.#seen)
    for (const { queue, concurrency } of worker.loads) {
      const wanted = orders.concurrency.get(queue)
      if (wanted !== undefined && wanted !== concurrency) worker.setConcurrency(queue, wanted)
    }
    // Also where a signal made it quiet already: the order is to outlast the next signal.
    if (orders.state === 'quiet') worker.quiet()
    if (orders.state === 'run' && worker.state === 'quiet') worker.resume()
    if (orders.state === 'close' && worker.state !== 'close') {
      this.#options.logger.info('told to close')
      worker.close()
    }
    // An order is read once: all are followed before a heartbeat, which may fail.
    const isChanged = this.#describe() !== this.#told
    if (isChanged || performance.now() - this.#lastBeatAt >= BEAT_MS) await this.#beat()
  }

  async #beat(): Promise<void> {
    const { client, prefix, worker } = this.#options
    this.#lastBeatAt = performance.now()
    this.#told = this.#describe()
    const loopLagMs = Math.round(this.#loopLagMs)
    this.#lastLagMs = this.#loopLagMs
    this.#loopLagMs = 0
    const jobs = [...worker.runningJobs].sort((a, b) => a.startedAt - b.startedAt).slice(0, MAX_BEAT_JOBS)
    await writeBeat(client, prefix, {
      id: this.id,
      host: hostname(),
      pid: process.pid,
      version,
      release: this.#options.release ?? '',
      startedAt: this.startedAt,
      seenAt: Date.now(),
      state: worker.state,
      handled: worker.handled,
      rssBytes: process.memoryUsage.rss(),
      loopLagMs,
      queues: worker.loads,
      jobs,
    })
    if (this.#isReleaseNoted) return
    await noteRelease(client, prefix, this.#options.release ?? version, this.startedAt)
    this.#isReleaseNoted = true
  }

  #describe(): string {
    const { state, loads } = this.#options.worker
    // Who drains a worker waits for its last job.
    const isDrained = state === 'quiet' && loads.every(({ running }) => running === 0)
    return `${state} ${isDrained} ${loads.map(({ concurrency }) => concurrency).join(' ')}`
  }
}
