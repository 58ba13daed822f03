// The door of src/job: the contract of a job, its data, durations and every error. Imports nothing of ours.

export * from './attempt-errors.js'
export type { Backoff, BackoffOptions } from './backoff.js'
export * from './batch-call-errors.js'
export { type CacheOptions, type CacheRule, cacheText } from './cache-rule.js'
export { canonicalJson } from './canonical-json.js'
export { checkWhole, isIsoTime, readTimeMs, refuseUnknown } from './check-options.js'
export * from './command-errors.js'
export type { CheckedOptions } from './contract-options.js'
export {
  type AnyJobContract,
  defineJob,
  type HandlerInputOf,
  type HandlerResultOf,
  type InputOf,
  isJobContract,
  type JobContract,
  type JobOptions,
  type ResultOf,
} from './define-job.js'
export { describeValue, hideCredentials } from './describe-value.js'
export { DroverError, type DroverErrorOptions, isDroverError } from './drover-error.js'
export { type Duration, type DurationRange, formatDuration, parseDuration } from './duration.js'
export * from './enqueue-errors.js'
export {
  type DebounceOptions,
  type DepthOptions,
  type EnqueueRules,
  type MergeBy,
  type MergeOptions,
  type MergeRule,
  mergeText,
  readRules,
  readText,
  type ThrottleOptions,
  type UniqueOptions,
} from './enqueue-rules.js'
export * from './errors.js'
export * from './failed-job-errors.js'
export * from './handler-errors.js'
export * from './http-errors.js'
export { type InputVersions, type Upcaster, type VersionOptions, versionOf } from './input-version.js'
export { encodeInput, encodeResult, parseInput } from './job-data.js'
export { newJobId } from './job-id.js'
export {
  decodeJson,
  type EncodedJson,
  type EncodeOptions,
  encodeJson,
  encodeJsonNoting,
  type JsonValue,
} from './json.js'
export { jsonPath } from './json-path.js'
export {
  type JobLimit,
  type LimitContractOptions,
  type LimitOptions,
  limitId,
  limitOf,
  type RateOptions,
} from './limit-options.js'
export { flushThrottled, logThinned, throttledLine, throttledLog } from './log-throttle.js'
export { checkMiddleware, type Middleware, runThrough } from './middleware.js'
export {
  isJobName,
  isQueueName,
  isRelease,
  isReservedName,
  JOB_NAME_RULE,
  QUEUE_NAME_RULE,
  RELEASE_RULE,
} from './names.js'
export * from './redis-errors.js'
export * from './retry-errors.js'
export { cronTimes, newestTicks, nextTick, nextTicks, type ScheduleTimes } from './schedule-times.js'
export {
  type CheckOutcome,
  checkSchema,
  isStandardSchema,
  type SchemaInput,
  type SchemaOutput,
  type StandardIssue,
  type StandardResult,
  type StandardSchemaV1,
} from './schema.js'
export * from './step-errors.js'
export { type StoredError, type StoredErrorLimits, serializeError } from './stored-error.js'
export { suggest } from './suggest.js'
