// A bare BullMQ worker on the ledger's backend, for tests of what a commit leaves behind: no handlers, no retry policy.
import { type Job, Worker } from 'bullmq'
import {
  attachLedger,
  type CompletedOutcome,
  type FailedOutcome,
  type LedgerBackend,
  ledgerBackendFactory,
} from '../../src/ledger/index.js'
import { createWorkerClient, parseRedisUrl, queueTag } from '../../src/redis/index.js'

/** What a test's job ends with; the rest of its outcome is filled in. */
export type TestOutcome =
  | ({ status: 'completed' } & Partial<CompletedOutcome>)
  | ({ status: 'failed' } & Partial<FailedOutcome>)

export interface LedgerWorkerOptions {
  readonly url: string
  readonly queue: string
  readonly prefix?: string
  readonly concurrency?: number
  /** Removes finished jobs at once, as a retention setting would some day. */
  readonly removesJobs?: boolean
  /** How each job ends; completed with `null` where it returns nothing. */
  readonly run?: (job: Job) => Promise<TestOutcome | undefined> | TestOutcome | undefined
}

/** Starts a worker that commits what `run` says. Close it in the test. */
export async function startLedgerWorker(options: LedgerWorkerOptions): Promise<{ close(): Promise<void> }> {
  const { url, queue, prefix = 'drover', concurrency = 10, removesJobs = false, run } = options
  const client = createWorkerClient(parseRedisUrl(url))
  attachLedger(client)
  const process = async (job: Job) => {
    const outcome = (await run?.(job)) ?? { status: 'completed' }
    const backend = worker.getBackend() as LedgerBackend
    if (outcome.status === 'completed') {
      backend.stage(job, { valueJson: 'null', keepResultMs: 60_000, runMs: 1, ...outcome })
      return
    }
    const error = { name: 'Error', message: 'as the test wants it' }
    backend.stage(job, { error, keepResultMs: 60_000, runMs: 1, ...outcome })
    throw new Error(error.message)
  }
  const retention = removesJobs ? { removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } } : {}
  const worker = new Worker(
    queue,
    process,
    // The client is that of `connection` too, so that BullMQ opens none of its own.
    {
      connection: client as never,
      prefix: queueTag(prefix, queue),
      concurrency,
      settings: { backoffStrategy: () => 0 },
      ...retention,
    },
    ledgerBackendFactory(client, prefix),
  )
  worker.on('error', () => undefined)
  await worker.waitUntilReady()
  return {
    close: async () => {
      await worker.close()
      client.disconnect()
    },
  }
}
