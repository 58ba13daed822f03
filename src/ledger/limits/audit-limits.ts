// Permits recounted against the jobs of their queue, and jobs in line that nobody would take. Reads only; `repairLimits` takes
// back what it can of this.
import { readFileSync } from 'node:fs'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { fillTemplate } from '../fill-template.js'
import { limitFunctionsLua } from './limit-functions.js'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const auditLua = fillTemplate(read('./audit-limits.lua'), { LIMITS: limitFunctionsLua })

/** Most permits, and active jobs, that are looked at in one script, for which Redis stands still: some 50 ms on a busy machine. */
export const MAX_AUDITED_PERMITS = 2_000
const MAX_IN_LINE = 1_000
/** A job that is in line for less may be one that the workers come upon soon. */
const LONG_MS = 60_000

export interface LimitAudit {
  /** Permits of the queue; undefined when there are more than 2,000 of them or of active jobs: then they were not looked at. */
  readonly permits: number | undefined
  /** When a worker looked for permits to take back, ms since 1970; undefined when none has. */
  readonly lookedAt: number | undefined
  /** Permits of jobs that need none: they are gone, have ended, are delayed, or wait in line. */
  readonly unused: readonly { readonly job: string; readonly id: string; readonly why: string }[]
  /** Jobs that run without a permit. */
  readonly unheld: readonly { readonly job: string; readonly id: string }[]
  /** Limits that count more or fewer permits than their jobs have. */
  readonly miscounted: readonly { readonly id: string; readonly counted: number; readonly held: number }[]
  /** Jobs of the 1,000 longest in line, for a minute or more, that are in no line, or whose key has permits and no turn. */
  readonly stuck: readonly { readonly job: string; readonly id: string; readonly since: number; readonly why: string }[]
}

type Reply = [
  permits: string,
  looked: string,
  unused: string[],
  unheld: string[],
  miscounted: string[],
  stuck: string[],
]

/** How the limits of a queue are at one moment. `id` is as `limitId` names a limit. */
export async function auditLimits(client: RedisClient, keys: KeysOfQueue): Promise<LimitAudit> {
  const bounds = [MAX_AUDITED_PERMITS, MAX_IN_LINE, LONG_MS].map(String)
  const reply = await client.eval(auditLua, 1, keys.limit('held'), keys.base, keys.bullBase, ...bounds)
  const [permits, looked, unused, unheld, miscounted, stuck] = reply as Reply
  return {
    permits: permits === '' ? undefined : Number(permits),
    lookedAt: looked === '' ? undefined : Number(looked),
    unused: rows(unused, 3).map(([job = '', id = '', why = '']) => ({ job, id, why })),
    unheld: rows(unheld, 2).map(([job = '', id = '']) => ({ job, id })),
    miscounted: rows(miscounted, 3).map(([id = '', counted, held]) => {
      return { id, counted: Number(counted), held: Number(held) }
    }),
    stuck: rows(stuck, 4).map(([job = '', id = '', since, why = '']) => ({ job, id, since: Number(since), why })),
  }
}

function rows(flat: readonly string[], width: number): string[][] {
  return Array.from({ length: flat.length / width }, (_, at) => flat.slice(at * width, (at + 1) * width))
}
