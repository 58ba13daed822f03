// What `drover verify` concludes: each claim against what is kept, as drift that nothing explains, as a difference that
// others may have made, or as something that cannot be recomputed any more.
import { comparePermits } from './compare-permits.js'
import type { Claims, Gathered, QueueEvidence } from './gather.js'
import { type Counts, hourOf, type StepTally } from './tally.js'

export interface Difference {
  /** `drift`: no correct run leaves this. `outside`: another program may have done it, which it may. */
  readonly level: 'drift' | 'outside'
  readonly code: 'TOTALS' | 'HOUR' | 'RESULTS' | 'KEPT_JOBS' | 'JOBS' | 'COUNTER' | 'PERMITS'
  readonly queue: string
  readonly job?: string
  readonly counter?: string
  /** What the evidence gives, and what is claimed. */
  readonly expected: string
  readonly found: string
  readonly evidence: string
}

export interface Verdict {
  readonly differences: readonly Difference[]
  /** What cannot be told, and why. */
  readonly unknown: readonly string[]
}

const HOUR_MS = 3_600_000
/** How long minutes are kept; hours that were rolled up are kept for 90 days. */
const MINUTES_KEPT_MS = 48 * HOUR_MS
/** Minutes this near to the scan may still be written to, also by a worker whose clock is late. */
const OPEN_MINUTES = 2
/** Hours from here back may miss minutes whose lifetime has ended. */
const WHOLE_HOURS = 46

export function compare({ queues, sinceMs, startedMs }: Gathered): Verdict {
  const isAllKept = sinceMs !== undefined && startedMs - sinceMs < MINUTES_KEPT_MS
  const unknown: string[] = []
  const differences = queues.flatMap((evidence) => [
    ...compareTotals(evidence, isAllKept, unknown),
    ...compareHours(evidence, startedMs),
    ...compareResults(evidence, startedMs),
    ...compareSets(evidence, unknown),
    ...comparePermits(evidence, unknown),
    ...compareCounters(evidence, isAllKept),
  ])
  return { differences, unknown }
}

/** Totals and stats are written in one step, so what is kept lies between the totals before and after the scan. */
function compareTotals(
  { queue, before, after, kept }: QueueEvidence,
  isAllKept: boolean,
  unknown: string[],
): Difference[] {
  const sums = kept.sums().jobs
  return namesOf(before.totals, after.totals, sums).flatMap((field) => {
    const sum = sums.get(field) ?? 0
    const [least, most] = [before.totals.get(field) ?? 0, after.totals.get(field) ?? 0]
    if (least <= sum && sum <= most) return []
    const { job, ending } = splitField(field)
    if (sum < least && !isAllKept) {
      unknown.push(
        `queue ${queue}, job ${job}: ${least - sum} of ${least} ${ending} are older than what is kept, or drift: stats reach back 90 days, where no worker ran for two days only 48 h`,
      )
      return []
    }
    const evidence = `the stats of minutes and hours add up to ${sum} ${ending}, totals say ${show(least, most)}`
    return [
      { level: 'drift', code: 'TOTALS', queue, job, expected: `${sum}`, found: show(least, most), evidence } as const,
    ]
  })
}

/** An hour that was rolled up says what its minutes say, as long as all of them are kept. */
function compareHours({ queue, kept }: QueueEvidence, startedMs: number): Difference[] {
  const present = Math.floor(startedMs / HOUR_MS)
  return [...kept.hours].flatMap(([hour, rolled]) => {
    if (hour < present - WHOLE_HOURS) return []
    const minutes = kept.minutesOf(hour)
    return differingFields(rolled, minutes).map(({ name, expected, found }) => {
      const at = new Date(hour * HOUR_MS).toISOString()
      const evidence = `the hour of ${at} says ${found} for ${name}, its minutes add up to ${expected}`
      return { level: 'drift', code: 'HOUR', queue, expected, found, evidence } as const
    })
  })
}

function differingFields(rolled: StepTally, minutes: StepTally): { name: string; expected: string; found: string }[] {
  const jobs = namesOf(rolled.jobs, minutes.jobs).map((name) => {
    return { name, expected: `${minutes.jobs.get(name) ?? 0}`, found: `${rolled.jobs.get(name) ?? 0}` }
  })
  const counters = namesOf(rolled.counters, minutes.counters).map((name) => {
    const [expected, found] = [minutes.counters.get(name) ?? 0n, rolled.counters.get(name) ?? 0n]
    return { name: `counter ${name}`, expected: `${expected}`, found: `${found}` }
  })
  return [...jobs, ...counters].filter(({ expected, found }) => expected !== found)
}

