// The door of the worker side, `drover/worker`: bind handlers to contracts, and run them.
export { PermanentError, RetryInError, retryIn } from '../job/index.js'
export type { JobContext, JobLog, JobLogger, StagedCounter } from './context.js'
export { type CloseOutcome, createWorker, type Worker } from './create-worker.js'
export { type CommandOptions, handleCommand } from './foreign-command.js'
export { type Handler, type HandlerFunction, handle, isHandler, locateHandler } from './handle.js'
export type { HandleOptions, Isolation } from './isolation.js'
export type { FollowUp, FollowUpOptions } from './staged-jobs.js'
export type { WorkerOptions } from './worker-options.js'
