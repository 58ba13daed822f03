// A Redis, dashboards and queues for the tests of one file: emptied before each test, closed after it.
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest'
import { createDashboard, type Dashboard, type DashboardOptions } from '../../src/dashboard/index.js'
import { type Answer, ask } from './dashboard-http.js'
import { openTestQueue, type TestQueue } from './dashboard-jobs.js'
import { startLedgerWorker, type TestOutcome } from './ledger-worker.js'
import { startTestRedis, type TestRedis, type TestRedisOptions } from './redis.js'
import { PATIENCE } from './until.js'

interface Closable {
  close(): Promise<void>
}

export interface TestDashboards {
  readonly redis: () => TestRedis
  /** A dashboard on a free port over the Redis of the file. */
  create(options?: DashboardOptions): Dashboard
  /** The address of a dashboard that listens, and that has reached the Redis of the file if that is its own. */
  start(options?: DashboardOptions): Promise<string>
  openQueue(name: string, prefix?: string): Promise<TestQueue['queue']>
  /** Another server, for a test that ends or stops it. */
  startRedis(options?: TestRedisOptions): Promise<TestRedis>
  /** Lets a worker finish what waits in the queue, until so many of its jobs are completed or failed. */
  work(name: string, finished: number, run: () => TestOutcome): Promise<void>
  /** Closes it after the test, the last one first. */
  closeAfter<Thing extends Closable>(thing: Thing): Thing
}

/** Call it once at the top of a test file. */
export function useDashboards(): TestDashboards {
  const open: Closable[] = []
  let redis: TestRedis

  beforeAll(async () => {
    redis = await startTestRedis()
  })
  beforeEach(async () => {
    await redis.cli('FLUSHALL')
  })
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close()
  })
  afterAll(() => redis.close())

  function closeAfter<Thing extends Closable>(thing: Thing): Thing {
    open.push(thing)
    return thing
  }
  const create = (options: DashboardOptions = {}) =>
    closeAfter(createDashboard({ redis: redis.url, port: 0, timeout: PATIENCE.timeout, ...options }))
  const countOf = async (name: string, set: string) =>
    Number(await redis.cli('ZCARD', `{drover:${name}}:${name}:${set}`))
  return {
    redis: () => redis,
    closeAfter,
    create,
    start: async (options) => {
      const { url } = await create(options).listen()
      if (options?.redis === undefined) await untilReady(url)
      return url
    },
    openQueue: async (name, prefix) => closeAfter(await openTestQueue(redis, name, prefix)).queue,
    startRedis: async (options) => closeAfter(await startTestRedis(options)),
    work: async (name, finished, run) => {
      const worker = await startLedgerWorker({ url: redis.url, queue: name, run })
      await vi.waitUntil(
        async () => (await countOf(name, 'completed')) + (await countOf(name, 'failed')) === finished,
        PATIENCE,
      )
      await worker.close()
    },
  }
}

/** Waits for the first connection to Redis: a page asked for before it is refused after a second. */
export async function untilReady(url: string): Promise<void> {
  const path = `${new URL(url).pathname.replace(/\/$/, '')}/readyz`
  await vi.waitUntil(async () => (await ask(url, path)).status === 200, PATIENCE)
}

export interface TestProblem {
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId: string
}

/** The problem document of an answer for a program. */
export function problemOf(answer: Answer): TestProblem {
  const problem = answer.json<TestProblem>()
  expect([answer.headers['content-type'], problem.status]).toEqual(['application/problem+json', answer.status])
  expect(problem).toMatchObject({
    type: 'about:blank',
    title: expect.stringMatching(/^[A-Z]/),
    detail: expect.stringMatching(/^\S/),
    requestId: answer.headers['x-request-id'],
  })
  return problem
}
