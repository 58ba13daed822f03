// The ledger's backend driven by hand, one job and one call at a time: enqueue, take, finish. No handlers, no retry
// policy, no timers, so that a test decides what happens between any two steps.
import { Job, type JobsOptions, type MinimalQueue, QueueKeys, RedisConnection, RedisQueueBackend } from 'bullmq'
import type { Redis } from 'ioredis'
import { afterAll, beforeEach } from 'vitest'
import {
  attachLedger,
  type CompletedOutcome,
  Effects,
  type FailedOutcome,
  type LedgerBackend,
  ledgerBackendFactory,
  type Outcome,
  readResult,
  type StagedWrite,
} from '../../src/ledger/index.js'
import { createWorkerClient, type KeysOfQueue, parseRedisUrl, queueKeys } from '../../src/redis/index.js'
import { startTestRedis, type TestRedis, type TestRedisOptions } from './redis.js'

export interface Kernel {
  /** The client whose scripts are wrapped. */
  readonly client: Redis
  readonly backend: LedgerBackend
  readonly keys: KeysOfQueue
  /** BullMQ's key of that name. */
  bull(name: string): string
  /** Enqueues a job, and gives its id. */
  add(options?: JobsOptions & { name?: string }): Promise<string>
  /** Takes the next job under a lock of this token. */
  take(token?: string): Promise<Job>
  /** Enqueues and takes one. */
  start(options?: JobsOptions & { name?: string }): Promise<Job>
  complete(job: Job, outcome?: Partial<CompletedOutcome>, token?: string): Promise<unknown>
  fail(job: Job, outcome?: Partial<FailedOutcome>, token?: string): Promise<unknown>
  /** What BullMQ does with a failed attempt of this job: a retry if attempts are left, else the final failure. */
  failAttempt(job: Job, error: Error, token?: string): Promise<unknown>
  close(): Promise<void>
}

export const TOKEN = 'worker-1:0'
const LOCK_MS = 60_000
const KEPT = { count: 1_000 }

/** So many jobs the kernel's worker would run at a time. */
export const KERNEL_CONCURRENCY = 24

export interface KernelTuning {
  /** The wait before the next attempt of a failed one. Default 5 ms. */
  readonly backoffMs?: () => number
}

/** Opens the kernel of one queue. Close it in `afterAll`. */
export async function openKernel(
  url: string,
  queue = 'media',
  prefix = 'drover',
  { backoffMs = () => 5 }: KernelTuning = {},
): Promise<Kernel> {
  const client = createWorkerClient(parseRedisUrl(url)) as Redis
  attachLedger(client)
  const keys = queueKeys(prefix, queue)
  const options = {
    connection: client,
    prefix: keys.bull,
    concurrency: KERNEL_CONCURRENCY,
    lockDuration: LOCK_MS,
    maxStalledCount: 1_000,
    stalledInterval: 1_000,
    settings: { backoffStrategy: backoffMs },
  }
  const backend = ledgerBackendFactory(client, prefix)(queue, options as never, {})
  await backend.waitUntilReady()
  const bullKeys = new QueueKeys(keys.bull)
  // As much of a queue as BullMQ's Job asks for.
  const queueOfJobs = {
    name: queue,
    opts: options,
    keys: bullKeys.getKeys(queue),
    toKey: (type: string) => bullKeys.toKey(queue, type),
    qualifiedName: backend.qualifiedName,
    getBackend: () => backend,
    backend,
    closing: undefined,
    waitUntilReady: () => backend.waitUntilReady(),
    trace: (_kind: unknown, _operation: unknown, _where: unknown, run: () => unknown) => run(),
    emit: () => true,
    on: () => undefined,
    removeListener: () => undefined,
  } as unknown as MinimalQueue
  const producer = new RedisConnection(client, { shared: true, blocking: false })
  const adding = new RedisQueueBackend(
    producer,
    queue,
    bullKeys.getKeys(queue),
    queueOfJobs.toKey,
    options as never,
    undefined,
    false,
  )
  let count = 0

  const kernel: Kernel = {
    client,
    backend,
    keys,
    bull: (name) => queueOfJobs.toKey(name),
    add: async ({ name = 'resize', ...jobOptions } = {}) => {
      const jobId = jobOptions.jobId ?? `j${++count}`
      const job = new Job(
        { ...queueOfJobs, getBackend: () => adding } as MinimalQueue,
        name,
        { n: count },
        { attempts: 1, ...jobOptions, jobId },
      )
      await adding.addJob(job.asJSON(), jobId)
      return jobId
    },
    take: async (token = TOKEN) => {
      const [json, id] = await backend.moveToActive(token, '')
      if (!json) throw new Error('no job was there to be taken')
      return Job.fromJSON(queueOfJobs, json as never, id as string)
    },
    start: async (jobOptions) => {
      await kernel.add(jobOptions)
      return kernel.take()
    },
    complete: (job, outcome = {}, token = TOKEN) => {
      backend.stage(job, { status: 'completed', valueJson: '{"ok":true}', keepResultMs: 60_000, runMs: 1, ...outcome })
      return backend.moveToCompleted(job, null, KEPT, token, false)
    },
    fail: (job, outcome = {}, token = TOKEN) => {
      const error = { name: 'Error', message: 'as the test wants it' }
      const staged: Outcome = { status: 'failed', error, keepResultMs: 60_000, runMs: 1, ...outcome }
      backend.stage(job, staged)
      return backend.moveToFailed(job, error.message, KEPT, token, false)
    },
    failAttempt: (job, error, token = TOKEN) => job.moveToFailed(error, token, false),
    close: async () => {
      await backend.close()
      client.disconnect()
    },
  }
  return kernel
}

/** Staged writes as an outcome carries them. */
export function writes(...list: (readonly (string | number)[])[]): { effects: readonly StagedWrite[] } {
  return { effects: list }
}

export interface TestKernel {
  readonly server: TestRedis
  readonly kernel: Kernel
  readonly redis: Redis
  resultOf(job: Job): ReturnType<typeof readResult>
  /** The writes that `use` stages, as an outcome carries them. */
  stage(use: (effects: Effects) => void): readonly StagedWrite[]
}

/** A server and a kernel for the tests of a file: emptied before each, closed after the last. Call it at the top. */
export async function useKernel(options: TestRedisOptions = {}): Promise<TestKernel> {
  const server = await startTestRedis(options)
  const kernel = await openKernel(server.url)
  const redis = kernel.client
  beforeEach(() => redis.flushdb())
  afterAll(async () => {
    await kernel.close()
    await server.close()
  })
  return {
    server,
    kernel,
    redis,
    resultOf: (job) => readResult(redis, kernel.keys, String(job.id)),
    stage: (use) => {
      const effects = new Effects(kernel.keys, { cluster: false })
      use(effects)
      return effects.close()
    },
  }
}
