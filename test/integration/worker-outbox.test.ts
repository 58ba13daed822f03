// Jobs that a handler enqueues in another slot of a cluster: kept in the commit, and moved to their queue once, whoever
// moves them, wherever that one dies, and however late its words come.
import { type Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { findOutboxes } from '../../src/cli/doctor/outbox-findings.js'
import { defineJob } from '../../src/job/index.js'
import { attachLedger, emptyOutbox, ledgerBackendFactory, readBatch } from '../../src/ledger/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { createWorkerClient, parseRedisUrl, queueKeys, type RedisClient } from '../../src/redis/index.js'
import { createWorker, handle, type JobContext, type Worker } from '../../src/worker/index.js'
import { createRandom, testSeed } from '../support/random.js'
import type { TestRedis } from '../support/redis.js'
import { startLoneClusterNode } from '../support/redis-topologies.js'
import { PATIENCE } from '../support/until.js'
import { collectLog } from '../support/worker.js'

let node: TestRedis
let url: string
let producer: Producer
let look: Redis
const workers: Worker[] = []
const clients: RedisClient[] = []
const backends: { close(): Promise<void> }[] = []

beforeAll(async () => {
  node = await startLoneClusterNode()
  url = node.url.replace('redis://', 'redis+cluster://')
  producer = createProducer({ redis: url, timeout: '60s' })
  look = new Redis(node.port)
})
afterAll(async () => {
  // Each has a connection of its own, too, for commands that wait.
  await Promise.all(backends.map((backend) => backend.close()))
  for (const client of clients) client.disconnect()
  await Promise.all(workers.map((worker) => worker.close()))
  await producer.close()
  look.disconnect()
  await node.close()
})

const input = z.object({ n: z.number() })
const keysOf = (queue: string) => queueKeys('drover', queue)
const waiting = (queue: string) => look.lrange(`${keysOf(queue).bullBase}wait`, 0, -1)

async function work(handlers: Parameters<typeof createWorker>[0]['handlers']) {
  const { logger, lines } = collectLog()
  const worker = await createWorker({ redis: url, handlers, logger, shutdownTimeout: 0 })
  workers.push(worker)
  return { worker, lines }
}

/** Runs one job of this queue; gives its result record. */
async function runOnce(queue: string, run: (ctx: JobContext) => unknown) {
  const contract = defineJob({ name: 'parent', queue, input, attempts: 1 })
  const { worker, lines } = await work([handle(contract, (_input, ctx) => run(ctx))])
  const { record } = await producer.results.wait(await producer.enqueue(contract, { n: 1 }), { timeout: '60s' })
  return { record, worker, lines }
}

describe('on a cluster, a job that a handler enqueues in another queue', () => {
  it('runs there once, with its id, its delay and its place, and nothing is left behind', async () => {
    const child = defineJob({ name: 'child', queue: 'children', input })
    const runs: number[] = []
    await work([handle(child, ({ n }) => void runs.push(n))])
    const { record } = await runOnce('parents', async (ctx) => {
      await ctx.enqueue(child, { n: 1 }, { id: 'now' })
      await ctx.enqueue(child, { n: 2 }, { id: 'late', delay: '1h' })
      await ctx.enqueue(defineJob({ name: 'own', queue: 'parents', input }), { n: 3 }, { id: 'own', delay: '1h' })
    })
    expect(record).toMatchObject({
      status: 'completed',
      committed: { jobs: ['children/now', 'children/late', 'parents/own'] },
    })
    await producer.results.wait({ queue: 'children', id: 'now' }, { timeout: '60s' })
    await vi.waitFor(async () => expect(await look.xlen(keysOf('parents').outbox('children'))).toBe(0), PATIENCE)
    expect(runs).toEqual([1])
    expect(await look.zrange(`${keysOf('children').bullBase}delayed`, '0', '-1')).toEqual(['late'])
    expect(await look.zrange(`${keysOf('parents').bullBase}delayed`, '0', '-1')).toEqual(['own'])
  })

  it('is not there when the attempt fails', async () => {
    const child = defineJob({ name: 'child', queue: 'unborn', input })
    const { record } = await runOnce('failing', async (ctx) => {
      await ctx.enqueue(child, { n: 1 })
      throw new Error('no')
    })
    expect(record).toMatchObject({ status: 'failed' })
    expect(await look.keys('*unborn*')).toEqual([])
    expect(await look.exists(keysOf('failing').outboxes)).toBe(0)
  })

  it('waits, told of in the log and by doctor, while its queue cannot take it, and does not hold up those of other queues', async () => {
    await look.set(`${keysOf('broken').bullBase}wait`, 'of another program')
    const { lines } = await runOnce('mixed', async (ctx) => {
      await ctx.enqueue(defineJob({ name: 'a', queue: 'broken', input }), { n: 1 }, { id: 'stuck' })
      await ctx.enqueue(defineJob({ name: 'b', queue: 'sound', input }), { n: 2 }, { id: 'through' })
    })
    await vi.waitFor(async () => expect(await waiting('sound')).toEqual(['through']), PATIENCE)
    await vi.waitFor(() => expect(lines).toContainEqual(expect.objectContaining({ to: 'broken', level: 50 })), PATIENCE)
    const client = open()
    expect(await findOutboxes(client, 'mixed', keysOf('mixed'))).toEqual([])
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 120_000)
    const [finding] = await findOutboxes(client, 'mixed', keysOf('mixed'))
    vi.restoreAllMocks()
    expect(finding).toMatchObject({ code: 'OUTBOX_STUCK', level: 'warning' })
    expect(finding?.evidence).toContain(
      '1 job for queue broken wait in the outbox of queue mixed, the oldest for 2 min',
    )
    await look.del(`${keysOf('broken').bullBase}wait`)
    await vi.waitFor(async () => expect(await waiting('broken')).toEqual(['stuck']), PATIENCE)
  })

  it('fails the attempt where the outbox is a key of another program', async () => {
    await look.set(keysOf('taken').outboxes, 'x')
    const child = defineJob({ name: 'child', queue: 'elsewhere', input })
    const { record } = await runOnce('taken', (ctx) => ctx.enqueue(child, { n: 1 }).then(() => undefined))
    expect(record).toMatchObject({ error: { code: 'EFFECT_REJECTED', message: expect.stringContaining('outboxes') } })
  })

  it('follows a batch of this queue, once', async () => {
    const member = defineJob({ name: 'member', queue: 'members', input, attempts: 1 })
    const follower = defineJob({ name: 'follower', queue: 'followers', input })
    const batch = await producer.batches.open('members', { id: 'b', onSuccess: { job: follower, input: { n: 7 } } })
    await batch.enqueue(member, { n: 1 })
    await batch.close()
    await work([handle(member, () => undefined)])
    await vi.waitFor(async () => expect(await waiting('followers')).toEqual(['b.success']), PATIENCE)
    expect(await readBatch(open(), keysOf('members'), 'b')).toMatchObject({ fired: ['success'], errors: {} })
  })
})

