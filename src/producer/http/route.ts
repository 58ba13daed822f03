// What one row of the table of routes says: the path and the scope it needs, what it takes and what it answers. The rows
// are in routes.ts, and for what is not about single jobs or a whole queue beside their handlers.
import type { Scope } from '../../ledger/index.js'
import type { Call } from './call.js'
import type { Room } from './room.js'

/** Query parameters and headers, by the names under which openapi-parameters.ts describes them. */
export type ParameterName =
  | 'limit'
  | 'cursor'
  | 'state'
  | 'pausedJob'
  | 'since'
  | 'queue'
  | 'job'
  | 'by'
  | 'Prefer'
  | 'Idempotency-Key'
  | 'Last-Event-ID'
  | 'queues'
  | 'waitTarget'
  | 'minWorkers'
  | 'maxWorkers'
  | 'scaleDown'

/** What an answer holds, by the name of its schema in openapi-schemas.ts. */
export type AnswerName =
  | 'EnqueueAnswer'
  | 'EnqueuedJob'
  | 'Result'
  | 'BulkLine'
  | 'Job'
  | 'JobState'
  | 'Explanation'
  | 'JobPage'
  | 'Queue'
  | 'QueuePage'
  | 'CancelCounts'
  | 'Limits'
  | 'QueueLimits'
  | 'Workers'
  | 'ToldWorkers'
  | 'Counter'
  | 'CounterPage'
  | 'CounterHistory'
  | 'Event'
  | 'Schedule'
  | 'SchedulePage'
  | 'Batch'
  | 'BatchPage'
  | 'Flow'
  | 'TagList'
  | 'TaggedPage'
  | 'CacheStats'
  | 'Invalidation'
  | 'Autoscale'
  | 'ErrorPage'
  | 'ErrorDetails'
  | 'ReplayPlan'
  | 'Replay'
  | 'ReplayList'
  | 'Discard'
  | 'DiscardList'
  | 'UndoOutcome'
  | 'Nothing'

/** What a request's body holds, by the name of its schema. */
export type BodyName =
  | 'EnqueueRequest'
  | 'BulkRequest'
  | 'CounterChange'
  | 'CancelRequest'
  | 'LimitsRequest'
  | 'WorkerOrder'
  | 'ScheduleRequest'
  | 'BatchRequest'
  | 'BatchClose'
  | 'FlowRequest'
  | 'CachedInput'
  | 'RetryRequest'
  | 'DiscardRequest'

export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** Below /v1; matched exactly: no other case, no slash more. */
  readonly path: string
  readonly scope: Scope
  /** A token for single jobs does not reach a whole queue. */
  readonly reach: 'job' | 'queue'
  readonly operationId: string
  readonly summary: string
  readonly parameters: readonly ParameterName[]
  readonly body?: BodyName
  /** The answers that are no problems. */
  readonly answers: Readonly<Record<number, AnswerName>>
  readonly handle: (call: Call, room: Room) => Promise<void>
}

type Row = [Route['method'], string, Scope, Route['reach'], string, string]

/** One row. `name` is its operationId. */
export function route(
  [method, path, scope, reach, operationId, summary]: Row,
  answers: Route['answers'],
  handle: Route['handle'],
  more: Partial<Pick<Route, 'parameters' | 'body'>> = {},
): Route {
  return { method, path, scope, reach, operationId, summary, parameters: [], answers, handle, ...more }
}
