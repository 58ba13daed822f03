// The table of contents: every path of the API below /v1, the scope it needs, what it takes and what it answers. The
// router, the OpenAPI document and the test of all rights are made from it.
import { AUTOSCALE_ROUTES } from './autoscale-routes.js'
import { BATCH_ROUTES } from './batch-routes.js'
import { CACHE_ROUTES } from './cache-routes.js'
import { addToCounter, getCounter, getHistory, listCounters, removeCounter } from './counter-routes.js'
import { enqueueBulk } from './enqueue-bulk.js'
import { enqueueOne } from './enqueue-one.js'
import { ERROR_ROUTES } from './error-routes.js'
import { streamJob, streamQueue } from './event-stream.js'
import { FLOW_ROUTES } from './flow-routes.js'
import { cancel, explain, getJob, getResult, removeJob, removeResult, retry } from './job-routes.js'
import { LIMIT_ROUTES } from './limit-routes.js'
import { cancelMany, getJobs, getQueue, listQueues, pause, resume } from './queue-routes.js'
import { type Route, route } from './route.js'
import { SCHEDULE_ROUTES } from './schedule-routes.js'
import { getTagged, getTags } from './tag-routes.js'
import { listWorkers, tellWorker } from './worker-routes.js'

const JOB = '/queues/:queue/jobs/:id'
const COUNTER = '/queues/:queue/counters/:name'

export const ROUTES: readonly Route[] = [
  route(
    ['post', '/jobs', 'enqueue', 'job', 'enqueueJob', 'Enqueue a job, and wait for its end if you like'],
    { 200: 'EnqueueAnswer', 201: 'EnqueuedJob' },
    enqueueOne,
    { parameters: ['Prefer', 'Idempotency-Key'], body: 'EnqueueRequest' },
  ),
  route(
    ['post', '/jobs/bulk', 'enqueue', 'job', 'enqueueJobs', 'Enqueue a job for each line, each accepted or refused'],
    { 207: 'BulkLine' },
    enqueueBulk,
    { body: 'BulkRequest' },
  ),
  ...AUTOSCALE_ROUTES,
  route(
    ['get', '/queues', 'read', 'queue', 'listQueues', 'Queues with their counts'],
    { 200: 'QueuePage' },
    listQueues,
    {
      parameters: ['limit', 'cursor'],
    },
  ),
  route(['get', '/queues/:queue', 'read', 'queue', 'getQueue', 'Counts of one queue'], { 200: 'Queue' }, getQueue),
  route(
    [
      'post',
      '/queues/:queue/pause',
      'operate',
      'queue',
      'pauseQueue',
      'Let workers take no further job of the queue, or of one name',
    ],
    { 204: 'Nothing' },
    pause,
    { parameters: ['pausedJob'] },
  ),
  route(
    ['post', '/queues/:queue/resume', 'operate', 'queue', 'resumeQueue', 'Let workers take its jobs again'],
    { 204: 'Nothing' },
    resume,
    { parameters: ['pausedJob'] },
  ),
  route(
    ['post', '/queues/:queue/cancel', 'operate', 'queue', 'cancelJobs', 'Cancel all its jobs that match'],
    { 200: 'CancelCounts' },
    cancelMany,
    { body: 'CancelRequest' },
  ),
  ...LIMIT_ROUTES,
  route(
    ['get', '/workers', 'read', 'queue', 'listWorkers', 'Workers, what they handle and what they run'],
    { 200: 'Workers' },
    listWorkers,
  ),
  route(
    ['post', '/workers/:worker/:action', 'operate', 'queue', 'tellWorker', 'Tell a worker, or all, what to do'],
    { 200: 'ToldWorkers' },
    tellWorker,
    { body: 'WorkerOrder' },
  ),
  route(
    ['get', '/queues/:queue/events', 'read', 'queue', 'streamQueueEvents', 'Events of a queue as they come'],
    { 200: 'Event' },
    streamQueue,
    { parameters: ['Last-Event-ID'] },
  ),
  route(
    ['get', '/queues/:queue/jobs', 'read', 'queue', 'listJobs', 'Jobs in one state, without their inputs'],
    { 200: 'JobPage' },
    getJobs,
    { parameters: ['state', 'limit', 'cursor'] },
  ),
  route(['get', JOB, 'read', 'job', 'getJob', 'A job with its input, state and result'], { 200: 'Job' }, getJob),
  route(
    ['delete', JOB, 'admin', 'job', 'deleteJob', 'Remove a job that is not active, and its result'],
    { 204: 'Nothing' },
    removeJob,
  ),
  route(
    ['get', `${JOB}/result`, 'read', 'job', 'getResult', 'How a job ended, now or when it ends'],
    { 200: 'Result', 202: 'JobState' },
    getResult,
    { parameters: ['Prefer'] },
  ),
  route(
    ['delete', `${JOB}/result`, 'admin', 'job', 'deleteResult', 'Remove a result; the job stays'],
    { 204: 'Nothing' },
    removeResult,
  ),
  route(
    ['get', `${JOB}/explain`, 'read', 'job', 'explainJob', 'Why a job does not run now'],
    { 200: 'Explanation' },
    explain,
  ),
  route(
    ['post', `${JOB}/cancel`, 'operate', 'job', 'cancelJob', 'Cancel a job, also one that runs'],
    { 200: 'Result', 202: 'JobState' },
    cancel,
  ),
  route(
    ['post', `${JOB}/retry`, 'operate', 'job', 'retryJob', 'Put a finished job back into its queue'],
    { 202: 'JobState' },
    retry,
  ),
  route(
    ['get', `${JOB}/events`, 'read', 'job', 'streamJobEvents', 'Events of a job until it ends'],
    { 200: 'Event', 204: 'Nothing' },
    streamJob,
    { parameters: ['Last-Event-ID'] },
  ),
  route(
    ['get', '/queues/:queue/counters', 'read', 'queue', 'listCounters', 'Counters of a queue'],
    { 200: 'CounterPage' },
    listCounters,
    { parameters: ['limit', 'cursor'] },
  ),
  route(
    ['get', COUNTER, 'read', 'queue', 'getCounter', 'Value of a counter, 0 when there is none'],
    { 200: 'Counter' },
    getCounter,
  ),
  route(
    ['get', `${COUNTER}/history`, 'read', 'queue', 'getCounterHistory', 'What was added per minute or hour'],
    { 200: 'CounterHistory' },
    getHistory,
    { parameters: ['since', 'by'] },
  ),
  route(
    ['post', `${COUNTER}/incr`, 'operate', 'queue', 'incrCounter', 'Add to a counter'],
    { 200: 'Counter' },
    addToCounter,
    { body: 'CounterChange' },
  ),
  route(['delete', COUNTER, 'admin', 'queue', 'deleteCounter', 'Remove a counter'], { 204: 'Nothing' }, removeCounter),
  route(
    ['get', '/queues/:queue/tags', 'read', 'queue', 'listTags', 'Tags of a queue, the one used last first'],
    { 200: 'TagList' },
    getTags,
  ),
  route(
    ['get', '/queues/:queue/tags/:tag', 'read', 'queue', 'listJobsByTag', 'Jobs with a tag, newest first'],
    { 200: 'TaggedPage' },
    getTagged,
    { parameters: ['limit', 'cursor'] },
  ),
  ...CACHE_ROUTES,
  ...ERROR_ROUTES,
  ...SCHEDULE_ROUTES,
  ...BATCH_ROUTES,
  ...FLOW_ROUTES,
]
