import { afterEach, describe, expect, it, vi } from 'vitest'
import { LockLostError } from '../../../src/job/index.js'
import type { Attempt } from '../../../src/worker/attempt.js'
import { LockKeeper } from '../../../src/worker/lock-keeper.js'

const LOCK_MS = 300

/** As much of an attempt as its lock needs. */
function newAttempt(id: string, token = `worker:${id}`) {
  const aborts: Error[] = []
  const attempt = { id, token, startedAt: performance.now(), abort: (reason: Error) => void aborts.push(reason) }
  return { attempt: attempt as unknown as Attempt, aborts }
}

type Extend = (ids: string[], tokens: string[], lockMs: number) => Promise<string[]>

function newKeeper(extend: Extend, onError: (error: unknown) => void = () => undefined) {
  vi.useFakeTimers()
  const keeper = new LockKeeper({ lockMs: LOCK_MS, extend, onError })
  return keeper
}

afterEach(() => {
  vi.useRealTimers()
})

describe('the locks of running attempts', () => {
  it('are renewed three times in their length, all in one call, until their attempts end', async () => {
    const calls: unknown[] = []
    const keeper = newKeeper(async (...call) => {
      calls.push(call)
      return []
    })
    const [a, b] = [newAttempt('a'), newAttempt('b')]
    keeper.add(a.attempt)
    keeper.add(b.attempt)
    await vi.advanceTimersByTimeAsync(LOCK_MS)
    expect(calls).toEqual(Array(3).fill([['a', 'b'], ['worker:a', 'worker:b'], LOCK_MS]))
    keeper.remove(a.attempt)
    await vi.advanceTimersByTimeAsync(LOCK_MS / 3)
    expect(calls.at(-1)).toEqual([['b'], ['worker:b'], LOCK_MS])
    keeper.remove(b.attempt)
    await vi.advanceTimersByTimeAsync(LOCK_MS)
    expect(calls).toHaveLength(4)
    expect([a.aborts, b.aborts]).toEqual([[], []])
  })

  it('that are lost end their attempts, and those alone', async () => {
    const keeper = newKeeper(async () => ['b'])
    const [a, b] = [newAttempt('a'), newAttempt('b')]
    keeper.add(a.attempt)
    keeper.add(b.attempt)
    await vi.advanceTimersByTimeAsync(LOCK_MS / 3)
    expect(a.aborts).toEqual([])
    expect(b.aborts).toEqual([expect.any(LockLostError)])
    expect(b.aborts[0]).toMatchObject({ jobId: 'b' })
  })

  it('end their attempts when they were not renewed for their whole length', async () => {
    const errors: unknown[] = []
    const keeper = newKeeper(
      async () => {
        throw new Error('Redis is away')
      },
      (error) => errors.push(error),
    )
    const { attempt, aborts } = newAttempt('a')
    keeper.add(attempt)
    await vi.advanceTimersByTimeAsync(LOCK_MS)
    expect(aborts).toEqual([])
    expect(errors.length).toBeGreaterThanOrEqual(2)
    await vi.advanceTimersByTimeAsync(LOCK_MS / 3 + 1)
    expect(aborts).toEqual([expect.any(LockLostError)])
  })

  it('end their attempts also when the renewal never answers, which is asked for once at a time', async () => {
    const extend = vi.fn<Extend>(() => new Promise(() => undefined))
    const keeper = newKeeper(extend)
    const { attempt, aborts } = newAttempt('a')
    keeper.add(attempt)
    await vi.advanceTimersByTimeAsync(2 * LOCK_MS)
    expect(extend).toHaveBeenCalledTimes(1)
    expect(aborts[0]).toBeInstanceOf(LockLostError)
  })

  it('count from when the renewal was sent, not from when it was answered', async () => {
    let answer: ((lost: string[]) => void) | undefined
    const extend = vi.fn<Extend>(() => new Promise((resolve) => (answer = resolve)))
    const keeper = newKeeper(extend)
    const { attempt, aborts } = newAttempt('a')
    keeper.add(attempt)
    await vi.advanceTimersByTimeAsync(LOCK_MS / 3)
    await vi.advanceTimersByTimeAsync(LOCK_MS / 2)
    answer?.([])
    // Sent after one third: the lock holds to four thirds, and no renewal since was answered.
    await vi.advanceTimersByTimeAsync((LOCK_MS * 5) / 6)
    expect(aborts).toHaveLength(1)
  })
})

describe('a job that is handed out again to the same process', () => {
  it('ends its older run, whose end then leaves the lock of the new one alone', async () => {
    const calls: string[][] = []
    const keeper = newKeeper(async (_ids, tokens) => {
      calls.push(tokens)
      return []
    })
    const [old, live] = [newAttempt('a', 'old'), newAttempt('a', 'live')]
    keeper.add(old.attempt)
    keeper.add(live.attempt)
    expect([old.aborts.length, live.aborts.length]).toEqual([1, 0])
    keeper.remove(old.attempt)
    await vi.advanceTimersByTimeAsync(LOCK_MS / 3)
    expect(calls).toEqual([['live']])
    expect([keeper.size, keeper.attempts]).toEqual([1, [live.attempt]])
  })
})

it('a closed keeper leaves no timer', () => {
  const keeper = newKeeper(async () => [])
  keeper.add(newAttempt('a').attempt)
  expect(vi.getTimerCount()).toBe(1)
  keeper.close()
  expect(vi.getTimerCount()).toBe(0)
})
