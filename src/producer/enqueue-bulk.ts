// Many inputs of one job: read, checked and sent in chunks, so that memory does not grow with their number. Its options
// and its tally are in bulk-options.ts.
import {
  type AnyJobContract,
  EmptyBulkError,
  encodeInput,
  InvalidOptionError,
  MiddlewareError,
  newJobId,
} from '../job/index.js'
import { withLimit } from '../ledger/index.js'
import { type BulkHandle, type BulkPlan, BulkTally, type EnqueueBulkOptions, planBulk } from './bulk-options.js'
import { type BullQueue, type NewJob, newJob } from './bull-queues.js'
import { type EnqueueMiddleware, enqueueThrough } from './enqueue-middleware.js'
import { newRuledJob, refusalOf } from './job-rules.js'
import type { RedisGate } from './redis-gate.js'
import { sendJobs } from './send-jobs.js'
import { sendRuled } from './send-ruled.js'

/**
 * A chunk of large inputs is sent earlier: this many characters of JSON are held at once. A slow network must bring it to
 * Redis before the gate takes its silence (2 s) for a dead connection.
 */
const MAX_CHUNK_CHARACTERS = 2_097_152

export interface BulkRoom {
  readonly gate: RedisGate
  readonly queue: BullQueue
  readonly middleware?: readonly EnqueueMiddleware[] | undefined
}

interface BulkJob extends NewJob {
  /** Which input it is of. */
  readonly index: number
}

/** @throws what `Producer.enqueueBulk` says */
export async function sendBulk(
  room: BulkRoom,
  contract: AnyJobContract,
  inputs: Iterable<unknown> | AsyncIterable<unknown>,
  options: EnqueueBulkOptions<never>,
): Promise<BulkHandle> {
  const startedAt = Date.now()
  checkIterable(inputs)
  const plan = planBulk(contract, inputs, options, startedAt)
  const tally = new BulkTally(plan.keepsIds)
  let chunk: BulkJob[] = []
  let characters = 0
  let index = 0
  let sending: Promise<void> = Promise.resolve()

  // One chunk is on its way while the inputs of the next are read and checked.
  const flush = async () => {
    await sending
    sending = sendChunk(room, contract, chunk, plan, tally)
    sending.catch(() => undefined) // each await of `sending` tells it
    chunk = []
    characters = 0
  }
  try {
    for await (const input of inputs) {
      try {
        const text = await encodeInput(contract, input)
        const timestamp = plan.fromStart ? startedAt : Date.now()
        const built = buildThrough(room, contract, plan, { input, text, index, timestamp })
        chunk.push({ ...(built instanceof Promise ? await built : built), index })
        characters += text.length
      } catch (error) {
        if (!plan.skipsBad) {
          await sending
          throw tally.endOf(index, error)
        }
        tally.refuse(index, error)
      }
      index++
      if (chunk.length >= plan.chunkSize || characters >= MAX_CHUNK_CHARACTERS) await flush()
    }
    if (chunk.length > 0) await flush()
    await sending
  } finally {
    // Whatever ended the bulk, nothing of it is under way any more when the caller hears of it.
    await sending.catch(() => undefined)
  }
  if (index === 0) throw new EmptyBulkError()
  return tally.handle
}

interface BulkItem {
  readonly input: unknown
  readonly text: string
  readonly storedText?: string
  readonly index: number
  readonly timestamp: number
  readonly jobId?: string
}

function buildThrough(
  room: BulkRoom,
  contract: AnyJobContract,
  plan: BulkPlan,
  item: BulkItem,
): NewJob | Promise<NewJob> {
  if (room.middleware === undefined) return buildJob(room, contract, plan, item)
  const { name, queue } = contract
  const jobId = newJobId()
  let job: NewJob | undefined
  const call = { contract, id: jobId, input: item.input, options: plan.options, inputText: item.text }
  const build = async (storedText: string) => {
    job = buildJob(room, contract, plan, { ...item, storedText, jobId })
    return { id: jobId, name, queue }
  }
  return enqueueThrough(room.middleware, call, build).then(() => {
    if (job === undefined) throw new MiddlewareError('enqueue', 'in a bulk it must call next(), or throw')
    return job
  })
}

function buildJob({ queue }: BulkRoom, contract: AnyJobContract, plan: BulkPlan, item: BulkItem): NewJob {
  const { input, text, storedText = text, index, timestamp, jobId = newJobId() } = item
  const stored = withLimit(contract, plan.stored(index), input)
  if (plan.rules === undefined) return newJob(contract.name, jobId, storedText, stored, timestamp)
  const key = plan.key(input, index)
  return newRuledJob({ contract, keys: queue.keys, jobId, input, text, storedText, stored, timestamp, key }, plan.rules)
}

async function sendChunk(
  { gate, queue }: BulkRoom,
  contract: AnyJobContract,
  jobs: readonly BulkJob[],
  { rules, skipsBad, onProgress }: BulkPlan,
  tally: BulkTally,
): Promise<void> {
  const { enqueued } = tally.progress
  const operation = `the enqueue of ${jobs.length} inputs after the first ${enqueued} of a bulk`
  const call = { operation, startedMs: performance.now() }
  let first: { readonly index: number; readonly error: unknown } | undefined
  if (rules === undefined) {
    await sendJobs(gate, queue, jobs, call)
    for (const { jobId } of jobs) tally.accept(jobId, true)
  } else {
    const replies = await sendRuled(gate, queue, jobs, call, rules)
    for (const [at, job] of jobs.entries()) {
      const reply = replies[at]
      const error = reply && refusalOf(reply, contract, job)
      if (reply && 'id' in reply && !error) tally.accept(reply.id, reply.kind === 'added')
      else if (skipsBad) tally.refuse(job.index, error)
      else first ??= { index: job.index, error }
    }
  }
  onProgress?.(tally.progress)
  if (first) throw tally.endOf(first.index, first.error)
}

function checkIterable(inputs: unknown): void {
  // A string is iterable too, but enqueueing its characters is never meant.
  if (typeof inputs === 'object' && inputs !== null && (Symbol.iterator in inputs || Symbol.asyncIterator in inputs))
    return
  throw new InvalidOptionError('inputs', 'an array or another iterable or async iterable', inputs)
}
