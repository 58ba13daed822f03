import { expect, it } from 'vitest'
import { showAge } from '../../../../src/cli/show-age.js'
import { drawTop, type TopFacts } from '../../../../src/cli/top/draw-top.js'

const queue = (name: string, waiting = 0) => ({
  ...{
    queue: name,
    isPaused: false,
    pausedJobs: [],
    waiting,
    prioritized: 0,
    delayed: 0,
    active: 0,
    waitingChildren: 0,
  },
  ...{
    completed: 5,
    failed: 1,
    oldestWaitMs: waiting > 0 ? 61_000 : null,
    perMinute: { completed: 2.46, failed: 0, retried: 0 },
  },
})
const worker = (id: string, jobs = 0) => ({
  ...{ id, host: 'web', pid: 7, version: '1', release: '1', startedAt: 0, seenAt: 99_000, state: 'run' as const },
  ...{ handled: 12, rssBytes: 104_857_600, loopLagMs: 3, queues: [{ queue: 'media', concurrency: 4, running: jobs }] },
  jobs: Array.from({ length: jobs }, (_, n) => ({
    queue: 'media',
    id: `${id}-${n}`,
    job: 'resize',
    attempt: 1,
    startedAt: 40_000 + n,
  })),
})
const facts = (queues: number, workers: number, jobs: number): TopFacts => ({
  queues: Array.from({ length: queues }, (_, n) => queue(`queue-${n}`, n)),
  workers: Array.from({ length: workers }, (_, n) => worker(`web-${n}`, jobs)),
  nowMs: 100_000,
  title: 'redis://127.0.0.1:6379 drover',
})

it.each([
  [80, 24],
  [40, 10],
  [200, 60],
  [20, 3],
])('fits a screen of %i columns and %i rows, whatever there is to show', (columns, rows) => {
  for (const [queues, workers, jobs] of [
    [0, 0, 0],
    [1, 1, 1],
    [100, 50, 30],
    [2, 0, 0],
    [0, 9, 0],
  ] as const) {
    const lines = drawTop(facts(queues, workers, jobs), { columns, rows })
    expect(lines.length).toBeLessThanOrEqual(rows)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns)
  }
})

it('shows the busiest queues and the longest running jobs first, and how many there are more', () => {
  const text = drawTop(facts(30, 2, 20), { columns: 80, rows: 24 }).join('\n')
  expect(text).toMatch(/30 queues \(\d+ more\)\nQUEUE .*\nqueue-29 .*1m 1s/)
  expect(text).toMatch(/40 running jobs, the longest first \(\d+ more\)\nJOB .*\nresize {2}web-0-0 .*1m 0s/)
  expect(text).toContain('web-1')
})

it('lets nothing in a name steer the terminal', () => {
  const odd = { ...facts(0, 0, 0), workers: [worker('\x1b[2Jodd\u009b', 1)] }
  expect(drawTop(odd, { columns: 80, rows: 24 }).join('')).not.toMatch(/\p{Cc}/u)
})

it.each([
  [-5, '0s'],
  [59_999, '59s'],
  [192_000, '3m 12s'],
  [18_420_000, '5h 7m'],
  [1_047_600_000, '12d 3h'],
])('an age of %i ms is %s', (ms, text) => {
  expect(showAge(ms)).toBe(text)
})
