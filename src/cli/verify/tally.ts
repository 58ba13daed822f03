// What is kept of one queue, summed while its keys are scanned: stats by minute and hour, results by when they finished,
// jobs, counters. It grows with the number of job names, counters and minutes that are kept, not with that of jobs.
import { parseResult } from '../../ledger/index.js'

type Ending = 'completed' | 'failed' | 'retried' | 'snoozed'

/** `<job>:completed | failed | retried | snoozed`, as in the totals hash, and how often. */
export type Counts = Map<string, number>

const MINUTE_MS = 60_000
const MINUTES_AN_HOUR = 60
const KINDS: Readonly<Record<string, Ending>> = { c: 'completed', f: 'failed', r: 'retried', s: 'snoozed' }
const INTEGER = /^-?\d{1,19}$/

/** Counts of one minute or hour. */
export interface StepTally {
  readonly jobs: Counts
  /** What was added to each user counter. */
  readonly counters: Map<string, bigint>
}

export class Tally {
  readonly minutes = new Map<number, StepTally>()
  readonly hours = new Map<number, StepTally>()
  /** Results by the minute they finished in. */
  readonly results = new Map<number, Counts>()
  resultCount = 0
  jobCount = 0
  readonly #seen = new Set<string>()

  /** False for a key that the scan brought before, as SCAN may while Redis resizes its table. Holds about 100 bytes a key. */
  isNew(key: string): boolean {
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }

  addStats(kind: 'stats' | 'statsHour', step: number, fields: Readonly<Record<string, string>>): void {
    const tally: StepTally = { jobs: new Map(), counters: new Map() }
    for (const [field, text] of Object.entries(fields)) {
      if (!INTEGER.test(text)) continue
      if (field.startsWith('#')) addCounter(tally.counters, field, BigInt(text))
      else addField(tally.jobs, field, Number(text))
    }
    const steps = kind === 'stats' ? this.minutes : this.hours
    steps.set(step, tally)
  }

  addResult(text: string): void {
    const record = parseResult(text)
    if (record === null) return
    this.resultCount++
    const minute = Math.floor(record.finishedAt / MINUTE_MS)
    const counts: Counts = this.results.get(minute) ?? new Map()
    this.results.set(minute, counts)
    addTo(counts, `${record.job}:${record.status}`, 1)
  }

  /** Sums of all that is kept; an hour that was rolled up stands for its minutes. */
  sums(): StepTally {
    const sums: StepTally = { jobs: new Map(), counters: new Map() }
    for (const step of this.hours.values()) addStep(sums, step)
    for (const [minute, step] of this.minutes) if (!this.hours.has(hourOf(minute))) addStep(sums, step)
    return sums
  }

  /** The sum of the minutes of an hour. */
  minutesOf(hour: number): StepTally {
    const sums: StepTally = { jobs: new Map(), counters: new Map() }
    for (const [minute, step] of this.minutes) if (hourOf(minute) === hour) addStep(sums, step)
    return sums
  }
}

export function hourOf(minute: number): number {
  return Math.floor(minute / MINUTES_AN_HOUR)
}

// #<counter>|<job>, and #<counter> for what no job added.
function addCounter(counters: Map<string, bigint>, field: string, value: bigint): void {
  const name = field.slice(1).split('|', 1)[0] ?? ''
  counters.set(name, (counters.get(name) ?? 0n) + value)
}

function addField(counts: Counts, field: string, count: number): void {
  const [job = '', kind = ''] = field.split('|')
  const ending = KINDS[kind]
  if (ending !== undefined) addTo(counts, `${job}:${ending}`, count)
}

function addStep(sums: StepTally, { jobs, counters }: StepTally): void {
  for (const [field, count] of jobs) addTo(sums.jobs, field, count)
  for (const [name, count] of counters) sums.counters.set(name, (sums.counters.get(name) ?? 0n) + count)
}

function addTo(counts: Counts, field: string, count: number): void {
  counts.set(field, (counts.get(field) ?? 0) + count)
}
