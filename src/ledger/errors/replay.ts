// Runs failed jobs again in stages: a few first, then more, and the rest only when the error did not come again. It can be
// killed at any point: what is back in its queue is a job like any other, what is still failed stays so, and starting again
// goes on with those.
import { setTimeout as sleep } from 'node:timers/promises'
import { checkWhole, type Duration, InvalidOptionError, NoFailedJobsError, parseDuration } from '../../job/index.js'
import { type ErrorRoom, retryChunk } from './error-scripts.js'
import { type CheckedTarget, checkNamed, checkThere, countTarget, findFailed, showTarget } from './failed-target.js'
import { createReplay, newActionId, type ReplayRecord, readReplay, updateReplay } from './replay-record.js'

export interface ReplayOptions {
  /** Most jobs of each stage, each 1 to 1,000,000 or `rest`; at most 10. Default: 1, 10, `rest`. What is beyond them stays failed. */
  readonly stages?: readonly (number | 'rest')[] | undefined
  /** How long a stage waits for its jobs to end, 1 s to 24 h. Default 10 min. When it has passed the replay ends as `waited`. */
  readonly wait?: Duration | undefined
}

export interface CheckedReplay {
  readonly stages: readonly number[]
  readonly waitMs: number
}

export interface ReplayPlan {
  readonly queue: string
  readonly target: string
  /** Of those that were looked at. */
  readonly total: number
  /** How many jobs each stage would run. */
  readonly stages: readonly number[]
  /** Ids of the first ten. */
  readonly samples: readonly string[]
  /** True where more failed jobs are there than were looked at: `total` and `stages` may be more. Else it is not there. */
  readonly isPartial?: true
}

/** Failed jobs that a plan looks at, and so does the count that a replay begins with: about 500 reads of Redis. */
export const MOST_PLANNED = 100_000
const DEFAULT_STAGES = [1, 10, 'rest'] as const
const MAX_STAGES = 10
const MAX_STAGE = 1_000_000
const MOST_COUNTED = 10_000
const FIRST_LOOK_MS = 20
const LAST_LOOK_MS = 1_000
const LOOK_AT = 200

/** @throws InvalidOptionError */
export function checkReplay({ stages = DEFAULT_STAGES, wait = '10m' }: ReplayOptions): CheckedReplay {
  if (!Array.isArray(stages) || stages.length === 0 || stages.length > MAX_STAGES) {
    throw new InvalidOptionError('stages', `1 to ${MAX_STAGES} numbers of jobs, the last may be 'rest'`, stages)
  }
  const sizes = stages.map((stage: unknown, index) => {
    if (stage === 'rest' && index === stages.length - 1) return 0
    checkWhole('stage', stage as number, 1, MAX_STAGE)
    return stage as number
  })
  return { stages: sizes, waitMs: parseDuration(wait, { option: 'wait', minMs: 1_000, maxMs: 86_400_000 }) }
}

/** What a replay would run; nothing is changed. @throws as `startReplay` */
export async function planReplay(
  room: ErrorRoom,
  target: CheckedTarget,
  { stages }: CheckedReplay,
  maxRead: number = MOST_PLANNED,
): Promise<ReplayPlan> {
  await checkNamed(room, target, 'retried')
  const { total, samples, isPartial } = await countTarget(room, target, { maxRead })
  const words = showTarget(target)
  if (total === 0 && !isPartial) throw new NoFailedJobsError(room.queue, words)
  let left = total
  const sizes = stages.map((most) => {
    const size = most === 0 ? left : Math.min(most, left)
    left -= size
    return size
  })
  const plan = { queue: room.queue, target: words, total, stages: sizes.filter((size) => size > 0), samples }
  return isPartial ? { ...plan, isPartial } : plan
}

/**
 * Makes the record of a replay, and nothing else yet: `runReplay` does it.
 * @throws ErrorGroupNotFoundError, NoFailedJobsError, JobNotFoundError, JobStateError: nothing was changed
 */
export async function startReplay(
  room: ErrorRoom,
  target: CheckedTarget,
  { stages }: CheckedReplay,
  by: string,
): Promise<string> {
  await checkThere(room, target, 'retried')
  const { total } = await countTarget(room, target, { most: MOST_COUNTED, maxRead: MOST_PLANNED })
  const id = newActionId()
  await createReplay(room, id, { target: showTarget(target), by, stages, total, startedAt: Date.now() })
  return id
}