/** A client as a worker has it, over which commands can be cut before or after they reach Redis. */
function open(): RedisClient {
  const client = createWorkerClient(parseRedisUrl(url), { onError: () => undefined })
  attachLedger(client)
  clients.push(client)
  return client
}

const STEPS = ['droverReadOutboxBuffer', 'droverDeliver', 'eval'] as const
type Step = (typeof STEPS)[number]
type Steps = Record<Step, (...words: unknown[]) => Promise<unknown>>

async function ready(queue: string) {
  const client = open()
  // BullMQ defines its scripts, with which ours are made, when a backend is built.
  const backend = ledgerBackendFactory(client as Cluster, 'drover')(queue, { connection: client } as never)
  backends.push(backend)
  await backend.waitUntilReady()
  return { client, steps: client as unknown as Steps, prefix: 'drover', queue, keys: keysOf(queue) }
}

/** Stages `count` jobs for another queue in one outbox, with no worker left to move them. */
async function fill(queue: string, to: string, count: number): Promise<void> {
  await look.set(`${keysOf(to).bullBase}wait`, 'closed for now')
  const child = defineJob({ name: 'child', queue: to, input })
  const { worker } = await runOnce(queue, async (ctx) => {
    for (let n = 0; n < count; n++) await ctx.enqueue(child, { n }, { id: `n-${n}` })
  })
  await worker.close()
  await look.del(`${keysOf(to).bullBase}wait`)
  expect(await look.xlen(keysOf(queue).outbox(to))).toBe(count)
}

