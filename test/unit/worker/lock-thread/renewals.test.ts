import { afterEach, describe, expect, it, vi } from 'vitest'
import type { TableEntry } from '../../../../src/worker/lock-table.js'
import { monotonicMs } from '../../../../src/worker/lock-table.js'
import type { LostLock } from '../../../../src/worker/lock-thread/messages.js'
import { type ExtendLocks, Renewals, roundMs } from '../../../../src/worker/lock-thread/renewals.js'

const LOCK_MS = 300
const QUEUES = [
  { name: 'media', bullBase: '{d:media}:media:' },
  { name: 'mail', bullBase: '{d:mail}:mail:' },
]

const entry = (id: string, slot: number, more: Partial<TableEntry> = {}): TableEntry => {
  return { slot, version: 2, queue: 0, id, token: `worker:${id}`, startedAt: monotonicMs(), timeoutMs: 1_000, ...more }
}

function newRenewals(extend: ExtendLocks, lockMs = LOCK_MS) {
  vi.useFakeTimers({ toFake: ['hrtime', 'setTimeout', 'performance'] })
  const lost: LostLock[] = []
  const cancelled: LostLock[] = []
  const errors: unknown[] = []
  const renewals = new Renewals(extend, QUEUES, lockMs, {
    onLost: (locks) => lost.push(...locks),
    onCancelled: (locks) => cancelled.push(...locks),
    onError: (error) => errors.push(error),
  })
  /** One round each third of a short lock. */
  const rounds = async (count: number, entries: readonly TableEntry[], isBlocked = false) => {
    for (let round = 0; round < count; round++) {
      await vi.advanceTimersByTimeAsync(roundMs(lockMs))
      renewals.round(entries, isBlocked)
      await vi.advanceTimersByTimeAsync(0)
    }
  }
  return { renewals, lost, cancelled, errors, rounds }
}

afterEach(() => {
  vi.useRealTimers()
})

describe('the locks of running attempts', () => {
  it('are renewed in one call per queue', async () => {
    const extend = vi.fn<ExtendLocks>(async () => [])
    const { lost, rounds } = newRenewals(extend)
    await rounds(1, [entry('a', 0), entry('m', 1, { queue: 1 }), entry('b', 2)])
    const media = [
      '{d:media}:media:stalled',
      '{d:media}:media:active',
      '{d:media}:media:',
      LOCK_MS,
      '',
      'the job was cancelled',
    ]
    const mail = [
      '{d:mail}:mail:stalled',
      '{d:mail}:mail:active',
      '{d:mail}:mail:',
      LOCK_MS,
      '',
      'the job was cancelled',
    ]
    expect(extend.mock.calls).toEqual([
      [...media, 'a', 'worker:a', 'b', 'worker:b'],
      [...mail, 'm', 'worker:m'],
    ])
    await rounds(9, [])
    expect(extend).toHaveBeenCalledTimes(2)
    expect(lost).toEqual([])
  })

  it('hold as long as their renewals are answered', async () => {
    const { lost, rounds } = newRenewals(async () => [])
    await rounds(20, [entry('a', 0)])
    expect(lost).toEqual([])
  })

  it('that Redis says are gone are lost, those alone, and told of once', async () => {
    const extend = vi.fn<ExtendLocks>(async () => [1])
    const { lost, rounds } = newRenewals(extend)
    const entries = [entry('a', 0), entry('b', 7, { version: 4 })]
    await rounds(1, entries)
    extend.mockResolvedValue([])
    await rounds(3, entries)
    expect(lost).toEqual([{ slot: 7, version: 4 }])
    expect(extend.mock.calls.at(-1)?.slice(6)).toEqual(['a', 'worker:a'])
  })

  it('are lost when they were not renewed for their whole length', async () => {
    const { lost, errors, rounds } = newRenewals(async () => {
      throw new Error('Redis is away')
    })
    const entries = [entry('a', 0)]
    await rounds(3, entries)
    expect([lost, errors.length]).toEqual([[], 3])
    await rounds(1, entries)
    expect(lost).toEqual([{ slot: 0, version: 2 }])
  })

  it('are lost also when the renewal never answers, which is asked for once at a time', async () => {
    const extend = vi.fn<ExtendLocks>(() => new Promise(() => undefined))
    const { lost, rounds } = newRenewals(extend)
    await rounds(4, [entry('a', 0)])
    expect(extend).toHaveBeenCalledTimes(1)
    expect(lost).toHaveLength(1)
  })

  it('count from when the renewal was sent, not from when it was answered', async () => {
    let answer: ((places: number[]) => void) | undefined
    const extend = vi.fn<ExtendLocks>(() => new Promise((resolve) => (answer = resolve)))
    const { lost, rounds } = newRenewals(extend)
    const entries = [entry('a', 0)]
    await rounds(1, entries)
    await vi.advanceTimersByTimeAsync(LOCK_MS / 2)
    answer?.([])
    // Sent after one third: the lock holds to four thirds, and no renewal since was answered.
    await vi.advanceTimersByTimeAsync(LOCK_MS / 2)
    await rounds(1, entries)
    expect(lost).toHaveLength(1)
  })

  it('of which one was written anew counts from its own start', async () => {
    const { lost, rounds } = newRenewals(() => new Promise(() => undefined))
    await rounds(3, [entry('a', 0)])
    await rounds(1, [entry('b', 0, { version: 4 })])
    expect(lost).toEqual([])
  })

  it('of jobs that were cancelled are renewed, and told of', async () => {
    const { lost, cancelled, rounds } = newRenewals(async () => [-2])
    await rounds(1, [entry('a', 3), entry('b', 5, { version: 8 })])
    expect([lost, cancelled]).toEqual([[], [{ slot: 5, version: 8 }]])
  })

  it('that are many are renewed in several calls', async () => {
    const extend = vi.fn<ExtendLocks>(async () => [])
    const { rounds } = newRenewals(extend)
    await rounds(
      1,
      Array.from({ length: 1_200 }, (_, slot) => entry(`j${slot}`, slot)),
    )
    expect(extend.mock.calls.map((words) => (words.length - 6) / 2)).toEqual([500, 500, 200])
  })
})

