// The schemas of errors by cause, replays and discards.
import type { JsonSchema } from '../../job/json-schema/index.js'
import { count, duration, list, moment, object, orNull, text, time } from './schema-parts.js'

const flag: JsonSchema = { type: 'boolean' }
const points = list(object({ at: time, count }))
const group = {
  queue: text,
  id: { type: 'string', pattern: '^([0-9a-f]{16}|other)$' },
  job: text,
  name: text,
  message: text,
  frame: text,
  count,
  failed: count,
  firstAt: time,
  lastAt: time,
  releases: list(object({ release: text, count })),
  hours: points,
  minutes: points,
} satisfies Record<string, JsonSchema>
const attempt = object(
  {
    attempt: count,
    startedAt: time,
    endedAt: time,
    name: text,
    message: text,
    code: text,
    worker: text,
    release: text,
  },
  ['code', 'release'],
)
const error = object({ name: text, message: text, code: text, stack: text }, ['code', 'stack'])
const sample = object({
  id: text,
  job: text,
  failedAt: time,
  enqueuedAt: time,
  input: {},
  inputBytes: count,
  error,
  attemptsMade: count,
  attempts: list(attempt),
  tags: list(text),
})
const target = {
  ids: { type: 'array', items: text, minItems: 1, maxItems: 1_000 },
  group: text,
  job: text,
  tag: text,
  since: moment,
  until: moment,
  all: flag,
} satisfies Record<string, JsonSchema>
const stage: JsonSchema = { oneOf: [{ type: 'integer', minimum: 1, maximum: 1_000_000 }, { const: 'rest' }] }
const replay = object({
  id: text,
  queue: text,
  state: { enum: ['running', 'done', 'returned', 'stopped', 'waited', 'interrupted'] },
  target: text,
  by: text,
  stages: list(count),
  stage: count,
  total: count,
  retried: count,
  ended: count,
  failed: count,
  returned: count,
  startedAt: time,
  endedAt: orNull(time),
})
const discard = object({
  id: text,
  queue: text,
  target: text,
  by: text,
  count,
  restored: count,
  at: time,
  undoUntil: time,
})
const TARGET = Object.keys(target)

export const ERROR_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ErrorPage: object({ errors: list(object(group)), next: orNull(text) }),
  ErrorDetails: object({
    ...group,
    common: list(object({ path: text, value: text, count, of: count })),
    samples: list(sample),
  }),
  RetryRequest: object(
    {
      ...target,
      stages: { type: 'array', items: stage, minItems: 1, maxItems: 10 },
      wait: duration,
      dryRun: flag,
    },
    [...TARGET, 'stages', 'wait', 'dryRun'],
  ),
  DiscardRequest: object({ ...target, undo: duration, dryRun: flag }, [...TARGET, 'undo', 'dryRun']),
  ReplayPlan: object(
    { queue: text, target: text, total: count, stages: list(count), samples: list(text), isPartial: { const: true } },
    ['isPartial'],
  ),
  Replay: replay,
  ReplayList: object({ replays: list(replay) }),
  Discard: discard,
  DiscardList: object({ discards: list(discard) }),
  UndoOutcome: object({ id: text, queue: text, restored: count, taken: count }),
}
