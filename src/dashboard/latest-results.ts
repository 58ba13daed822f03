// The jobs that finished last, over all queues, with what their result records say. Only sets whose newest job is among the
// newest of all are read. A record does not change once it is written, so each is read once and only its summary kept: values
// may have a megabyte each.
import { type JobResult, readResults } from '../ledger/index.js'
import type { KeysOfQueue, RedisClient } from '../redis/index.js'
import { type Redact, showAll } from './redact.js'
import { showText } from './show.js'

const LATEST_COUNT = 20
const SUMMARY_LENGTH = 80

/** A job in BullMQ's set of completed or failed jobs. */
export interface FinishedId {
  readonly id: string
  readonly queue: string
  readonly keys: KeysOfQueue
  readonly status: 'completed' | 'failed'
  readonly at: number
}

/** One of the latest results. The fields of the record are null when it has expired or was deleted. */
export interface ResultRow {
  readonly id: string
  readonly queue: string
  readonly status: 'completed' | 'failed'
  readonly finishedAt: number
  readonly job: string | null
  readonly runMs: number | null
  readonly attempts: number | null
  /** The first 80 characters of the value as JSON, or of the error. */
  readonly summary: string | null
}

export class LatestResults {
  #rows = new Map<string, ResultRow>()
  readonly #redact: Redact

  constructor(redact: Redact) {
    this.#redact = redact
  }

  /** `newest` has the newest job of each set of completed or failed jobs. */
  async read(client: RedisClient, newest: readonly FinishedId[]): Promise<ResultRow[]> {
    const sets = latestOf(newest)
    const latest = latestOf((await Promise.all(sets.map((set) => readLatest(client, set)))).flat())
    const unread = latest.filter((job) => !this.#rows.has(rowName(job)))
    const queues = new Set(unread.map(({ queue }) => queue))
    const fresh = await Promise.all(
      [...queues].map((queue) =>
        readRows(
          client,
          unread.filter((job) => job.queue === queue),
          this.#redact,
        ),
      ),
    )
    const known = new Map([...this.#rows, ...fresh.flat()])
    const rows = new Map(latest.map((job) => [rowName(job), known.get(rowName(job)) ?? rowOf(job, null)]))
    this.#rows = rows
    return [...rows.values()]
  }
}

function latestOf(jobs: readonly FinishedId[]): FinishedId[] {
  return [...jobs].sort((left, right) => right.at - left.at).slice(0, LATEST_COUNT)
}

async function readLatest(client: RedisClient, { queue, keys, status }: FinishedId): Promise<FinishedId[]> {
  const flat = (await client.zrevrange(keys.bullBase + status, 0, LATEST_COUNT - 1, 'WITHSCORES')) as readonly string[]
  return Array.from({ length: flat.length / 2 }, (_, index) => {
    return { id: flat[2 * index] ?? '', queue, keys, status, at: Number(flat[2 * index + 1]) }
  })
}

// A job that a person ran again finishes at another time, which makes it another row.
function rowName({ queue, id, status, at }: FinishedId): string {
  return `${queue} ${id} ${status} ${at}`
}

async function readRows(
  client: RedisClient,
  jobs: readonly FinishedId[],
  redact: Redact,
): Promise<[string, ResultRow][]> {
  const [first] = jobs
  if (first === undefined) return []
  const results = await readResults(
    client,
    first.keys,
    jobs.map(({ id }) => id),
  )
  return jobs.map((job, index) => [rowName(job), rowOf(job, results[index] ?? null, redact)])
}

function rowOf({ id, queue, status, at }: FinishedId, result: JobResult | null, redact?: Redact): ResultRow {
  const row = { id, queue, status, finishedAt: at }
  if (result === null) return { ...row, job: null, runMs: null, attempts: null, summary: null }
  return { ...row, job: result.job, runMs: result.runMs, attempts: result.attempts, summary: summaryOf(result, redact) }
}

function summaryOf(result: JobResult, redact: Redact = showAll): string {
  if (result.status === 'completed') return showText(JSON.stringify(redact('result', result.value)), SUMMARY_LENGTH)
  return showText(`${result.error.name}: ${result.error.message}`, SUMMARY_LENGTH)
}
