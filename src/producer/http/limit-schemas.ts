// The JSON Schemas of what the routes about limits take and answer.
import type { JsonSchema } from '../../job/json-schema/index.js'
import { count, duration, list, object, orNull, ref, text, time } from './schema-parts.js'

const positive = (maximum: number): JsonSchema => ({ type: 'integer', minimum: 1, maximum })
const ofQueue = {
  concurrency: orNull(positive(100_000)),
  rate: orNull(object({ limit: positive(1_000_000), windowMs: count })),
}

export const LIMIT_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  QueueLimits: object(ofQueue),
  LimitsRequest: object(
    { concurrency: ofQueue.concurrency, rate: orNull(object({ limit: positive(1_000_000), window: duration })) },
    ['concurrency', 'rate'],
  ),
  LimitOfKey: object({
    id: text,
    key: text,
    job: orNull(text),
    concurrency: ofQueue.concurrency,
    rate: orNull(
      object({
        kind: { enum: ['sliding', 'fixed', 'bucket'] },
        limit: positive(1_000_000),
        windowMs: count,
        left: count,
      }),
    ),
    order: { enum: ['free', 'strict'] },
    weight: positive(1_000),
    held: count,
    parked: count,
    waitsFor: { enum: ['permit', 'rate', 'worker', null] },
    freeAt: orNull(time),
  }),
  Limits: object({ ...ofQueue, keys: count, held: count, parked: count, limits: list(ref('LimitOfKey')) }),
}
