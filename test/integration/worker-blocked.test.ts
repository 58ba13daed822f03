// A handler that blocks the event loop: the locks of its neighbours, and of jobs that the worker has not heard of yet,
// are renewed meanwhile, so that each job runs once.
import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

/** Longer than a busy machine stands still. */
const LOCK_MS = 5_000
const input = z.object({ n: z.number() })

/** Blocks the event loop for one and a half locks, and gives the least that was left of the lock meanwhile, in milliseconds. */
function blockAndWatch(lockKey: string): number {
  const until = performance.now() + 1.5 * LOCK_MS
  let least = Number.POSITIVE_INFINITY
  while (performance.now() < until) {
    const left = execFileSync('redis-cli', ['-p', String(shop.server.port), 'PTTL', lockKey], { encoding: 'utf8' })
    // Before its first sight the job may still be on its way to Redis.
    if (Number(left) > 0 || least !== Number.POSITIVE_INFINITY) least = Math.min(least, Number(left))
  }
  return least
}

it('costs its neighbours nothing: every job runs once, and two lines tell of it', async () => {
  const contract = defineJob({ name: 'mixed', queue: 'blocked', input, attempts: 1 })
  const runs = new Map<string, number>()
  const waiting = createGate()
  let neighbour = ''
  let least = 0
  const handler = handle(contract, async ({ n }, { id }) => {
    runs.set(id, (runs.get(id) ?? 0) + 1)
    if (n !== 0) {
      // Of those that run before the block.
      if (least === 0) neighbour = id
      if (runs.size === 5) waiting.open()
      await sleep(50)
      return
    }
    await waiting.promise
    least = blockAndWatch(`${shop.keys('blocked').bullBase}${neighbour}:lock`)
  })
  const worker = await shop.work([handler], { concurrency: 5, lockDuration: LOCK_MS })
  const { ids } = await shop.producer.enqueueBulk(
    contract,
    [0, 1, 2, 3, 4, 5, 6].map((n) => ({ n })),
  )
  for (const id of ids) expect(await shop.end({ queue: 'blocked', id })).toMatchObject({ status: 'completed' })
  expect(least).toBeGreaterThan(0)
  expect([...runs.values()]).toEqual(Array(7).fill(1))
  const freed = 'the event loop was blocked, the locks were kept'
  // A slow start may have been a block of its own, but not such a long one.
  const told = () => worker.lines.filter(({ msg, blockedMs }) => msg === freed && Number(blockedMs) >= LOCK_MS)
  // The thread tells of it with its next round.
  await vi.waitFor(() => expect(told()).toHaveLength(1), PATIENCE)
  const said = told()
  const trouble = ['job stalled, it runs again', 'lock lost, attempt abandoned']
  expect(worker.lines.filter(({ msg }) => trouble.includes(msg))).toEqual([])
  expect(said[0]?.jobs).toContain(`blocked:${neighbour}`)
  expect(Number(said[0]?.blockedMs)).toBeGreaterThanOrEqual(LOCK_MS)
})

it('does not lose a job that Redis has handed over, and that the worker could not hear of', async () => {
  const contract = defineJob({ name: 'handed', queue: 'handed', input, attempts: 1 })
  const runs: number[] = []
  const tokens: number[] = []
  const [blockerRuns, lastIn] = [createGate(), createGate()]
  let least = 0
  let lastId = ''
  const handler = handle(contract, async ({ n }, { fence }) => {
    runs.push(n)
    tokens.push(fence.token)
    if (n === 0) {
      blockerRuns.open()
      await lastIn.promise
      // After the neighbour's commit has left, and before its answer, which brings the next job, is read.
      await new Promise((resolve) => setImmediate(resolve))
      least = blockAndWatch(`${shop.keys('handed').bullBase}${lastId}:lock`)
    }
    if (n === 1) {
      await blockerRuns.promise
      lastId = (await shop.producer.enqueue(contract, { n: 2 })).id
      await new Promise((resolve) => setImmediate(resolve))
      lastIn.open()
    }
  })
  const worker = await shop.work([handler], { concurrency: 2, lockDuration: LOCK_MS })
  const jobs = await Promise.all([0, 1].map((n) => shop.producer.enqueue(contract, { n })))
  for (const job of jobs) await shop.end(job)
  expect(await shop.end({ queue: 'handed', id: lastId })).toMatchObject({ status: 'completed' })
  expect(least).toBeGreaterThan(0)
  expect([runs.sort(), tokens]).toEqual([
    [0, 1, 2],
    [1, 1, 1],
  ])
  expect(worker.lines.map(({ msg }) => msg)).not.toContain('job stalled, it runs again')
})
