// What Drover keeps in Redis is plain keys: Python's redis client reads and changes them, and finds all of it again after
// the server was killed.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type JobHandle } from '../../src/producer/index.js'
import { type EmbeddedRedisExit, startEmbeddedRedis } from '../../src/redis/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { type PythonRedis, runPython } from '../support/python-client.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const TAG = '{drover:reports}'
const STAGED = {
  string: `${TAG}:latest-title`,
  list: `${TAG}:titles`,
  set: `${TAG}:authors`,
  sorted: `${TAG}:pages-by-author`,
  hash: `${TAG}:pages-by-title`,
}

const report = defineJob({
  name: 'report.add',
  queue: 'reports',
  input: z.object({ title: z.string(), author: z.string(), pages: z.int() }),
})

const addReport = handle(report, async ({ title, author, pages }, ctx) => {
  ctx.counter('pages').add(pages)
  ctx.effects.set(STAGED.string, title)
  ctx.effects.rpush(STAGED.list, title)
  ctx.effects.sadd(STAGED.set, author)
  ctx.effects.zincrby(STAGED.sorted, pages, author)
  ctx.effects.hset(STAGED.hash, title, pages)
  return { title, words: pages * 250 }
})

const REPORTS = [
  { title: 'Ünïcode ✓', author: 'Ada', pages: 12 },
  { title: 'Notes', author: 'Grace', pages: 7 },
  { title: 'Engines', author: 'Ada', pages: 30 },
]

const startWorker = (redis: string) =>
  createWorker({ redis, handlers: [addReport], concurrency: 1, logger: pino({ level: 'silent' }) })

const resultKey = ({ id }: JobHandle<unknown>) => `${TAG}:result:${id}`

const SERVERS = [
  { name: 'without a password, database 0', password: undefined, db: 0 },
  { name: 'with a password, database 3', password: 'p:w/ @"é\\1', db: 3 },
]

describe.each(SERVERS)('a server $name', ({ password, db }) => {
  let server: TestRedis
  let url: string
  let redis: PythonRedis

  beforeAll(async () => {
    server = await startTestRedis(password === undefined ? {} : { password })
    url = `${server.url}/${db}`
    redis = { host: server.host, port: server.port, db, password: password ?? null }
  })

  afterAll(() => server.close())

  test('Python reads results, counters and all five data structures, and our side sees what it changes', async () => {
    await using _worker = await startWorker(url)
    await using producer = createProducer({ redis: url })
    const handles: JobHandle<unknown>[] = []
    for (const input of REPORTS) {
      const job = await producer.enqueue(report, input)
      handles.push(job)
      await producer.results.wait(job)
    }
    const [first, second] = handles as [JobHandle<unknown>, JobHandle<unknown>]
    expect(await producer.counters.exists('reports', 'from-python')).toBe(false)

    const keys = {
      result: resultKey(first),
      deleted: resultKey(second),
      counter: `${TAG}:counter:pages`,
      missing: `${TAG}:counter:from-python`,
      set: `${TAG}:counter:set`,
      cached: `${TAG}:counter:cached`,
      totals: `${TAG}:totals`,
      structures: STAGED,
    }
    const seen = await runPython('use', { redis, keys })

    expect(seen).toEqual({
      result: await producer.results.get(first),
      counter: { before: 49, after: 60 },
      totals: { 'report.add:completed': '3' },
      structures: {
        string: 'Engines',
        list: ['Ünïcode ✓', 'Notes', 'Engines'],
        set: ['Ada', 'Grace'],
        sorted: [
          ['Grace', 7],
          ['Ada', 42],
        ],
        hash: { 'Ünïcode ✓': '12', Notes: '7', Engines: '30' },
      },
    })
    expect(seen).toMatchObject({ result: { status: 'completed', value: { title: 'Ünïcode ✓', words: 3_000 } } })
    expect(await producer.counters.get('reports', 'pages')).toBe(60)
    expect(await producer.counters.get('reports', 'from-python')).toBe(1)
    expect(await producer.counters.incr('reports', 'set')).toBe(42)
    expect(await producer.counters.exists('reports', 'cached')).toBe(false)
    expect(await producer.results.exists(first)).toBe(true)
    expect(await producer.results.exists(second)).toBe(false)
    expect(await producer.results.get(second)).toBeNull()

    await producer.results.wait(await producer.enqueue(report, { title: 'More', author: 'Ada', pages: 5 }))
    expect(await producer.counters.get('reports', 'pages')).toBe(65)
  })

  test('another database holds none of it, and a server with a password asks for it', async () => {
    const elsewhere = { ...redis, db: db + 1 }
    const keys = [`${TAG}:totals`, `${TAG}:counter:pages`]
    const nothing = { values: { [`${TAG}:totals`]: null, [`${TAG}:counter:pages`]: null }, inputs: [] }
    expect(await runPython('read', { redis: elsewhere, keys, waiting: `${TAG}:reports:` })).toEqual(nothing)
    if (password === undefined) return
    const refused = async (given: string | null) => runPython('refuse', { redis: { ...redis, password: given } })
    expect(await refused(null)).toEqual({ refused: expect.stringMatching(/Authentication required/) })
    expect(await refused('wrong')).toEqual({ refused: expect.stringMatching(/WRONGPASS|invalid username-password/) })
  })
})

test('accepted jobs, results and counters are there after the embedded server is killed and started again', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'drover-python-'))
  const password = 'kept secret'
  let ended: (exit: EmbeddedRedisExit) => void = () => undefined
  const exit = new Promise<EmbeddedRedisExit>((resolve) => {
    ended = resolve
  })
  const first = await startEmbeddedRedis({ dir, password, onExit: ended })
  const { url, port } = first
  const redis = { host: '127.0.0.1', port, db: 0, password }
  await using producer = createProducer({ redis: url, timeout: '30s' })
  const worker = await startWorker(url)
  const done = await producer.enqueue(report, REPORTS[0] as (typeof REPORTS)[0])
  await producer.results.wait(done)
  await worker.close()
  await producer.counters.incr('reports', 'opened', 3)
  const { ids } = await producer.enqueueBulk(report, REPORTS)

  process.kill(first.pid, 'SIGKILL')
  expect(await exit).toEqual({ code: null, signal: 'SIGKILL' })
  expect(await runPython('refuse', { redis })).toEqual({ refused: expect.stringMatching(/Connection refused/) })
  const second = await startEmbeddedRedis({ dir, password, port })
  try {
    const counters = [`${TAG}:counter:pages`, `${TAG}:counter:opened`]
    const keys = [resultKey(done), ...counters]
    const found = (await runPython('read', { redis, keys, waiting: `${TAG}:reports:` })) as {
      readonly values: Readonly<Record<string, string>>
      readonly inputs: unknown
    }
    expect(counters.map((key) => found.values[key])).toEqual(['12', '3'])
    expect(found.inputs).toEqual(REPORTS)
    expect(JSON.parse(found.values[resultKey(done)] ?? '')).toMatchObject({ value: { title: 'Ünïcode ✓' } })

    await using _worker = await startWorker(url)
    for (const id of ids) await producer.results.wait({ queue: 'reports', id })
    expect(await producer.counters.get('reports', 'pages')).toBe(12 + 49)
  } finally {
    await second.close()
    rmSync(dir, { recursive: true })
  }
})
