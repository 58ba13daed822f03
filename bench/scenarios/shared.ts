// What the scenarios have in common: one contract, its inputs, and the options that BullMQ and Drover both get.
import { defineJob } from 'drover'
import type { Redis } from 'ioredis'
import { z } from 'zod'

export const QUEUE = 'bench'
/** BullMQ's `prefix` for the queue: the same keys as Drover's, so that key length plays no part. */
export const PREFIX = `{drover:${QUEUE}}`
export const KEEP_COMPLETED = 100

export const work = defineJob({
  name: 'work',
  queue: QUEUE,
  input: z.object({ n: z.number(), text: z.string() }),
  attempts: 3,
})

/** The options of a bare BullMQ worker that Drover's has by default. */
export const workerOptions = {
  lockDuration: 3_000,
  stalledInterval: 500,
  maxStalledCount: 5,
  removeOnComplete: { count: KEEP_COMPLETED },
  removeOnFail: { count: 10_000 },
}

/** Inputs of about 80 bytes. */
export function* inputs(count: number): Generator<{ n: number; text: string }> {
  for (let n = 0; n < count; n++) yield { n, text: 'x'.repeat(60) }
}

export async function redisCpuSeconds(redis: Redis): Promise<number> {
  const info = await redis.info('cpu')
  return ['used_cpu_sys', 'used_cpu_user'].reduce(
    (sum, field) => sum + Number(new RegExp(`${field}:([\\d.]+)`).exec(info)?.[1] ?? 0),
    0,
  )
}

/** The value below which the given share of the sorted numbers lies. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
