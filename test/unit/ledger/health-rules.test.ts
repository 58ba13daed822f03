// The rules of health one by one: what each finds, and what is just not enough for it.
import { describe, expect, it } from 'vitest'
import {
  type Finding,
  type HealthFacts,
  type JobStats,
  judgeHealth,
  problemsOf,
  QUEUE_RULES,
  type QueueFacts,
  type QueueNow,
  WORKER_RULES,
  type WorkerBeat,
} from '../../../src/ledger/index.js'
import { DEFAULT_REDIS, type ServerInfo } from '../../../src/redis/index.js'

const NOW = 1_800_000_000_000
const MINUTE = 60_000

const idle: QueueNow = {
  ...{
    isPaused: false,
    waiting: 0,
    prioritized: 0,
    delayed: 0,
    held: 0,
    heldNames: [],
    active: 0,
    waitingChildren: 0,
    completed: 0,
    failed: 0,
  },
  ...{ oldestSince: null, nextSchedules: [], bullVersion: null, isWatched: false, counterCount: 0, finished: [] },
}

function worker(given: Partial<WorkerBeat> = {}): WorkerBeat {
  return {
    ...{
      id: 'w1',
      host: 'a',
      pid: 1,
      version: '1.0.0',
      release: '',
      startedAt: NOW - 60 * MINUTE,
      seenAt: NOW,
      state: 'run',
    },
    ...{ handled: 0, rssBytes: 1, loopLagMs: 0, queues: [{ queue: 'media', concurrency: 4, running: 4 }], jobs: [] },
    ...given,
  }
}

interface Given {
  readonly now?: Partial<QueueNow>
  readonly facts?: Partial<QueueFacts>
  readonly workers?: readonly WorkerBeat[]
}

function facts({ now = {}, facts = {}, workers = [worker()] }: Given): HealthFacts {
  const queue = { queue: 'media', now: { ...idle, ...now }, recent: new Map(), hour: new Map(), ...facts }
  return { nowMs: NOW, workers, queues: [queue] }
}

const stats = (given: Partial<JobStats>): JobStats => ({
  completed: 0,
  failed: 0,
  retried: 0,
  run: [],
  wait: [],
  ...given,
})
const jobStats = (given: Partial<JobStats>) => new Map([['resize', stats(given)]])
/** All runs in the bucket up to 1 s. */
const fast = jobStats({ completed: 50, run: [0, 0, 0, 0, 0, 0, 0, 0, 0, 50] })
const running = (startedAt: number) =>
  worker({ jobs: [{ queue: 'media', id: 'cat', job: 'resize', attempt: 1, startedAt }] })

const CASES: [code: string, level: string, Given, evidence: RegExp][] = [
  ['NO_WORKER', 'warning', { now: { waiting: 1 }, workers: [] }, /^queue media has 1 job that waits, and no worker/],
  ['NO_WORKER', 'error', { now: { delayed: 10_000 }, workers: [] }, /10,000 jobs that wait/],
  [
    'WORKERS_QUIET',
    'warning',
    { now: { waiting: 2 }, workers: [worker({ state: 'quiet' }), worker({ state: 'close' })] },
    /2 jobs that wait, and all 2 of its workers take no new ones$/,
  ],
  ['PAUSED', 'warning', { now: { isPaused: true } }, /is paused: its 0 jobs wait/],
  [
    'OLD_JOB',
    'warning',
    { now: { waiting: 9, oldestSince: NOW - 5 * MINUTE }, facts: { rates: { in: 210, out: 140.2 } } },
    /has waited for 5m: 1 worker, 4 of 4 places busy, 210\/s come in and 140\/s end$/,
  ],
  [
    'HUGE_BACKLOG',
    'warning',
    { now: { waiting: 10_000 }, facts: { rates: { in: 20, out: 30 } } },
    /10,000 jobs that wait: 1 worker, 4 of 4 places busy, 20\/s come in and 30\/s end$/,
  ],
  ['BULLMQ_VERSION', 'warning', { now: { bullVersion: 'bullmq:5.1.0' } }, /"bullmq:5\.1\.0", this Drover has bullmq:6/],
  [
    'ACTIVE_WITHOUT_LOCK',
    'error',
    { facts: { active: { lockless: ['a', 'b'], oftenStalled: [] } } },
    /lock for a minute: a, b$/,
  ],
  [
    'STALLED_OFTEN',
    'warning',
    { facts: { active: { lockless: [], oftenStalled: Array.from({ length: 7 }, (_, n) => `j${n}`) } } },
    /3 times or more: j0, j1, j2, j3, j4 and 2 more$/,
  ],
  [
    'FAILURE_FLOOD',
    'warning',
    { facts: { recent: jobStats({ completed: 60, failed: 5, retried: 15 }) } },
    /^job resize of queue media: in the last 10 minutes 5 failed and 15 attempts were retried, 60 completed$/,
  ],
  [
    'SCHEDULE_LATE',
    'warning',
    { now: { nextSchedules: [{ name: 'nightly', at: NOW - MINUTE }] } },
    /schedule nightly of queue media was due 1m ago/,
  ],
  [
    'VERSION_SKEW',
    'warning',
    { workers: [worker(), worker({ version: '1.1.0', startedAt: NOW - 15 * MINUTE })] },
    /2 versions of Drover run at once: 1 of 1\.1\.0, 1 of 1\.0\.0$/,
  ],
  ['LOOP_LAG', 'warning', { workers: [worker({ loopLagMs: 1_000 })] }, /were late: w1 \(1000 ms\)$/],
  [
    'LONG_RUN',
    'warning',
    { workers: [running(NOW - 10 * MINUTE)], facts: { hour: fast } },
    /^job resize cat of queue media has been running for 10m: p99 of its kind is 9\d\dms$/,
  ],
  ['LONG_RUN', 'warning', { workers: [running(NOW - 60 * MINUTE)] }, /none of its kind ended in the last hour$/],
]

