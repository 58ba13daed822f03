// How many workers a pool needs: a pure function of what was observed, what was said before, and the rules. A pool is the
// queues that one worker serves together.
//
// By Little's law (J. D. C. Little, 1961: L = λW) jobs that arrive at a rate λ and run for S keep λS places busy. Jobs that
// wait now, B, are worked off within W by BS/W places, and never need more than one each; those that run now, A, as well.
// So a queue wants, with r = min(1, S / (W - LEAD)),
//     places  = max(λS / USE, Ar) + Br
//     workers = places / concurrency, rounded up; the pool wants what its hungriest queue wants.
// λ is the lesser of what arrives and what ends: the jobs of a bulk are in B already, and do not go on to arrive.
// Up at once; down only to the most that was wanted within the window, as the HorizontalPodAutoscaler of Kubernetes
// stabilizes (https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/), with its tolerance of a tenth.

/** Share of the places that arrivals may keep busy: fuller, random arrivals wait long (M/M/c). */
export const TARGET_USE = 0.8
/** Rates are smoothed over about this long, ms, and over three runs where those take longer. What comes meanwhile is in the backlog. */
export const SMOOTHING_MS = 120_000
const SMOOTHING_RUNS = 3
const WINDOW_RUNS = 2
const MAX_WINDOW_MS = 3_600_000
const MAX_SKEW_MS = 60_000
/** What a new worker takes to be started and ready, ms; off the wait target, but never more than half of it. */
export const LEAD_MS = 10_000
/** A change smaller than this share of the present number is none. */
export const TOLERANCE = 0.1
/** Most steps of the past that are kept; older ones are joined, to the larger. */
const MAX_STEPS = 60
/** Fewer busy places than this, and nothing that waits or runs: no worker. */
const IDLE_PLACES = 0.05

export interface AutoscaleRules {
  /** How long a job may wait before it starts, ms. */
  readonly waitTargetMs: number
  readonly minWorkers: number
  readonly maxWorkers: number
  /** For how long the number stays at the most that was wanted, ms; two runs where those take longer, up to an hour. */
  readonly scaleDownMs: number
}

export interface QueueLoad {
  readonly queue: string
  /** Jobs of the queue that one worker runs at once. */
  readonly concurrency: number
  /** Jobs that could start now. */
  readonly backlog: number
  /** Delayed jobs that come due within the wait target. */
  readonly due: number
  readonly active: number
  /** Attempts that ended since the start of all counting. */
  readonly ended: number
  /** Mean run time of an attempt, ms. */
  readonly runMs: number
}

export interface PoolLoad {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Workers that serve the pool now. */
  readonly workers: number
  readonly queues: readonly QueueLoad[]
}

interface QueueMemory {
  readonly present: number
  readonly ended: number
  /** Arrivals and ends a second, smoothed. */
  readonly arriving: number
  readonly ending: number
}

/** What one call leaves for the next. JSON. */
export interface AutoscaleState {
  readonly at: number
  readonly queues: Readonly<Record<string, QueueMemory>>
  /** What was wanted lately: when, and how many workers; each larger than all that follow. */
  readonly wanted: readonly (readonly [at: number, workers: number])[]
}

export interface AutoscaleAnswer {
  /** How many workers there should be, within the limits. */
  readonly desired: number
  /** What the present moment alone asks for, without window and limits. */
  readonly wanted: number
  readonly state: AutoscaleState
}

/** Without a `before` (the first call, or its key has expired) the present number of workers counts as wanted just now. */
export function desiredWorkers(
  load: PoolLoad,
  before: AutoscaleState | undefined,
  rules: AutoscaleRules,
): AutoscaleAnswer {
  // Clocks differ a little; a state from far ahead would hold everything up until then.
  const known = before !== undefined && before.at <= load.at + MAX_SKEW_MS ? before : undefined
  const at = Math.max(load.at, known?.at ?? load.at)
  const queues: Record<string, QueueMemory> = {}
  let wanted = 0
  for (const queue of load.queues) {
    const memory = remember(queue, known?.queues[queue.queue], at - (known?.at ?? at))
    queues[queue.queue] = memory
    wanted = Math.max(wanted, workersFor(queue, Math.min(memory.arriving, memory.ending), rules))
  }
  const past = known?.wanted ?? ([[load.at, load.workers]] as const)
  const last = past.at(-1)?.[1] ?? 0
  // Below ten workers a tenth is less than one: there every change counts.
  if (Math.abs(wanted - last) <= last * TOLERANCE) wanted = last
  const longestMs = Math.max(0, ...load.queues.map(({ runMs }) => runMs))
  const windowMs = Math.max(rules.scaleDownMs, Math.min(WINDOW_RUNS * longestMs, MAX_WINDOW_MS))
  const steps = addStep(past, at, wanted, windowMs)
  const most = steps[0]?.[1] ?? wanted
  const desired = Math.min(rules.maxWorkers, Math.max(rules.minWorkers, most))
  return { desired, wanted, state: { at, queues, wanted: steps } }
}

function remember(load: QueueLoad, before: QueueMemory | undefined, ms: number): QueueMemory {
  const { backlog, active, ended } = load
  const runMs = Math.max(1, load.runMs)
  const present = backlog + active
  // Little's law the other way round: what runs now has arrived at this rate.
  const start = active / (runMs / 1_000)
  if (before === undefined) return { present, ended, arriving: start, ending: start }
  if (ms <= 0) return before
  // What is there more, and what has ended, has arrived. Counts that were removed or set back are no arrivals.
  const endedSince = Math.max(0, ended - before.ended)
  const arrivedSince = Math.max(0, present - before.present + endedSince)
  const share = 1 - Math.exp(-ms / Math.max(SMOOTHING_MS, SMOOTHING_RUNS * runMs))
  const smooth = (rate: number, count: number) => rate + share * (count / (ms / 1_000) - rate)
  return {
    present,
    ended,
    arriving: smooth(before.arriving, arrivedSince),
    ending: smooth(before.ending, endedSince),
  }
}

function workersFor(
  { concurrency, backlog, due, active, runMs }: QueueLoad,
  rate: number,
  rules: AutoscaleRules,
): number {
  const busy = rate * (runMs / 1_000)
  if (backlog + due + active === 0 && busy < IDLE_PLACES) return 0
  const waitMs = Math.max(rules.waitTargetMs - LEAD_MS, rules.waitTargetMs / 2)
  const share = Math.min(1, runMs / waitMs)
  const places = Math.max(busy / TARGET_USE, active * share) + (backlog + due) * share
  // Not one worker more for a rounding of the last digit; at least one, as there is something to do.
  return Math.max(1, Math.ceil(places / concurrency - 1e-9))
}

/** The past that still counts, with the newest step: those that a later, larger one covers are left out. */
function addStep(
  past: AutoscaleState['wanted'],
  at: number,
  workers: number,
  windowMs: number,
): (readonly [number, number])[] {
  const steps = past.filter(([stepAt, step]) => stepAt > at - windowMs && step > workers)
  const all = [...steps, [at, workers] as const]
  if (all.length <= MAX_STEPS) return all
  // The two oldest become one, as late as the later and as large as the larger.
  const [[, largest] = [0, 0], [secondAt] = [0, 0], ...rest] = all
  return [[secondAt, largest], ...rest]
}
