// The JSON Schemas of what the API takes and answers, apart from the jobs' own. Tests hold every answer to them.

import type { JsonSchema } from '../../job/json-schema/index.js'
import { CANCEL_STATES, MAX_CONCURRENCY } from '../../ledger/index.js'
import { ERROR_SCHEMAS } from './error-schemas.js'
import { GROUP_SCHEMAS } from './group-schemas.js'
import { LIST_STATES } from './job-list.js'
import { LIMIT_SCHEMAS } from './limit-schemas.js'
import { by, count, duration, list, moment, object, orFalse, orNull, ref, text, time, whole } from './schema-parts.js'

/** What `options` may hold: those of `producer.enqueue` that JSON can. */
export const ENQUEUE_OPTIONS: Readonly<Record<string, JsonSchema>> = {
  id: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,128}$' },
  delay: duration,
  at: moment,
  priority: { type: 'integer', minimum: 1, maximum: 2_097_151 },
  attempts: { type: 'integer', minimum: 1, maximum: 1_000 },
  lifo: { type: 'boolean' },
  key: { type: 'string', pattern: '^[\\w.:@/+=-]{1,256}$' },
  keyTtl: duration,
  unique: orFalse(object({ by, while: { enum: ['waiting', 'unfinished'] }, ttl: duration }, ['by', 'while', 'ttl'])),
  debounce: orFalse(object({ by, wait: duration }, ['by'])),
  throttle: orFalse(object({ by, window: duration }, ['by'])),
  cache: { enum: [false, 'refresh'] },
  maxDepth: { type: 'integer', minimum: 1, maximum: 1_000_000_000 },
  onFull: { enum: ['reject', 'wait'] },
  startBy: { oneOf: [duration, { type: 'string', format: 'date-time' }] },
  keepResult: duration,
  tags: { type: 'array', items: { type: 'string', pattern: '^[\\w.:@/+=-]{1,64}$' }, maxItems: 10 },
  batch: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,128}$' },
}

const record = {
  v: whole,
  id: text,
  job: text,
  queue: text,
  attempts: count,
  enqueuedAt: time,
  startedAt: time,
  finishedAt: time,
  runMs: { type: 'number', minimum: 0 },
  waitMs: { type: 'number', minimum: 0 },
}
/** What a completion wrote beside its result, in short. */
const committed = object(
  {
    counters: { type: 'object', additionalProperties: whole },
    writes: { type: 'object', additionalProperties: count },
    jobs: list(text),
    keys: list(text),
    more: count,
  },
  ['counters', 'writes', 'jobs', 'keys', 'more'],
)
const error = object({ name: text, message: text, code: text }, ['code'])

const view = {
  id: text,
  job: text,
  queue: text,
  state: { enum: [...LIST_STATES, 'unknown'] },
  attempts: count,
  enqueuedAt: time,
  startedAt: orNull(time),
  finishedAt: orNull(time),
  delayMs: count,
  priority: count,
  progress: {},
}

/** Further members are those that RFC 9457 allows: `issues`, `suggestion`, `jobId` and the like. */
const problem: JsonSchema = {
  type: 'object',
  properties: {
    type: { const: 'about:blank' },
    title: text,
    status: { type: 'integer', minimum: 400, maximum: 599 },
    code: { type: 'string', pattern: '^[A-Z][A-Z0-9_]+$' },
    detail: text,
    requestId: text,
    line: count,
    issues: list(object({ path: text, message: text })),
    suggestion: text,
    jobId: text,
  },
  required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
}

const summary = { lines: count, accepted: count, refused: count }

