// The door of the producer: enqueueing jobs, and reading their results and counters from the app's side.

export type { BulkFailure, BulkHandle, BulkProgress, EnqueueBulkOptions } from './bulk-options.js'
export { createProducer, type Producer, type ProducerOptions } from './create-producer.js'
export type { EnqueueCall, EnqueueMiddleware } from './enqueue-middleware.js'
export type { EnqueueOptions } from './enqueue-options.js'
export type { JobHandle, JobReference } from './job-handle.js'
export { checkKey } from './job-rules.js'
export type { Batch, BatchFollower, OpenBatchOptions, ProducerBatches } from './producer-batches.js'
export type { CachedInput, CachedJob, CacheStats, ProducerCache } from './producer-cache.js'
export type { ProducerCounters, ReadCounterOptions } from './producer-counters.js'
export type {
  DiscardErrorsOptions,
  ErrorGroupDetails,
  ListErrorsOptions,
  PlanErrorsOptions,
  ProducerErrors,
  RetryErrorsOptions,
} from './producer-errors.js'
export type { FlowContracts, FlowHandle, FlowJob, ProducerFlows, StartFlowOptions } from './producer-flows.js'
export type {
  CancelFilter,
  CancelManyOptions,
  CancelOptions,
  JobsByTag,
  JobsByTagOptions,
  ProducerJobs,
} from './producer-jobs.js'
export type { ProducerLimits } from './producer-limits.js'
export type { PauseOptions, ProducerQueues } from './producer-queues.js'
export type { JobOutcome, ProducerResults, WaitForResultOptions } from './producer-results.js'
export type { ProducerSchedules } from './producer-schedules.js'
