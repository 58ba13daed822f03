// A Redis, a producer and workers of one test file, with the log lines of each worker and a client to look at Redis.
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll } from 'vitest'
import type { JobResult } from '../../src/ledger/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { type KeysOfQueue, queueKeys } from '../../src/redis/index.js'
import { createWorker, type Handler, type Worker, type WorkerOptions } from '../../src/worker/index.js'
import { startTestRedis, type TestRedis } from './redis.js'

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

export interface TestWorker extends Worker {
  /** What it logged so far, `debug` and above. */
  readonly lines: readonly LogLine[]
}

export interface Workshop {
  readonly server: TestRedis
  readonly producer: Producer
  readonly redis: Redis
  keys(queue: string): KeysOfQueue
  /**
   * Starts a worker, which the workshop closes at its end. A lost lock is looked for every 100 ms; a lock lasts 5 s, so
   * that a machine that stands still for a second or two costs no test a second run of a job.
   */
  work(handlers: Handler[], options?: Partial<WorkerOptions>): Promise<TestWorker>
  /** Waits until the job has ended and gives its result record. */
  end(job: { queue: string; id: string }): Promise<JobResult<unknown>>
  close(): Promise<void>
}

/** Opens a workshop with a server of its own; its workers are those of `create`. Close it in `afterAll`. */
export async function openWorkshop(create = createWorker): Promise<Workshop> {
  const server = await startTestRedis()
  const producer = createProducer({ redis: server.url, timeout: '60s' })
  const redis = new Redis(server.url)
  const workers: Worker[] = []
  return {
    server,
    producer,
    redis,
    keys: (queue) => queueKeys('drover', queue),
    work: async (handlers, options = {}) => {
      const { logger, lines } = collectLog()
      const defaults = {
        redis: server.url,
        lockDuration: '5s',
        stalledInterval: 100,
        shutdownTimeout: 0,
        logger,
      } as const
      const worker = await create({ ...defaults, handlers, ...options })
      workers.push(worker)
      return Object.assign(worker, { lines })
    },
    end: async (job) => {
      const { record } = await producer.results.wait({ queue: job.queue, id: job.id }, { timeout: '60s' })
      return record
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()))
      await producer.close()
      redis.disconnect()
      await server.close()
    },
  }
}

/** A workshop for the tests of a file, closed after the last of them. Call it at the top of the file. */
export async function useWorkshop(): Promise<Workshop> {
  const shop = await openWorkshop()
  afterAll(() => shop.close())
  return shop
}

/** A pino logger that keeps its lines; at `debug` none of many that are alike is left out. */
export function collectLog(level: 'debug' | 'info' = 'debug'): { logger: pino.Logger; lines: LogLine[] } {
  const lines: LogLine[] = []
  const logger = pino({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  return { logger, lines }
}

/** A promise with its two ends, for handlers that a test lets go on. */
export interface Gate<Value = void> {
  readonly promise: Promise<Value>
  readonly open: (value: Value) => void
  readonly fail: (error: unknown) => void
}

export function createGate<Value = void>(): Gate<Value> {
  let open: (value: Value) => void = () => undefined
  let fail: (error: unknown) => void = () => undefined
  const promise = new Promise<Value>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}
