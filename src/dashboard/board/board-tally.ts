// How much an action of bull-board changed, for the audit list: its handlers answer without it, so the queue that they work
// on counts, into the tally of the request that they serve.
import { AsyncLocalStorage } from 'node:async_hooks'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import type { BoardHooks } from '@bull-board/api/typings/app'

export interface Tally {
  /** Undefined: nothing that is counted was done. */
  count: number | undefined
  detail: string | undefined
}

const tallies = new AsyncLocalStorage<Tally>()
const REMOVED_BY_EMPTY = ['waiting', 'paused', 'prioritized'] as const

/** Runs what serves a request, and whatever it starts, with this tally. */
export function withTally(tally: Tally, run: () => void): void {
  tallies.run(tally, run)
}

/** Adds to the tally of the request that is being served. */
export function tell(count: number, detail?: string): void {
  const tally = tallies.getStore()
  if (tally === undefined) return
  tally.count = (tally.count ?? 0) + count
  tally.detail = detail ?? tally.detail
}

/** Tells how many jobs bull-board put back, which it answers. */
export const tellRetried: NonNullable<BoardHooks['after']> = (_context, result) => {
  const { retried, skipped } = (result.body ?? {}) as { retried?: unknown; skipped?: unknown }
  if (typeof retried === 'number') tell(retried, Number(skipped) > 0 ? `${skipped} left as they were` : undefined)
  return result
}

/** A queue that counts what is done to it. Others change it meanwhile, so that counts before and after say about how many. */
export class CountingQueue extends BullMQAdapter {
  override async clean(status: Parameters<BullMQAdapter['clean']>[0], graceMs: number): Promise<void> {
    const before = await this.#count(status)
    await super.clean(status, graceMs)
    tell(Math.max(0, before - (await this.#count(status))))
  }

  override async empty(): Promise<void> {
    const before = await this.#count(...REMOVED_BY_EMPTY)
    await super.empty()
    tell(before)
  }

  override async obliterate(options?: { force?: boolean }): Promise<void> {
    const counts = await this.getJobCounts()
    await super.obliterate(options)
    tell(Object.values(counts).reduce((sum, count) => sum + Number(count), 0))
  }

  override async promoteAll(): Promise<void> {
    const before = await this.#count('delayed')
    await super.promoteAll()
    tell(Math.max(0, before - (await this.#count('delayed'))))
  }

  override async pause(): Promise<void> {
    await super.pause()
    tell(1)
  }

  override async resume(): Promise<void> {
    await super.resume()
    tell(1)
  }

  async #count(...statuses: string[]): Promise<number> {
    const counts: Record<string, number> = await this.getJobCounts()
    return statuses.reduce((sum, status) => sum + (counts[STATUS_NAMES[status] ?? status] ?? 0), 0)
  }
}

/** BullMQ's own words for what bull-board's clean calls otherwise. */
const STATUS_NAMES: Readonly<Record<string, string>> = { wait: 'waiting' }
