// Workers seen and steered from outside, by their heartbeats and orders in Redis.
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  BEAT_TTL_MS,
  orderConcurrency,
  orderState,
  readOrders,
  readReleases,
  readWorkers,
  type WorkerState,
} from '../../src/ledger/index.js'
import { MAX_RELEASES, noteRelease } from '../../src/ledger/releases.js'
import { workerKey, workerOrdersKey, workersKey } from '../../src/redis/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { FleetMember, type SteeredWorker } from '../../src/worker/fleet/fleet-member.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { PATIENCE } from '../support/until.js'
import { rows } from '../unit/docs/documents.js'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
let server: TestRedis
let redis: Redis
const members: FleetMember[] = []

beforeAll(async () => {
  server = await startTestRedis()
  redis = new Redis(server.url)
})
beforeEach(() => redis.flushdb())
afterEach(async () => {
  for (const member of members.splice(0)) await member.close()
})
afterAll(async () => {
  redis.disconnect()
  await server.close()
})

/** A worker of one queue that only remembers what it was told. */
function startMember(release?: string, client = redis) {
  const load = { queue: 'media', concurrency: 4, running: 1, handles: { resize: 1 } }
  const told: string[] = []
  let state: WorkerState = 'run'
  const turn = (to: WorkerState) => () => {
    state = to
    told.push(to)
  }
  const worker: SteeredWorker = {
    get state() {
      return state
    },
    handled: 7,
    loads: [load],
    runningJobs: [
      { queue: 'media', id: 'young', job: 'resize', attempt: 1, startedAt: 2_000 },
      { queue: 'media', id: 'old', job: 'resize', attempt: 2, startedAt: 1_000 },
    ],
    quiet: turn('quiet'),
    resume: turn('run'),
    close: turn('close'),
    setConcurrency: (queue, concurrency) => {
      told.push(`${queue} ${concurrency}`)
      load.concurrency = concurrency
    },
  }
  const logger = pino({ level: 'silent' })
  const member = new FleetMember({ client, prefix: 'drover', worker, logger, release })
  members.push(member)
  member.start()
  return { member, told, worker }
}

const workers = () => readWorkers(redis, 'drover')

describe('a worker of a fleet', () => {
  it('is seen at once with what it runs, the longest running first, and is gone when it closes', async () => {
    const { member } = startMember()
    await vi.waitFor(async () => expect(await workers()).toHaveLength(1), PATIENCE)
    const [beat] = await workers()
    expect(beat).toMatchObject({ id: member.id, pid: process.pid, version, state: 'run', handled: 7 })
    expect(beat?.queues).toEqual([{ queue: 'media', concurrency: 4, running: 1, handles: { resize: 1 } }])
    expect(beat?.jobs.map(({ id }) => id)).toEqual(['old', 'young'])
    expect(beat?.rssBytes).toBeGreaterThan(1_000_000)
    const documented = rows('docs/redis-keys.md', 'heartbeat').flatMap(([cell = '']) => cell.match(/[\w]+/g) ?? [])
    expect(Object.keys(await redis.hgetall(workerKey('drover', member.id))).sort()).toEqual(documented.sort())
    const ttlMs = await redis.pttl(workerKey('drover', member.id))
    expect(ttlMs).toBeGreaterThan(0)
    expect(ttlMs).toBeLessThanOrEqual(BEAT_TTL_MS)
    await member.close()
    expect(await workers()).toEqual([])
    expect(await redis.keys('*')).toEqual(['drover:releases'])
  })

  it('follows what it is told, once, and shows it', async () => {
    const { member, told, worker } = startMember()
    await vi.waitFor(async () => expect(await workers()).toHaveLength(1), PATIENCE)
    // The state last: a heartbeat between them then hears them in the same order.
    await orderConcurrency(redis, 'drover', member.id, 'media', 9)
    await orderConcurrency(redis, 'drover', member.id, 'other', 2)
    await orderState(redis, 'drover', member.id, 'quiet')
    await vi.waitFor(async () => {
      expect((await workers())[0]).toMatchObject({ state: 'quiet', queues: [{ concurrency: 9 }] })
    }, PATIENCE)
    await orderState(redis, 'drover', member.id, 'run')
    await vi.waitFor(async () => expect((await workers())[0]?.state).toBe('run'), PATIENCE)
    // What was changed here since is not undone by an order that was followed before, but by the same one given again.
    worker.setConcurrency('media', 5)
    worker.quiet()
    await orderState(redis, 'drover', member.id, 'run')
    await vi.waitFor(() => expect(worker.state).toBe('run'), PATIENCE)
    worker.quiet()
    await orderConcurrency(redis, 'drover', member.id, 'media', 6)
    await vi.waitFor(() => expect(told.at(-1)).toBe('media 6'), PATIENCE)
    expect(worker.state).toBe('quiet')
    await orderState(redis, 'drover', member.id, 'close')
    await vi.waitFor(() => expect(told.at(-1)).toBe('close'), PATIENCE)
    const since = ['media 5', 'quiet', 'run', 'quiet', 'media 6', 'close']
    expect(told).toEqual(['media 9', 'quiet', 'run', ...since])
  })
})

