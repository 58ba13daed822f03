import { afterEach, expect, it, vi } from 'vitest'
import { FetchWatch, SILENT_MS } from '../../../src/worker/fetch-watch.js'

afterEach(() => {
  vi.useRealTimers()
})

function newWatch(state: { fetches: number; isFull?: boolean; isThere?: boolean }) {
  vi.useFakeTimers()
  const onStuck = vi.fn()
  const pingRedis = vi.fn(async () => state.isThere ?? true)
  const isFull = () => state.isFull ?? false
  const watch = new FetchWatch({ fetches: () => state.fetches, isFull, pingRedis, onStuck })
  watch.start()
  return { watch, onStuck, pingRedis }
}

it('a queue of which nothing is heard is stuck, once each 15 s', async () => {
  const { onStuck } = newWatch({ fetches: 3 })
  await vi.advanceTimersByTimeAsync(SILENT_MS)
  expect(onStuck).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(onStuck).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(SILENT_MS)
  expect(onStuck).toHaveBeenCalledTimes(2)
})

it('a queue that is read, one whose worker is full, and one without Redis are not', async () => {
  const read = { fetches: 0 }
  const watches = [newWatch(read), newWatch({ fetches: 3, isFull: true }), newWatch({ fetches: 3, isThere: false })]
  for (let second = 0; second < 60; second++) {
    if (second % 10 === 0) read.fetches++
    await vi.advanceTimersByTimeAsync(1_000)
  }
  expect(watches.map(({ onStuck }) => onStuck.mock.calls.length)).toEqual([0, 0, 0])
  expect(watches[2]?.pingRedis.mock.calls.length).toBeGreaterThan(1)
})

it('a closed watch looks no more', async () => {
  const { watch, onStuck } = newWatch({ fetches: 3 })
  watch.close()
  await vi.advanceTimersByTimeAsync(60_000)
  expect([onStuck.mock.calls.length, vi.getTimerCount()]).toEqual([0, 0])
})

it('a watch says that its queue is stuck after three times in a row, also over a consumer that counts from zero, until one is heard of', async () => {
  const state = { fetches: 3 }
  const { watch, onStuck } = newWatch(state)
  onStuck.mockImplementation(() => {
    state.fetches = 0
  })
  const seen: boolean[] = []
  while (onStuck.mock.calls.length < 3) {
    seen.push(watch.isStuck)
    await vi.advanceTimersByTimeAsync(1_000)
  }
  expect(seen).not.toContain(true)
  expect(watch.isStuck).toBe(true)
  state.fetches = 1
  await vi.advanceTimersByTimeAsync(1_000)
  expect(watch.isStuck).toBe(false)
  watch.close()
})
