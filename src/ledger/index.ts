// The door of the ledger: what finishes a job commits here, and results, counters and stats are read here.
export {
  AccessList,
  createToken,
  listTokens,
  MAX_COPY_AGE_MS,
  type NewToken,
  revokeToken,
  type TokenRecord,
} from './access/access-list.js'
export { includesRole, isRole, ROLES, type Role, roleOfToken, SCOPES_OF_ROLE } from './access/roles.js'
export { type Access, allowsJob, allowsQueue, allowsScope, SCOPES, type Scope } from './access/scopes.js'
export { AddBackend, type AddReply, type AddRules, attachAddRules, type RuledJob } from './add-job.js'
export {
  type AuditEntry,
  isAuditId,
  MAX_AUDIT_ENTRIES,
  type NewAuditEntry,
  readAudit,
  writeAudit,
} from './audit.js'
export { type Autoscale, type AutoscaleQuestion, askAutoscale, lastAutoscale } from './autoscale/autoscale.js'
export { type AutoscaleOptions, readAutoscaleRules } from './autoscale/autoscale-rules.js'
export { type AutoscaleRules, desiredWorkers } from './autoscale/desired-workers.js'
export {
  attachBatchScripts,
  type BatchEvent,
  type BatchRecord,
  type BatchRoom,
  closeBatch,
  createBatch,
  findOther,
  listBatches,
  readBatch,
  readBatchPage,
} from './batches/batches.js'
export { BUCKET_BOUNDS_MS, bucketOf, percentile } from './buckets.js'
export { attachLedger, BULLMQ_VERSION } from './bullmq-scripts.js'
export { attachCancelScript, type CancelOutcome, type CancelRoom, cancelJob } from './cancel/cancel-jobs.js'
export {
  CANCEL_STATES,
  type CancelCounts,
  type CancelState,
  cancelMatching,
  countMatching,
  type JobFilter,
} from './cancel/matching-jobs.js'
export { type CompletedOutcome, type FailedOutcome, type Outcome, RESULT_VERSION } from './commit.js'
export {
  type CounterPoint,
  type CounterSeriesOptions,
  type CounterSplitPoint,
  type CounterValue,
  counterExists,
  deleteCounter,
  incrCounter,
  listCounters,
  readCounter,
  readCounterSeries,
  readCounterSplit,
} from './counters.js'
export { Effects, MAX_EFFECT_CHARACTERS, MAX_EFFECT_WORDS, MAX_EFFECTS, type StagedWrite } from './effects.js'
export { type CommonField, commonFields } from './errors/common-fields.js'
export { type DiscardRecord, discardFailed, listDiscards, type UndoOutcome, undoDiscard } from './errors/discards.js'
export {
  type ErrorGroup,
  type ErrorGroupFilter,
  type ErrorGroupPage,
  type ErrorPoint,
  isErrorPlace,
  listErrorGroups,
  readErrorGroup,
} from './errors/error-groups.js'
export { attachErrorScripts, type ErrorRoom, openErrorScripts } from './errors/error-scripts.js'
export { type FailedJobDetails, newestOfGroup, parseAttempts, readFailedJob, readInputs } from './errors/failed-jobs.js'
export { type CheckedTarget, checkTarget, countTarget, type FailedTarget, showTarget } from './errors/failed-target.js'
export type { FailedAttempt } from './errors/failure-words.js'
export { fingerprintOf, isGroupId } from './errors/fingerprint.js'
export { oneLine } from './errors/mask-message.js'
export {
  type CheckedReplay,
  checkReplay,
  planReplay,
  type ReplayOptions,
  type ReplayPlan,
  runReplay,
  startReplay,
} from './errors/replay.js'
export {
  listReplays,
  type ReplayRecord,
  type ReplayState,
  readReplay,
  stopReplay,
} from './errors/replay-record.js'
export { type ExplainRoom, type Explanation, explainJob, type Reason, type ReasonCode } from './explain/explain-job.js'
export { readHeldFlow } from './explain/job-facts.js'
export {
  BEAT_MS,
  BEAT_TTL_MS,
  MAX_BEAT_JOBS,
  MAX_CONCURRENCY,
  orderConcurrency,
  orderState,
  type RunningJob,
  readOrders,
  readWorkers,
  removeBeat,
  type WorkerBeat,
  type WorkerLoad,
  type WorkerOrders,
  type WorkerState,
  writeBeat,
} from './fleet.js'
export { type ActiveJobs, readActiveJobs } from './health/active-jobs.js'
export { findClockSkew } from './health/clock-skew.js'
export { type HealthFacts, type QueueFacts, type QueueRates, RECENT_MINUTES, type ServerFacts } from './health/facts.js'
export { type About, describeNames, type Finding, ok } from './health/finding.js'
export { backlogOf, type QueueNow, readQueueNow } from './health/queue-now.js'
export { drainSeconds, workersOf } from './health/queue-rules.js'
export { judgeHealth, problemsOf, QUEUE_RULES, WORKER_RULES } from './health/rules.js'
export { judgeServer } from './health/server-rules.js'
export { type HeldName, holdName, MAX_HELD_NAMES, readHeldNames, releaseName } from './held/held-names.js'
export { LedgerBackend } from './ledger-backend.js'
export { ledgerBackendFactory } from './ledger-backend-factory.js'
export { auditLimits, type LimitAudit, MAX_AUDITED_PERMITS } from './limits/audit-limits.js'
export {
  MAX_QUEUE_CONCURRENCY,
  type QueueLimitChanges,
  type QueueLimits,
  readQueueLimits,
  setQueueLimits,
} from './limits/queue-limits.js'
export {
  type LimitCounts,
  type LimitOfJob,
  type LimitState,
  listLimits,
  readLimit,
  readLimitCounts,
  readLimitOfJob,
} from './limits/read-limits.js'
export { repairLimits } from './limits/repair-limits.js'
export {
  formatMetrics,
  type Labels,
  METRICS_TYPE,
  type MetricFamily,
  type TimeHistogram,
} from './metrics/exposition.js'
export {
  fleetMetrics,
  problemMetrics,
  type QueueDepth,
  queueMetrics,
  totalsMetrics,
  unreadableMetrics,
} from './metrics/queue-metrics.js'
export {
  emptyOutbox,
  type OutboxDepth,
  type OutboxOutcome,
  type OutboxRoom,
  readOutboxes,
} from './outbox/outbox.js'
export {
  type QueueView,
  type QueueViews,
  RATE_MINUTES,
  readQueueView,
  readQueueViews,
} from './queue-view.js'
export { noteRelease, type Release, readReleases } from './releases.js'
export { ResultWaiter, type ResultWaiterOptions, type WaitOptions } from './result-waiter.js'
export {
  type CompletedResult,
  deleteResult,
  type FailedResult,
  type JobResult,
  parseResult,
  readResult,
  readResults,
  resultExists,
} from './results.js'
export { rollUpStats } from './rollup.js'
export {
  checkScheduleName,
  defineSchedule,
  isSchedule,
  type Schedule,
  type ScheduleOptions,
  specOf,
} from './schedules/define-schedule.js'
export type { MissedTicks, Overlap, ScheduleRecord, ScheduleSpec } from './schedules/schedule-record.js'
export {
  type FiredSchedule,
  fireDue,
  listSchedules,
  pauseSchedule,
  readSchedule,
  removeOtherSchedules,
  removeSchedule,
  resumeSchedule,
  type ScheduleRoom,
  type SetOutcome,
  setSchedule,
} from './schedules/schedules.js'
export type { StagedJob } from './staged-job.js'
export {
  type JobStats,
  type Percentiles,
  percentilesOf,
  readHours,
  readMinutes,
  readStats,
  type StatsOfStep,
  sumOfStep,
  sumStats,
} from './stats.js'
export type { StatsSpan, StatsStep } from './stats-hashes.js'
export {
  newStoredJob,
  planQueueing,
  type QueueingOptions,
  type StoredOptions,
  withLimit,
} from './stored-job.js'
export { type InputOpener, type StoringCall, type StoringMiddleware, textThrough } from './stored-text.js'
export { listTags, readTagged, type TaggedJob, type TaggedPage } from './tags.js'
export { type JobTotals, parseTotals, readTotals } from './totals.js'
export {
  describeWrongKey,
  type ExpectedKey,
  findWrongKeys,
  findWrongKeysOf,
  isWrongType,
  type QueuesRead,
  readEachQueue,
  type UnreadableQueue,
  type WrongKey,
} from './wrong-types.js'