it('a worker closes that was told to, also when its heartbeat cannot be written', async () => {
  await redis.set(workersKey('drover'), 'of another program')
  const { member, told } = startMember()
  // Both in one look: what changed is told by a heartbeat at once.
  await redis.hset(workerOrdersKey('drover', member.id), { 'concurrency:media': '9', state: 'close' })
  await vi.waitFor(() => expect(told).toEqual(['media 9', 'close']), PATIENCE)
})

describe('the releases of workers', () => {
  it('are noted once each, by when the first worker of each came; without one it is the version of Drover', async () => {
    const startedAt = Date.now()
    for (const release of ['2026-11-21.1', '2026-11-22.1', '2026-11-21.1', undefined]) {
      const { member } = startMember(release)
      await vi.waitFor(async () => expect((await workers()).map(({ id }) => id)).toContain(member.id), PATIENCE)
      await member.close()
    }
    const releases = await readReleases(redis, 'drover')
    expect(releases.map(({ name }) => name)).toEqual(['2026-11-21.1', '2026-11-22.1', version])
    for (const { firstSeenAt } of releases) expect(firstSeenAt).toBeGreaterThanOrEqual(startedAt)
  })

  it('are the newest hundred', async () => {
    for (let index = 0; index < 102; index++) await noteRelease(redis, 'drover', `r${index}`, 1_000 + index)
    const releases = await readReleases(redis, 'drover')
    expect(releases).toHaveLength(MAX_RELEASES)
    expect(releases[0]).toEqual({ name: 'r2', firstSeenAt: 1_002 })
  })
})

it('a heartbeat comes again when Redis was away, without a backlog of those that could not be sent', async () => {
  const proxy = await startFaultProxy({ target: server.url })
  const client = new Redis(proxy.url, { maxRetriesPerRequest: 1, retryStrategy: () => 50 })
  client.on('error', () => undefined)
  const { member } = startMember(undefined, client)
  await vi.waitFor(async () => expect(await workers()).toHaveLength(1), PATIENCE)
  proxy.set('cut')
  await vi.waitFor(() => expect(client.status).not.toBe('ready'), PATIENCE)
  await redis.flushdb()
  expect(await workers()).toEqual([])
  proxy.set('pass')
  await vi.waitFor(async () => expect(await workers()).toMatchObject([{ id: member.id }]), PATIENCE)
  await members.splice(0)[0]?.close()
  client.disconnect()
  await proxy.close()
})

describe('the list of workers', () => {
  it('leaves out one whose heartbeats ended, and forgets it', async () => {
    await redis.zadd(workersKey('drover'), 1, 'killed')
    expect(await workers()).toEqual([])
    expect(await redis.zcard(workersKey('drover'))).toBe(0)
  })

  it('is empty where there was never one, and orders without one change nothing', async () => {
    expect(await workers()).toEqual([])
    expect(await readOrders(redis, 'drover', 'none')).toEqual({ concurrency: new Map() })
  })
})