describe('locks that are renewed less often than each second', () => {
  const LONG_MS = 9_600
  /** How long locks hold by the calls, 0 for a look. */
  const lengthsOf = (extend: { readonly mock: { readonly calls: unknown[][] } }) =>
    extend.mock.calls.map((words) => words[3])

  it('are renewed each third of them, and between two renewals only cancels are looked for', async () => {
    const extend = vi.fn<ExtendLocks>(async () => [-1])
    const { cancelled, rounds } = newRenewals(extend, LONG_MS)
    await rounds(8, [entry('a', 3)])
    expect(lengthsOf(extend)).toEqual([0, 0, 0, LONG_MS, 0, 0, 0, LONG_MS])
    expect(cancelled).toHaveLength(8)
    await rounds(20, [], true)
    expect(lengthsOf(extend).slice(8)).toEqual(Array.from({ length: 10 }, () => LONG_MS))
  })

  it('are not held by a look', async () => {
    const { lost, rounds } = newRenewals(async (...words) => {
      if (words[3] !== 0) throw new Error('Redis is full')
      return []
    }, LONG_MS)
    const entries = [entry('a', 0)]
    await rounds(12, entries)
    expect(lost).toEqual([])
    await rounds(1, entries)
    expect(lost).toEqual([{ slot: 0, version: 2 }])
  })

  it('are renewed in time also where each round comes late', async () => {
    const extend = vi.fn<ExtendLocks>(async () => [])
    const { renewals, lost } = newRenewals(extend, 60_000)
    const entries = [entry('a', 0)]
    for (let round = 0; round < 40; round++) {
      await vi.advanceTimersByTimeAsync(2_500)
      renewals.round(entries, false)
    }
    expect(lost).toEqual([])
    expect(lengthsOf(extend).filter((length) => length === 60_000)).toHaveLength(5)
  })

  it('are renewed with the next round when that failed or a look took longer', async () => {
    const extend = vi.fn<ExtendLocks>(async () => [])
    const { rounds } = newRenewals(extend, LONG_MS)
    extend.mockResolvedValueOnce([]).mockResolvedValueOnce([])
    let answer: ((places: number[]) => void) | undefined
    extend.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)))
    extend.mockRejectedValueOnce(new Error('Redis is away'))
    const entries = [entry('a', 0)]
    await rounds(4, entries)
    answer?.([])
    await rounds(3, entries)
    expect(lengthsOf(extend)).toEqual([0, 0, 0, LONG_MS, LONG_MS, 0])
  })
})

it('rounds come so often that a cancel is heard of within a second', () => {
  expect([1_000, 3_000, 60_000, 3_600_000].map(roundMs)).toEqual([1_000 / 3, 800, 800, 800])
})

it('while the worker is blocked, what it was handed without knowing is renewed too, by the start of its tokens', async () => {
  const extend = vi.fn<ExtendLocks>(async () => [])
  const { renewals, rounds } = newRenewals(extend)
  renewals.setOwner(0, 'worker-of-media')
  await rounds(1, [entry('a', 0)], true)
  expect(extend.mock.calls.map((words) => [words[4], ...words.slice(6)])).toEqual([
    ['worker-of-media', 'a', 'worker:a'],
    [''],
  ])
  await rounds(1, [entry('a', 0)], false)
  expect(extend.mock.calls.at(-1)?.[4]).toBe('')
})
