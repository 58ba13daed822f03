import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EXIT_CODES, EXIT_OF_ERROR, exitCodeOf, exitCodeOfSignal } from '../../../src/cli/exit-codes.js'
import {
  InterruptedError,
  JobNotFinishedError,
  PortInUseError,
  RedisAuthError,
  RedisFullError,
  RedisNotDurableError,
  RedisUnavailableError,
  ResultNotFoundError,
  ResultWaitTimeoutError,
  UsageError,
} from '../../../src/job/index.js'

describe('exitCodeOf', () => {
  it.each([
    [new UsageError('x'), 2],
    [new ResultNotFoundError('a', 'q'), 3],
    [new ResultWaitTimeoutError('a', 'q', 5), 4],
    [new JobNotFinishedError('a', 'q'), 4],
    [new RedisUnavailableError('x', 5), 69],
    [new RedisAuthError('h:1', 'WRONGPASS'), 77],
    [new InterruptedError('SIGINT', 'x'), 130],
    [new InterruptedError('SIGTERM', 'x'), 143],
    [new RedisNotDurableError('x'), 78],
    [new PortInUseError(1), 2],
    [new RedisFullError('x'), 1],
    [new Error('x'), 1],
    ['x', 1],
  ])('gives for %o the code %d', (error, code) => {
    expect(exitCodeOf(error)).toBe(code)
  })

  it('knows only codes that some error of Drover has', () => {
    const folder = new URL('../../../src/job/', import.meta.url)
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const sources = names.map((name) => readFileSync(new URL(name, folder), 'utf8'))
    const codes = [...sources.join('\n').matchAll(/super\(\s*'([A-Z_]+)'/g)].map(([, code]) => code)
    expect(codes.length).toBeGreaterThan(20)
    for (const code of Object.keys(EXIT_OF_ERROR)) expect(codes).toContain(code)
  })
})

describe('exit codes', () => {
  it('are each in the table once', () => {
    const codes = Object.values(EXIT_CODES).map(({ code }) => code)
    expect(new Set(codes).size).toBe(codes.length)
  })

  it('of signals are 128 plus the number', () => {
    expect(exitCodeOfSignal('SIGINT')).toBe(130)
    expect(exitCodeOfSignal('SIGTERM')).toBe(143)
  })
})
