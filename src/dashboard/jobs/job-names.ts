// Which queues there are and which jobs each has run, by their totals: what the search offers, and where a key is looked up.
// Kept for some seconds, as all pages ask for it.
import { readTotals } from '../../ledger/index.js'
import { queueKeys, type RedisClient } from '../../redis/index.js'
import { MAX_QUEUES, readQueueNames } from '../overview-data.js'

const FRESH_MS = 5_000
const MAX_JOBS_OF_QUEUE = 200

export class JobNames {
  readonly #client: RedisClient
  readonly #prefix: string
  #names: Promise<ReadonlyMap<string, readonly string[]>> | undefined
  #freshUntil = 0

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
  }

  /** Names of jobs by queue: the first 100 queues, of each the first 200 jobs. */
  read(): Promise<ReadonlyMap<string, readonly string[]>> {
    if (this.#names === undefined || performance.now() > this.#freshUntil) {
      this.#freshUntil = performance.now() + FRESH_MS
      this.#names = this.#readNow().catch((error: unknown) => {
        this.#names = undefined
        throw error
      })
    }
    return this.#names
  }

  async #readNow(): Promise<ReadonlyMap<string, readonly string[]>> {
    const queues = (await readQueueNames(this.#client, this.#prefix)).slice(0, MAX_QUEUES)
    const totals = await Promise.all(
      queues.map((queue) => readTotals(this.#client, queueKeys(this.#prefix, queue)).catch(noneOfStrangers)),
    )
    return new Map(
      queues.map((queue, index) => [queue, [...(totals[index]?.keys() ?? [])].slice(0, MAX_JOBS_OF_QUEUE)]),
    )
  }
}

// A key of another type, which another program wrote, must not hide every other queue.
function noneOfStrangers(error: unknown): Awaited<ReturnType<typeof readTotals>> {
  if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return new Map()
  throw error
}
