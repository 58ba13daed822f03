// Numbers in the text of the documents, each beside the code that it is taken from.
import { expect, it } from 'vitest'
import { read } from './documents.js'

const NUMBERS: readonly [document: string, words: string, source: string, code: string][] = [
  ['README.md', 'newest 100 completed', 'src/worker/worker-options.ts', 'keepCompleted ?? 100'],
  ['README.md', '10,000 failed', 'src/worker/worker-options.ts', 'keepFailed ?? 10_000'],
  ['README.md', 'Redis 6.2 or later', 'src/redis/server-info.ts', "MINIMUM_REDIS_VERSION = '6.2.0'"],
  ['README.md', 'Node (20.19 and up, or 22.12 and up)', 'package.json', '"^20.19.0 || >=22.12.0"'],
  ['docs/handlers.md', 'kept with the job, the newest 100', 'src/worker/queue-worker.ts', 'KEEP_LOG_LINES = 100'],
  ['docs/handlers.md', 'could pass 9·10¹⁸', 'src/ledger/commit.lua', 'LIMIT = 9e18'],
  ['docs/redis-keys.md', 'up to 4096 bytes', 'src/job/stored-error.ts', 'maxMessageBytes = 4096'],
  ['docs/redis-keys.md', 'up to 8192 bytes', 'src/job/stored-error.ts', 'maxStackBytes = 8192'],
  ['docs/redis-keys.md', 'default 24 h', 'src/job/contract-options.ts', 'DAY_MS = 86_400_000'],
  ['docs/redis-keys.md', 'from 10 minutes after its end', 'src/ledger/rollup.ts', 'SETTLE_MS = 10 * MINUTE_MS'],
  ['docs/errors.md', 'message of the first 20', 'src/job/errors.ts', 'MAX_ISSUES = 20'],
  ['docs/job-lifecycle.md', 'in chunks of 500', 'src/producer/bulk-options.ts', 'DEFAULT_CHUNK_SIZE = 500'],
  ['docs/enqueue.md', '`chunkSize` (500)', 'src/producer/bulk-options.ts', 'DEFAULT_CHUNK_SIZE = 500'],
  ['docs/enqueue.md', 'first 1,000 inputs', 'src/producer/bulk-options.ts', 'MAX_FAILURES = 1_000'],
  ['docs/enqueue.md', 'newest 10,000 jobs of a tag', 'src/ledger/tags.ts', 'MAX_JOBS_OF_TAG = 10_000'],
  ['docs/enqueue.md', 'Up to 10 tags', 'src/producer/enqueue-options.ts', 'MAX_TAGS = 10'],
  ['docs/enqueue.md', 'at most 30 days', 'src/producer/job-rules.ts', 'UNFINISHED_KEY_MS = 30 * 86_400_000'],
  ['docs/job-lifecycle.md', 'one call, 16 at most', 'src/ledger/commit-batch.ts', 'MAX_BATCH = 16'],
  ['docs/job-lifecycle.md', 'hold 3 s (`lockDuration`)', 'src/worker/worker-options.ts', "lockDuration ?? '3s'"],
  ['docs/job-lifecycle.md', 'are renewed every second', 'src/worker/lock-thread/main.ts', '}, lockMs / 3)'],
  [
    'docs/job-lifecycle.md',
    'Every second (`stalledInterval`)',
    'src/worker/worker-options.ts',
    "stalledInterval ?? '1s'",
  ],
  ['docs/job-lifecycle.md', '60 s beyond the longest', 'src/worker/lock-thread/main.ts', 'BLOCKED_GRACE_MS = 60_000'],
  ['docs/job-lifecycle.md', 'was answered for 15 s', 'src/worker/fetch-watch.ts', 'SILENT_MS = 15_000'],
  ['docs/job-lifecycle.md', 'given up after 8 s', 'src/redis/clients.ts', 'WORKER_SOCKET_TIMEOUT_MS = 8_000'],
  ['docs/job-lifecycle.md', 'twice beside others', 'src/worker/turns.ts', 'SHARED_CRASHES = 2'],
  ['docs/job-lifecycle.md', 'three times alone', 'src/worker/turns.ts', 'ALONE_CRASHES = 3'],
  ['docs/job-lifecycle.md', 'newest 100 completed', 'src/worker/worker-options.ts', 'keepCompleted ?? 100'],
  ['docs/job-lifecycle.md', '10,000 failed', 'src/worker/worker-options.ts', 'keepFailed ?? 10_000'],
  ['docs/testing.md', 'at most 1,000 connections', 'src/testing/fault-proxy.ts', 'MAX_CONNECTIONS = 1_000'],
  ['docs/testing.md', 'holds 256 KiB', 'src/testing/fault-lane.ts', 'HELD_BYTES = 256 * 1024'],
  ['docs/operations.md', 'newest 100 completed', 'src/worker/worker-options.ts', 'keepCompleted ?? 100'],
  ['docs/operations.md', '10,000 failed', 'src/worker/worker-options.ts', 'keepFailed ?? 10_000'],
  ['docs/operations.md', '`shutdownTimeout` (25 s)', 'src/worker/worker-options.ts', "shutdownTimeout ?? '25s'"],
  ['docs/operations.md', 'on 127.0.0.1:3768', 'src/config/settings-schema.ts', 'port: 3768'],
  ['docs/operations.md', 'then http://127.0.0.1:3000', 'docker-compose.yml', '"127.0.0.1:3000:3000"'],
  ['docs/operations.md', 'From 85 % of', 'src/redis/server-findings.ts', 'FULL_SHARE = 0.85'],
  ['docs/operations.md', 'below 80 % they enqueue', 'src/producer/store-watch.ts', 'RESUME_SHARE = 0.8'],
  ['docs/operations.md', '`WAIT`, up to 1 s', 'src/producer/replica-wait.ts', 'REPLICA_WAIT_MS = 1_000'],
  ['docs/operations.md', '12 hours', 'src/dashboard/session.ts', 'SESSION_MS = 12 * 60 * 60 * 1000'],
  ['docs/operations.md', '8 to 512 visible characters', 'src/dashboard/options.ts', '{8,512}'],
  ['docs/operations.md', 'Five wrong ones', 'src/dashboard/sign-in-limit.ts', 'MAX_FAILURES = 5'],
  ['docs/operations.md', 'for 15 minutes', 'src/dashboard/sign-in-limit.ts', 'WINDOW_MS = 15 * 60 * 1000'],
]

it.each(NUMBERS)('%s says "%s", as %s does', (document, words, source, code) => {
  expect(read(document).replace(/\s+/g, ' ')).toContain(words)
  expect(read(source)).toContain(code)
})
