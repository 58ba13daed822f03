// When a job may start: at once, or alone in its process once its runs ended with a crash too often, or not any more.
// A job that takes its process down is found out so, and its neighbours never fail for it. Jobs that never stalled cost
// no Redis command here.
import { readFileSync } from 'node:fs'
import type { Job } from 'bullmq'
import type { Logger } from 'pino'
import { JobCrashedError, LockLostError, logThinned, serializeError } from '../job/index.js'
import type { KeysOfQueue, RedisClient } from '../redis/index.js'
import { processGate } from './alone-gate.js'
import type { LockHolder } from './lock-keeper.js'

/** A job whose process crashed so often while it ran beside others runs alone from then on. */
export const SHARED_CRASHES = 2
/** So many starts alone that did not come back end it. */
export const ALONE_CRASHES = 3

const lua = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')

type Verdict = [verdict: 'lost' | 'shared' | 'alone' | 'wait' | 'crashed', first?: number, second?: number]

interface Scripts {
  droverSuspect(...args: (string | number)[]): Promise<Verdict>
  droverCameBack(...args: string[]): Promise<number>
}

/** What holds a job's lock while it waits for its turn. */
export class WaitingTurn implements LockHolder {
  readonly id: string
  readonly token: string
  readonly startedAt = performance.now()
  readonly runMs = 0
  abortReason: Error | undefined
  /** Rejects when the wait is ended from outside. */
  readonly aborted: Promise<never>
  #reject: (reason: Error) => void = () => undefined

  constructor(id: string, token: string) {
    this.id = id
    this.token = token
    this.aborted = new Promise((_resolve, reject) => {
      this.#reject = reject
    })
    this.aborted.catch(() => undefined)
  }

  abort(reason: Error): void {
    this.abortReason ??= reason
    this.#reject(reason)
  }
}

/** The job was put off: it starts later, and nothing more is to be done with it now. */
export class PutOff extends Error {}

export class Turns {
  readonly #client: Scripts
  readonly #keys: KeysOfQueue
  readonly #spacingMs: number
  readonly #logger: Logger
  /** Jobs whose start alone was counted and has not come back. */
  readonly #alone = new WeakSet<object>()

  /** `spacingMs` is the least time between a job's first two starts alone. */
  constructor(client: RedisClient, keys: KeysOfQueue, spacingMs: number, logger: Logger) {
    client.defineCommand('droverSuspect', { lua: lua('./suspect.lua'), numberOfKeys: 2 })
    client.defineCommand('droverCameBack', { lua: lua('./came-back.lua'), numberOfKeys: 1 })
    this.#client = client as unknown as Scripts
    this.#keys = keys
    this.#spacingMs = spacingMs
    this.#logger = logger
  }

  /** True, and counted in, when the job may start at once. Every job so counted in must leave. */
  tryEnter(job: Job): boolean {
    return job.stalledCounter < SHARED_CRASHES && processGate.tryEnter()
  }

  leave(): void {
    processGate.leave()
  }

  /**
   * Waits until the job may start, and counts it in. When it rejects, it is not counted in.
   * @throws JobCrashedError, PutOff, or the reason that the wait was ended with
   */
  async enter(job: Job, waiting: WaitingTurn): Promise<void> {
    const isAlone = job.stalledCounter >= SHARED_CRASHES && (await this.#judge(job, waiting, false)) === 'alone'
    const { turn, cancel } = processGate.enter(isAlone)
    try {
      await Promise.race([turn, waiting.aborted])
      // Judged again: it may have waited for long.
      if (isAlone && (await this.#judge(job, waiting, true)) === 'alone') this.#alone.add(job)
    } catch (error) {
      cancel()
      throw error
    }
  }

  /** Notes that a run ended, and its process goes on. Not needed for a run whose end was committed: the commit forgets all. */
  cameBack(job: Job, lostLock: boolean): void {
    const wasAlone = this.#alone.delete(job)
    if (!wasAlone && !lostLock) return
    const jobKey = this.#keys.bullBase + job.id
    this.#client.droverCameBack(jobKey, wasAlone ? '1' : '', lostLock ? '1' : '').catch((error: unknown) => {
      const fields = { queue: job.queueName, job: job.name, id: job.id, err: serializeError(error) }
      logThinned(this.#logger, 'warn', fields, 'a lost lock counts as a crash')
    })
  }

  async #judge(job: Job, waiting: WaitingTurn, counts: boolean): Promise<'alone' | 'shared'> {
    const jobKey = this.#keys.bullBase + job.id
    const words = [waiting.token, SHARED_CRASHES, ALONE_CRASHES, this.#spacingMs, counts ? '1' : '']
    const asked = this.#client.droverSuspect(jobKey, `${jobKey}:lock`, ...words)
    const [verdict, first = 0, second = 0] = await Promise.race([asked, waiting.aborted])
    if (verdict === 'crashed') throw new JobCrashedError(first, second)
    if (verdict === 'lost') waiting.abort(new LockLostError(waiting.id))
    if (waiting.abortReason) throw waiting.abortReason
    if (verdict === 'wait') await this.#putOff(job, waiting.token, first)
    return verdict === 'alone' ? 'alone' : 'shared'
  }

  async #putOff(job: Job, token: string, waitMs: number): Promise<never> {
    await job.moveToDelayed(Date.now() + waitMs, token)
    const fields = { queue: job.queueName, job: job.name, id: job.id, waitMs }
    logThinned(this.#logger, 'warn', fields, 'the job runs alone, after a while: its worker crashed when it last did')
    throw new PutOff()
  }
}
