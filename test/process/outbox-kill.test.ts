// Jobs that handlers enqueue in other slots of a real cluster, whose workers are killed while they move them, and one of
// whose slots is moved meanwhile: each is in its queue once, and every count is exact.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { queueKeys, queueTag } from '../../src/redis/index.js'
import { buildDrover } from '../support/drover-cli.js'
import { createRandom, shuffle, testSeed } from '../support/random.js'
import type { TestRedis } from '../support/redis.js'
import { type ClusterGroup, startCluster } from '../support/redis-topologies.js'
import { until } from '../support/until.js'

/** Around which scripts of the outbox workers kill themselves; null: killed from outside, at any moment. */
const DEATHS = [
  { step: 'read', side: 'after' },
  { step: 'deliver', side: 'sent' },
  { step: 'deliver', side: 'after' },
  { step: 'remove', side: 'sent' },
  { step: null, side: '' },
] as const
type Death = Readonly<{ step: string | null; side: string; nth: number }>
/** Parents that are enqueued at once, again and again until the next worker is dead. */
const JOBS = 10
const script = fileURLToPath(new URL('../support/outbox-worker.mjs', import.meta.url))
const parents = 'parents'
const parent = defineJob({ name: 'parent', queue: parents, input: z.object({ n: z.number() }), attempts: 1 })
const processes = new Set<ChildProcess>()
let cluster: ClusterGroup
let look: Cluster
let producer: Producer
let sink: { readonly queue: string; readonly owner: TestRedis }
let children: { readonly queue: string; readonly owner: TestRedis }
/** The inputs of the jobs that came into the sink, in their order. */
const taken: number[] = []
let enqueued = 0

beforeAll(async () => {
  await buildDrover()
  cluster = await startCluster({ downAfterMs: 5_000 })
  look = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })))
  producer = createProducer({ redis: cluster.url, timeout: '60s' })
  sink = await queueNotOn('sink', [await ownerOf(parents)])
  children = await queueNotOn('children', [await ownerOf(parents), sink.owner])
})
afterAll(async () => {
  for (const each of processes) each.kill('SIGKILL')
  await producer.close()
  look.disconnect()
  await cluster.close()
})

const ownerOf = async (queue: string) => cluster.ownerOf(await cluster.slotOf(queueTag('drover', queue)))

/** A queue whose slot is on none of these nodes. */
async function queueNotOn(stem: string, nodes: readonly TestRedis[]) {
  for (let n = 0; ; n++) {
    const queue = `${stem}-${n}`
    const owner = await ownerOf(queue)
    if (!nodes.includes(owner)) return { queue, owner }
  }
}

interface Victim {
  readonly ended: Promise<unknown>
  /** It has begun to load, and works once it is told to. */
  begin(): void
  kill(): void
}

/** Kills itself so; without a step it lives on. */
function start(death?: Death): Victim {
  const plan = { redis: cluster.url, parents, sink: sink.queue, children: children.queue, ...death }
  const child = spawn(process.execPath, [script, JSON.stringify(plan)], { stdio: ['pipe', 'ignore', 'inherit'] })
  processes.add(child)
  return { ended: once(child, 'exit'), begin: () => child.stdin.write('begin'), kill: () => child.kill('SIGKILL') }
}

/** Takes what came into the sink out of it, and away: no id is left there by which a second coming would be told. */
async function takeAll(): Promise<number> {
  const { bullBase } = queueKeys('drover', sink.queue)
  for (let id = await look.rpop(`${bullBase}wait`); id !== null; id = await look.rpop(`${bullBase}wait`)) {
    taken.push(JSON.parse((await look.hget(bullBase + id, 'data')) ?? 'null').n)
    await look.del(bullBase + id)
  }
  return taken.length
}

