// Handlers in a thread or a process of their own: they are handlers like all others, and whatever they do to their thread
// or process costs one attempt. The job file runs with the built package, as it does for a user.
import { existsSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Handler, Worker } from '../../src/worker/index.js'
import { buildDrover, isAlive, makeProject, ROOT } from '../support/drover-cli.js'
import { PATIENCE, until } from '../support/until.js'
import { openWorkshop, type TestWorker, type Workshop } from '../support/worker.js'

type Door = typeof import('../../src/worker/index.js')
interface Where {
  readonly pid: number
  readonly threadId: number
}

const KINDS = ['thread', 'process'] as const
let shop: Workshop
let door: Door
let handlers: Handler[]
const workers: Partial<Record<(typeof KINDS)[number], TestWorker>> = {}

beforeAll(async () => {
  await buildDrover()
  door = (await import(pathToFileURL(`${ROOT}dist/worker/index.js`).href)) as Door
  const jobs = (await import(pathToFileURL(`${ROOT}test/support/isolated-jobs.mjs`).href)) as Record<string, unknown>
  handlers = Object.values(jobs).filter(door.isHandler)
  shop = await openWorkshop(door.createWorker)
  for (const kind of KINDS) workers[kind] = await shop.work(handlersOf(kind), { concurrency: 2 })
})
afterAll(() => shop.close())

const handlersOf = (kind: string) => handlers.filter(({ contract }) => contract.queue === kind)

function contractOf(name: string) {
  const handler = handlers.find(({ contract }) => contract.name === name)
  if (handler === undefined) throw new Error(`no handler ${name}`)
  return handler.contract
}

const enqueue = (name: string) => shop.producer.enqueue(contractOf(name), {})
const run = async (name: string) => shop.end(await enqueue(name))

async function whereOf(name: string): Promise<Where & { about: object }> {
  const record = await run(name)
  if (record.status !== 'completed') throw new Error(record.error.message)
  return record.value as Where & { about: object }
}

const linesOf = (kind: (typeof KINDS)[number], id: string) =>
  (workers[kind]?.lines ?? []).filter((line) => line.id === id)

