// Middleware of producer and worker, and the encryption of examples/ that is made of it.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createEncryption } from '../../examples/encryption/encryption.js'
import { defineJob, type MiddlewareError, PermanentError } from '../../src/job/index.js'
import { type CompletedResult, defineSchedule } from '../../src/ledger/index.js'
import { createProducer, type EnqueueMiddleware, type Producer } from '../../src/producer/index.js'
import { createOutbox } from '../../src/producer/postgres/index.js'
import { defineMiddleware, handle, type RunMiddleware } from '../../src/worker/index.js'
import { openWorkshop, type Workshop } from '../support/worker.js'

let shop: Workshop
const producers: Producer[] = []
beforeAll(async () => {
  shop = await openWorkshop()
})
afterAll(async () => {
  await Promise.all(producers.map((producer) => producer.close()))
  await shop.close()
})

function produce(...middleware: EnqueueMiddleware[]): Producer {
  const producer = createProducer({ redis: shop.server.url, timeout: '60s', middleware })
  producers.push(producer)
  return producer
}
const input = z.object({ n: z.number() })
const define = (queue: string, attempts = 1) => defineJob({ name: 'add', queue, input, attempts })
const storedInput = (queue: string, id: string) => shop.redis.hget(shop.keys(queue).bullBase + id, 'data')

describe('middleware of enqueue', () => {
  it('runs in order around each enqueue, and may change what is stored', async () => {
    const seen: string[] = []
    const note = (name: string): EnqueueMiddleware => {
      return async (call, next) => {
        seen.push(`${name}: ${call.contract.name} ${call.inputText} of ${JSON.stringify(call.input)}`)
        call.inputText = call.inputText.replace('1', '10')
        const handle = await next()
        seen.push(`${name}: ${handle.id === call.id}`)
        return handle
      }
    }
    const { id } = await produce(note('a'), note('b')).enqueue(define('order'), { n: 1 })
    expect(seen).toEqual(['a: add {"n":1} of {"n":1}', 'b: add {"n":10} of {"n":1}', 'b: true', 'a: true'])
    expect(await storedInput('order', id)).toBe('{"n":100}')
  })

  it('refuses by throwing, one input or one of a bulk, and nothing of it is enqueued', async () => {
    const refuse: EnqueueMiddleware = ({ input }, next) => {
      if ((input as { n: number }).n === 2) throw new PermanentError('not two')
      return next()
    }
    const producer = produce(refuse)
    await expect(producer.enqueue(define('refused'), { n: 2 })).rejects.toThrow('not two')
    const bulk = await producer.enqueueBulk(define('refused'), [{ n: 1 }, { n: 2 }, { n: 3 }], { onBadItem: 'skip' })
    expect(bulk).toMatchObject({ count: 2, failed: 1, failures: [{ index: 1, error: { message: 'not two' } }] })
    expect(await shop.redis.llen(`${shop.keys('refused').bullBase}wait`)).toBe(2)
  })

  it('keys and rules go by the input as it was given', async () => {
    const producer = produce((call, next) => {
      call.inputText = JSON.stringify(randomBytes(8).toString('hex'))
      return next()
    })
    const first = await producer.enqueue(define('keyed'), { n: 1 }, { key: 'k' })
    expect(await producer.enqueue(define('keyed'), { n: 1 }, { key: 'k' })).toMatchObject({
      id: first.id,
      deduplicated: true,
    })
    await expect(producer.enqueue(define('keyed'), { n: 2 }, { key: 'k' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    })
    const one = await producer.enqueue(define('keyed'), { n: 1 }, { unique: {} })
    expect(await producer.enqueue(define('keyed'), { n: 1 }, { unique: {} })).toMatchObject({ id: one.id })
  })

  it('one that breaks the rules is told so, and nothing is enqueued by it', async () => {
    const contract = define('broken')
    const code = 'MIDDLEWARE'
    await expect(produce((() => undefined) as never).enqueue(contract, { n: 1 })).rejects.toMatchObject({ code })
    const notJson: EnqueueMiddleware = (call, next) => {
      call.inputText = '{'
      return next()
    }
    await expect(produce(notJson).enqueue(contract, { n: 1 })).rejects.toMatchObject({ code: 'NOT_JSON' })
    const inBulk = produce(async () => ({ id: 'x', name: 'add', queue: 'broken' })).enqueueBulk(contract, [{ n: 1 }])
    await expect(inBulk).rejects.toMatchObject({ cause: { code } })
    expect(await shop.redis.exists(`${shop.keys('broken').bullBase}wait`)).toBe(0)
    expect(() => createProducer({ middleware: [1 as never] })).toThrow('middleware: expected an array of functions')
  })
})

describe('middleware of a run', () => {
  it('runs in order around the handler, changes input and result, and commits what it counts', async () => {
    const contract = define('around')
    const around = (digit: number): RunMiddleware => {
      return async (call, next) => {
        const { n } = call.input as { n: number }
        call.input = { n: n * 10 + digit }
        await next()
        call.ctx.counter('ran').add()
        call.resultText = `[${digit},${call.resultText}]`
      }
    }
    await shop.work([handle(contract, ({ n }) => n)], { middleware: [around(1), around(2)] })
    const job = await shop.producer.enqueue(contract, { n: 7 })
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value: [1, [2, 712]] })
    expect(await shop.redis.get(shop.keys('around').counter('ran'))).toBe('2')
  })

  it('what it throws fails the attempt, without next() no handler runs, and the timeout covers it', async () => {
    const contract = define('thrown')
    const timed = defineJob({ name: 'timed', queue: 'thrown', input, attempts: 1, timeout: 100 })
    const runs: number[] = []
    const middleware: RunMiddleware = async (call, next) => {
      const { n } = call.input as { n: number }
      if (n === 1) throw new PermanentError('not one')
      if (n === 2) call.resultText = '"made here"'
      if (n === 4) await new Promise(() => undefined)
      if (n === 5) {
        await next()
        await next()
      }
    }
    const handlers = [contract, timed].map((each) => handle(each, ({ n }) => void runs.push(n)))
    await shop.work(handlers, { middleware: [middleware] })
    const run = async (n: number, job: typeof contract | typeof timed = contract) =>
      shop.end(await shop.producer.enqueue(job, { n }))
    expect(await run(1)).toMatchObject({ status: 'failed', error: { message: 'not one' } })
    expect(await run(2)).toMatchObject({ status: 'completed', value: 'made here' })
    expect(await run(3)).toMatchObject({ error: { code: 'MIDDLEWARE' satisfies MiddlewareError['code'] } })
    expect(await run(4, timed)).toMatchObject({ error: { code: 'JOB_TIMEOUT' } })
    expect(await run(5)).toMatchObject({ error: { code: 'MIDDLEWARE' } })
    expect(runs).toEqual([5])
  })
})

