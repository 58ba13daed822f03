// The main job on real input, run as `npm start` runs it, and held against find, sha256sum, wc and a plain recount.
// What is in Redis is read with redis-cli.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildDrover, type Finished } from '../support/drover-cli.js'
import { createRandom, testSeed } from '../support/random.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { extensionOf, factsOf, findTextFiles, makeCorpus, recountWords } from '../support/text-corpus.js'
import { numbersOf, startTextIndex } from '../support/text-index-run.js'
import { until } from '../support/until.js'

/** Several hundred real files, some with more words than one job may count. */
const PACKAGE = fileURLToPath(new URL('../../node_modules/zod', import.meta.url))
const SEED = testSeed()

let folder: string
let corpus: string
let corpusSize: number
let redis: TestRedis

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drover-text-index-'))
  await buildDrover()
  corpus = join(folder, 'corpus')
  corpusSize = makeCorpus(corpus, SEED)
  redis = await startTestRedis()
  console.log(`seed ${SEED} (DROVER_TEST_SEED)`)
})

afterAll(async () => {
  await redis?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The tag of the keys of a run, as its output names it. */
function tagIn(output: string): string {
  const tag = /'(\{[a-z0-9-]+:text-index\})/.exec(output)?.[1]
  if (tag === undefined) throw new Error(`no key in:\n${output}`)
  return tag
}

async function lines(...command: string[]): Promise<string[]> {
  const reply = await redis.cli(...command)
  return reply === '' ? [] : reply.split('\n')
}

async function pairs(...command: string[]): Promise<Map<string, string>> {
  const reply = await lines(...command)
  return new Map(reply.flatMap((text, at) => (at % 2 === 0 ? [[text, reply[at + 1] ?? '']] : [])))
}

/** Holds everything that a run on `root` printed and left in Redis against the other programs. */
async function expectExact(root: string, { code, stdout }: Finished): Promise<void> {
  const paths = findTextFiles(root)
  const facts = factsOf(root, paths)
  const words = recountWords(root, paths)
  const sum = (of: 'bytes' | 'lines' | 'words') => [...facts.values()].reduce((total, file) => total + file[of], 0)
  const counters = { files: paths.length, bytes: sum('bytes'), lines: sum('lines'), words: sum('words') }
  const top = [...words].sort(([a, countOfA], [b, countOfB]) => countOfB - countOfA || (a < b ? -1 : 1)).slice(0, 10)

  const { seconds, ...numbers } = numbersOf(stdout)
  expect(numbers).toEqual({ jobs: paths.length, completed: paths.length, failed: 0, counters, topWords: top })
  expect(seconds).toBeGreaterThan(0)
  expect(code).toBe(0)

  const tag = tagIn(stdout)
  const results = await readResults(tag)
  const values = results.filter(({ job }) => job === 'text.index').map(({ value }) => value)
  expect(values).toHaveLength(paths.length)
  const stored = values.map(({ path, wordParts: _, ...file }) => [path, file] as const)
  expect(new Map(stored)).toEqual(facts)

  for (const [name, value] of Object.entries(counters)) {
    expect(await redis.cli('GET', `${tag}:counter:${name}`), name).toBe(String(value))
  }
  const totals = await pairs('HGETALL', `${tag}:totals`)
  expect(totals.get('text.index:completed')).toBe(String(paths.length))
  expect([...totals.keys()].filter((field) => !field.endsWith(':completed'))).toEqual([])
  const stagedWords = await pairs('ZRANGE', `${tag}:top-words`, '0', '-1', 'WITHSCORES')
  expect(stagedWords).toEqual(new Map([...words].map(([word, count]) => [word, String(count)])))
  const bytesOf = new Map<string, number>()
  for (const [path, { bytes }] of facts) bytesOf.set(extensionOf(path), (bytesOf.get(extensionOf(path)) ?? 0) + bytes)
  const stagedBytes = await pairs('HGETALL', `${tag}:bytes-by-extension`)
  expect(stagedBytes).toEqual(new Map([...bytesOf].map(([extension, bytes]) => [extension, String(bytes)])))
  expect(new Set(await lines('SMEMBERS', `${tag}:extensions`))).toEqual(new Set(bytesOf.keys()))
  const latest = await lines('LRANGE', `${tag}:latest-files`, '0', '-1')
  expect(latest).toHaveLength(20)
  expect(new Set(latest).size).toBe(20)
  expect(latest.filter((path) => !facts.has(path))).toEqual([])
}

interface StoredResult {
  readonly job: string
  readonly value: { readonly path: string; readonly wordParts: number }
}

async function readResults(tag: string): Promise<StoredResult[]> {
  const keys = await lines('--scan', '--pattern', `${tag}:result:*`)
  return (await lines('MGET', ...keys)).map((text) => JSON.parse(text) as StoredResult)
}

/** Runs the example in the Redis of this file. */
function run(...args: string[]) {
  return startTextIndex(folder, [...args, '--exit', '--json'], { REDIS_URL: redis.url })
}

test('files of every odd kind are counted as sha256sum, wc and a recount count them', async () => {
  expect(findTextFiles(corpus)).toHaveLength(corpusSize)
  const finished = await run('--dir', corpus).finished
  await expectExact(corpus, finished)
  expect(finished.stdout).toContain('1 binary files')
  expect(finished.stdout).toContain('over 10 MB: too-large.txt')
})

test('hundreds of real files are counted as the other programs count them', async () => {
  await expectExact(PACKAGE, await run('--dir', PACKAGE).finished)
})

test('every number is exact with the worker process killed several times on the way', async () => {
  const random = createRandom(SEED)
  const files = findTextFiles(PACKAGE).length
  const server = redis
  redis = await startTestRedis()
  try {
    const started = run('--dir', PACKAGE, '--concurrency', '5')
    let kills = 0
    let running = 0
    for (const share of [0.05, 0.2, 0.35, 0.5]) {
      const killAt = Math.floor(files * share) + random.below(files / 8)
      const [, pid] = await started.until(new RegExp(`(?:Worker process (\\d+) works[^]*){${kills + 1}}`))
      await until(`${killAt} of ${files} files are done`, async () => (await completed()) >= killAt)
      process.kill(Number(pid), 'SIGKILL')
      kills += 1
      running += Number(await redis.cli('LLEN', `${await onlyTag()}:text-index:active`))
    }
    const finished = await started.finished
    console.log(`seed ${SEED}: ${kills} kills while ${running} jobs ran, ${files} files`)
    expect(finished.stdout.match(/ended \(SIGKILL\), starting another/g)).toHaveLength(kills)
    expect(running).toBeGreaterThan(0)
    await expectExact(PACKAGE, finished)
  } finally {
    await redis.close()
    redis = server
  }
})

/** The tag of the one run that this server has seen. */
async function onlyTag(): Promise<string> {
  const [key = ''] = await lines('KEYS', '*:text-index}:totals')
  return key.replace(/:totals$/, '')
}

async function completed(): Promise<number> {
  return Number(await redis.cli('HGET', `${await onlyTag()}:totals`, 'text.index:completed'))
}

test.runIf(process.platform === 'linux')(
  'a file that cannot be read fails its own job, and the others go on',
  async () => {
    const dir = join(folder, 'unreadable')
    mkdirSync(dir)
    writeFileSync(join(dir, 'good.txt'), 'the good one\n')
    // No JSON text can hold this name, so no job can open it, whoever runs it.
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/bad-`), Buffer.from([0xff])]), 'the bad one\n')
    const { code, stdout, stderr } = await run('--dir', dir).finished

    const { seconds: _, ...numbers } = numbersOf(stdout)
    const counters = { files: 1, bytes: 13, lines: 1, words: 3 }
    const topWords = [
      ['good', 1],
      ['one', 1],
      ['the', 1],
    ]
    expect(numbers).toEqual({ jobs: 2, completed: 1, failed: 1, counters, topWords })
    expect(code).toBe(1)
    expect(stderr).toContain('cannot be read: ENOENT')
    const results = (await readResults(tagIn(stdout))) as unknown as { status: string; attempts: number }[]
    expect(results.find(({ status }) => status === 'failed')).toMatchObject({ attempts: 1 })
  },
)

test('runs in one Redis do not see each other, and each run on a server of its own starts empty', async () => {
  const dir = join(corpus, 'long')
  const own = () => startTextIndex(folder, ['--dir', dir, '--exit', '--json']).finished
  const all = [await run('--dir', dir).finished, await own(), await own()].map(({ stdout }) => numbersOf(stdout))
  const [first] = all
  expect(first?.counters).toMatchObject({ files: 2, words: 50_004 })
  for (const numbers of all) expect({ ...numbers, seconds: 0 }).toEqual({ ...first, seconds: 0 })
})