describe.each(KINDS)('a handler in a %s of its own', (kind) => {
  it('is told of a cancel from outside, and what it staged is not written', async () => {
    const job = await enqueue(`${kind}_stay`)
    await until('it runs', () => linesOf(kind, job.id).some(({ msg }) => msg === 'stays'))
    expect(await shop.producer.jobs.cancel(job)).toBe('cancelling')
    expect(await shop.end(job)).toMatchObject({ status: 'failed', error: { code: 'CANCELLED' } })
    await until('it was told', () => linesOf(kind, job.id).some(({ reason }) => reason === 'CANCELLED'))
    expect(await shop.redis.exists('stayed')).toBe(0)
  })

  it('has the whole context, and what it stages commits with its result', async () => {
    const before = await shop.producer.counters.get(kind, 'n')
    const job = await enqueue(`${kind}_stage`)
    const record = await shop.end(job)
    const fence = { jobId: job.id, token: 1 }
    const about = { id: job.id, job: `${kind}_stage`, attempt: 1, attempts: 1, enqueuedAt: record.enqueuedAt, fence }
    expect(record).toMatchObject({ status: 'completed', value: { about } })
    expect(await shop.producer.counters.get(kind, 'n')).toBe(before + 7)
    expect(await shop.redis.get(`staged:${job.id}`)).toBe(kind)
    const key = `${shop.keys(kind).bullBase}${job.id}`
    expect(await shop.redis.hget(key, 'progress')).toBe('{"percent":50,"text":"half"}')
    expect(await shop.redis.lrange(`${key}:logs`, 0, -1)).toEqual([expect.stringMatching(/Z info staged \{"n":7\}$/)])
    const lines = linesOf(kind, job.id).map(({ msg, n, attempt, job }) => [msg, n, attempt, job])
    expect(lines).toEqual([
      ['a detail', undefined, 1, `${kind}_stage`],
      ['staged', 7, 1, `${kind}_stage`],
    ])
  })

  it('keeps steps, a checkpoint and what runs once, and may be snoozed', async () => {
    const job = await enqueue(`${kind}_keeps`)
    const value = { first: { token: 1 }, n: 3, shared: 1 }
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value, attempts: 3 })
    const fields = await shop.redis.hkeys(`${shop.keys(kind).bullBase}${job.id}`)
    expect(fields.filter((field) => /step|checkpoint/.test(field))).toEqual([])
    const totals = await shop.redis.hmget(shop.keys(kind).totals, `${job.name}:retried`, `${job.name}:snoozed`)
    expect(totals).toEqual(['2', '1'])
  })

  it('enqueues further jobs with its commit', async () => {
    const record = await run(`${kind}_follow`)
    if (record.status !== 'completed') throw new Error(record.error.message)
    expect(await shop.redis.hget(`${shop.keys('next').bullBase}${record.value}`, 'data')).toBe('{"n":7}')
  })

  it('runs outside of the worker, in what is kept for the next attempt', async () => {
    const [first, second] = [await whereOf(`${kind}_stage`), await whereOf(`${kind}_stage`)]
    expect([second.pid, second.threadId]).toEqual([first.pid, first.threadId])
    expect([first.pid === process.pid, first.threadId === 0]).toEqual([kind === 'thread', kind === 'process'])
  })

  it('ends at its timeout also in a loop that never waits, while its neighbours go on', async () => {
    const looping = await enqueue(`${kind}_loop`)
    await until('it loops', () => linesOf(kind, looping.id).length > 0)
    const neighbour = await whereOf(`${kind}_stage`)
    expect(await shop.end(looping)).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } })
    const { pid, threadId } = linesOf(kind, looping.id)[0] as unknown as Where
    expect([neighbour.pid, neighbour.threadId]).not.toEqual([pid, threadId])
    if (kind === 'process') await until('its process is gone', () => !isAlive(Number(pid)))
  })

  it('is told by its signal first, with the typed reason, and is kept when it ends by itself', async () => {
    const job = await enqueue(`${kind}_listen`)
    expect(await shop.end(job)).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } })
    await until('it was told', () => linesOf(kind, job.id).some(({ msg }) => msg === 'told'))
    const told = linesOf(kind, job.id).find(({ msg }) => msg === 'told')
    expect(told).toMatchObject({ reason: 'JOB_TIMEOUT', timeoutMs: 300 })
    const next = await Promise.all([whereOf(`${kind}_stage`), whereOf(`${kind}_stage`)])
    expect(next.map(({ pid, threadId }) => `${pid} ${threadId}`)).toContain(`${told?.pid} ${told?.threadId}`)
  })

  it('leaves nothing of what it stages and returns after its time', async () => {
    expect(await run(`${kind}_late`)).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } })
    expect(await whereOf(`${kind}_stage`)).toBeDefined()
    expect(await shop.redis.exists('late', shop.keys(kind).counter('late'))).toBe(0)
  })

  it('that ended its thread or process uses up an attempt, and the next one is another run', async () => {
    expect(await run(`${kind}_once`)).toMatchObject({ status: 'completed', value: 2, attempts: 2 })
  })

  it('cannot flood its worker with lines and progress: those beyond the limit are counted and dropped', async () => {
    const job = await enqueue(`${kind}_floodLog`)
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 'done' })
    const lines = linesOf(kind, job.id)
    expect(lines.length).toBeLessThan(3_000)
    const dropped = lines
      .filter(({ msg }) => /were dropped/.test(msg))
      .reduce((sum, line) => sum + Number(line.dropped), 0)
    const kept = lines.filter(({ msg }) => msg === 'flood').length
    expect(kept + dropped).toBe(20_000)
    expect(await shop.redis.hget(`${shop.keys(kind).bullBase}${job.id}`, 'progress')).toBe('100')
  })

  it('loses its lock and is ended, and the job runs again', async () => {
    const queue = `lost-${kind}`
    const folder = makeProject({ 'jobs.mjs': waitingJobs(queue, kind) })
    const { waiting } = (await import(pathToFileURL(`${folder}/jobs.mjs`).href)) as { waiting: Handler }
    const worker = await shop.work([waiting])
    const job = await shop.producer.enqueue(waiting.contract, {})
    await until('it runs', () => worker.lines.some(({ msg }) => msg === 'started'))
    await shop.redis.del(`${shop.keys(queue).bullBase}${job.id}:lock`)
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 2, attempts: 1 })
  })

  it('is handed back when its worker shuts down, and nothing of it is left', async () => {
    const queue = `down-${kind}`
    const folder = makeProject({ 'jobs.mjs': waitingJobs(queue, kind) })
    const { waiting } = (await import(pathToFileURL(`${folder}/jobs.mjs`).href)) as { waiting: Handler }
    const worker = await shop.work([waiting])
    const job = await shop.producer.enqueue(waiting.contract, {})
    await until('it runs', () => worker.lines.some(({ msg }) => msg === 'started'))
    expect(await worker.close()).toEqual({ handedBack: 1, abandoned: 0 })
    expect(await shop.redis.lrange(`${shop.keys(queue).bullBase}wait`, 0, -1)).toEqual([job.id])
    const started = worker.lines.find(({ msg }) => msg === 'started')
    if (kind === 'process') await until('its process is gone', () => !isAlive(Number(started?.pid)))
  })
})

