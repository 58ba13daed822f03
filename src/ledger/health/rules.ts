// The one set of rules by which the dashboard's verdict, `drover doctor` and the alerts of deploy/alerts.yml say what is wrong.
// Each is a pure function in queue-rules.ts, worker-rules.ts or server-rules.ts. What only doctor looks at, single records
// and the package of Redis, is in src/cli/doctor.
import type { HealthFacts } from './facts.js'
import type { Finding } from './finding.js'
import {
  activeWithoutLock,
  failureFlood,
  hugeBacklog,
  noWorker,
  oldJob,
  otherBullmq,
  paused,
  type QueueRule,
  scheduleLate,
  stalledOften,
  workersQuiet,
} from './queue-rules.js'
import { judgeServer } from './server-rules.js'
import { longRun, loopLag, versionSkew, type WorkerRule } from './worker-rules.js'

/** By the code of what each finds; the worst for a person comes first. */
export const QUEUE_RULES: Readonly<Record<string, QueueRule>> = {
  NO_WORKER: noWorker,
  ACTIVE_WITHOUT_LOCK: activeWithoutLock,
  WORKERS_QUIET: workersQuiet,
  PAUSED: paused,
  OLD_JOB: oldJob,
  HUGE_BACKLOG: hugeBacklog,
  FAILURE_FLOOD: failureFlood,
  STALLED_OFTEN: stalledOften,
  SCHEDULE_LATE: scheduleLate,
  BULLMQ_VERSION: otherBullmq,
}

export const WORKER_RULES: Readonly<Record<string, WorkerRule>> = {
  LONG_RUN: longRun,
  LOOP_LAG: loopLag,
  VERSION_SKEW: versionSkew,
}

/** A Redis this slow to answer holds every job up. */
const SLOW_MS = 250

/** All findings about these facts, those of level `ok` included. */
export function judgeHealth(facts: HealthFacts): Finding[] {
  return [
    ...judgeRedis(facts),
    ...facts.queues.flatMap((queue) => Object.values(QUEUE_RULES).flatMap((rule) => rule(queue, facts))),
    ...Object.values(WORKER_RULES).flatMap((rule) => rule(facts)),
  ]
}

/**
 * The findings that somebody has to act on now, errors first: every error, and warnings about queues, jobs and workers. A
 * warning about how Redis is set up is advice for another day.
 */
export function problemsOf(findings: readonly Finding[]): Finding[] {
  const errors = findings.filter(({ level }) => level === 'error')
  const warnings = findings.filter(({ level, about, code }) => {
    return level === 'warning' && (code === 'REDIS_SLOW' || (about !== undefined && about.kind !== 'redis'))
  })
  return [...errors, ...warnings]
}

function judgeRedis({ server }: HealthFacts): Finding[] {
  if (server === undefined) return []
  const { info, redis, durability, roundTripMs = 0 } = server
  const found = judgeServer(info, redis, durability).map((each): Finding => ({ ...each, about: { kind: 'redis' } }))
  if (roundTripMs < SLOW_MS) return found
  return [
    ...found,
    {
      level: 'warning',
      code: 'REDIS_SLOW',
      evidence: `Redis took ${Math.round(roundTripMs)} ms to answer PING`,
      remedy: 'look at SLOWLOG GET, at its CPU, and at the network between',
      about: { kind: 'redis' },
    },
  ]
}
