import { describe, expect, it } from 'vitest'
import { BUCKET_BOUNDS_MS, formatMetrics, queueMetrics, totalsMetrics } from '../../../src/ledger/index.js'
import { parseMetrics, sampleValue } from '../../support/metrics-text.js'

const HOSTILE = ['a"b', 'a\\', 'a\nb', '"} 1\nevil_total 5', '\\n', '{}', 'ü 字 🚀', '', ' ']

describe('formatMetrics', () => {
  it('writes any label value so that a parser reads it back', () => {
    const samples = HOSTILE.map((job, index) => [{ queue: 'q', job }, index] as const)
    const text = formatMetrics([{ name: 'drover_x_total', help: 'One\\ line\nof help.', type: 'counter', samples }])
    expect(parseMetrics(text).map(({ labels, value }) => [labels.job, value])).toEqual(
      HOSTILE.map((job, index) => [job, index]),
    )
  })

  it('writes a histogram with growing buckets in seconds, its sum and its count', () => {
    const counts = new Array<number>(BUCKET_BOUNDS_MS.length + 1).fill(1)
    const text = formatMetrics([
      { name: 'drover_run_seconds', help: 'x', type: 'histogram', samples: [[{ job: 'a' }, { counts, sumMs: 1_500 }]] },
    ])
    const samples = parseMetrics(text)
    expect(sampleValue(samples, 'drover_run_seconds_bucket', { le: '0.001' })).toBe(1)
    expect(sampleValue(samples, 'drover_run_seconds_bucket', { le: '21600' })).toBe(19)
    expect(sampleValue(samples, 'drover_run_seconds_bucket', { le: '+Inf' })).toBe(20)
    expect(sampleValue(samples, 'drover_run_seconds_sum')).toBe(1.5)
    expect(sampleValue(samples, 'drover_run_seconds_count')).toBe(20)
  })

  it('writes numbers that are none as Prometheus spells them, and nothing of a family without samples', () => {
    const samples = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e21, 0.1].map(
      (value, index) => [{ index: String(index) }, value] as const,
    )
    const text = formatMetrics([
      { name: 'drover_empty', help: 'x', type: 'gauge', samples: [] },
      { name: 'drover_odd', help: 'x', type: 'gauge', samples },
    ])
    expect(text).not.toContain('empty')
    expect(parseMetrics(text).map(({ value }) => value)).toEqual(samples.map(([, value]) => value))
  })
})

it('a queue is told by its states, and the age of its oldest job is never negative', () => {
  const counts = { waiting: 1, prioritized: 2, delayed: 3, held: 7, active: 4, waitingChildren: 5, failed: 6 }
  const now = 10_000
  const queues = [
    { queue: 'a', ...counts, isPaused: true, oldestSince: 4_000 },
    { queue: 'b', ...counts, isPaused: false, oldestSince: null },
    { queue: 'c', ...counts, isPaused: false, oldestSince: 11_000 },
  ]
  const samples = parseMetrics(formatMetrics(queueMetrics(queues, now)))
  expect(sampleValue(samples, 'drover_queue_jobs', { queue: 'a', state: 'waiting-children' })).toBe(5)
  expect(sampleValue(samples, 'drover_queue_jobs', { queue: 'a', state: 'held' })).toBe(7)
  const ages = ['a', 'b', 'c'].map((queue) => sampleValue(samples, 'drover_queue_oldest_waiting_seconds', { queue }))
  expect(ages).toEqual([6, 0, 0])
  expect(sampleValue(samples, 'drover_queue_paused', { queue: 'a' })).toBe(1)
})

it('totals of jobs with hostile names are told as they are', () => {
  const jobs = new Map(HOSTILE.map((job) => [job, { completed: 1, failed: 2, retried: 3 }]))
  const samples = parseMetrics(formatMetrics(totalsMetrics(new Map([['q', jobs]]))))
  expect(samples).toHaveLength(4 * HOSTILE.length)
  expect(sampleValue(samples, 'drover_jobs_failed_total', { job: '"} 1\nevil_total 5' })).toBe(2)
})