/** Takes all jobs out of the queue, and away, as a worker that keeps no completed jobs: no id is left to tell them by. */
async function takeAll(queue: string): Promise<string[]> {
  const { bullBase } = keysOf(queue)
  const taken: string[] = []
  for (let id = await look.rpop(`${bullBase}wait`); id !== null; id = await look.rpop(`${bullBase}wait`)) {
    await look.del(bullBase + id)
    taken.push(id)
  }
  return taken
}

describe('a worker that moves jobs from an outbox', () => {
  it.each(STEPS)(
    'and dies after %s leaves what is not moved to the next one, and nothing comes twice',
    async (step) => {
      const [from, to] = [`dies-${step}`, `gets-${step}`]
      await fill(from, to, 5)
      const dying = await ready(from)
      const run = dying.steps[step].bind(dying.client)
      dying.steps[step] = async (...words) => {
        await run(...words)
        throw new Error('killed')
      }
      await expect(emptyOutbox(dying)).rejects.toThrow('killed')
      const before = await takeAll(to)
      await emptyOutbox(await ready(from))
      expect([...before, ...(await takeAll(to))].sort()).toEqual(['n-0', 'n-1', 'n-2', 'n-3', 'n-4'])
      expect(await look.xlen(keysOf(from).outbox(to))).toBe(0)
    },
  )

  it('and comes late with what others have moved meanwhile changes nothing', async () => {
    await fill('slow', 'slowly', 3)
    const slow = await ready('slow')
    const deliver = slow.steps.droverDeliver.bind(slow.client)
    let late: unknown[] = []
    slow.steps.droverDeliver = async (...words) => {
      late = words
      throw new Error('held up')
    }
    await expect(emptyOutbox(slow)).rejects.toThrow('held up')
    const quick = await ready('slow')
    expect(await emptyOutbox(quick)).toMatchObject({ moved: 3 })
    expect(await takeAll('slowly')).toHaveLength(3)
    expect(await deliver(...late)).toMatchObject(['fence', expect.stringMatching(/^\d+$/)])
    expect(await takeAll('slowly')).toEqual([])
  })

  it('goes on where a failover took the newest fences of its queue', async () => {
    await fill('behind', 'ahead', 2)
    await look.hset(keysOf('ahead').inbox('behind'), 'fence', '70')
    expect(await emptyOutbox(await ready('behind'))).toMatchObject({ moved: 2 })
    expect(await look.hget(keysOf('behind').outboxes, 'ahead')).toBe('71')
  })

  it('with others, each cut anywhere again and again, moves each job once', async () => {
    const seed = testSeed()
    const { below } = createRandom(seed)
    await fill('crowd', 'crowded', 100)
    const crowd = await Promise.all(Array.from({ length: 5 }, () => ready('crowd')))
    for (const { client, steps } of crowd) {
      for (const step of STEPS) {
        const run = steps[step].bind(client)
        steps[step] = async (...words) => {
          const fate = below(10)
          if (fate < 2) throw new Error('killed before')
          const reply = await run(...words)
          if (fate < 4) throw new Error('killed after')
          return reply
        }
      }
    }
    const taken: string[] = []
    while ((await look.xlen(keysOf('crowd').outbox('crowded'))) > 0) {
      await Promise.allSettled(crowd.map((room) => emptyOutbox(room)))
      taken.push(...(await takeAll('crowded')))
    }
    expect(taken, `seed ${seed}`).toHaveLength(100)
    expect(new Set(taken).size).toBe(100)
    // Bounded: the notes of one move.
    expect(await look.hlen(keysOf('crowded').inbox('crowd'))).toBeLessThanOrEqual(101)
  })
})