describe('the encryption of examples/', () => {
  const SECRET = 'plain-text-that-nobody-may-read'
  const secrets = defineJob({
    name: 'echo',
    queue: 'sealed',
    input: z.object({ text: z.string() }),
    output: z.object({ echo: z.string() }),
    attempts: 1,
  })
  const keys = { old: randomBytes(32), new: randomBytes(32) }
  const before = createEncryption({ current: 'old', keys: { old: keys.old } })
  const after = createEncryption({ current: 'new', keys })

  /** Every byte of every value that Redis has. */
  async function dump(): Promise<string> {
    const texts = await Promise.all(
      (await shop.redis.keys('*')).map(async (key) => {
        const type = await shop.redis.type(key)
        if (type === 'string') return shop.redis.get(key)
        if (type === 'hash') return JSON.stringify(await shop.redis.hgetall(key))
        if (type === 'stream') return JSON.stringify(await shop.redis.xrange(key, '-', '+'))
        if (type === 'list') return JSON.stringify(await shop.redis.lrange(key, 0, -1))
        if (type === 'zset') return JSON.stringify(await shop.redis.zrange(key, '0', '-1'))
        return type === 'set' ? JSON.stringify(await shop.redis.smembers(key)) : ''
      }),
    )
    return texts.join('\n')
  }

  it('leaves no plain text in Redis, reads what the key before sealed, and opens results for who has the key', async () => {
    const waiting = await produce(before.onEnqueue).enqueue(secrets, { text: SECRET })
    const { ids } = await produce(before.onEnqueue).enqueueBulk(secrets, [{ text: `${SECRET}-2` }])
    expect(await storedInput('sealed', waiting.id)).toMatch(/^"sealed\.v1\.old\.[\w-]+"$/)
    // The example is compiled against the built package, whose types are other ones than those of the sources.
    const onRun = after.onRun as unknown as RunMiddleware
    await shop.work([handle(secrets, ({ text }) => ({ echo: text }))], { middleware: [onRun] })
    const ended = (await shop.end(waiting)) as CompletedResult
    expect(ended.value).toMatch(/^sealed\.v1\.new\./)
    expect(after.openResult('sealed', 'echo', ended.value)).toEqual({ echo: SECRET })
    expect(() => before.openResult('sealed', 'echo', ended.value)).toThrow('no key "new"')
    expect(() => after.openResult('sealed', 'other', ended.value)).toThrow()
    const fresh = await shop.end(await produce(after.onEnqueue).enqueue(secrets, { text: SECRET }))
    expect(fresh.status).toBe('completed')
    const second = (await shop.end({ queue: 'sealed', id: ids[0] ?? '' })) as CompletedResult
    expect(after.openResult('sealed', 'echo', second.value)).toEqual({ echo: `${SECRET}-2` })
    const all = await dump()
    expect(all).toContain('sealed.v1.new.')
    expect(all).not.toContain(SECRET)
  })

  it('leaves no plain text of what comes by flows, batches, schedules, handlers and the outbox', async () => {
    // A queue of its own: workers of other tests do not know all of these jobs.
    const queue = 'everywhere'
    const { input: text, output } = secrets
    const job = defineJob({ name: 'echo', queue, input: text, output, attempts: 1 })
    const onEnqueue = after.onEnqueue as unknown as EnqueueMiddleware
    const producer = produce(onEnqueue)
    const input = { text: SECRET }
    const first = { job, input }
    await producer.flows.start({ id: 'flow', jobs: { first, second: { ...first, after: ['first'] } } })
    const batch = await producer.batches.open(queue, { id: 'batch', onSuccess: first })
    await batch.enqueue(job, input)
    await batch.close()
    await producer.schedules.set(defineSchedule(job, { name: 'api', every: '30d', input }))
    const { id: runId } = await producer.schedules.runNow(queue, 'api')
    const rows: unknown[] = []
    const outbox = createOutbox({ middleware: [onEnqueue] })
    await outbox.add({ query: async (_text, values) => rows.push(...(values ?? [])) }, job, input)
    expect(JSON.stringify(rows)).toContain('sealed.v1.new.')
    expect(JSON.stringify(rows)).not.toContain(SECRET)

    const again = defineJob({ name: 'again', queue, input: z.object({}), attempts: 1 })
    const handlers = [
      handle(job, ({ text }) => ({ echo: text })),
      handle(again, async (_input, ctx) => {
        await ctx.enqueue(job, input, { id: 'follow' })
      }),
    ]
    const ofCode = defineSchedule(job, { name: 'code', every: '30d', input })
    const options = {
      middleware: [after.onRun as unknown as RunMiddleware],
      enqueueMiddleware: [onEnqueue],
      openInput: after.openInput,
      schedules: [ofCode],
    }
    const worker = await shop.work(handlers, options)
    await producer.enqueue(again, {})
    for (const id of ['flow.second', 'batch.success', 'follow', runId]) {
      const result = shop.keys(queue).result(id)
      await expect.poll(() => shop.redis.exists(result)).toBe(1)
      const ended = (await shop.end({ queue, id })) as CompletedResult
      expect(after.openResult(queue, 'echo', ended.value), id).toEqual({ echo: SECRET })
    }
    const spec = () => shop.redis.hget(shop.keys(queue).schedule('code'), 'spec')
    const kept = await spec()
    expect(kept).toContain('sealed.v1.new.')
    await worker.close()
    await shop.work(handlers, options)
    expect(await spec()).toBe(kept)
    const changed = defineSchedule(job, { name: 'code', every: '30d', input: { text: `${SECRET}!` } })
    await shop.work(handlers, { ...options, schedules: [changed] })
    expect(await spec()).not.toBe(kept)
    expect(await dump()).not.toContain(SECRET)
  })

  it('refuses one that keeps an input back where nothing can be answered, and what is no function', async () => {
    const silent = produce((call) => ({ id: call.id, name: 'x', queue: 'sealed' }))
    const first = { job: secrets, input: { text: 'x' } }
    await expect(silent.flows.start({ jobs: { first } })).rejects.toMatchObject({ code: 'MIDDLEWARE' })
    for (const given of [{ run: 7 }, { enqueue: {} }, { openInput: 'x' }]) {
      expect(() => defineMiddleware(given as never)).toThrow('a function')
    }
    expect(() => defineMiddleware({ runs: () => undefined } as never)).toThrow('run')
  })

  it('a changed value fails its job, and a job from before encryption still runs', async () => {
    const plain = await shop.producer.enqueue(secrets, { text: 'never sealed' })
    expect(await shop.end(plain)).toMatchObject({ status: 'completed' })
    const job = await produce(after.onEnqueue, (call, next) => {
      call.inputText = call.inputText.replace(/.{3}"$/, 'AAA"')
      return next()
    }).enqueue(secrets, { text: SECRET })
    expect(await shop.end(job)).toMatchObject({ status: 'failed' })
  })
})
