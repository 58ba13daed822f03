import { expect, it } from 'vitest'
import { LoopWatch } from '../../../../src/worker/lock-thread/loop-watch.js'

const ROUND_MS = 1_000

/** Looks once a round; each number is how many beats came since the last one. */
function looks(beats: readonly number[], options: { noticeMs: number; roundMs?: (round: number) => number }) {
  const watch = new LoopWatch(options.noticeMs)
  let [count, now] = [0, 0]
  return beats.map((more, round) => {
    count += more
    now += options.roundMs?.(round) ?? ROUND_MS
    return watch.look(count, now)
  })
}

it('a loop that beats is not blocked', () => {
  const seen = looks([1, 4, 10, 1], { noticeMs: 3_000 })
  expect(seen.map(({ isBlocked, event }) => [isBlocked, event])).toEqual(Array(4).fill([false, undefined]))
})

it('a block is told of once when it is long enough, and once more when it ends', () => {
  const seen = looks([5, 0, 0, 0, 0, 0, 3, 4], { noticeMs: 3_000 })
  expect(seen.map(({ isBlocked }) => isBlocked)).toEqual([false, true, true, true, true, true, false, false])
  expect(seen.map(({ event }) => event)).toEqual([
    ...[undefined, undefined, undefined, 'blocked', undefined, undefined],
    ...['free', undefined],
  ])
  expect(seen.map(({ blockedMs }) => blockedMs)).toEqual([0, 1_000, 2_000, 3_000, 4_000, 5_000, 5_000, 0])
})

it('a short block is not told of', () => {
  const seen = looks([5, 0, 0, 1, 0, 0, 1], { noticeMs: 3_000 })
  expect(seen.map(({ event }) => event)).toEqual(Array(7).fill(undefined))
})

it('the time of a stopped process is no block', () => {
  const roundMs = (round: number) => (round === 3 ? 3_600_000 : ROUND_MS)
  const seen = looks([5, 4, 0, 0, 1], { noticeMs: 3_000, roundMs })
  expect(seen.map(({ blockedMs }) => blockedMs)).toEqual([0, 0, 1_000, 2_000, 2_000])
})