/** A job file whose handler never ends its first run, and says in its second which it is. */
function waitingJobs(queue: string, kind: string): string {
  return `
    import { defineJob } from 'drover'
    import { handle } from 'drover/worker'
    import { z } from 'zod'
    const contract = defineJob({ name: 'wait', queue: '${queue}', input: z.object({}), attempts: 1 })
    export const waiting = handle(contract, async (_input, ctx) => {
      ctx.log.info({ pid: process.pid }, 'started')
      if (ctx.fence.token > 1) return ctx.fence.token
      await ctx.progress(1)
      for (;;);
    }, { isolate: '${kind}', file: import.meta.url, killGrace: 100 })`
}

const both = (name: string, code: string | undefined, message: RegExp) =>
  KINDS.map((kind) => [`${kind}_${name}`, code, message] as const)

it.each([
  ...both('exit', 'HANDLER_EXITED', /ended with exit code 3/),
  ...both('throwLater', 'HANDLER_EXITED', /threw outside of its handler: nobody catches this/),
  ...both('rejectLater', 'HANDLER_EXITED', /threw outside of its handler: nobody handles this/),
  ['thread_fill', 'HANDLER_EXITED', /ran out of memory \(memoryMb 64\)/] as const,
  ['process_fill', 'HANDLER_EXITED', /ended by SIGABRT, which Node does when its memory is full/] as const,
  ['process_abort', 'HANDLER_EXITED', /ended by SIGABRT/] as const,
  ['process_kill', 'HANDLER_EXITED', /ended by SIGKILL/] as const,
  ...both('forge', 'HANDLER_EXITED', /sent a message of its own with a field "drover"/),
  ...both('function', 'NOT_JSON', /\$ is a function/),
  ...both('bigint', 'NOT_JSON', /\$ is a BigInt/),
  ...both('large', 'TOO_LARGE', /limit is 1048576/),
  ...both('permanent', 'PERMANENT', /^never$/),
  ...both('retryIn', 'RETRY_IN', /^later$/),
  ...both('text', undefined, /^plain$/),
  ...both('counter', 'INVALID_OPTION', /a whole number/),
])('%s fails its attempt with %s, and its worker and neighbour are unharmed', async (name, code, message) => {
  const [kind = ''] = name.split('_')
  const [record, neighbour] = await Promise.all([run(name), run(`${kind}_stage`)])
  if (record.status !== 'failed') throw new Error('it completed')
  expect([record.error.code, record.error.message]).toEqual([code, expect.stringMatching(message)])
  expect(neighbour.status).toBe('completed')
  expect((await run(`${kind}_stage`)).status).toBe('completed')
})

