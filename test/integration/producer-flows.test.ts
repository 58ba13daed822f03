// Jobs that wait for others: a graph with shared dependencies, run by real workers.
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle, type JobContext } from '../../src/worker/index.js'
import { PATIENCE } from '../support/until.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })

function stepJob(queue: string, run: (n: number, ctx: JobContext) => unknown = (n) => n) {
  const contract = defineJob({ name: 'step', queue, input, output: z.number(), attempts: 1 })
  const order: string[] = []
  const handler = handle(contract, async ({ n }, ctx) => {
    order.push(ctx.id)
    return (await run(n, ctx)) as number
  })
  return { contract, handler, order }
}

describe('a flow', () => {
  it('runs a graph in order over two queues, each job once, and hands on typed results', async () => {
    const first = stepJob('first')
    const sum = stepJob('second', async (n, ctx) => {
      const a: number = await ctx.resultOf('a', first.contract)
      const b: number = await ctx.resultOf('b', first.contract)
      return n + a + b
    })
    await shop.work([first.handler, sum.handler])
    await shop.work([first.handler, sum.handler])
    const flow = await shop.producer.flows.start({
      id: 'graph',
      jobs: {
        root: { job: first.contract, input: { n: 1 } },
        a: { job: first.contract, input: { n: 10 }, after: ['root'] },
        b: { job: first.contract, input: { n: 20 }, after: ['root'] },
        sum: { job: sum.contract, input: { n: 100 }, after: ['a', 'b'] },
        last: { job: first.contract, input: { n: 0 }, after: ['sum', 'root'] },
      },
    })
    expect(flow.jobs.sum).toEqual({ id: 'graph.sum', name: 'step', queue: 'second' })
    await vi.waitFor(() => expect(first.order).toContain('graph.last'), PATIENCE)
    expect(first.order[0]).toBe('graph.root')
    expect(first.order.slice(1, 3).sort()).toEqual(['graph.a', 'graph.b'])
    expect([...first.order, ...sum.order].sort()).toEqual([
      'graph.a',
      'graph.b',
      'graph.last',
      'graph.root',
      'graph.sum',
    ])
    expect(await shop.end({ queue: 'second', id: 'graph.sum' })).toMatchObject({ status: 'completed', value: 130 })
  })

  it('is held by a job that failed, as who waits for its result is, and goes on after a manual retry that completes', async () => {
    let isBroken = true
    const step = stepJob('barred', (n) => {
      if (n === 1 && isBroken) throw new Error('broken')
      return n
    })
    await shop.work([step.handler])
    await shop.producer.flows.start({
      id: 'barred',
      jobs: {
        one: { job: step.contract, input: { n: 1 } },
        two: { job: step.contract, input: { n: 2 }, after: ['one'] },
      },
    })
    expect(await shop.end({ queue: 'barred', id: 'barred.one' })).toMatchObject({ status: 'failed' })
    expect(await shop.redis.exists(`${shop.keys('barred').bullBase}barred.two`)).toBe(0)
    const two = shop.producer.results.wait({ queue: 'barred', id: 'barred.two' }, { timeout: '5m' })
    isBroken = false
    const { Job, Queue } = await import('bullmq')
    const queue = new Queue('barred', { connection: shop.redis, prefix: shop.keys('barred').bull })
    await (await Job.fromId(queue, 'barred.one'))?.retry('failed')
    await vi.waitFor(() => expect(step.order).toEqual(['barred.one', 'barred.one', 'barred.two']), PATIENCE)
    expect(await two).toMatchObject({ ok: true, value: 2 })
    await queue.close()
  })

  it('that is started twice by its id runs each job once', async () => {
    const step = stepJob('twice')
    const start = () =>
      shop.producer.flows.start({
        id: 'twice',
        jobs: {
          one: { job: step.contract, input: { n: 1 } },
          two: { job: step.contract, input: { n: 2 }, after: ['one'] },
        },
      })
    await Promise.all([start(), start()])
    await shop.work([step.handler])
    await vi.waitFor(() => expect(step.order).toContain('twice.two'), PATIENCE)
    await start()
    await shop.end(await shop.producer.enqueue(step.contract, { n: 3 }, { id: 'after' }))
    expect(step.order).toEqual(['twice.one', 'twice.two', 'after'])
  })

  it("of BullMQ's own runs too: the parent when its children have completed, each job once", async () => {
    const step = stepJob('tree')
    await shop.work([step.handler])
    const { FlowProducer } = await import('bullmq')
    const flows = new FlowProducer({ connection: shop.redis, prefix: shop.keys('tree').bull })
    const node = (id: string, n: number) => ({ name: 'step', queueName: 'tree', data: { n }, opts: { jobId: id } })
    await flows.add({ ...node('parent', 0), children: [node('child-1', 1), node('child-2', 2)] })
    expect(await shop.end({ queue: 'tree', id: 'parent' })).toMatchObject({ status: 'completed', value: 0 })
    expect([step.order.slice(0, 2).sort(), step.order.slice(2)]).toEqual([['child-1', 'child-2'], ['parent']])
    await flows.close()
  })

  it('tells a handler that asks for a job it is not after', async () => {
    const step = stepJob('asking', (_n, ctx) => ctx.resultOf('nobody', step.contract))
    await shop.work([step.handler])
    await shop.producer.flows.start({ id: 'asking', jobs: { one: { job: step.contract, input: { n: 1 } } } })
    expect(await shop.end({ queue: 'asking', id: 'asking.one' })).toMatchObject({ error: { code: 'DEPENDENCY' } })
  })

  const { contract: job } = stepJob('never')
  const ok = { job, input: { n: 1 } }
  it.each([
    ['a cycle', { a: { ...ok, after: ['b'] }, b: { ...ok, after: ['a'] }, c: ok }, 'INVALID_FLOW'],
    ['a job after itself', { a: { ...ok, after: ['a'] } }, 'INVALID_FLOW'],
    ['an unknown dependency', { a: { ...ok, after: ['x'] } }, 'INVALID_FLOW'],
    ['a dependency named by an inherited property', { a: { ...ok, after: ['toString'] } }, 'INVALID_FLOW'],
    ['a dependency twice', { a: ok, b: { ...ok, after: ['a', 'a'] } }, 'INVALID_FLOW'],
    ['no job', {}, 'EMPTY_FLOW'],
    ['a name with a dot', { 'a.b': ok }, 'INVALID_OPTION'],
    ['a bad input', { a: ok, b: { job, input: { n: 'x' } } }, 'INVALID_INPUT'],
    ['no contract', { a: { job: {}, input: {} } }, 'INVALID_OPTION'],
    ['an unknown option', { a: { ...ok, afetr: [] } }, 'UNKNOWN_OPTION'],
    ['a job named __proto__', JSON.parse('{"__proto__":{"job":1}}'), 'INVALID_OPTION'],
    ['a job that is null', { a: null }, 'INVALID_OPTION'],
    ['a dependency that is null', { a: { ...ok, after: [null] } }, 'INVALID_FLOW'],
    ['dependencies as one text', { a: ok, b: { ...ok, after: 'a' } }, 'INVALID_OPTION'],
    ['1,001 jobs', Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`n${n}`, ok])), 'INVALID_OPTION'],
  ])('with %s is refused, and nothing is enqueued', async (_what, jobs, code) => {
    await expect(shop.producer.flows.start({ jobs: jobs as never })).rejects.toMatchObject({ code })
    expect(await shop.redis.keys('*{drover:never}*')).toEqual([])
  })
})
