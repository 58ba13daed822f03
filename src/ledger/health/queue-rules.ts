// What is to be said about a queue: no worker, paused, old or many jobs that wait, jobs left behind, floods of failures, late
// schedules. Each rule is a pure function over facts; rules.ts lists them.
import { formatDuration } from '../../job/index.js'
import { BULLMQ_VERSION } from '../bullmq-scripts.js'
import { OFTEN_STALLED } from './active-jobs.js'
import type { HealthFacts, QueueFacts } from './facts.js'
import { RECENT_MINUTES } from './facts.js'
import { describeNames, type Finding } from './finding.js'
import { backlogOf } from './queue-now.js'

/** One rule: the findings it has, none where all is well. */
export type QueueRule = (facts: QueueFacts, all: HealthFacts) => readonly Finding[]

/** A job that waits longer than this is late, whatever the queue. */
export const OLD_JOB_MS = 5 * 60_000
export const HUGE_BACKLOG = 10_000
/** A backlog that is gone this soon is none to speak of. */
const SOON_SECONDS = 600
/** Failed and retried attempts in the last 10 minutes, and their share of all, from which on they are a flood. */
export const FLOOD = 20
export const FLOOD_SHARE = 0.25
/** Workers fire schedules each second; one that is this late is fired by nobody. */
const LATE_MS = 60_000
const MAX_NAME = 40

const aboutQueue = (queue: string) => ({ kind: 'queue', queue }) as const

export const noWorker: QueueRule = ({ queue, now }, { workers }) => {
  const backlog = backlogOf(now)
  if (backlog === 0 || now.isWatched || workersOf(queue, workers).length > 0) return []
  return [
    {
      level: backlog < HUGE_BACKLOG ? 'warning' : 'error',
      code: 'NO_WORKER',
      evidence: `queue ${queue} has ${jobs(backlog)} that ${backlog === 1 ? 'waits' : 'wait'}, and no worker was seen`,
      remedy: `start one: drover worker --queues ${queue}`,
      about: aboutQueue(queue),
    },
  ]
}

export const workersQuiet: QueueRule = ({ queue, now }, { workers }) => {
  const own = workersOf(queue, workers)
  if (backlogOf(now) === 0 || own.length === 0 || own.some(({ state }) => state === 'run')) return []
  return [
    {
      level: 'warning',
      code: 'WORKERS_QUIET',
      evidence: `queue ${queue} has ${jobs(backlogOf(now))} that wait, and ${own.length === 1 ? 'its worker takes' : `all ${own.length} of its workers take`} no new ones`,
      remedy: 'let one go on: drover workers resume <id>, or start another',
      about: { kind: 'workers' },
    },
  ]
}

export const paused: QueueRule = ({ queue, now }) => {
  if (!now.isPaused) {
    return describeNames(now.heldNames, {
      level: 'warning',
      code: 'PAUSED',
      evidence: (shown) =>
        `queue ${queue} starts no job named ${shown}: paused, with ${jobs(now.held)} put aside so far`,
      remedy: `resume it, when it should run: drover queues resume ${queue} --job ${now.heldNames[0]}`,
      about: aboutQueue(queue),
    })
  }
  return [
    {
      level: 'warning',
      code: 'PAUSED',
      evidence: `queue ${queue} is paused: its ${jobs(backlogOf(now))} wait until somebody resumes it`,
      remedy: 'resume it on the dashboard, when it should run',
      about: aboutQueue(queue),
    },
  ]
}

export const oldJob: QueueRule = (facts, { workers, nowMs }) => {
  const { queue, now } = facts
  const own = workersOf(queue, workers)
  if (now.oldestSince === null || now.isPaused || (own.length === 0 && !now.isWatched)) return []
  const ageMs = nowMs - now.oldestSince
  if (ageMs < OLD_JOB_MS) return []
  return [
    {
      level: 'warning',
      code: 'OLD_JOB',
      evidence: `queue ${queue} has a job that could run and has waited for ${shownAge(ageMs)}: ${describeWork(facts, own)}`,
      remedy: 'start more workers, raise their concurrency, or look at what the running jobs wait for',
      about: aboutQueue(queue),
    },
  ]
}

export const hugeBacklog: QueueRule = (facts, { workers }) => {
  const { queue, now, rates } = facts
  const backlog = backlogOf(now)
  const own = workersOf(queue, workers)
  // Without a worker, noWorker says so.
  if (backlog < HUGE_BACKLOG || (own.length === 0 && !now.isWatched)) return []
  const seconds = drainSeconds(now.waiting + now.prioritized, rates)
  if (seconds !== null && seconds <= SOON_SECONDS && now.delayed < HUGE_BACKLOG) return []
  return [
    {
      level: 'warning',
      code: 'HUGE_BACKLOG',
      evidence: `queue ${queue} has ${jobs(backlog)} that wait: ${describeWork(facts, own)}`,
      remedy: 'start more workers, or raise their concurrency',
      about: aboutQueue(queue),
    },
  ]
}