it.each(KINDS)('a %s that crashed while its worker was busy is heard of with what it threw', async (kind) => {
  const folder = makeProject({
    'jobs.mjs': `
    import { existsSync, writeFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { defineJob } from 'drover'
    import { handle } from 'drover/worker'
    import { z } from 'zod'
    const contract = defineJob({ name: 'a', queue: 'busy-${kind}', input: z.object({}), attempts: 1 })
    export const handler = handle(contract, async (_input, ctx) => {
      process.once('exit', () => writeFileSync(new URL('./ended', import.meta.url), ''))
      ctx.log.info('waits')
      while (!existsSync(new URL('./go', import.meta.url))) await sleep(5)
      setTimeout(() => {
        throw new Error('its last words')
      })
      await new Promise(() => undefined)
    }, { isolate: '${kind}', file: import.meta.url })`,
  })
  const { handler } = (await import(pathToFileURL(`${folder}/jobs.mjs`).href)) as { handler: Handler }
  const worker = await shop.work([handler])
  const job = await shop.producer.enqueue(handler.contract, {})
  await until('it runs', () => worker.lines.some(({ msg }) => msg === 'waits'))
  writeFileSync(`${folder}/go`, '')
  const latest = performance.now() + PATIENCE.timeout
  while (!existsSync(`${folder}/ended`) && performance.now() < latest);
  // It is at its end, and gone a little later: both come at once to an event loop that was blocked.
  const goneAt = performance.now() + 500
  while (performance.now() < goneAt);
  expect(await shop.end(job)).toMatchObject({
    status: 'failed',
    error: { code: 'HANDLER_EXITED', message: expect.stringMatching(/threw outside of its handler: its last words/) },
  })
})

describe('a job file that does not load where its handler is isolated', () => {
  const write = (top: string, queue: string, kind: string) => `
    import { defineJob } from 'drover'
    import { createWorker, handle } from 'drover/worker'
    import { z } from 'zod'
    const contract = defineJob({ name: 'a', queue: '${queue}', input: z.object({}), attempts: 1 })
    export const handler = handle(contract, () => 1, { isolate: '${kind}', file: import.meta.url })
    ${top}`

  it.each(KINDS)(
    'fails the attempt with JOB_FILE_INVALID: a %s whose file throws, or starts a worker',
    async (kind) => {
      const tops = {
        throws: `if (globalThis[Symbol.for('drover.isolated')]) throw new Error('broken at its top')`,
        starts: `if (globalThis[Symbol.for('drover.isolated')]) await createWorker({ handlers: [handler] })`,
      }
      const messages: string[] = []
      for (const [name, top] of Object.entries(tops)) {
        const folder = makeProject({ 'jobs.mjs': write(top, `${name}-${kind}`, kind) })
        const { handler } = (await import(pathToFileURL(`${folder}/jobs.mjs`).href)) as { handler: Handler }
        await shop.work([handler])
        const record = await shop.end(await shop.producer.enqueue(handler.contract, {}))
        if (record.status !== 'failed') throw new Error('it completed')
        expect(record.error.code).toBe('JOB_FILE_INVALID')
        messages.push(record.error.message)
      }
      expect(messages).toEqual([
        expect.stringMatching(/jobs\.mjs does not load: broken at its top/),
        expect.stringMatching(/does not load: a worker is started by a file that was loaded for its isolated handler/),
      ])
    },
  )
})

it('a handler without its file is refused when the worker starts', async () => {
  const handler = door.handle(contractOf('thread_stage'), () => 1, { isolate: 'thread' })
  const starting: Promise<Worker> = shop.work([handler])
  await expect(starting).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('the file of isolated job thread_stage: import.meta.url'),
  })
  const located = door.locateHandler(handler, '/jobs/a.mjs')
  expect([located.isolation?.file, door.isHandler(located)]).toEqual(['/jobs/a.mjs', true])
})
