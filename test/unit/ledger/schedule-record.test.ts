import { describe, expect, it } from 'vitest'
import { MISSED_AFTER_MS, planDue, type ScheduleSpec } from '../../../src/ledger/schedules/schedule-record.js'

const MINUTE = 60_000
const NOW = 1_000 * MINUTE + 500
const spec = (part: Partial<ScheduleSpec> = {}): ScheduleSpec => ({
  job: 'report',
  times: { kind: 'every', everyMs: MINUTE },
  input: '{}',
  options: {},
  missed: 'skip',
  missedLimit: 100,
  overlap: 'allow',
  ...part,
})
const minutes = (ticks: readonly number[]) => ticks.map((tick) => tick / MINUTE)

describe('ticks at which no worker was there', () => {
  // Four of them are more than a minute old; the one of this minute is on time.
  const due = 996 * MINUTE

  it.each([
    ['skip', [1_000], 4],
    ['one', [999, 1_000], 3],
    ['all', [996, 997, 998, 999, 1_000], 0],
  ] as const)('%s', (missed, ticks, passed) => {
    const plan = planDue(spec({ missed }), due, NOW)
    expect(minutes(plan.ticks)).toEqual(ticks)
    expect(plan).toMatchObject({ passed, nextAt: 1_001 * MINUTE })
  })

  it('run up to the limit, the newest of them', () => {
    expect(minutes(planDue(spec({ missed: 'all', missedLimit: 2 }), due, NOW).ticks)).toEqual([998, 999, 1_000])
  })

  it('are those older than a minute: one that is a little late runs whatever is said of missed ones', () => {
    const rare = spec({ times: { kind: 'every', everyMs: 1_000 * MINUTE } })
    const tick = 1_000 * MINUTE
    expect(planDue(rare, tick, tick + MISSED_AFTER_MS).ticks).toEqual([tick])
    expect(planDue(rare, tick, tick + MISSED_AFTER_MS + 1)).toMatchObject({ ticks: [], passed: 1 })
  })
})

it.each(['skip', 'queue'] as const)('one job comes of several due ticks when jobs may not overlap: %s', (overlap) => {
  const plan = planDue(spec({ missed: 'all', overlap }), 996 * MINUTE, NOW)
  expect(minutes(plan.ticks)).toEqual([1_000])
  expect(plan.passed).toBe(4)
})
