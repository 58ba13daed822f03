// How fast jobs come into a queue and how fast they end, from what two looks at it differ by. Nobody counts what comes in, as
// that would cost every enqueue: it is what ended and what there is more of since.
import { type QueueRates, type StatsOfStep, sumOfStep } from '../../ledger/index.js'

export interface QueueSample {
  readonly atMs: number
  /** Jobs in the queue that have not ended. */
  readonly unfinished: number
  /** Jobs that ended since the start. */
  readonly ended: number
}

/** Rates are over this long at most. */
const WINDOW_MS = 120_000
/** Looks closer together than this say little. */
const LEAST_MS = 5_000
const SAMPLE_EVERY_MS = 2_000
/** Minutes that are over, from which a queue's rate is taken until it was watched for long enough. */
const MINUTES = 5

export class Rates {
  readonly #samples = new Map<string, QueueSample[]>()

  /** Takes note of a look at the queue, and gives the rates since the oldest that is kept; undefined at first. */
  add(queue: string, sample: QueueSample): QueueRates | undefined {
    const known = (this.#samples.get(queue) ?? []).filter(({ atMs }) => sample.atMs - atMs <= WINDOW_MS)
    const last = known.at(-1)
    this.#samples.set(queue, last && sample.atMs - last.atMs < SAMPLE_EVERY_MS ? known : [...known, sample])
    const [oldest] = known
    if (oldest === undefined || sample.atMs - oldest.atMs < LEAST_MS) return undefined
    const seconds = (sample.atMs - oldest.atMs) / 1_000
    // Totals that somebody deleted, and jobs that were removed, must not give a rate below nothing.
    const ended = Math.max(0, sample.ended - oldest.ended)
    return { in: Math.max(0, ended + sample.unfinished - oldest.unfinished) / seconds, out: ended / seconds }
  }

  /** Forgets every other queue. */
  keepOnly(queues: readonly string[]): void {
    for (const queue of this.#samples.keys()) if (!queues.includes(queue)) this.#samples.delete(queue)
  }
}

/** Jobs that ended per second in the last minutes that are over; `minutes` end with the one that goes on. */
export function endRate(minutes: readonly StatsOfStep[]): number {
  const sums = minutes.slice(-1 - MINUTES, -1).map(sumOfStep)
  const ended = sums.reduce((total, sum) => total + (sum?.completed ?? 0) + (sum?.failed ?? 0), 0)
  return ended / (MINUTES * 60)
}
