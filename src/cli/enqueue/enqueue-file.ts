// `drover enqueue --file`: one job for each line of an NDJSON file. A regular file is checked whole before its first job
// is enqueued, so that a bad line leaves nothing half done; a stream can only be checked as it comes.
import type { AnyJobContract } from '../../job/index.js'
import { isDroverError, UsageError } from '../../job/index.js'
import type { EnqueueBulkOptions, Producer } from '../../producer/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import type { Output } from '../output.js'
import { checkLine, type InputFile, openInputFile, readInputLines } from './input-lines.js'
import { createProgress, describeSpeed, type Progress } from './progress.js'

export interface FileRoom {
  readonly producer: Producer
  readonly contract: AnyJobContract
  readonly options: EnqueueBulkOptions
  readonly out: Output
  readonly signal: AbortSignal
}

/** @throws UsageError for the first bad line, what `enqueueBulk` throws, and the signal's reason */
export async function enqueueFile(name: string, room: FileRoom, onEnqueued: (count: number) => void): Promise<number> {
  const { producer, contract, options, out } = room
  const file = openInputFile(name)
  const progress = createProgress(out)
  const startedMs = performance.now()
  let enqueued = 0
  try {
    if (file.size !== null) await checkFile(file, room, progress)
    const { count } = await producer.enqueueBulk(
      contract,
      readInputs(file, room, progress, () => enqueued),
      {
        ...options,
        onProgress: (done) => {
          enqueued = done.enqueued
          onEnqueued(enqueued)
        },
      },
    )
    progress.end()
    const ms = performance.now() - startedMs
    const { name: job, queue } = contract
    if (out.json) out.printJson({ job, queue, enqueued: count, seconds: Math.round(ms) / 1_000 })
    else out.print(`enqueued ${describeSpeed(count, ms)}: ${job} in queue ${queue}`)
    return EXIT_CODES.ok.code
  } catch (error) {
    progress.end()
    throw explain(error, file, enqueued)
  }
}

/** With what holds now: how many jobs are enqueued is what decides how to go on. */
function explain(error: unknown, file: InputFile, enqueued: number): unknown {
  if (!isDroverError(error)) return error
  if (error.code === 'EMPTY_BULK') {
    return new UsageError(`${file.name} has no line with an input: expected one JSON value a line`, { cause: error })
  }
  if (error.code !== 'USAGE') return error
  return new UsageError(`${error.message} (${describeEnqueued(enqueued)})`, { cause: error })
}

/** `nothing was enqueued`, `the first 500 jobs were enqueued`. */
export function describeEnqueued(count: number): string {
  if (count === 0) return 'nothing was enqueued'
  return count === 1 ? 'the first job was enqueued' : `the first ${count} jobs were enqueued`
}

async function checkFile(file: InputFile, { contract, signal }: FileRoom, progress: Progress): Promise<void> {
  let lines = 0
  for await (const line of readInputLines(file, signal)) {
    await checkLine(file, contract, line)
    lines++
    progress.show(line.bytes / (file.size ?? 1), `checked ${lines.toLocaleString('en-US')} lines`)
  }
}

async function* readInputs(
  file: InputFile,
  { contract, signal }: FileRoom,
  progress: Progress,
  enqueued: () => number,
): AsyncGenerator<unknown> {
  for await (const line of readInputLines(file, signal)) {
    if (file.size === null) await checkLine(file, contract, line)
    const share = file.size === null ? null : line.bytes / file.size
    progress.show(share, `${enqueued().toLocaleString('en-US')} jobs enqueued`)
    yield line.input
  }
}