/** By the names that routes.ts uses. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Problem: problem,
  EnqueueOptions: object(ENQUEUE_OPTIONS, Object.keys(ENQUEUE_OPTIONS)),
  CounterChange: object({ by: whole }),
  CancelRequest: object(
    {
      job: text,
      tag: text,
      states: { type: 'array', items: { enum: CANCEL_STATES }, minItems: 1 },
      dryRun: { type: 'boolean' },
    },
    ['job', 'tag', 'states', 'dryRun'],
  ),
  /** For the action `concurrency` alone. */
  WorkerOrder: object({ queue: text, jobs: { type: 'integer', minimum: 1, maximum: MAX_CONCURRENCY } }),
  Workers: object({ workers: list(ref('Worker')) }),
  Worker: object({
    id: text,
    host: text,
    pid: whole,
    version: text,
    release: text,
    startedAt: time,
    seenAt: time,
    state: { enum: ['run', 'quiet', 'close'] },
    handled: count,
    rssBytes: count,
    loopLagMs: count,
    queues: list(
      object(
        { queue: text, concurrency: count, running: count, handles: { type: 'object', additionalProperties: count } },
        ['handles'],
      ),
    ),
    jobs: list(object({ queue: text, id: text, job: text, attempt: count, startedAt: time })),
  }),
  ToldWorkers: object({ action: text, told: list(text) }),
  CancelCounts: object(
    { matched: count, cancelled: count, cancelling: count, ended: count, refused: count, isPartial: { const: true } },
    ['isPartial'],
  ),
  /** The job when it was there already, or how it ended when that was waited for. */
  EnqueueAnswer: { oneOf: [ref('EnqueuedJob'), ref('Result')] },
  EnqueuedJob: object({ id: text, job: text, queue: text, cached: { const: true } }, ['cached']),
  JobState: object({ id: text, job: orNull(text), queue: text, state: text }),
  Result: {
    oneOf: [
      object({ ...record, status: { const: 'completed' }, value: {}, committed }, ['committed']),
      object({ ...record, status: { const: 'failed' }, error }),
    ],
  },
  Job: object({ ...view, input: {}, result: orNull(ref('Result')) }),
  Explanation: object({
    queue: text,
    id: text,
    job: orNull(text),
    state: text,
    attempts: count,
    position: orNull(count),
    expectedStart: orNull(time),
    reasons: list({
      type: 'object',
      properties: {
        code: { type: 'string', pattern: '^[A-Z_]+$' },
        message: text,
        why: { enum: ['delay', 'debounce', 'backoff', 'put-off'] },
        until: time,
        since: time,
        at: time,
        worker: text,
        position: count,
        count,
        jobs: list(text),
        into: text,
        total: count,
        completed: count,
        failed: count,
      },
      required: ['code', 'message'],
      additionalProperties: false,
    }),
  }),
  JobSummary: object(view),
  JobPage: object({ jobs: list(ref('JobSummary')), next: orNull(text) }),
  Queue: object({
    name: text,
    isPaused: { type: 'boolean' },
    pausedJobs: list(object({ job: text, jobs: count })),
    counts: object(Object.fromEntries(LIST_STATES.map((state) => [state, count]))),
  }),
  QueuePage: object({ queues: list(ref('Queue')), next: orNull(text) }),
  Counter: object({ queue: text, name: text, value: whole }),
  CounterPage: object({ counters: list(object({ name: text, value: orNull(whole) })), next: orNull(text) }),
  CounterHistory: object({
    queue: text,
    name: text,
    by: { enum: ['minute', 'hour'] },
    points: list(object({ at: time, value: whole })),
  }),
  ...GROUP_SCHEMAS,
  ...LIMIT_SCHEMAS,
  ...ERROR_SCHEMAS,
  BulkLine: {
    description: 'One line for each line of the request, in its order, then one with the summary.',
    oneOf: [
      object({ line: count, status: { enum: [200, 201] }, id: text, job: text, queue: text, cached: { const: true } }, [
        'cached',
      ]),
      { allOf: [ref('Problem')], required: ['line'] },
      object({ summary: object({ ...summary, complete: { const: true } }) }),
      object({ summary: object({ ...summary, complete: { const: false }, problem: ref('Problem') }) }),
    ],
  },
}
