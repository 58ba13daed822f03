import { describe, expect, it } from 'vitest'
import { cronTimes, newestTicks, nextTick, nextTicks, type ScheduleTimes } from '../../../src/job/schedule-times.js'

const iso = (ticks: readonly number[]) => ticks.map((tick) => new Date(tick).toISOString().slice(0, 19))
const at = (text: string) => Date.parse(text.includes('T') ? `${text}Z` : text)

describe('cron', () => {
  it('ticks in its time zone, with seconds when it has six fields', () => {
    const daily = cronTimes('30 9 * * 1-5', 'America/New_York')
    expect(iso(nextTicks(daily, at('2026-01-02T00:00'), 2))).toEqual(['2026-01-02T14:30:00', '2026-01-05T14:30:00'])
    const often = cronTimes('*/20 * * * * *')
    expect(iso(nextTicks(often, at('2026-01-01T00:00:20'), 2))).toEqual(['2026-01-01T00:00:40', '2026-01-01T00:01:00'])
    expect(iso([nextTick(cronTimes(' @daily '), at('2026-01-01T00:00'))])).toEqual(['2026-01-02T00:00:00'])
  })

  it('ticks an hour later on the day whose clocks leave that hour out', () => {
    const nightly = cronTimes('30 2 * * *', 'Europe/Berlin')
    const ticks = ['2026-03-28T01:30:00', '2026-03-29T01:30:00', '2026-03-30T00:30:00']
    expect(iso(nextTicks(nightly, at('2026-03-28T00:00'), 3))).toEqual(ticks)
    expect(iso(newestTicks(nightly, at('2026-03-28T00:00'), at('2026-03-30T12:00'), 10))).toEqual(ticks)
  })

  it.each([
    ['@daily', 'America/Santiago', '2024-09-07', ['2024-09-07T04:00:00', '2024-09-08T04:00:00', '2024-09-09T03:00:00']],
    [
      '0 */12 * * *',
      'America/Santiago',
      '2024-09-07T16:00',
      ['2024-09-08T04:00:00', '2024-09-08T15:00:00', '2024-09-09T03:00:00'],
    ],
    [
      '*/40 0 * * *',
      'Africa/Cairo',
      '2024-04-25T12:00',
      ['2024-04-25T22:00:00', '2024-04-25T22:40:00', '2024-04-26T21:00:00'],
    ],
    [
      '15 2 * * *',
      'Australia/Lord_Howe',
      '2024-10-04T16:00',
      ['2024-10-05T15:45:00', '2024-10-06T15:15:00', '2024-10-07T15:15:00'],
    ],
    [
      '15 * * * *',
      'Australia/Lord_Howe',
      '2024-10-05T14:50',
      ['2024-10-05T16:15:00', '2024-10-05T17:15:00', '2024-10-05T18:15:00'],
    ],
  ])(
    '%s in %s loses no tick where clocks are put forward at midnight or by half an hour',
    (cron, zone, from, ticks) => {
      const times = cronTimes(cron, zone)
      expect(iso(nextTicks(times, at(from), 3))).toEqual(ticks)
      expect(iso(newestTicks(times, at(from) + 1, at(ticks[2] ?? ''), 10))).toEqual(ticks)
    },
  )

  it('ticks once at a fixed hour, and each hour, on the day whose clocks go back', () => {
    const nightly = cronTimes('30 2 * * *', 'Europe/Berlin')
    expect(iso(newestTicks(nightly, at('2026-10-24T12:00'), at('2026-10-26T12:00'), 10))).toEqual([
      '2026-10-25T00:30:00',
      '2026-10-26T01:30:00',
    ])
    const hourly = cronTimes('0 * * * *', 'Europe/Berlin')
    expect(iso(nextTicks(hourly, at('2026-10-24T23:30'), 3))).toEqual([
      '2026-10-25T00:00:00',
      '2026-10-25T01:00:00',
      '2026-10-25T02:00:00',
    ])
  })

  it.each<[unknown, string]>([
    ['', 'too few fields'],
    ['* * * *', 'four fields'],
    ['* * * * * * *', 'seven fields'],
    ['61 * * * *', 'a minute that is none'],
    ['0 0 30 2 *', 'a day that never comes'],
    ['0 0 31 4 *', 'a day that its month lacks'],
    ['H * * * *', 'a random minute, which is another in each process'],
    ['a b c d e', 'words'],
    ['@secondly', 'a macro that is not known'],
    [5, 'a number'],
    [undefined, 'nothing'],
  ])('%j is refused: %s', (cron) => {
    expect(() => cronTimes(cron)).toThrow(/option cron: expected five cron fields, or six/)
  })

  it.each([
    ['61 * * * *', 'expected range 0-59'],
    ['0 0 30 2 *', 'Invalid explicit day of month'],
  ])('%j is refused with the reason', (cron, reason) => {
    expect(() => cronTimes(cron)).toThrow(reason)
  })

  it.each(['Mars/Olympus', '', 'Europe/Berlin; DROP', 7])('%j is refused for a time zone', (zone) => {
    expect(() => cronTimes('* * * * *', zone)).toThrow(/option timezone: expected an IANA time zone/)
  })
})

describe('every so many milliseconds', () => {
  const times: ScheduleTimes = { kind: 'every', everyMs: 90_000 }

  it('ticks at whole multiples since 1970, so that all processes agree', () => {
    expect(nextTicks(times, 180_000, 2)).toEqual([270_000, 360_000])
    expect(nextTick(times, 179_999)).toBe(180_000)
  })

  it('gives ticks of a span with both ends, the newest up to the limit', () => {
    expect(newestTicks(times, 180_000, 360_000, 10)).toEqual([180_000, 270_000, 360_000])
    expect(newestTicks(times, 180_000, 360_000, 2)).toEqual([270_000, 360_000])
    expect(newestTicks(times, 180_001, 269_999, 2)).toEqual([])
  })
})

it('a tick each second that stood still for years is looked at no further back than the limit needs', () => {
  const now = at('2026-01-01T00:00')
  const ticks = newestTicks(cronTimes('* * * * * *'), 0, now, 100)
  expect(ticks).toHaveLength(100)
  expect([ticks[0], ticks.at(-1)]).toEqual([now - 99_000, now])
})
