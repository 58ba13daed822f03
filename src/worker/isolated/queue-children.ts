// All threads and processes for the isolated handlers of one queue, a pool for each job file and way of isolation.
import type { Logger } from 'pino'
import { logThinned, serializeError } from '../../job/index.js'
import type { CompletedOutcome } from '../../ledger/index.js'
import type { Handler } from '../handle.js'
import { refuseFollowUps } from '../staged-jobs.js'
import type { QueueSettings } from '../worker-options.js'
import type { IsolatedRun } from './child.js'
import { ChildPool } from './child-pool.js'

export interface QueueOfChildren {
  readonly queue: string
  readonly prefix: string
  readonly cluster: boolean
  readonly logger: Logger
  /** True: what handlers enqueue would pass no middleware. */
  readonly refusesFollowUps: boolean
}

/** Where the isolated handlers among these run; undefined when there are none. */
export function openChildren(
  { queue, prefix, handlers, enqueueMiddleware }: QueueSettings,
  cluster: boolean,
  logger: Logger,
): QueueChildren | undefined {
  const isIsolated = [...handlers.values()].some(({ isolation }) => isolation !== undefined)
  const refusesFollowUps = enqueueMiddleware !== undefined
  return isIsolated ? new QueueChildren({ queue, prefix, cluster, logger, refusesFollowUps }) : undefined
}

export class QueueChildren {
  readonly #about: QueueOfChildren
  readonly #pools = new Map<string, ChildPool>()

  constructor(about: QueueOfChildren) {
    this.#about = about
  }

  /** Starts one child for each pool that these handlers need. */
  warm(handlers: Iterable<Handler>): void {
    for (const handler of handlers) if (handler.isolation !== undefined) this.#poolOf(handler).warm()
  }

  run(handler: Handler, run: IsolatedRun): Promise<CompletedOutcome> {
    const ended = this.#poolOf(handler).run(run)
    return this.#about.refusesFollowUps ? ended.then(refuseFollowUps) : ended
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#pools.values(), (pool) => pool.close()))
  }

  kill(): void {
    for (const pool of this.#pools.values()) pool.kill()
  }

  #poolOf({ isolation }: Handler): ChildPool {
    if (isolation?.file === undefined) throw new TypeError('a handler without a file has no pool')
    const { isolate, file, memoryMb, killGraceMs } = isolation
    const key = JSON.stringify([isolate, file, memoryMb, killGraceMs])
    let pool = this.#pools.get(key)
    if (pool === undefined) {
      const { queue, prefix, cluster, logger } = this.#about
      const setup = { drover: 'setup', file, queue, prefix, cluster, debug: logger.isLevelEnabled('debug') } as const
      pool = new ChildPool(isolation, setup, (error) => {
        const fields = { queue, isolate, file, err: serializeError(error) }
        logThinned(logger, 'warn', fields, 'an idle child of isolated handlers ended')
      })
      this.#pools.set(key, pool)
    }
    return pool
  }
}
