// The handlers: what is done with one file, and which writes commit together with its result.
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { type Handler, handle, type JobContext, PermanentError } from 'drover/worker'
import { countText } from './count-text.js'
import { countMoreWords, indexFile, MAX_FILE_BYTES, textIndexKeys, WORDS_PER_JOB } from './jobs.js'

const LATEST_FILES = 20
/** What the system says of a file that will not be readable at a second attempt either. */
const FINAL_ERRORS = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EISDIR', 'ELOOP', 'ENAMETOOLONG'])

/** The parts of a file follow each other, so it is read once for all of them instead of once for each. */
const FILES_KEPT = 4

type FileVersion = { readonly root: string; readonly path: string; readonly sha256: string }
type WordCount = readonly [word: string, count: number]

/** The handlers of both jobs, for a worker whose keys start with `prefix`. */
export function textIndexHandlers(prefix: string): readonly Handler[] {
  const keys = textIndexKeys(prefix)

  const index = handle(indexFile, async ({ root, path }, ctx) => {
    const bytes = await readFile(root, path, ctx.signal)
    const sha256 = sha256Of(bytes)
    const { lines, words, frequencies } = countText(bytes)
    const wordParts = Math.max(1, Math.ceil(frequencies.size / WORDS_PER_JOB))

    ctx.counter('files').add()
    ctx.counter('bytes').add(bytes.length)
    ctx.counter('lines').add(lines)
    ctx.counter('words').add(words)
    stageWords(ctx, keys.topWords, partOf(frequencies, 1))
    const extension = extname(path).toLowerCase() || '(none)'
    ctx.effects.sadd(keys.extensions, extension)
    ctx.effects.hincrby(keys.bytesByExtension, extension, bytes.length)
    ctx.effects.lpush(keys.latestFiles, path)
    ctx.effects.ltrim(keys.latestFiles, 0, LATEST_FILES - 1)
    if (wordParts > 1) ctx.effects.rpush(keys.largeFiles, JSON.stringify({ root, path, sha256, parts: wordParts }))
    return { path, sha256, bytes: bytes.length, lines, words, wordParts }
  })

  const countsOf = keepLast(FILES_KEPT, async ({ root, path, sha256 }: FileVersion) => {
    const bytes = await readFile(root, path)
    if (sha256Of(bytes) !== sha256) throw new PermanentError(`${path} changed while it was indexed: run again`)
    return countText(bytes).frequencies
  })
  const moreWords = handle(countMoreWords, async ({ root, path, sha256, part }, ctx) => {
    const words = partOf(await countsOf({ root, path, sha256 }), part)
    stageWords(ctx, keys.topWords, words)
    return { distinctWords: words.length }
  })

  return [index, moreWords]
}

async function readFile(root: string, path: string, signal?: AbortSignal): Promise<Buffer> {
  try {
    await using file = await open(join(root, path))
    const { size } = await file.stat()
    if (size > MAX_FILE_BYTES) throw new PermanentError(`${path} has ${size} bytes, the limit is ${MAX_FILE_BYTES}`)
    return await file.readFile(signal && { signal })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (FINAL_ERRORS.has(code)) throw new PermanentError(`${path} cannot be read: ${code}`, { cause: error })
    throw error
  }
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The words of one part, counted from 1. The order is the same at every read, so the parts neither overlap nor miss one. */
function partOf(frequencies: ReadonlyMap<string, number>, part: number): readonly WordCount[] {
  if (frequencies.size <= WORDS_PER_JOB) return part === 1 ? [...frequencies] : []
  return [...frequencies].sort(byWord).slice((part - 1) * WORDS_PER_JOB, part * WORDS_PER_JOB)
}

function byWord([a]: WordCount, [b]: WordCount): number {
  return a < b ? -1 : 1
}

function stageWords(ctx: JobContext, key: string, words: readonly WordCount[]): void {
  for (const [word, count] of words) ctx.effects.zincrby(key, count, word)
}

/** `load` with its last values kept, also those that are still on their way; one that failed is loaded again. */
function keepLast<Key, Value>(count: number, load: (key: Key) => Promise<Value>): (key: Key) => Promise<Value> {
  const kept = new Map<string, Promise<Value>>()
  return (key) => {
    const name = JSON.stringify(key)
    const value = kept.get(name) ?? load(key)
    kept.delete(name)
    kept.set(name, value)
    value.catch(() => kept.delete(name))
    for (const oldest of kept.keys()) if (kept.size > count) kept.delete(oldest)
    return value
  }
}
