// Which jobs of a queue match a filter, read piece by piece, and all of them cancelled. One script call of cancel-jobs.lua
// ends a piece of them.
import type { Redis } from 'ioredis'
import { type CancelRoom, sendCancel } from './cancel-jobs.js'
import { readCancellable, type StoredJob } from './read-cancellable.js'

/**
 * The states that a cancel finds jobs in, in the order in which it looks: jobs go on from one to the next meanwhile, and
 * are met in the one or the other.
 */
export const CANCEL_STATES = ['waiting-children', 'delayed', 'prioritized', 'waiting', 'active'] as const
export type CancelState = (typeof CANCEL_STATES)[number]

const PLACES = {
  'waiting-children': 'zset',
  delayed: 'zset',
  prioritized: 'zset',
  waiting: 'list',
  active: 'list',
} as const
/** Jobs read at once, and jobs cancelled in one script call: others wait for Redis for 5 ms or so meanwhile. */
const READ_PIECE = 500
const CANCEL_PIECE = 100
/** Looks through the queue: the second finds what moved behind the back of the first. */
const MAX_PASSES = 5

/** What a job must be to match: each that is given, all of them. */
export interface JobFilter {
  readonly job?: string | undefined
  readonly tag?: string | undefined
  /** Default: all. */
  readonly states?: readonly CancelState[] | undefined
}

/** What became of the jobs that matched; `matched` is the sum of the others. */
export interface CancelCounts {
  readonly matched: number
  /** Waited, and have failed. */
  readonly cancelled: number
  /** Run, and are aborted by their workers. */
  readonly cancelling: number
  /** Ended, or were removed, before they were reached. */
  readonly ended: number
  /** Were left as they were: the next one of a schedule of BullMQ's own, or one whose end Redis refused to write. */
  readonly refused: number
  /** True for a dry run that ended before it had looked at all jobs; else it is not there. */
  readonly isPartial?: true
}

export interface MatchOptions {
  readonly keepResultMs?: number | undefined
  /** Most jobs to cancel. */
  readonly limit: number
  /** Runs a command until it is answered, also over a lost connection. */
  readonly run: <Value>(command: () => Promise<Value>) => Promise<Value>
}

/** How many jobs match now, out of about so many, the newest of each state first. */
export async function countMatching(
  room: CancelRoom,
  filter: JobFilter,
  { run, limit, maxRead }: Pick<MatchOptions, 'run' | 'limit'> & { readonly maxRead: number },
): Promise<Pick<CancelCounts, 'matched' | 'isPartial'>> {
  let [matched, read] = [0, 0]
  for (const state of statesOf(filter)) {
    for (let from = 0; ; from += READ_PIECE) {
      if (matched >= limit || read >= maxRead) return { matched: Math.min(matched, limit), isPartial: true }
      const piece = await run(() => readPiece(room, state, from))
      matched += piece.jobs.filter((job) => matches(job, filter)).length
      read += piece.jobs.length
      if (piece.isLast) break
    }
  }
  return { matched: Math.min(matched, limit), ...(matched > limit && { isPartial: true }) }
}

/**
 * Cancels all that match, in pieces: a kill between two leaves the rest as it was, and the same call again goes on. It goes
 * through the queue from the newest job on, where no worker takes jobs away, until one look finds nothing more.
 */
export async function cancelMatching(
  room: CancelRoom,
  filter: JobFilter,
  options: MatchOptions,
): Promise<CancelCounts> {
  const tally = new Tally(options.limit)
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const before = tally.done
    for (const state of statesOf(filter)) await cancelIn(room, state, filter, options, tally)
    if ((tally.done === before && !tally.takeChanged()) || tally.isFull) break
  }
  return tally.counts
}

