import { pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { flushThrottled, logThinned, throttledLog } from '../../../src/job/index.js'
import { collectLog, type LogLine } from '../../support/worker.js'

afterEach(() => {
  vi.useRealTimers()
})

it('an error storm is one line a second, and each says how many were left out', () => {
  vi.useFakeTimers()
  const { logger, lines } = collectLog()
  const log = throttledLog(logger, 'warn', 'connection lost', { queue: 'media' })
  for (let i = 0; i < 100; i++) log(new Error(`number ${i}`))
  vi.advanceTimersByTime(999)
  log(new Error('the last of the second'))
  vi.advanceTimersByTime(1)
  vi.advanceTimersByTime(1_000)
  log(new Error('alone'))
  vi.advanceTimersByTime(1_000)
  expect(lines.map(({ msg, queue, suppressed, err }) => [msg, queue, suppressed, (err as Error).message])).toEqual([
    ['connection lost', 'media', undefined, 'number 0'],
    ['connection lost', 'media', 99, 'the last of the second'],
    ['connection lost', 'media', undefined, 'alone'],
  ])
  expect(vi.getTimerCount()).toBe(0)
})

it('storms of several texts are one line a second together, by turns, and a new text does not wait', () => {
  vi.useFakeTimers()
  const { logger, lines } = collectLog()
  const texts = ['connection lost', 'locks not renewed'] as const
  const logs = texts.map((text, index) => throttledLog(index === 0 ? logger : logger.child({}), 'warn', text))
  for (let seconds = 0; seconds < 20; seconds++) {
    for (const log of logs) for (let i = 0; i < 10; i++) log(new Error('again'))
    vi.advanceTimersByTime(1_000)
  }
  const count = (text: string) => lines.filter(({ msg }) => msg === text).length
  // The first line of each, and one for each second.
  expect(lines.length).toBe(2 + 20)
  for (const text of texts) expect(count(text)).toBe(11)
  const told = lines.reduce((sum, { suppressed = 0 }) => sum + 1 + Number(suppressed), 0)
  vi.advanceTimersByTime(5_000)
  expect(vi.getTimerCount()).toBe(0)
  expect(told).toBeLessThan(400)
  expect(lines.reduce((sum, { suppressed = 0 }) => sum + 1 + Number(suppressed), 0)).toBe(400)
})

it('a line has no more of an error than name, message, code and stack', () => {
  const { logger, lines } = collectLog()
  const error = Object.assign(new Error('refused'), { code: 'E', command: { name: 'AUTH', args: ['secret'] } })
  throttledLog(logger, 'error', 'worker error')(error)
  expect(JSON.stringify(lines)).not.toContain('secret')
  expect(lines[0]).toMatchObject({ err: { name: 'Error', message: 'refused', code: 'E' } })
})

describe('lines about jobs, of which many are alike', () => {
  const failed = (n: number, code: string, job = 'resize') => ({ queue: 'media', job, id: `j-${n}`, err: { code } })
  const counted = (lines: readonly LogLine[]) =>
    lines.reduce((sum, { suppressed = 0 }) => sum + 1 + Number(suppressed), 0)

  it('come at once with the first of each kind, then one a second by turns, with how many it stands for', () => {
    vi.useFakeTimers()
    const { logger, lines } = collectLog('info')
    for (let n = 0; n < 50; n++) {
      logThinned(logger, 'warn', failed(n, 'E_A'), 'attempt failed')
      logThinned(logger, 'warn', failed(n, 'E_B'), 'attempt failed')
      logThinned(logger.child({}), 'error', failed(n, 'E_A', 'crop'), 'job failed')
    }
    const shown = () =>
      lines.map(({ id, job, err, suppressed }) => [id, job, (err as { code: string }).code, suppressed])
    const first = [
      ['j-0', 'resize', 'E_A', undefined],
      ['j-0', 'resize', 'E_B', undefined],
      ['j-0', 'crop', 'E_A', undefined],
    ]
    expect(shown()).toEqual(first)
    vi.advanceTimersByTime(999)
    expect(shown()).toEqual(first)
    vi.advanceTimersByTime(1)
    expect(shown().slice(3)).toEqual([['j-49', 'resize', 'E_A', 48]])
    vi.advanceTimersByTime(2_000)
    expect(shown().slice(4)).toEqual([
      ['j-49', 'resize', 'E_B', 48],
      ['j-49', 'crop', 'E_A', 48],
    ])
    vi.advanceTimersByTime(1_000)
    expect(counted(lines)).toBe(150)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('of a thousand causes are ten at once and then one a second and a few, and none is left uncounted', () => {
    vi.useFakeTimers()
    const { logger, lines } = collectLog('info')
    let told = 0
    for (let seconds = 0; seconds < 60; seconds++) {
      for (let n = 0; n < 1_000; n++) logThinned(logger, 'warn', failed(n, `E_${seconds}_${n}`), 'attempt failed')
      told += 1_000
      vi.advanceTimersByTime(1_000)
    }
    // The first, ten more at once, one each second, and one of news each ten seconds.
    expect(lines.length).toBeLessThanOrEqual(1 + 10 + 60 + 6)
    expect(new Set(lines.map(({ err }) => (err as { code: string }).code)).size).toBeGreaterThan(40)
    expect(lines.some(({ severalKinds }) => severalKinds === true)).toBe(true)
    flushThrottled(logger)
    expect(counted(lines)).toBe(told)
  })

  it('are written when their worker closes, if they still wait', () => {
    vi.useFakeTimers()
    const { logger, lines } = collectLog('info')
    for (let n = 0; n < 5; n++) logThinned(logger, 'error', failed(n, 'E_A'), 'job failed')
    flushThrottled(logger.child({ queue: 'media' }))
    expect(lines).toMatchObject([{ id: 'j-0' }, { id: 'j-4', suppressed: 3 }])
    vi.advanceTimersByTime(1_000)
    expect(lines).toHaveLength(2)
  })

  it('are written each at the level debug, and take no timer where nobody reads them', () => {
    vi.useFakeTimers()
    const { logger, lines } = collectLog()
    for (let n = 0; n < 5; n++) logThinned(logger, 'warn', failed(n, 'E_A'), 'attempt failed')
    expect(lines.map(({ id }) => id)).toEqual(['j-0', 'j-1', 'j-2', 'j-3', 'j-4'])
    logThinned(pino({ level: 'fatal' }), 'error', failed(0, 'E_A'), 'job failed')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keep their second when a turn of the event loop blocks for longer', () => {
    vi.useFakeTimers()
    const { logger, lines } = collectLog('info')
    logThinned(logger, 'warn', failed(0, 'E_A'), 'attempt failed')
    logThinned(logger, 'warn', failed(1, 'E_A'), 'attempt failed')
    // The clock of the timers stands still meanwhile, as Node's does.
    const blocked = vi.spyOn(performance, 'now').mockReturnValue(performance.now() - 400)
    vi.advanceTimersByTime(1_000)
    expect(lines).toHaveLength(1)
    blocked.mockRestore()
    vi.advanceTimersByTime(1_400)
    expect(lines).toHaveLength(2)
  })
})