/** Runs it to its end, and gives its record. `signal` stops it between two chunks; what is back in the queue stays there. */
export async function runReplay(
  room: ErrorRoom,
  id: string,
  target: CheckedTarget,
  { stages, waitMs }: CheckedReplay,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (record: ReplayRecord) => void } = {},
): Promise<ReplayRecord> {
  const run = new ReplayRun(room, id, target, options)
  const state = await run.runStages(stages, waitMs)
  // A person who told it to stop has written that already.
  if (state !== undefined) await updateReplay(room, id, { state, endedAt: Date.now() })
  return run.report()
}

class ReplayRun {
  readonly #room: ErrorRoom
  readonly #id: string
  readonly #target: CheckedTarget
  readonly #signal: AbortSignal | undefined
  readonly #onProgress: ((record: ReplayRecord) => void) | undefined
  readonly #found: AsyncGenerator<string[]>
  /** Found and not tried yet. */
  #next: string[] = []
  /** Put back and not seen to have ended. */
  #pending: string[] = []
  #ended = 0

  constructor(
    room: ErrorRoom,
    id: string,
    target: CheckedTarget,
    { signal, onProgress }: { readonly signal?: AbortSignal; readonly onProgress?: (record: ReplayRecord) => void },
  ) {
    this.#room = room
    this.#id = id
    this.#target = target
    this.#signal = signal
    this.#onProgress = onProgress
    this.#found = findFailed(room, target)
  }

  /** The state to end in; undefined where it was told from outside. */
  async runStages(
    stages: readonly number[],
    waitMs: number,
  ): Promise<'done' | 'returned' | 'stopped' | 'waited' | undefined> {
    for (const [index, most] of stages.entries()) {
      await updateReplay(this.#room, this.#id, { stage: index + 1 })
      const released = await this.#release(most === 0 ? Number.POSITIVE_INFINITY : most)
      const outcome = released ?? (await this.#untilEnded(waitMs))
      if (outcome === 'told') return undefined
      if (outcome !== undefined) return outcome
    }
    return 'done'
  }

  async report(): Promise<ReplayRecord> {
    const { client, keys, queue, run } = this.#room
    const record = await run('the read of a replay', () => readReplay(client, keys, queue, this.#id))
    this.#onProgress?.(record)
    return record
  }

  /** Puts up to `most` jobs back. */
  async #release(most: number): Promise<'returned' | 'stopped' | 'told' | undefined> {
    let left = most
    while (left > 0) {
      if (this.#signal?.aborted) return 'stopped'
      const ids = await this.#take(Math.min(left, LOOK_AT))
      if (ids === undefined) return undefined
      if (ids.length === 0) continue
      const { state, ids: retried } = await retryChunk(this.#room, this.#id, ids, this.#target, ids.length)
      if (state !== 'running') return state === 'returned' ? 'returned' : 'told'
      this.#pending.push(...retried)
      left -= retried.length
      if (left > 0) await this.report()
    }
    return undefined
  }

  async #take(most: number): Promise<string[] | undefined> {
    if (this.#next.length === 0) {
      const { done, value } = await this.#found.next()
      if (done) return undefined
      this.#next = value
    }
    return this.#next.splice(0, most)
  }

  async #untilEnded(waitMs: number): Promise<'returned' | 'stopped' | 'waited' | 'told' | undefined> {
    const deadline = performance.now() + waitMs
    for (let pause = FIRST_LOOK_MS; ; pause = Math.min(LAST_LOOK_MS, pause * 1.5)) {
      await this.#look()
      await updateReplay(this.#room, this.#id, { ended: this.#ended })
      const { state, returned } = await this.report()
      if (returned > 0) return 'returned'
      if (state !== 'running') return 'told'
      if (this.#pending.length === 0) return undefined
      if (performance.now() >= deadline) return 'waited'
      if (this.#signal?.aborted) return 'stopped'
      await sleep(pause, undefined, { ...(this.#signal && { signal: this.#signal }) }).catch(() => undefined)
    }
  }

  /** Drops those that have ended, or are gone, from the oldest of the pending ones. */
  async #look(): Promise<void> {
    const { client, keys, run } = this.#room
    while (this.#pending.length > 0) {
      const ids = this.#pending.slice(0, LOOK_AT)
      const [completed, failed, exist] = await run('the look at retried jobs', () =>
        Promise.all([
          client.zmscore(`${keys.bullBase}completed`, ...ids),
          client.zmscore(`${keys.bullBase}failed`, ...ids),
          Promise.all(ids.map((id) => client.exists(keys.bullBase + id))),
        ]),
      )
      const left = ids.filter((_, at) => completed[at] == null && failed[at] == null && exist[at] === 1)
      this.#ended += ids.length - left.length
      this.#pending.splice(0, ids.length, ...left)
      if (left.length > 0) return
    }
  }
}
