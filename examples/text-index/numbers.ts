// Reads the numbers of a run from Redis, with plain commands: MGET, HMGET, ZREVRANGE. This is what any other program may do.
import type { Redis } from 'ioredis'
import { type countMoreWords, indexFile, type textIndexKeys } from './jobs.js'

export type Keys = ReturnType<typeof textIndexKeys>

export interface Finished {
  readonly completed: number
  readonly failed: number
}

/** What `--json` prints. */
export interface RunNumbers extends Finished {
  /** Files found, each of them a job. */
  readonly jobs: number
  readonly counters: Readonly<Record<(typeof COUNTERS)[number], number>>
  /** The ten most frequent words; those that occur equally often are in the order of their letters. */
  readonly topWords: readonly (readonly [word: string, count: number])[]
  /** From the first look into the directory to the last job's end. */
  readonly seconds: number
}

const COUNTERS = ['files', 'bytes', 'lines', 'words'] as const
const TOP_WORDS = 10

/** How many jobs have finished, of `text.index` or of `text.words`. */
export async function readFinished(
  client: Redis,
  keys: Keys,
  { name }: typeof indexFile | typeof countMoreWords,
): Promise<Finished> {
  const [completed, failed] = await client.hmget(keys.totals, `${name}:completed`, `${name}:failed`)
  return { completed: Number(completed ?? 0), failed: Number(failed ?? 0) }
}

export async function readNumbers(
  client: Redis,
  keys: Keys,
  { jobs, seconds }: { readonly jobs: number; readonly seconds: number },
): Promise<RunNumbers> {
  const { completed, failed } = await readFinished(client, keys, indexFile)
  const [files, bytes, lines, words] = await client.mget(COUNTERS.map((name) => keys.counter(name)))
  const counters = { files: Number(files), bytes: Number(bytes), lines: Number(lines), words: Number(words) }
  const topWords = await readTopWords(client, keys)
  return { jobs, completed, failed, counters, topWords, seconds: Math.round(seconds * 1000) / 1000 }
}

async function readTopWords(client: Redis, keys: Keys): Promise<(readonly [string, number])[]> {
  const first = pairs(await client.zrevrange(keys.topWords, 0, TOP_WORDS - 1, 'WITHSCORES'))
  const least = first.at(-1)?.[1]
  if (least === undefined) return []
  // Backwards, words that occur equally often come in backward order too, so the last places may go to others.
  const above = first.filter(([, count]) => count > least).sort(byCount)
  const missing = TOP_WORDS - above.length
  const last = await client.zrangebyscore(keys.topWords, least, least, 'LIMIT', 0, missing)
  return [...above, ...last.map((word) => [word, least] as const)]
}

function byCount([a, countOfA]: readonly [string, number], [b, countOfB]: readonly [string, number]): number {
  return countOfB - countOfA || (a < b ? -1 : 1)
}

function pairs(reply: readonly string[]): (readonly [string, number])[] {
  const words: (readonly [string, number])[] = []
  for (let at = 0; at + 1 < reply.length; at += 2) words.push([String(reply[at]), Number(reply[at + 1])])
  return words
}