/** Waits until each parent and each child has ended, and no job is on its way. */
async function untilAllEnded(jobs: number): Promise<void> {
  const ended = (queue: string, job: string) => look.hget(queueKeys('drover', queue).totals, `${job}:completed`)
  await until('all parents and children have ended', async () => {
    await takeAll()
    const counts = [await ended(parents, 'parent'), await ended(children.queue, 'child')]
    return counts.every((count) => Number(count) >= jobs) && taken.length >= jobs
  })
  await until('the outboxes are empty', async () => {
    const { outbox } = queueKeys('drover', parents)
    return (await look.xlen(outbox(sink.queue))) + (await look.xlen(outbox(children.queue))) === 0
  })
  await takeAll()
}

async function expectOnceEach(jobs: number, note: string): Promise<void> {
  const numbers = Array.from({ length: jobs }, (_, n) => n)
  const sorted = (values: readonly unknown[]) => values.map(Number).sort((a, b) => a - b)
  expect(sorted(taken), note).toEqual(numbers)
  expect(sorted(await look.lrange(`ran{drover:${children.queue}}`, 0, -1)), note).toEqual(numbers)
  expect(await producer.counters.get(parents, 'parents'), note).toBe(jobs)
  expect(await producer.counters.get(children.queue, 'children'), note).toBe(jobs)
  for (const [queue, job] of [
    [parents, 'parent'],
    [children.queue, 'child'],
  ] as const) {
    expect(await look.hgetall(queueKeys('drover', queue).totals), note).toEqual({ [`${job}:completed`]: `${jobs}` })
  }
}

const inputs = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => ({ n: from + n }))

it(`jobs are once in queues of other slots, while ${DEATHS.length} workers are killed, between the steps of the outbox and at any moment`, async () => {
  const seed = testSeed()
  console.info(`seed ${seed}`)
  const { below } = createRandom(seed)
  const deaths = shuffle(DEATHS, seed).map((death): Death => ({ ...death, nth: 1 + below(4) }))
  const victims = [...deaths.map(start), start()]
  for (const [index, { step }] of deaths.entries()) {
    const victim = victims[index] as Victim
    // What the last one left is only in the outbox by now: what comes a second time is seen.
    await takeAll()
    victim.begin()
    let isDead = false
    void victim.ended.then(() => {
      isDead = true
    })
    while (!isDead) {
      const before = taken.length
      await producer.enqueueBulk(parent, inputs(enqueued, enqueued + JOBS))
      enqueued += JOBS
      const moment = before + 1 + below(JOBS - 1)
      await until(`${moment} jobs have come, or the worker is dead`, async () => isDead || (await takeAll()) >= moment)
      if (step !== null) continue
      victim.kill()
      await victim.ended
    }
  }
  await takeAll()
  victims.at(-1)?.begin()
  await untilAllEnded(enqueued)
  await expectOnceEach(enqueued, `seed ${seed}`)
  // Both went through the outbox.
  const fences = await look.hgetall(queueKeys('drover', parents).outboxes)
  expect(Object.keys(fences).sort()).toEqual([children.queue, sink.queue].sort())
})

it('they come once while the slot of their queue moves to another node, halfway for a time', async () => {
  const from = sink.owner
  const to = await ownerOf(parents)
  const slot = await cluster.slotOf(queueTag('drover', sink.queue))
  const jobs = enqueued + 20
  await cluster.moveSlot(slot, from, to, {
    // What was delivered is noted on one node; the jobs themselves would be written on the other.
    movesFirst: (key) => key.includes(':inbox:'),
    during: async () => {
      const before = await refusals([from, to])
      await producer.enqueueBulk(parent, inputs(enqueued, jobs))
      await until('a move of jobs was put off', async () => (await refusals([from, to])) > before)
    },
  })
  await untilAllEnded(jobs)
  await expectOnceEach(jobs, 'after the move')
  expect(await to.cli('EXISTS', queueKeys('drover', sink.queue).inbox(parents))).toBe('1')
})

async function refusals(nodes: readonly TestRedis[]): Promise<number> {
  const texts = await Promise.all(nodes.map((node) => node.cli('INFO', 'errorstats')))
  return texts.reduce((sum, text) => sum + Number(/errorstat_TRYAGAIN:count=(\d+)/.exec(text)?.[1] ?? 0), 0)
}
