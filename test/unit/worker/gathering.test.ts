import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Gathering } from '../../../src/worker/batch/gathering.js'
import type { JobContext } from '../../../src/worker/index.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const place = (gathering: Gathering, input: number) => {
  const controller = new AbortController()
  const answer = gathering.add(input, { signal: controller.signal, attempt: 1 } as JobContext)
  return { answer: answer.catch((error: unknown) => error), abort: () => controller.abort(new Error('over')) }
}

it('when all that were gathered have left, no timer stays, and the next one waits for the whole time', async () => {
  const calls: unknown[][] = []
  const rules = { size: 3, waitMs: 1_000, retriesAlone: true }
  const run = (items: readonly { input: unknown }[]) => {
    calls.push(items.map(({ input }) => input))
    return items.map(() => 'done')
  }
  const gathering = new Gathering(rules, run, () => undefined)
  const [first, second] = [place(gathering, 1), place(gathering, 2)]
  first.abort()
  expect(vi.getTimerCount()).toBe(1)
  second.abort()
  expect(vi.getTimerCount()).toBe(0)
  expect(await first.answer).toMatchObject({ message: 'over' })

  vi.advanceTimersByTime(600)
  const third = place(gathering, 3)
  vi.advanceTimersByTime(999)
  expect(calls).toEqual([])
  vi.advanceTimersByTime(1)
  expect(await third.answer).toBe('done')
  expect(calls).toEqual([[3]])
})