export const otherBullmq: QueueRule = ({ queue, now }) => {
  const expected = `bullmq:${BULLMQ_VERSION}`
  if (now.bullVersion === null || now.bullVersion === expected) return []
  return [
    {
      level: 'warning',
      code: 'BULLMQ_VERSION',
      evidence: `queue ${queue} was last written by ${JSON.stringify(now.bullVersion.slice(0, MAX_NAME))}, this Drover has ${expected}`,
      remedy: 'let every program on this queue use that version of bullmq: commits are written for its scripts',
      about: aboutQueue(queue),
    },
  ]
}

export const activeWithoutLock: QueueRule = ({ queue, active }) =>
  describeNames(active?.lockless ?? [], {
    level: 'error',
    code: 'ACTIVE_WITHOUT_LOCK',
    evidence: (shown) =>
      `queue ${queue} has jobs that count as running, but nobody has held their lock for a minute: ${shown}`,
    remedy: 'start a worker of this queue: it hands such jobs out again',
    about: aboutQueue(queue),
  })

export const stalledOften: QueueRule = ({ queue, active }) =>
  describeNames(active?.oftenStalled ?? [], {
    level: 'warning',
    code: 'STALLED_OFTEN',
    evidence: (shown) => `queue ${queue} has jobs that lost their worker ${OFTEN_STALLED} times or more: ${shown}`,
    remedy: 'look in the log of the workers for what ended or blocked them; isolate the handler',
    about: aboutQueue(queue),
  })

export const failureFlood: QueueRule = ({ queue, recent }) =>
  [...recent].flatMap(([job, { completed, failed, retried }]) => {
    const bad = failed + retried
    if (bad < FLOOD || bad < (completed + bad) * FLOOD_SHARE) return []
    return [
      {
        level: 'warning',
        code: 'FAILURE_FLOOD',
        evidence: `job ${job} of queue ${queue}: in the last ${RECENT_MINUTES} minutes ${failed} failed and ${retried} attempts were retried, ${completed} completed`,
        remedy: 'see its errors on the dashboard; pause the queue while you mend it',
        about: { kind: 'job', queue, job },
      } as const,
    ]
  })

export const scheduleLate: QueueRule = ({ queue, now }, { nowMs }) => {
  const [next] = now.nextSchedules
  if (next === undefined || nowMs - next.at < LATE_MS) return []
  return [
    {
      level: 'warning',
      code: 'SCHEDULE_LATE',
      evidence: `schedule ${next.name.slice(0, MAX_NAME)} of queue ${queue} was due ${shownAge(nowMs - next.at)} ago, and no worker has fired it`,
      remedy: `start a worker of the queue: drover worker --queues ${queue}`,
      about: { kind: 'schedules', queue },
    },
  ]
}

/** Seconds until nothing waits at these rates; null when it does not get less, or nobody knows. */
export function drainSeconds(waiting: number, rates: QueueFacts['rates']): number | null {
  if (waiting === 0) return 0
  if (rates === undefined || rates.out <= (rates.in ?? 0)) return null
  return waiting / (rates.out - (rates.in ?? 0))
}

export function workersOf(queue: string, workers: HealthFacts['workers']): HealthFacts['workers'] {
  return workers.filter(({ queues }) => queues.some((each) => each.queue === queue))
}

/** Who works on the queue and how fast: what a person asks next. */
function describeWork({ queue, rates }: QueueFacts, workers: HealthFacts['workers']): string {
  const loads = workers.flatMap(({ queues }) => queues.filter((each) => each.queue === queue))
  const running = loads.reduce((sum, load) => sum + load.running, 0)
  const slots = loads.reduce((sum, load) => sum + load.concurrency, 0)
  const who =
    workers.length === 0
      ? 'its workers send no heartbeat'
      : `${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}, ${running} of ${slots} places busy`
  if (rates === undefined) return who
  const arrivals = rates.in === null ? '' : `${perSecond(rates.in)} come in and `
  return `${who}, ${arrivals}${perSecond(rates.out)} end`
}

function perSecond(rate: number): string {
  return `${rate >= 10 ? Math.round(rate) : Math.round(rate * 100) / 100}/s`
}

function jobs(count: number): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'job' : 'jobs'}`
}

// Whole seconds, and from two minutes on whole minutes: an age that is read, not measured.
function shownAge(ms: number): string {
  const unit = ms < 120_000 ? 1_000 : 60_000
  return formatDuration(Math.floor(ms / unit) * unit)
}
