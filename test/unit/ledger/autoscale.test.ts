// The number of workers, by the formula and over arrivals, recorded and made up: tests of a pure function, and a simulation
// that knows nothing of it.
import { describe, expect, it } from 'vitest'
import { InvalidOptionError, UnknownOptionError } from '../../../src/job/index.js'
import type { AutoscaleRules, AutoscaleState, QueueLoad } from '../../../src/ledger/autoscale/desired-workers.js'
import { meanMs } from '../../../src/ledger/autoscale/observe-pool.js'
import { desiredWorkers, readAutoscaleRules } from '../../../src/ledger/index.js'
import {
  BULK,
  BURST,
  DAILY_WAVE,
  EARTHQUAKES,
  FLIGHTS,
  OUTAGE,
  type Pattern,
  SLOW,
  STEADY,
} from '../../support/autoscale-patterns.js'
import { type Seen, simulate } from '../../support/autoscale-simulation.js'

const RULES: AutoscaleRules = { waitTargetMs: 30_000, minWorkers: 0, maxWorkers: 100, scaleDownMs: 300_000 }
const IDLE: QueueLoad = { queue: 'q', concurrency: 1, backlog: 0, due: 0, active: 0, ended: 0, runMs: 1_000 }

function decide(
  load: Partial<QueueLoad>,
  { workers = 0, at = 0, rules = {}, before = undefined as AutoscaleState | undefined } = {},
) {
  return desiredWorkers({ at, workers, queues: [{ ...IDLE, ...load }] }, before, { ...RULES, ...rules })
}

describe('desiredWorkers', () => {
  it('wants nobody for nothing, and one for one job', () => {
    expect(decide({}).desired).toBe(0)
    expect(decide({ backlog: 1 }).desired).toBe(1)
    expect(decide({ due: 1 }).desired).toBe(1)
    expect(decide({ active: 1 }).desired).toBe(2)
  })

  it('works a backlog off within the target less the start of a worker, which is 10 s', () => {
    // 400 jobs of 1 s in 20 s are 20 places.
    expect(decide({ backlog: 400 }).desired).toBe(20)
    expect(decide({ backlog: 400, concurrency: 4 }).desired).toBe(5)
    expect(decide({ backlog: 300, due: 100 }).desired).toBe(20)
    // A target below twice that keeps half of itself.
    expect(decide({ backlog: 10 }, { rules: { waitTargetMs: 4_000 } }).desired).toBe(5)
  })

  it('wants one place at most for each job, however long it runs', () => {
    expect(decide({ backlog: 3, runMs: 3_600_000 }).desired).toBe(3)
    expect(decide({ backlog: 3, active: 2, runMs: 3_600_000 }).desired).toBe(6)
  })

  it('wants what the hungriest queue of the pool wants, as each worker has places for each queue', () => {
    const queues = [
      { ...IDLE, backlog: 100 },
      { ...IDLE, queue: 'r', backlog: 200 },
    ]
    expect(desiredWorkers({ at: 0, workers: 0, queues }, undefined, RULES).desired).toBe(10)
  })

  it('keeps to the limits', () => {
    expect(decide({ backlog: 1e6 }).desired).toBe(100)
    expect(decide({}, { rules: { minWorkers: 3 } }).desired).toBe(3)
  })

  it('never says less than there are when it knows no past, and goes down once the window is over', () => {
    const first = decide({}, { workers: 8 })
    expect(first).toMatchObject({ desired: 8, wanted: 0 })
    const before = decide({}, { workers: 8, at: 299_999, before: first.state })
    expect(before.desired).toBe(8)
    expect(decide({}, { workers: 8, at: 300_001, before: before.state }).desired).toBe(0)
  })

  it('takes a change of less than a tenth for none', () => {
    const first = decide({ backlog: 1_000 })
    expect(first.wanted).toBe(50)
    expect(decide({ backlog: 1_080 }, { at: 1, before: first.state }).wanted).toBe(50)
    expect(decide({ backlog: 1_200 }, { at: 1, before: first.state }).wanted).toBe(60)
  })

  it('keeps a bounded past, however long and restless', () => {
    let before: AutoscaleState | undefined
    for (let at = 0; at < 3_600_000; at += 5_000) {
      before = decide(
        { backlog: 2_000_000 - at / 3, runMs: 1_000 },
        { at, before, rules: { scaleDownMs: 3_600_000 } },
      ).state
    }
    expect(before?.wanted.length).toBeLessThanOrEqual(60)
    expect(before?.wanted[0]?.[1]).toBeGreaterThan(90_000)
  })

  it('is not held up by a clock that is ahead, nor misled by counts that were set back', () => {
    const ahead = decide({ backlog: 400 }, { at: 1e9 })
    expect(decide({ backlog: 20 }, { at: 0, before: ahead.state }).wanted).toBe(1)
    const counted = decide({ active: 1, ended: 1_000_000 })
    const after = decide({ active: 1, ended: 5 }, { at: 60_000, before: counted.state })
    expect(after.wanted).toBeLessThanOrEqual(2)
    expect(decide({ active: 5, runMs: 0 }, { at: 1 }).desired).toBeLessThanOrEqual(100)
  })
})

