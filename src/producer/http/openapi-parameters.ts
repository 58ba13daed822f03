// The parameters of the routes as the OpenAPI document shows them.
import { LIST_STATES } from './job-list.js'
import { DEFAULT_PAGE, MAX_PAGE, MAX_WAIT_SECONDS } from './query.js'
import type { ParameterName } from './route.js'

const query = (name: string, description: string, schema: object, required = false): object => ({
  name,
  in: 'query',
  description,
  required,
  schema,
})
const header = (name: string, description: string, schema: object): object => ({
  name,
  in: 'header',
  description,
  schema,
})

export const PARAMETERS: Readonly<Record<ParameterName, object>> = {
  limit: query('limit', 'Items of a page.', { type: 'integer', minimum: 1, maximum: MAX_PAGE, default: DEFAULT_PAGE }),
  cursor: query('cursor', 'The `next` of the page before.', { type: 'string' }),
  state: query('state', 'Which jobs.', { enum: LIST_STATES }, true),
  pausedJob: query('job', 'Only jobs of this name. Default: the whole queue.', { type: 'string' }),
  since: query('since', 'Start: ISO 8601 with its zone, or how long ago, as in 2h.', { type: 'string', default: '1h' }),
  queue: query('queue', 'Only of this queue.', { type: 'string' }),
  job: query('job', 'Only of this job.', { type: 'string' }),
  by: query('by', 'Step of the series.', { enum: ['minute', 'hour'], default: 'minute' }),
  queues: query('queues', 'The queues of the pool, with commas between.', { type: 'string' }, true),
  waitTarget: query('waitTarget', 'How long a job may wait.', { type: 'string', default: '30s' }),
  minWorkers: query('minWorkers', 'Fewest workers.', { type: 'integer', minimum: 0, maximum: 10_000, default: 0 }),
  maxWorkers: query('maxWorkers', 'Most workers.', { type: 'integer', minimum: 1, maximum: 10_000, default: 10 }),
  scaleDown: query('scaleDown', 'How long the number stays at the most wanted.', { type: 'string', default: '5m' }),
  Prefer: header(
    'Prefer',
    `\`wait=30\`: answer when the job has ended, after at most so many seconds (${MAX_WAIT_SECONDS}).`,
    {
      type: 'string',
    },
  ),
  'Idempotency-Key': header('Idempotency-Key', 'The same key and input give the same job.', {
    type: 'string',
    minLength: 1,
    maxLength: 256,
  }),
  'Last-Event-ID': header('Last-Event-ID', 'The last event that was seen: those after it follow.', { type: 'string' }),
}

const PATH_PARTS: Readonly<Record<string, string>> = {
  queue: 'Name of the queue.',
  id: 'Id of the job, as its enqueue answered.',
  name: 'Name of the counter.',
  job: 'Name of the job.',
  schedule: 'Name of the schedule.',
  group: 'Id of the cause.',
  replay: 'Id of the replay.',
  discard: 'Id of the discard.',
  batch: 'Id of the batch.',
  tag: 'The tag, percent-encoded.',
  worker: 'Id of the worker, or `all`.',
  action: '`quiet`, `drain`, `resume`, `close` or `concurrency`.',
}

/** Those between the slashes of a path such as `/queues/:queue`. */
export function pathParameters(path: string): object[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: PATH_PARTS[name],
    schema: { type: 'string' },
  }))
}
