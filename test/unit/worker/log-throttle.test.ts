import { afterEach, expect, it, vi } from 'vitest'
import { throttledLog } from '../../../src/worker/log-throttle.js'
import { collectLog } from '../../support/worker.js'

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
