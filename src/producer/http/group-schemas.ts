// The schemas of what is more than one job: schedules, batches, flows, tags, caches.
import type { JsonSchema } from '../../job/json-schema/index.js'
import { count, duration, list, object, orNull, ref, text, time, whole } from './schema-parts.js'

const scheduleName: JsonSchema = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$' }
const id: JsonSchema = { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,128}$' }
const missed: JsonSchema = { enum: ['skip', 'one', 'all'] }
const overlap: JsonSchema = { enum: ['allow', 'skip', 'queue'] }
const flag: JsonSchema = { type: 'boolean' }

const WHEN = ['cron', 'timezone', 'everyMs']
const schedule = {
  name: scheduleName,
  queue: text,
  job: text,
  cron: text,
  timezone: text,
  everyMs: count,
  missed,
  missedLimit: count,
  overlap,
  origin: { enum: ['code', 'api'] },
  paused: flag,
  nextAt: orNull(time),
  lastId: orNull(text),
  lastAt: orNull(time),
  fired: count,
  skipped: count,
  passed: count,
}

const queueing = {
  priority: { type: 'integer', minimum: 1, maximum: 2_097_151 },
  attempts: { type: 'integer', minimum: 1, maximum: 1_000 },
  keepResult: duration,
}
const follower = object({ job: text, queue: text, input: {} }, ['queue'])
const flowJob = object(
  {
    job: text,
    queue: text,
    input: {},
    after: list(text),
    options: object(queueing, Object.keys(queueing)),
  },
  ['queue', 'after', 'options'],
)
const SCHEDULE_OPTIONS = ['cron', 'timezone', 'every', 'missed', 'missedLimit', 'overlap', ...Object.keys(queueing)]

export const GROUP_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ScheduleRequest: object(
    {
      job: text,
      input: {},
      cron: text,
      timezone: text,
      every: duration,
      missed,
      missedLimit: { type: 'integer', minimum: 1, maximum: 1_000 },
      overlap,
      ...queueing,
    },
    SCHEDULE_OPTIONS,
  ),
  Schedule: object({ ...schedule, input: {}, next: list(time) }, WHEN),
  SchedulePage: object({ schedules: list(object(schedule, WHEN)), next: orNull(text) }),
  BatchRequest: object(
    {
      id,
      onSuccess: follower,
      onComplete: follower,
      onDeath: follower,
      jobs: { type: 'array', items: ref('EnqueueRequest'), minItems: 1, maxItems: 1_000 },
    },
    ['id', 'onSuccess', 'onComplete', 'onDeath', 'jobs'],
  ),
  BatchClose: object({ total: count }),
  Batch: object({
    id,
    queue: text,
    openedAt: time,
    total: orNull(count),
    completed: count,
    failed: count,
    fired: list({ enum: ['success', 'complete', 'death'] }),
    errors: { type: 'object', additionalProperties: text },
  }),
  BatchPage: object({ batches: list(ref('Batch')), next: orNull(text) }),
  FlowRequest: object({ id, jobs: { type: 'object', additionalProperties: flowJob, minProperties: 1 } }, ['id']),
  Flow: object({ id: text, jobs: { type: 'object', additionalProperties: ref('EnqueuedJob') } }),
  Autoscale: object({
    desired: count,
    wanted: count,
    workers: count,
    queues: list(
      object({
        queue: text,
        concurrency: { type: 'number', minimum: 0 },
        backlog: count,
        due: count,
        active: count,
        ended: count,
        runMs: { type: 'number', minimum: 0 },
      }),
    ),
  }),
  TagList: object({ tags: list(text) }),
  TaggedPage: object({ jobs: list(object({ id: text, enqueuedAt: time })), next: orNull(text) }),
  CacheStats: object({ queue: text, job: text, hits: whole, shared: whole, misses: whole }),
  CachedInput: { oneOf: [object({ input: {} }), object({ key: text })] },
  Invalidation: object({ invalidated: flag }),
}