/** Every result was counted in the minute it finished in; there may be fewer, as they expire and are replaced. */
function compareResults({ queue, kept }: QueueEvidence, startedMs: number): Difference[] {
  const present = Math.floor(startedMs / 60_000)
  const byHour = new Map<number, Counts>()
  const differences: Difference[] = []
  for (const [minute, results] of kept.results) {
    if (minute > present - OPEN_MINUTES) continue
    const hour = hourOf(minute)
    if (hour >= hourOf(present) - WHOLE_HOURS) {
      differences.push(...tooMany(queue, new Date(minute * 60_000), 'minute', results, kept.minutes.get(minute)?.jobs))
      continue
    }
    const sums: Counts = byHour.get(hour) ?? new Map()
    byHour.set(hour, sums)
    for (const [field, count] of results) sums.set(field, (sums.get(field) ?? 0) + count)
  }
  for (const [hour, results] of byHour) {
    const rolled = kept.hours.get(hour)?.jobs
    // Gone by age: a result may be kept for longer than its stats.
    if (rolled) differences.push(...tooMany(queue, new Date(hour * HOUR_MS), 'hour', results, rolled))
  }
  return differences
}

function tooMany(queue: string, at: Date, step: string, results: Counts, counted: Counts | undefined): Difference[] {
  return [...results].flatMap(([field, found]) => {
    const expected = counted?.get(field) ?? 0
    if (found <= expected) return []
    const { job, ending } = splitField(field)
    const evidence = `there are ${found} results of jobs that ${ending} in the ${step} of ${at.toISOString()}, its stats count ${expected}`
    return [
      { level: 'drift', code: 'RESULTS', queue, job, expected: `${expected}`, found: `${found}`, evidence } as const,
    ]
  })
}

/** BullMQ's lists and sets hold each job once; and of those that ended, each was counted. */
function compareSets({ queue, before, after, kept }: QueueEvidence, unknown: string[]): Difference[] {
  const differences: Difference[] = []
  for (const state of ['completed', 'failed'] as const) {
    const size = before.sizes[state] ?? 0
    const counted = sumOf(after, state)
    if (size <= counted) continue
    const evidence = `BullMQ keeps ${size} ${state} jobs, totals count ${counted}`
    differences.push({ level: 'drift', code: 'KEPT_JOBS', queue, expected: `${counted}`, found: `${size}`, evidence })
  }
  if (!isSame(before.sizes, after.sizes)) {
    unknown.push(`queue ${queue}: whether each job is in one list or set, as jobs moved meanwhile`)
    return differences
  }
  const listed = Object.values(before.sizes).reduce((sum, size) => sum + size, 0)
  if (listed === kept.jobCount) return differences
  const what =
    kept.jobCount > listed ? 'a job that is in no list is lost' : 'a job is listed twice, or its record is gone'
  const evidence = `there are ${kept.jobCount} records of jobs, BullMQ's lists and sets hold ${listed}: ${what}`
  differences.push({ level: 'drift', code: 'JOBS', queue, expected: `${listed}`, found: `${kept.jobCount}`, evidence })
  return differences
}

/** Any program may change a counter, which leaves no history: a difference is told, and is not drift for sure. */
function compareCounters({ queue, before, after, kept }: QueueEvidence, isAllKept: boolean): Difference[] {
  const sums = kept.sums().counters
  return namesOf(before.counters, after.counters, sums).flatMap((counter) => {
    const sum = sums.get(counter) ?? 0n
    const values = [before.counters.get(counter) ?? 0n, after.counters.get(counter) ?? 0n]
    const [least = 0n, most = 0n] = values.sort((a, b) => (a < b ? -1 : 1))
    if (least <= sum && sum <= most) return []
    const older = isAllKept ? '' : ', or is older than what is kept'
    const evidence = `jobs and producers added ${sum} in the minutes and hours that are kept, the counter is ${show(least, most)}: the difference came from outside of them${older}, or is drift`
    return [
      {
        level: 'outside',
        code: 'COUNTER',
        queue,
        counter,
        expected: `${sum}`,
        found: show(least, most),
        evidence,
      } as const,
    ]
  })
}

function sumOf({ totals }: Claims, state: string): number {
  return [...totals].reduce((sum, [field, count]) => (splitField(field).ending === state ? sum + count : sum), 0)
}

function splitField(field: string): { job: string; ending: string } {
  const colon = field.lastIndexOf(':')
  return { job: field.slice(0, colon), ending: field.slice(colon + 1) }
}

/** Names in any of these, sorted; of totals only those that are counts. */
function namesOf(...maps: readonly ReadonlyMap<string, unknown>[]): string[] {
  return [...new Set(maps.flatMap((map) => [...map.keys()]))].sort()
}

function isSame(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean {
  return Object.entries(one).every(([name, size]) => other[name] === size)
}

function show(least: number | bigint, most: number | bigint): string {
  return least === most ? `${least}` : `${least} to ${most}`
}
