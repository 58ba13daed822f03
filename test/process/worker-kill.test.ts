// Worker processes that are killed and frozen in the middle of their jobs: every result, count and staged write is exact,
// held against a file outside of Redis in which the handlers note each run.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { parseResult } from '../../src/ledger/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { type KeysOfQueue, queueKeys } from '../../src/redis/index.js'
import { buildDrover } from '../support/drover-cli.js'
import { createRandom, testSeed } from '../support/random.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const SCRIPT = fileURLToPath(new URL('../support/counting-script.mjs', import.meta.url))
const JOBS = 2_500
const KILLS = 10
const LONGEST_RUN_MS = 30

let server: TestRedis
let producer: Producer
let redis: Redis
let directory: string
const children = new Set<ChildProcess>()

beforeAll(async () => {
  await buildDrover()
  server = await startTestRedis()
  producer = createProducer({ redis: server.url, timeout: '60s' })
})
beforeEach(async () => {
  redis = new Redis(server.url)
  await redis.flushdb()
  directory = mkdtempSync(join(tmpdir(), 'drover-kill-'))
})
afterEach(() => {
  redis.disconnect()
  for (const child of children) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})
afterAll(async () => {
  await producer.close()
  await server.close()
})

function startWorker(queue: string, longestMs: number): ChildProcess {
  const args = [SCRIPT, server.url, queue, join(directory, 'runs'), String(longestMs)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

const untilReady = (child: ChildProcess) => (child.stdout ? once(child.stdout, 'data') : undefined)

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function closeWorker(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.stdin?.write('close\n')
  expect(await exited).toEqual([0, null])
}

const contractOf = (queue: string) =>
  defineJob({ name: 'count', queue, input: z.object({ n: z.number() }), backoff: { delay: 1 } })
const numbers = Array.from({ length: JOBS }, (_, index) => index + 1)
const fails = (n: number) => n % 10 === 0
const good = numbers.filter((n) => !fails(n))
const sumOf = (list: readonly number[]) => list.reduce((sum, n) => sum + n, 0)
const tally = (list: readonly number[]) => {
  const counts: Record<string, string> = {}
  for (const n of list) counts[n] = String(Number(counts[n] ?? 0) + 1)
  return counts
}

/** Every run as its handler noted it. */
function readRuns(): { starts: number[]; ends: Set<number> } {
  const file = join(directory, 'runs')
  const lines = (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').map((line) => line.split(' '))
  return {
    starts: lines.filter(([what]) => what === 'start').map(([, n]) => Number(n)),
    ends: new Set(lines.filter(([what]) => what === 'end').map(([, n]) => Number(n))),
  }
}

async function endedSoFar(keys: KeysOfQueue): Promise<number> {
  const [completed, failed] = await redis.hmget(keys.totals, 'count:completed', 'count:failed')
  return Number(completed ?? 0) + Number(failed ?? 0)
}

async function expectExact(keys: KeysOfQueue, ids: readonly string[]): Promise<void> {
  const retried = good.filter((n) => n % 7 === 0).length
  const totals = { completed: good.length, failed: JOBS - good.length, retried }
  expect(await redis.hgetall(keys.totals)).toEqual({
    'count:completed': `${totals.completed}`,
    'count:failed': `${totals.failed}`,
    'count:retried': `${totals.retried}`,
  })
  expect(await statsOf(keys)).toEqual({
    c: totals.completed,
    f: totals.failed,
    r: totals.retried,
    '#runs|count': good.length,
    '#sum|count': sumOf(good),
  })
  expect(await redis.mget(keys.counter('runs'), keys.counter('sum'), 'total', 'halves', 'text')).toEqual([
    ...[`${good.length}`, `${sumOf(good)}`, `${sumOf(good)}`, `${good.length / 2}`, '.'.repeat(good.length)],
  ])
  expect((await redis.lrange('list', 0, -1)).map(Number).sort((a, b) => a - b)).toEqual(good)
  expect(await redis.scard('set')).toBe(good.length)
  expect(await redis.hgetall('hash')).toEqual(tally(good.map((n) => n % 10)))
  const scores = await redis.zrange('zset', '0', '-1')
  for (const member of scores) {
    expect(await redis.zscore('zset', member)).toBe(tally(good.map((n) => n % 13))[member])
  }
  const records = (await redis.mget(ids.map((id) => keys.result(id)))).map(parseResult)
  for (const [index, n] of numbers.entries()) {
    const record = records[index]
    if (fails(n))
      expect(record).toMatchObject({ status: 'failed', error: { code: 'PERMANENT', message: `${n} never works` } })
    else expect(record).toMatchObject({ status: 'completed', value: { n }, attempts: n % 7 === 0 ? 2 : 1 })
  }
  const left = await Promise.all(['wait', 'active'].map((state) => redis.llen(keys.bullBase + state)))
  expect([...left, await redis.zcard(`${keys.bullBase}delayed`)]).toEqual([0, 0, 0])
}

/** The sums over all minutes: completed, failed, retried and the user counters. */
async function statsOf(keys: KeysOfQueue): Promise<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const key of await redis.keys(`${keys.base}stats:[0-9]*`)) {
    for (const [field, count] of Object.entries(await redis.hgetall(key))) {
      const name = field.startsWith('#') ? field : (field.split('|')[1] ?? field)
      sums[name] = (sums[name] ?? 0) + Number(count)
    }
  }
  return sums
}

it(`${JOBS} jobs of workers that are killed ${KILLS} times in the middle of them leave everything exact`, async () => {
  const seed = testSeed()
  const random = createRandom(seed)
  const keys = queueKeys('drover', 'kill')
  // In a batch within a batch; no worker takes the jobs that follow.
  const follower = { job: contractOf('followers'), input: { n: 0 } }
  const follow = { onSuccess: follower, onComplete: follower, onDeath: follower }
  const outer = await producer.batches.open('kill', { id: 'outer', ...follow })
  const inner = await producer.batches.open('kill', { id: 'inner', parent: outer, ...follow })
  const inputs = numbers.map((n) => ({ n }))
  const { ids } = await inner.enqueueBulk(contractOf('kill'), inputs)
  await Promise.all([inner.close(), outer.close()])
  const workers = [startWorker('kill', LONGEST_RUN_MS), startWorker('kill', LONGEST_RUN_MS)]
  let kills = 0
  while (kills < KILLS) {
    const next = Math.round((JOBS * (kills + 0.5 + random.below(100) / 200)) / (KILLS + 1))
    await expect.poll(() => endedSoFar(keys), { timeout: 120_000, interval: 5 }).toBeGreaterThanOrEqual(next)
    const victim = random.below(workers.length)
    const [gone] = workers.splice(victim, 1, startWorker('kill', LONGEST_RUN_MS))
    if (gone) await kill(gone)
    kills++
  }
  await expect.poll(() => endedSoFar(keys), { timeout: 120_000 }).toBe(JOBS)
  const message = `seed ${seed}, ${kills} kills`
  console.info(message)
  await expectExact(keys, ids)
  const followed = async () => (await redis.lrange(`${queueKeys('drover', 'followers').bullBase}wait`, 0, -1)).sort()
  await expect.poll(followed).toEqual(['inner.complete', 'inner.death', 'outer.complete', 'outer.death'])
  const { starts, ends } = readRuns()
  expect(new Set(starts), message).toEqual(new Set(numbers))
  expect(ends, message).toEqual(new Set(good))
  // The kills hit runs: a run without any would have started each job once, and twice where it is retried.
  const retried = good.filter((n) => n % 7 === 0).length
  expect(starts.length, message).toBeGreaterThanOrEqual(JOBS + retried + KILLS)
  await Promise.all(workers.map(closeWorker))
})

it('a worker that is frozen for longer than its locks commits nothing of what others have done since', async () => {
  const keys = queueKeys('drover', 'freeze')
  const few = numbers.filter((n) => !fails(n) && n % 7 !== 0).slice(0, 10)
  const frozen = startWorker('freeze', 8_000)
  await untilReady(frozen)
  const { ids } = await producer.enqueueBulk(
    contractOf('freeze'),
    few.map((n) => ({ n })),
  )
  // Each has begun, not only been handed out.
  await expect.poll(() => readRuns().starts.length, { interval: 1 }).toBe(few.length)
  frozen.kill('SIGSTOP')
  expect(await endedSoFar(keys)).toBe(0)
  const other = startWorker('freeze', 1)
  await expect.poll(() => endedSoFar(keys)).toBe(few.length)
  frozen.kill('SIGCONT')
  await closeWorker(frozen)
  expect(await redis.hgetall(keys.totals)).toEqual({ 'count:completed': `${few.length}` })
  expect(await redis.mget(keys.counter('runs'), keys.counter('sum'))).toEqual([`${few.length}`, `${sumOf(few)}`])
  expect((await redis.lrange('list', 0, -1)).map(Number).sort((a, b) => a - b)).toEqual(few)
  const records = (await redis.mget(ids.map((id) => keys.result(id)))).map(parseResult)
  const pids = records.map((record) => (record?.status === 'completed' ? (record.value as { pid: number }).pid : 0))
  expect(new Set(pids)).toEqual(new Set([other.pid]))
  expect(readRuns().starts.length).toBe(2 * few.length)
  await closeWorker(other)
})