async function cancelIn(
  room: CancelRoom,
  state: CancelState,
  filter: JobFilter,
  { run, keepResultMs }: MatchOptions,
  tally: Tally,
): Promise<void> {
  for (let from = 0; !tally.isFull; ) {
    const piece = await run(() => readPiece(room, state, from))
    const matching = piece.jobs.filter((job) => matches(job, filter) && !tally.isKnown(job.id))
    let gone = 0
    for (let at = 0; at < matching.length && !tally.isFull; at += CANCEL_PIECE) {
      const jobs = matching.slice(at, at + Math.min(CANCEL_PIECE, tally.room))
      // What the first of two calls did whose answer was lost, the second tells of as done before.
      let calls = 0
      const outcomes = await run(() => {
        calls++
        return sendCancel(room, jobs, { keepResultMs, ...(state === 'waiting' ? { near: from } : {}) })
      })
      for (const [index, { id }] of jobs.entries()) if (tally.add(id, outcomes[index] ?? '', calls > 1)) gone++
    }
    if (piece.isLast) return
    from += READ_PIECE - gone
  }
}

interface Piece {
  readonly jobs: readonly StoredJob[]
  readonly isLast: boolean
}

// From the newest end: jobs that come or are taken meanwhile let none be passed over.
async function readPiece(room: CancelRoom, state: CancelState, from: number): Promise<Piece> {
  const { client, keys } = room
  const key = keys.bullBase + (state === 'waiting' ? 'wait' : state)
  const to = from + READ_PIECE - 1
  const redis = client as Redis
  const ids = PLACES[state] === 'list' ? await redis.lrange(key, from, to) : await redis.zrevrange(key, from, to)
  return { jobs: await readCancellable(room, [...new Set(ids)]), isLast: ids.length < READ_PIECE }
}

function statesOf({ states = CANCEL_STATES }: JobFilter): CancelState[] {
  return CANCEL_STATES.filter((state) => states.includes(state))
}

function matches({ name, options }: StoredJob, { job, tag }: JobFilter): boolean {
  return (job === undefined || name === job) && (tag === undefined || options.tags?.includes(tag) === true)
}

/** Counts each job once, however often it is met. */
class Tally {
  readonly #limit: number
  /** Jobs that are still where they were found. */
  readonly #known = new Set<string>()
  #cancelled = 0
  #cancelling = 0
  #ended = 0
  #refused = 0
  #hasChanged = false

  constructor(limit: number) {
    this.#limit = limit
  }

  get done(): number {
    return this.#cancelled + this.#cancelling
  }

  /** How many more may be cancelled. */
  get room(): number {
    return Math.max(0, this.#limit - this.done)
  }

  get isFull(): boolean {
    return this.room === 0
  }

  isKnown(id: string): boolean {
    return this.#known.has(id)
  }

  /** True when the job has left the place where it was found. */
  add(id: string, outcome: string, isRepeated: boolean): boolean {
    // Met again by the next look, with the attempts that it has then.
    if (outcome === 'changed') {
      this.#hasChanged = true
      return false
    }
    if (outcome === 'cancelled' || (outcome === 'before' && isRepeated)) {
      this.#cancelled++
      return true
    }
    if (outcome === 'marked' || outcome === 'scheduled' || outcome.startsWith('refused ')) {
      this.#known.add(id)
      if (outcome === 'marked') this.#cancelling++
      else this.#refused++
      return false
    }
    // It may stand there still, where another program left it so: what is behind it must be reached, by the next look.
    this.#known.add(id)
    this.#hasChanged = true
    this.#ended++
    return false
  }

  /** True, once, when a job was met while it changed: it is worth another look. */
  takeChanged(): boolean {
    const hasChanged = this.#hasChanged
    this.#hasChanged = false
    return hasChanged
  }

  get counts(): CancelCounts {
    const [cancelled, cancelling, ended, refused] = [this.#cancelled, this.#cancelling, this.#ended, this.#refused]
    return { matched: cancelled + cancelling + ended + refused, cancelled, cancelling, ended, refused }
  }
}
