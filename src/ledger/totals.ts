// What every job of a queue came to since the start, counted in the same step as each finish and retry.
import type { KeysOfQueue, RedisClient } from '../redis/index.js'

export interface JobTotals {
  readonly completed: number
  /** Jobs that failed for good; a failed attempt that is retried counts under `retried`. */
  readonly failed: number
  readonly retried: number
  /** Runs that ended with a snooze; only there when there was one. */
  readonly snoozed?: number
}

/** Totals by job name, names sorted. A job that never finished nor was retried is not in it. */
export async function readTotals(client: RedisClient, keys: KeysOfQueue): Promise<Map<string, JobTotals>> {
  return parseTotals(await client.hgetall(keys.totals))
}

/** The totals in the fields of a totals hash, `<job>:completed | failed | retried | snoozed`; other fields are left out. */
export function parseTotals(fields: Readonly<Record<string, string>>): Map<string, JobTotals> {
  const totals = new Map<string, JobTotals>()
  for (const field of Object.keys(fields).sort()) {
    const colon = field.lastIndexOf(':')
    const ending = field.slice(colon + 1)
    if (colon < 1 || !isEnding(ending)) continue
    const job = field.slice(0, colon)
    const known = totals.get(job) ?? { completed: 0, failed: 0, retried: 0 }
    totals.set(job, { ...known, [ending]: Number(fields[field]) })
  }
  return totals
}

function isEnding(text: string): text is keyof JobTotals {
  return text === 'completed' || text === 'failed' || text === 'retried' || text === 'snoozed'
}
