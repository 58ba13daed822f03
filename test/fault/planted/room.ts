// A small honest run in one process, with places at which a planted bug stands in for the honest step. The bugs are in
// the other files here; each gets a queue and a ledger of its own on one server.
import { join } from 'node:path'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { z } from 'zod'
import { defineJob } from '../../../src/job/index.js'
import { createProducer } from '../../../src/producer/index.js'
import { type KeysOfQueue, queueKeys } from '../../../src/redis/index.js'
import { createWorker, handle, type JobContext, type Worker, type WorkerOptions } from '../../../src/worker/index.js'
import { until } from '../../support/until.js'
import type { ProblemKind } from '../judge.js'
import type { LedgerLine, TryLine } from '../ledger-file.js'
import { openLedger } from '../ledger-writer.mjs'
import { hitsKey } from '../queue-state.js'

/** A run with one bug in it. */
export interface Planted {
  /** What is wrong, as one would say it of the code. */
  readonly name: string
  /** The kind of problem by which the checker must call it. */
  readonly kind: ProblemKind
  run(room: PlantedRoom): Promise<void>
}

export type Run = (input: { readonly n: number }, context: JobContext) => Promise<unknown>

export interface PlantedRoom {
  readonly queue: string
  readonly keys: KeysOfQueue
  readonly redis: Redis
  /** The key of the effect that each job has. */
  readonly hits: string
  /** BullMQ's own queue, for what Drover would not do. */
  readonly bull: Queue
  note(...lines: readonly LedgerLine[]): void
  /** Enqueues job `j-<n>` for each number, noting it before and after. */
  enqueue(numbers: readonly number[], expected?: Partial<TryLine>): Promise<void>
  enqueueOne(n: number): Promise<unknown>
  /** Starts a worker whose jobs run `run`, by default the honest one. */
  work(run?: Run, options?: Partial<WorkerOptions>): Promise<Worker>
  /** What an honest handler does; `beforeEnd` comes between its start and what it stages. */
  honest(beforeEnd?: Run): Run
  /** All jobs of the run, enqueued and worked honestly but for what `beforeEnd` does in each. */
  runAll(beforeEnd?: Run): Promise<void>
  /** Waits until so many jobs have ended. */
  untilEnded(count: number): Promise<void>
  close(): Promise<void>
}

/** The numbers of the jobs of a run. */
export const NUMBERS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8]

/** What each run writes down as its fault. */
export const FAULT = { e: 'fault', kind: 'the first attempt of a job is cut short', seed: 1 } as const

/** Fails the first attempt of the first job. */
export const failFirst: Run = async ({ n }, { attempt }) => {
  if (n === 1 && attempt === 1) throw new Error('the first attempt is cut short')
}

/** The honest run, which must pass. */
export const runHonest = (room: PlantedRoom): Promise<void> => room.runAll(failFirst)

/** Opens the room of one planted bug. */
export function openPlantedRoom(url: string, redis: Redis, directory: string, queue: string): PlantedRoom {
  const keys = queueKeys('drover', queue)
  const hits = hitsKey(queue)
  const ledger = openLedger(join(directory, queue))
  const note: PlantedRoom['note'] = (...lines) => ledger.append(...lines)
  const producer = createProducer({ redis: url, timeout: '60s' })
  const { hostname, port } = new URL(url)
  const bull = new Queue(queue, { connection: { host: hostname, port: Number(port) }, prefix: keys.bull })
  const workers: Worker[] = []
  const input = z.object({ n: z.number() })
  const contract = defineJob({ name: 'work', queue, input, attempts: 2, backoff: { delay: 1, jitter: 0 } })

  const room: PlantedRoom = {
    queue,
    keys,
    redis,
    hits,
    bull,
    note,
    honest: (beforeEnd) => async (job, context) => {
      const noted = { id: context.id, pid: process.pid, attempt: context.attempt }
      note({ e: 'start', ...noted, n: job.n })
      await beforeEnd?.(job, context)
      context.counter('sum').add(job.n)
      context.effects.hincrby(hits, context.id, 1)
      note({ e: 'end', ...noted, add: { sum: job.n } })
      return job.n
    },
    enqueueOne: (n) => producer.enqueue(contract, { n }, { id: `j-${n}` }),
    enqueue: async (numbers, expected = {}) => {
      for (const n of numbers) {
        note({ e: 'try', id: `j-${n}`, ...expected })
        await room.enqueueOne(n)
        note({ e: 'ack', id: `j-${n}` })
      }
    },
    work: async (run = room.honest(), options = {}) => {
      const handlers = [handle(contract, run)]
      const logger = pino({ level: 'silent' })
      const worker = await createWorker({ redis: url, handlers, keepCompleted: 1_000, logger, ...options })
      workers.push(worker)
      return worker
    },
    runAll: async (beforeEnd) => {
      await room.enqueue(NUMBERS)
      note(FAULT)
      await room.work(room.honest(beforeEnd))
      await room.untilEnded(NUMBERS.length)
    },
    untilEnded: async (count) => {
      const sizes = () => Promise.all(['completed', 'failed'].map((state) => redis.zcard(keys.bullBase + state)))
      await until(`${count} jobs have ended`, async () => (await sizes()).reduce((sum, size) => sum + size, 0) >= count)
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()))
      await Promise.all([producer.close(), bull.close()])
      ledger.close()
    },
  }
  return room
}
