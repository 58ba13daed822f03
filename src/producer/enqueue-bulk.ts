// Many inputs of one job: read, checked and sent in chunks, so that memory does not grow with their number.
import { type AnyJobContract, BulkItemError, EmptyBulkError, encodeInput, InvalidOptionError } from '../job/index.js'
import { type BullQueue, type NewJob, newJob } from './bull-queues.js'
import { checkWhole, type EnqueueOptions, planOptions, refuseUnknown, type StoredOptions } from './enqueue-options.js'
import { newJobId } from './job-id.js'
import type { RedisGate } from './redis-gate.js'
import { sendJobs } from './send-jobs.js'

export interface EnqueueBulkOptions extends Omit<EnqueueOptions, 'id'> {
  /** Jobs per round trip, 1 to 5000. Default 500. A larger chunk holds more inputs in memory, and Redis busy for longer. */
  readonly chunkSize?: number | undefined
  /** Called after each chunk with the number of jobs that are in Redis. What it throws ends the bulk. */
  readonly onProgress?: ((progress: { readonly enqueued: number }) => void) | undefined
}

export interface BulkHandle {
  readonly count: number
  /** The ids in the order of the inputs. */
  readonly ids: readonly string[]
}

const OPTION_NAMES = ['chunkSize', 'onProgress', 'delay', 'at', 'priority', 'attempts', 'lifo'] as const
const DEFAULT_CHUNK_SIZE = 500
const MAX_CHUNK_SIZE = 5_000
/** A chunk of large inputs is sent earlier: this many characters of JSON are held at once. */
const MAX_CHUNK_CHARACTERS = 8_388_608

export interface BulkRoom {
  readonly gate: RedisGate
  readonly queue: BullQueue
}

/** @throws what `Producer.enqueueBulk` says */
export async function sendBulk(
  { gate, queue }: BulkRoom,
  contract: AnyJobContract,
  inputs: Iterable<unknown> | AsyncIterable<unknown>,
  options: EnqueueBulkOptions,
): Promise<BulkHandle> {
  const startedAt = Date.now()
  const { chunkSize, plan, onProgress } = readOptions(contract, options, startedAt)
  checkIterable(inputs)
  const ids: string[] = []
  let chunk: NewJob[] = []
  let characters = 0
  let enqueued = 0
  let sending: Promise<void> = Promise.resolve()

  const send = async (jobs: NewJob[]) => {
    const operation = `the enqueue of ${jobs.length} inputs after the first ${enqueued} of a bulk`
    await sendJobs(gate, queue, jobs, { operation, startedMs: performance.now() })
    enqueued += jobs.length
    onProgress?.({ enqueued })
  }
  // One chunk is on its way while the inputs of the next are read and checked.
  const flush = async () => {
    await sending
    sending = send(chunk)
    sending.catch(() => undefined) // each await of `sending` tells it
    chunk = []
    characters = 0
  }
  try {
    for await (const input of inputs) {
      const jobId = newJobId()
      const text = await encodeItem(contract, input, ids.length, () => sending.then(() => enqueued))
      // The delay of a job with `at` counts from the start of the bulk.
      const timestamp = options.at === undefined ? Date.now() : startedAt
      chunk.push(newJob(contract.name, jobId, text, plan, timestamp))
      ids.push(jobId)
      characters += text.length
      if (chunk.length >= chunkSize || characters >= MAX_CHUNK_CHARACTERS) await flush()
    }
    if (chunk.length > 0) await flush()
    await sending
  } finally {
    // Whatever ended the bulk, nothing of it is under way any more when the caller hears of it.
    await sending.catch(() => undefined)
  }
  if (ids.length === 0) throw new EmptyBulkError()
  return { count: ids.length, ids }
}

async function encodeItem(
  contract: AnyJobContract,
  input: unknown,
  index: number,
  enqueuedSoFar: () => Promise<number>,
): Promise<string> {
  try {
    return await encodeInput(contract, input)
  } catch (cause) {
    throw new BulkItemError(index, await enqueuedSoFar(), cause)
  }
}

function readOptions(
  contract: AnyJobContract,
  options: EnqueueBulkOptions,
  nowMs: number,
): { chunkSize: number; plan: StoredOptions; onProgress: EnqueueBulkOptions['onProgress'] } {
  refuseUnknown(options, OPTION_NAMES, 'enqueueBulk')
  const { chunkSize = DEFAULT_CHUNK_SIZE, onProgress, ...itemOptions } = options
  checkWhole('chunkSize', chunkSize, 1, MAX_CHUNK_SIZE)
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new InvalidOptionError('onProgress', 'a function', onProgress)
  }
  return { chunkSize, plan: planOptions(contract, itemOptions, nowMs), onProgress }
}

function checkIterable(inputs: unknown): void {
  // A string is iterable too, but enqueueing its characters is never meant.
  if (typeof inputs === 'object' && inputs !== null && (Symbol.iterator in inputs || Symbol.asyncIterator in inputs))
    return
  throw new InvalidOptionError('inputs', 'an array or another iterable or async iterable', inputs)
}
