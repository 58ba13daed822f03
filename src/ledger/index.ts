// The door of the ledger: what finishes a job commits here, and results, counters and stats are read here.
export { BUCKET_BOUNDS_MS, bucketOf, percentile } from './buckets.js'
export { attachLedger, BULLMQ_VERSION } from './bullmq-scripts.js'
export { type CompletedOutcome, type FailedOutcome, type Outcome, RESULT_VERSION } from './commit.js'
export { Effects, MAX_EFFECT_CHARACTERS, MAX_EFFECTS, type StagedWrite } from './effects.js'
export { LedgerBackend, ledgerBackendFactory } from './ledger-backend.js'
