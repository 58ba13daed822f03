// The door of the worker side, `drover/worker`: bind handlers to contracts, and run them.
export { PermanentError, RetryInError, retryIn, SnoozeError, snooze } from '../job/index.js'
export {
  type BatchAnswers,
  type BatchContext,
  type BatchFunction,
  type BatchItem,
  type BatchOptions,
  handleBatch,
} from './batch/handle-batch.js'
export type { JobContext, JobLog, JobLogger, StagedCounter } from './context.js'
export { createWorker } from './create-worker.js'
export { defineMiddleware, isJobMiddleware, type JobMiddleware } from './define-middleware.js'
export { type CommandOptions, handleCommand } from './foreign-command.js'
export { type Handler, type HandlerFunction, handle, isHandler, locateHandler } from './handle.js'
export { type HealthServer, type HealthServerOptions, startHealthServer } from './health/health-server.js'
export type { HealthQuestion, ProcessHealth, QueueHealth, WorkerHealth } from './health/worker-health.js'
export type { HandleOptions, Isolation } from './isolation.js'
export type { RetryDelay } from './retry-delay.js'
export type { RunCall, RunMiddleware } from './run-middleware.js'
export type { CloseOutcome, Worker } from './running-worker.js'
export type { FollowUp, FollowUpOptions } from './staged-jobs.js'
export type { OnceOptions } from './steps/steps.js'
export type { WorkerOptions } from './worker-options.js'