const FINE: [what: string, Given][] = [
  ['a queue that nothing is in, without a worker', { workers: [] }],
  ['jobs that wait for a worker of bare BullMQ', { now: { waiting: 5, isWatched: true }, workers: [] }],
  ['one quiet worker of two', { now: { waiting: 1 }, workers: [worker(), worker({ state: 'quiet' })] }],
  ['a job that waited just under 5 minutes', { now: { waiting: 1, oldestSince: NOW - 5 * MINUTE + 1 } }],
  ['many jobs that are gone within 10 minutes', { now: { waiting: 60_000 }, facts: { rates: { in: 0, out: 100 } } }],
  ['19 failed attempts', { facts: { recent: jobStats({ failed: 19 }) } }],
  ['a failed share below a quarter', { facts: { recent: jobStats({ completed: 61, failed: 20 }) } }],
  ['a schedule that is a moment late', { now: { nextSchedules: [{ name: 'x', at: NOW - MINUTE + 1 }] } }],
  ['a roll-out of a new version', { workers: [worker(), worker({ version: '2.0.0', startedAt: NOW - 14 * MINUTE })] }],
  ['an event loop a little late', { workers: [worker({ loopLagMs: 999 })] }],
  ['a long job that is long as a rule', { workers: [running(NOW - 9 * MINUTE)], facts: { hour: fast } }],
]

describe('the rules of health', () => {
  it.each(CASES)('find %s as %s', (code, level, given, evidence) => {
    const found = judgeHealth(facts(given))
    expect(found.map((finding) => finding.code)).toEqual([code])
    expect(found[0]).toMatchObject({ level, evidence: expect.stringMatching(evidence), about: expect.anything() })
    expect(found[0]?.remedy?.length).toBeGreaterThan(10)
    expect(problemsOf(found)).toEqual(found)
  })

  it.each(FINE)('find nothing about %s', (_what, given) => {
    expect(judgeHealth(facts(given))).toEqual([])
  })

  it('are each held by a case here', () => {
    const held = new Set(CASES.map(([code]) => code))
    expect(held).toEqual(new Set([...Object.keys(QUEUE_RULES), ...Object.keys(WORKER_RULES)]))
  })
})

describe('the problems among findings', () => {
  const info: ServerInfo = {
    ...{ version: '7.2.0', flavour: 'redis', role: 'master', maxmemoryBytes: 0, usedMemoryBytes: 1 },
    ...{ evictionPolicy: 'noeviction', aofEnabled: true, appendfsync: 'everysec', rdbSaves: '', aofLastWriteOk: true },
    ...{ snapshotOk: true, clusterEnabled: false, connectedReplicas: 0, masterLinkUp: null, replicasWanted: 0 },
    ...{ replicasGood: 0, stopsWrites: true },
  } as ServerInfo
  const judge = (given: Partial<ServerInfo>, roundTripMs = 1): Finding[] =>
    problemsOf(
      judgeHealth({
        ...facts({ now: { isPaused: true } }),
        server: { info: { ...info, ...given }, redis: DEFAULT_REDIS, durability: 'standard', roundTripMs },
      }),
    )

  it('are no advice about the settings of Redis', () => {
    expect(judge({}).map(({ code }) => code)).toEqual(['PAUSED'])
  })

  it('tell of paused job names, whose jobs are no backlog and no reason for a worker', () => {
    const found = judgeHealth(facts({ now: { held: 20_000, heldNames: ['mail.send', 'mail.sort'] } }))
    expect(found.filter(({ level }) => level !== 'ok')).toMatchObject([
      {
        code: 'PAUSED',
        evidence: expect.stringMatching(/no job named mail\.send, mail\.sort: paused, with 20,000 jobs put aside/),
      },
    ])
  })

  it('begin with the errors, those of Redis among them', () => {
    expect(judge({ aofLastWriteOk: false }, 250).map(({ code }) => code)).toEqual([
      'AOF_WRITE_FAILED',
      'REDIS_SLOW',
      'PAUSED',
    ])
  })
})