const HOURS_OF = ({ perMinute }: Pattern, workers: number) => (perMinute.length / 60) * workers

/** The pool, scaled each 15 s with workers that take 10 s to start. */
function run(pattern: Pattern) {
  let state: AutoscaleState | undefined
  const rules = {
    waitTargetMs: pattern.waitTargetMs,
    minWorkers: 0,
    maxWorkers: pattern.maxWorkers,
    scaleDownMs: 300_000,
  }
  return simulate(pattern, ({ at, workers, backlog, active, ended, runMs = 1_000 }: Seen) => {
    const { concurrency } = pattern
    const queues = [{ queue: 'q', concurrency, backlog, due: 0, active, ended, runMs }]
    const answer = desiredWorkers({ at, workers, queues }, state, rules)
    // As it is kept in Redis.
    state = JSON.parse(JSON.stringify(answer.state)) as AutoscaleState
    return answer.desired
  })
}

/** Always there, so many and no fewer keep the 95th percentile of waits within the target; their hours are the measure. */
const FEWEST = [
  [STEADY, 6, 1.25],
  [DAILY_WAVE, 10, 0.85],
  [BURST, 15, 0.4],
  [BULK, 6, 0.35],
  [SLOW, 14, 1.6],
  [FLIGHTS, 7, 0.8],
  [EARTHQUAKES, 6, 1.5],
] as const

describe.each(FEWEST)('over $name', (pattern, fewest, share) => {
  it(`19 of 20 jobs wait no longer than the target, for at most ${share} of the hours of workers that are always there`, () => {
    const { p95, workerHours, jobs, turns } = run(pattern)
    expect(jobs).toBeGreaterThan(400)
    expect(p95).toBeLessThanOrEqual(pattern.waitTargetMs)
    expect(workerHours).toBeLessThan(share * HOURS_OF(pattern, fewest))
    // The window is 5 minutes: no flapping can be faster.
    expect(turns).toBeLessThanOrEqual(pattern.perMinute.length / 5)
  })

  it(`${fewest} that are always there are the fewest that keep it`, () => {
    const p95 = (workers: number) => simulate(pattern, () => workers, { workers }).p95
    expect(p95(fewest)).toBeLessThanOrEqual(pattern.waitTargetMs)
    expect(p95(fewest - 1)).toBeGreaterThan(pattern.waitTargetMs)
  })
})

it('after an outage of 20 minutes the backlog is worked off within the target and the start of the workers', () => {
  const { p95After, longest, most } = run(OUTAGE)
  expect(p95After).toBeLessThanOrEqual(OUTAGE.waitTargetMs)
  // The first job of the outage waited for all of it.
  expect(longest).toBeLessThanOrEqual(20 * 60_000 + OUTAGE.waitTargetMs + 25_000)
  expect(most).toBeLessThanOrEqual(OUTAGE.maxWorkers)
})

it('a steady load does not make the number go up and down', () => {
  expect(run(STEADY).turns).toBeLessThanOrEqual(2)
})

describe('readAutoscaleRules', () => {
  it('has defaults', () => {
    expect(readAutoscaleRules({})).toEqual({
      waitTargetMs: 30_000,
      minWorkers: 0,
      maxWorkers: 10,
      scaleDownMs: 300_000,
    })
    expect(readAutoscaleRules({ minWorkers: 20 }).maxWorkers).toBe(20)
  })

  it.each([
    [{ waitTarget: '0s' }],
    [{ waitTarget: -1 }],
    [{ waitTarget: '2d' }],
    [{ waitTarget: 'soon' }],
    [{ waitTarget: Number.NaN }],
    [{ minWorkers: -1 }],
    [{ minWorkers: 1.5 }],
    [{ maxWorkers: 0 }],
    [{ maxWorkers: 10_001 }],
    [{ maxWorkers: '5' }],
    [{ minWorkers: 5, maxWorkers: 4 }],
    [{ scaleDown: '2h' }],
  ])('%j is refused', (options) => {
    expect(() => readAutoscaleRules(options as never)).toThrow(InvalidOptionError)
  })

  it('refuses unknown names, and what is no object', () => {
    expect(() => readAutoscaleRules({ waitTargets: 1 } as never)).toThrow(UnknownOptionError)
    for (const rubbish of [null, 5, [], 'x'])
      expect(() => readAutoscaleRules(rubbish as never)).toThrow(InvalidOptionError)
  })
})

it('the mean run is that of the middles of the buckets, and unknown without runs', () => {
  expect(meanMs([])).toBeUndefined()
  expect(meanMs([[0, 0]])).toBeUndefined()
  expect(meanMs([[2], [0, 0, 1]])).toBeCloseTo((0.5 * 2 + 3.5) / 3)
  const longest = new Array<number>(20).fill(0).with(19, 1)
  expect(meanMs([longest])).toBe(21_600_000)
})
