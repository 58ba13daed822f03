import { describe, expect, it } from 'vitest'
import { formatDone, formatLogLine } from '../../../src/cli/dev/log-line.js'
import type { JobResult } from '../../../src/ledger/index.js'

const time = new Date(2026, 0, 31, 8, 5, 9).getTime()
const plain = (_style: unknown, text: string) => text

function line(fields: object): string {
  return formatLogLine(JSON.stringify({ level: 30, time, pid: 1, hostname: 'h', ...fields }), plain)
}

describe('formatLogLine', () => {
  it('shows time, level, job, text and the remaining fields', () => {
    const about = { queue: 'media', job: 'image.resize', id: 'c3k9x1', attempt: 1 }
    expect(line({ ...about, bytes: 17, msg: 'fetched' })).toBe('08:05:09 info  image.resize c3k9x1: fetched bytes=17')
    expect(line({ ...about, attempt: 2, msg: 'fetched' })).toBe('08:05:09 info  image.resize c3k9x1 attempt 2: fetched')
    expect(line({ msg: 'ready', queues: ['a', 'b'], note: 'two words', nothing: null })).toBe(
      '08:05:09 info  ready queues=a,b note="two words" nothing=null',
    )
    expect(line({ level: 50, msg: 'oh' })).toBe('08:05:09 error oh')
    expect(line({ level: 35, msg: 'oh' })).toBe('08:05:09 35    oh')
  })

  it('shows the stack of an error below the line, or its name and message without one', () => {
    expect(line({ msg: 'failed', err: { type: 'Error', message: 'no', stack: 'Error: no\n    at x' } })).toBe(
      '08:05:09 info  failed\n    Error: no\n        at x',
    )
    expect(line({ msg: 'failed', err: { name: 'TypeError', message: 'no' } })).toBe(
      '08:05:09 info  failed\n    TypeError: no',
    )
  })

  it('leaves frames of Drover, its packages and Node out of a stack that has others', () => {
    const own = new URL('../../../src/worker/attempt.ts', import.meta.url).href
    const others = `    at run (${own}:96:30)\n    at x (/app/node_modules/bullmq/a.js:1:1)\n    at async node:internal/y:1:1`
    const text = line({ msg: 'failed', err: { stack: `Error: no\n    at handler (/app/jobs/a.ts:3:7)\n${others}` } })
    expect(text).toBe('08:05:09 info  failed\n    Error: no\n        at handler (/app/jobs/a.ts:3:7)')
    expect(line({ msg: 'failed', err: { stack: `Error: no\n${others}` } }).split('\n')).toHaveLength(5)
  })

  it('cuts long values', () => {
    expect(line({ msg: 'x', text: 'y'.repeat(1_000) }).length).toBeLessThan(300)
  })

  it.each(['hello', '{"level":"info"}', '{"level":', '', '{"a":1}'])('leaves %j as it is', (text) => {
    expect(formatLogLine(text, plain)).toBe(text)
  })
})

describe('formatDone', () => {
  const record = {
    v: 1,
    id: 'c3k9x1',
    job: 'greet',
    queue: 'q',
    attempts: 1,
    enqueuedAt: 0,
    startedAt: 0,
    finishedAt: time,
    runMs: 12.4,
    waitMs: 0,
  }

  it('shows a completed job with its value, a failed one without', () => {
    const completed = { ...record, status: 'completed', value: { text: 'Hello' } } satisfies JobResult
    expect(formatDone(completed, plain)).toBe('08:05:09 done  greet c3k9x1 in 12ms → {"text":"Hello"}')
    const failed = { ...record, status: 'failed', error: { name: 'Error', message: 'no' } } satisfies JobResult
    expect(formatDone(failed, plain)).toBe('08:05:09 FAIL  greet c3k9x1 in 12ms')
  })
})
