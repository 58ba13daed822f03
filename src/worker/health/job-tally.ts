// What the jobs of one queue came to in this process, counted in memory for its metrics: nothing is read or written for
// it. The ledger's own counts, which are exact over crashes and lost replies, are in Redis.
import { BUCKET_BOUNDS_MS, bucketOf, type Outcome, type TimeHistogram } from '../../ledger/index.js'

export interface JobTally {
  readonly job: string
  readonly completed: number
  /** Jobs that failed for good. */
  readonly failed: number
  /** Attempts that failed and were followed by another. */
  readonly retried: number
  readonly run: TimeHistogram
  /** First attempts alone, as a retried job waited for its backoff too. */
  readonly wait: TimeHistogram
}

interface Histogram {
  readonly counts: number[]
  sumMs: number
}

interface Tally {
  completed: number
  failed: number
  retried: number
  readonly run: Histogram
  readonly wait: Histogram
}

/** Of the job, what its times are told by. */
interface EndedJob {
  readonly name: string
  readonly attemptsMade: number
  readonly timestamp: number
  readonly processedOn?: number | undefined
  readonly opts: { readonly delay?: number | undefined }
}

/** Jobs without a handler share one tally, so that what others enqueue makes no new ones. No job may be called this. */
const NO_HANDLER = '(no handler)'

export class JobTallies {
  readonly #tallies: Map<string, Tally>

  constructor(jobs: Iterable<string>) {
    this.#tallies = new Map([...jobs, NO_HANDLER].map((job) => [job, createTally()]))
  }

  /** A job's end was committed. */
  ended(job: EndedJob, { status, runMs }: Pick<Outcome, 'status' | 'runMs'>): void {
    const tally = this.#of(job.name)
    tally[status]++
    observe(tally.run, runMs)
    if (job.attemptsMade === 0 && job.processedOn !== undefined) {
      observe(tally.wait, Math.max(0, job.processedOn - job.timestamp - (job.opts.delay ?? 0)))
    }
  }

  /** An attempt failed, and another follows. */
  retried(job: string): void {
    this.#of(job).retried++
  }

  /** Those that are not zero. */
  read(): JobTally[] {
    return [...this.#tallies]
      .filter(([, { completed, failed, retried }]) => completed + failed + retried > 0)
      .map(([job, tally]) => ({ job, ...tally }))
  }

  #of(job: string): Tally {
    return this.#tallies.get(job) ?? (this.#tallies.get(NO_HANDLER) as Tally)
  }
}

function createTally(): Tally {
  return { completed: 0, failed: 0, retried: 0, run: createHistogram(), wait: createHistogram() }
}

function createHistogram(): Histogram {
  return { counts: new Array<number>(BUCKET_BOUNDS_MS.length + 1).fill(0), sumMs: 0 }
}

function observe(histogram: Histogram, ms: number): void {
  const bucket = bucketOf(ms)
  histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1
  histogram.sumMs += ms
}
