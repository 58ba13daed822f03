// `drover enqueue --file`: one job for each row of a file. A regular file is checked whole before its first job is
// enqueued, so that a bad row leaves nothing half done; a stream can only be checked as it comes. With --skip-bad the
// good rows are enqueued and the bad ones are told.
import { type Duration, isDroverError, UsageError } from '../../job/index.js'
import type { BulkHandle, EnqueueBulkOptions, Producer } from '../../producer/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import type { Output } from '../output.js'
import { BadRows } from './bad-rows.js'
import { fileRows, keyOf, type RowRules } from './file-rows.js'
import { type InputFile, openInputFile } from './input-lines.js'
import { createProgress, describeSpeed, type Progress } from './progress.js'

export interface FileRoom extends RowRules {
  readonly producer: Producer
  readonly options: EnqueueBulkOptions
  /** Enqueues the good rows although there are bad ones. */
  readonly skipsBad: boolean
  /** The time that the jobs are spread over. */
  readonly spread: string | undefined
  readonly out: Output
}

/** Which rows a file has. */
interface Census {
  readonly good: number
  readonly bad: BadRows
}

/** @throws UsageError for the first bad row, what `enqueueBulk` throws, and the signal's reason */
export async function enqueueFile(name: string, room: FileRoom, onEnqueued: (count: number) => void): Promise<number> {
  const { producer, contract, out, skipsBad, spread } = room
  const file = openInputFile(name)
  if (spread !== undefined && file.size === null) {
    throw new UsageError('--spread needs to know how many rows there are: give it a file, not a stream')
  }
  const progress = createProgress(out)
  const startedMs = performance.now()
  const bad = new BadRows(out)
  let enqueued = 0
  try {
    const isCensusTaken = file.size !== null && (!skipsBad || spread !== undefined)
    const count = isCensusTaken ? (await takeCensus(file, room, progress, skipsBad)).good : 0
    const handle = await producer.enqueueBulk(
      contract,
      readInputs(file, room, progress, bad, () => enqueued),
      {
        ...bulkOptions(room, count),
        onProgress: (done) => {
          enqueued = done.enqueued
          onEnqueued(enqueued)
        },
      },
    )
    progress.end()
    bad.addFailures(file, handle.failures, handle.failed)
    return report(handle, bad, room, performance.now() - startedMs)
  } catch (error) {
    progress.end()
    if (isDroverError(error) && error.code === 'EMPTY_BULK' && bad.count > 0) return report(NOTHING, bad, room, 0)
    throw explain(error, file, enqueued)
  }
}

/** `drover enqueue --file --dry-run`: tells what the rows are, without Redis. */
export async function checkFile(name: string, room: Omit<FileRoom, 'producer'>): Promise<number> {
  const { out, contract, skipsBad } = room
  const file = openInputFile(name)
  const progress = createProgress(out)
  const { good, bad } = await takeCensus(file, room, progress, true).finally(() => progress.end())
  if (good + bad.count === 0) throw explain({ code: 'EMPTY_BULK' }, file, 0)
  const { name: job, queue } = contract
  if (out.json) out.printJson({ job, queue, dryRun: true, good, bad: bad.count, problems: bad.shown })
  else out.print(`${bad.describe(good)}: nothing was enqueued`)
  return exitCode(good, bad.count, skipsBad)
}

const NOTHING: BulkHandle = { count: 0, ids: [], deduplicated: 0, failed: 0, failures: [] }

function report({ count, deduplicated }: BulkHandle, bad: BadRows, { contract, out }: FileRoom, ms: number): number {
  const { name: job, queue } = contract
  const seconds = Math.round(ms) / 1_000
  const known = deduplicated > 0 ? { deduplicated } : {}
  const refused = bad.count > 0 ? { bad: bad.count, problems: bad.shown } : {}
  if (out.json) out.printJson({ job, queue, enqueued: count, ...known, ...refused, seconds })
  else {
    const there = deduplicated > 0 ? `, ${deduplicated.toLocaleString('en-US')} of them were there already` : ''
    out.print(`enqueued ${describeSpeed(count, ms)}: ${job} in queue ${queue}${there}`)
    if (bad.count > 0) out.print(bad.describe(count))
  }
  return exitCode(count, bad.count, true)
}

function exitCode(good: number, bad: number, skipsBad: boolean): number {
  if (bad === 0) return EXIT_CODES.ok.code
  return skipsBad && good > 0 ? EXIT_CODES.partial.code : EXIT_CODES.usage.code
}

function bulkOptions({ options, keyField, skipsBad, spread }: FileRoom, count: number): EnqueueBulkOptions {
  return {
    ...options,
    keepIds: false,
    ...(skipsBad ? { onBadItem: 'skip' as const } : {}),
    ...(keyField === undefined ? {} : { key: (input: unknown) => keyOf(input, keyField) ?? '' }),
    ...(spread === undefined ? {} : { spread: { over: spread as Duration, count: Math.max(1, count) } }),
  }
}

/** With what holds now: how many jobs are enqueued is what decides how to go on. */
function explain(error: unknown, file: InputFile, enqueued: number): unknown {
  const { code } = error as { readonly code?: unknown }
  if (code === 'EMPTY_BULK') {
    return new UsageError(`${file.name} has no line with an input: expected one JSON value a line`, { cause: error })
  }
  if (!isDroverError(error) || code !== 'USAGE') return error
  return new UsageError(`${error.message} (${describeEnqueued(enqueued)})`, { cause: error })
}

/** `nothing was enqueued`, `the first 500 jobs were enqueued`. */
export function describeEnqueued(count: number): string {
  if (count === 0) return 'nothing was enqueued'
  return count === 1 ? 'the first job was enqueued' : `the first ${count} jobs were enqueued`
}

/** Reads the whole file. @throws UsageError for the first bad row, unless bad ones are counted */
async function takeCensus(
  file: InputFile,
  room: Omit<FileRoom, 'producer'>,
  progress: Progress,
  counts: boolean,
): Promise<Census> {
  // Bad rows are told once: those of a census before the enqueue come again with it.
  const bad = new BadRows(room.out)
  let good = 0
  for await (const row of fileRows(file, room)) {
    if (!('problem' in row)) good++
    else if (counts) bad.add(row.problem)
    else throw row.problem
    const share = file.size === null ? null : row.bytes / file.size
    progress.show(share, `checked ${(good + bad.count).toLocaleString('en-US')} lines`)
  }
  return { good, bad }
}

async function* readInputs(
  file: InputFile,
  room: FileRoom,
  progress: Progress,
  bad: BadRows,
  enqueued: () => number,
): AsyncGenerator<unknown> {
  // A file that was checked whole is not checked again here: the producer does so anyway.
  const unchecked = file.size !== null && !room.skipsBad
  for await (const row of fileRows(file, room, { unchecked })) {
    const share = file.size === null ? null : row.bytes / file.size
    progress.show(share, `${enqueued().toLocaleString('en-US')} jobs enqueued`)
    if (!('problem' in row)) {
      bad.noteGood(row.number)
      yield row.input
    } else if (room.skipsBad) bad.add(row.problem)
    else throw row.problem
  }
}
