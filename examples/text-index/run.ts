// One run: enqueues a job per file, waits until all have finished, then has the rest of large files' words counted.
import { setTimeout as sleep } from 'node:timers/promises'
import { EmptyBulkError, type Producer } from 'drover'
import type { Redis } from 'ioredis'
import { countMoreWords, indexFile } from './jobs.js'
import { type LeftOut, listTextFiles } from './list-files.js'
import { type Keys, type RunNumbers, readFinished, readNumbers } from './numbers.js'
import type { Progress } from './progress.js'

export interface RunContext {
  readonly dir: string
  readonly producer: Producer
  readonly client: Redis
  readonly keys: Keys
  readonly progress: Progress
  /** Aborts the run: Ctrl-C, or a Redis or worker that is gone. */
  readonly signal: AbortSignal
}

export interface RunOutcome {
  readonly numbers: RunNumbers
  readonly leftOut: LeftOut
  /** `text.words` jobs: how many, and how many of them failed. */
  readonly moreWords: { readonly jobs: number; readonly failed: number }
  /** Id of the first file's job, to look at its result. */
  readonly firstId: string | undefined
}

const LOOK_EVERY_MS = 100

export async function runIndex(context: RunContext): Promise<RunOutcome> {
  const startedAt = performance.now()
  const leftOut: LeftOut = { binary: 0, large: [], unreadable: [] }
  let found = 0
  const inputs = async function* () {
    for await (const path of listTextFiles(context.dir, leftOut, context.signal)) {
      found += 1
      yield { root: context.dir, path }
    }
  }
  let isGrowing = true
  const enqueued = enqueueAll(context, inputs()).finally(() => {
    isGrowing = false
  })
  const [ids] = await Promise.all([enqueued, showUntilDone(context, () => ({ found, isGrowing }))])
  const moreWords = await countLargeFiles(context)
  context.progress.end()
  const seconds = (performance.now() - startedAt) / 1000
  const numbers = await readNumbers(context.client, context.keys, { jobs: ids.length, seconds })
  return { numbers, leftOut, moreWords, firstId: ids[0] }
}

async function enqueueAll(
  { producer }: RunContext,
  inputs: AsyncIterable<{ root: string; path: string }>,
): Promise<readonly string[]> {
  try {
    return (await producer.enqueueBulk(indexFile, inputs)).ids
  } catch (error) {
    // A directory without a text file is done at once.
    if (error instanceof EmptyBulkError) return []
    throw error
  }
}

async function showUntilDone(
  { client, keys, progress, signal }: RunContext,
  look: () => { readonly found: number; readonly isGrowing: boolean },
): Promise<void> {
  for (;;) {
    const { completed, failed } = await readFinished(client, keys, indexFile)
    const { found, isGrowing } = look()
    const done = completed + failed
    progress.show({ found, done, isGrowing })
    if (!isGrowing && done >= found) return
    await sleep(LOOK_EVERY_MS, undefined, { signal })
  }
}

/** The handlers of large files put them on a list, in the commit of their results: each is there exactly once. */
async function countLargeFiles({ client, keys, producer, signal }: RunContext): Promise<RunOutcome['moreWords']> {
  const inputs = (await client.lrange(keys.largeFiles, 0, -1)).flatMap((text) => {
    const { parts, ...file } = JSON.parse(text) as { root: string; path: string; sha256: string; parts: number }
    return Array.from({ length: parts - 1 }, (_, index) => ({ ...file, part: index + 2 }))
  })
  if (inputs.length === 0) return { jobs: 0, failed: 0 }
  const { count } = await producer.enqueueBulk(countMoreWords, inputs)
  for (;;) {
    const { completed, failed } = await readFinished(client, keys, countMoreWords)
    if (completed + failed >= count) return { jobs: count, failed }
    await sleep(LOOK_EVERY_MS, undefined, { signal })
  }
}
