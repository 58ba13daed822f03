import { describe, expect, it } from 'vitest'
import { showAgo, showDuration, showNumber, showRate, showText, showUtc } from '../../../src/dashboard/show.js'

const NOON = Date.UTC(2026, 10, 22, 12)

describe('showText', () => {
  it('writes out controls, ANSI sequences and marks that turn the direction of text', () => {
    expect(showText('a\u001b[31mred\r\n\u202etxt.exe\u200b', 80)).toBe(
      'a\\u001b[31mred\\u000d\\u000a\\u202etxt.exe\\u200b',
    )
  })

  it('cuts by characters and never inside one', () => {
    expect(showText('🐂🐂🐂', 3)).toBe('🐂🐂🐂')
    expect(showText('🐂🐂🐂🐂', 3)).toBe('🐂🐂🐂…')
    expect(showText('x'.repeat(5_000_000), 80)).toBe(`${'x'.repeat(80)}…`)
  })
})

describe('showNumber and showDuration', () => {
  it('group thousands, round what nobody compares, and show a dash for nothing', () => {
    expect([showNumber(1234567), showNumber(-5), showNumber(null)]).toEqual(['1,234,567', '-5', '–'])
    expect([0.04, 3.26, 134.4, 61_000].map(showDuration)).toEqual(['0ms', '3.3ms', '134ms', '1m 1s'])
    expect(showDuration(null)).toBe('–')
  })
})

describe('showRate', () => {
  it('counts by the minute what comes seldom, below zero too', () => {
    expect([0.05, -0.05, 3.26, -3.26, 1_234.5, -53_497_942].map(showRate)).toEqual([
      ...['3/min', '-3/min', '3.3/s', '-3.3/s', '1,235/s', '-53,497,942/s'],
    ])
  })
})

describe('showAgo', () => {
  it('gives the relative time with the exact one in UTC', () => {
    expect(String(showAgo(NOON - 61_000, NOON))).toBe(
      '<time datetime="2026-11-22T11:58:59.000Z" title="2026-11-22 11:58:59.000 UTC" data-ago>1 min ago</time>',
    )
  })

  it('never speaks of the future, which a clock of another machine can make', () => {
    expect(String(showAgo(NOON + 5_000, NOON))).toContain('>just now<')
  })

  it('names seconds, minutes, hours and days', () => {
    const seconds = [0.5, 59, 60, 3_599, 3_600, 172_799, 172_800]
    const words = seconds.map((ago) => />(.*)</.exec(String(showAgo(NOON - ago * 1_000, NOON)))?.[1])
    expect(words).toEqual(['just now', '59 s ago', '1 min ago', '59 min ago', '1 h ago', '47 h ago', '2 d ago'])
  })

  it('survives a time that is none', () => {
    expect(showUtc(Number.NaN)).toBe('unknown time')
    expect(String(showAgo(Number.NaN, NOON))).toContain('unknown time')
  })
})
