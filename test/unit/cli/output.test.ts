import { afterEach, describe, expect, it, vi } from 'vitest'
import { createProgress, describeSpeed } from '../../../src/cli/enqueue/progress.js'
import { readWaitMs } from '../../../src/cli/option-values.js'
import { formatTable } from '../../../src/cli/output.js'

describe('formatTable', () => {
  it('aligns text to the left and numbers to the right, without spaces at line ends', () => {
    expect(
      formatTable([
        ['QUEUE', 'VALUE', 'NOTE'],
        ['a', 7, ''],
        ['longer name', 12_345, 'x'],
      ]),
    ).toBe('QUEUE        VALUE  NOTE\na                7\nlonger name  12345  x')
  })

  it('lets no name steer the terminal, or turn its text around', () => {
    expect(formatTable([['a\x1b[2J\x9b31m\nb', 'c\u202edcba']])).toBe('a?[2J?31m?b  c?dcba')
  })
})

describe('describeSpeed', () => {
  it('tells count, time and rate', () => {
    expect(describeSpeed(12_000, 1_500)).toBe('12,000 jobs in 1.5s, 8,000 a second')
    expect(describeSpeed(1, 0)).toBe('1 job in 0ms')
  })
})

describe('createProgress', () => {
  const isTerminal = process.stderr.isTTY
  afterEach(() => {
    vi.restoreAllMocks()
    process.stderr.isTTY = isTerminal
  })
  function watch(isTTY: boolean): string[] {
    const written: string[] = []
    process.stderr.isTTY = isTTY
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0)
    return written
  }

  it('draws a bar over itself on a terminal, ten times a second at most, and takes it away', () => {
    const written = watch(true)
    const now = vi.spyOn(performance, 'now')
    const progress = createProgress({ json: false })
    for (const [at, share] of [
      [0, 0.25],
      [99, 0.26],
      [100, 0.5],
      [200, null],
    ] as const) {
      now.mockReturnValue(at)
      progress.show(share, ` ${at}`)
    }
    progress.end()
    const clear = '\r\u001b[2K'
    expect(written).toEqual([
      `${clear}[${'#'.repeat(8)}${'.'.repeat(22)}] 25%  0`,
      `${clear}[${'#'.repeat(15)}${'.'.repeat(15)}] 50%  100`,
      `${clear} 200`,
      clear,
    ])
  })

  it('writes a line each five seconds where there is no terminal, and nothing with --json', () => {
    const written = watch(false)
    const now = vi.spyOn(performance, 'now').mockReturnValue(0)
    const [progress, silent] = [createProgress({ json: false }), createProgress({ json: true })]
    for (const at of [4_999, 5_000, 9_000, 10_000]) {
      now.mockReturnValue(at)
      for (const each of [progress, silent]) each.show(at / 20_000, `${at}`)
    }
    for (const each of [progress, silent]) each.end()
    expect(written).toEqual(['25% 5000\n', '50% 10000\n'])
  })
})

describe('readWaitMs', () => {
  it('is a minute without a time, and undefined without --wait', () => {
    expect([readWaitMs(undefined), readWaitMs(true), readWaitMs('5m')]).toEqual([undefined, 60_000, 300_000])
  })

  it.each(['0', '0s', 'soon', '25h'])('refuses %j', (text) => {
    expect(() => readWaitMs(text)).toThrow('option --wait: expected a duration')
  })
})
