// The time that a job has over all its attempts.
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })

it('a running attempt ends at the deadline of its job, and no further one follows', async () => {
  const contract = defineJob({ name: 'runs', queue: 'runs', input, attempts: 9, deadline: '2s' })
  const seen: unknown[] = []
  const handler = handle(contract, async (_input, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    seen.push((signal.reason as { code: string }).code)
  })
  await shop.work([handler])
  const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
  expect(record).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'JOB_DEADLINE' } })
  expect(record.finishedAt - record.enqueuedAt).toBeGreaterThanOrEqual(2_000)
  expect(seen).toEqual(['JOB_DEADLINE'])
})

it('a job whose attempts and waits take longer than its deadline fails with it, whatever attempts are left', async () => {
  const backoff = { type: 'fixed', delay: 400, jitter: 0 } as const
  const contract = defineJob({ name: 'retries', queue: 'retries', input, attempts: 1_000, backoff, deadline: '2s' })
  let runs = 0
  const handler = handle(contract, () => {
    runs++
    throw new Error('again')
  })
  await shop.work([handler])
  const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
  expect(record).toMatchObject({ status: 'failed', attempts: runs + 1, error: { code: 'JOB_DEADLINE' } })
})

it('no attempt starts after the deadline', async () => {
  const contract = defineJob({ name: 'late', queue: 'late', input, deadline: 1 })
  let isStarted = false
  const handler = handle(contract, () => {
    isStarted = true
  })
  const late = await shop.producer.enqueue(contract, { n: 1 })
  const enqueuedBy = Date.now()
  await expect.poll(() => Date.now()).toBeGreaterThan(enqueuedBy + 1)
  await shop.work([handler])
  expect(await shop.end(late)).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'JOB_DEADLINE' } })
  expect(isStarted).toBe(false)
})
