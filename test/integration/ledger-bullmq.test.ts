// What the kernel takes for granted about BullMQ 6.7.0, each thing held against the installed package, so that another
// release is refused by a test (and by a worker at start) before it finishes a job.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Job, RedisConnection } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { UnsupportedBullmqError } from '../../src/job/index.js'
import {
  COMMIT_COMMAND,
  createScriptWrapper,
  FIRE_COMMAND,
  LIMITED_COMMIT_COMMAND,
  type NamedScript,
} from '../../src/ledger/bullmq-scripts.js'
import { finishWords } from '../../src/ledger/commit.js'
import { attachLedger, BULLMQ_VERSION } from '../../src/ledger/index.js'
import { DELIVER_COMMAND } from '../../src/ledger/outbox/outbox.js'
import { type Kernel, openKernel, TOKEN } from '../support/kernel.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

interface Definition {
  readonly lua: string
  readonly numberOfKeys?: number
}

const KEEP = { count: 5 }
let server: TestRedis
let kernel: Kernel
/** Every script BullMQ defines on a client, as it defines it. */
const scripts = new Map<string, Definition>()

/** BullMQ's scripts that the commit embeds, so that a job may stage others. */
const ADDING = ['addStandardJob', 'addDelayedJob', 'addPrioritizedJob']

beforeAll(async () => {
  server = await startTestRedis()
  kernel = await openKernel(server.url)
  const client = new Redis(server.url)
  client.defineCommand = (name: string, definition: Definition) => void scripts.set(name, definition)
  const connection = new RedisConnection(client, { shared: true, blocking: false })
  await connection.client
  client.disconnect()
})
beforeEach(() => kernel.client.flushdb())
afterAll(async () => {
  await kernel.close()
  await server.close()
})

/** A wrapper that has seen BullMQ's scripts that add jobs, as it has when BullMQ defines the others. */
function wrapperOf(): ReturnType<typeof createScriptWrapper> {
  const wrap = createScriptWrapper('PUBLISH')
  for (const name of ADDING) wrap(`${name}:${BULLMQ_VERSION}`, scriptOf(name))
  return wrap
}

const META_READ = 'rcall("HMGET", queueMetaKey, "paused", "concurrency", "max", "duration")'
const META_READ_OURS = `${META_READ.slice(0, -1)}, "drover:held")\n  held = queueAttributes[5]\n`
const MARK_ENDS = '\n            rcall("HDEL", jobIdKey, "defa")'

const UNPACKING = 'local opts = cmsgpack.unpack(ARGV[8])'
/** Functions of the finishing script that the commit lets run once for all jobs of a call, by the key they get first. */
const ONCE = [
  'addBaseMarkerIfNeeded(markerKey, isPausedOrMaxed)',
  'promoteDelayedJobs(delayedKey,',
  'trimEvents(metaKey, eventStreamKey)',
]

/**
 * What we change of BullMQ's text: one more field with what it reads anyway, and what is done with it; what is the same
 * for several jobs of a call is read or unpacked once; and Redis is there with a call only.
 */
const OURS: Readonly<Record<string, readonly (readonly [theirs: string, ours: string])[]>> = {
  moveToActive: [[META_READ, META_READ_OURS]],
  moveToDelayed: [[META_READ, META_READ_OURS]],
  moveToFinished: [
    ['\nlocal rcall = redis.call\n', '\nlocal rcall\n'],
    [META_READ, `metas[queueMetaKey] or ${META_READ_OURS}  metas[queueMetaKey] = queueAttributes\n`],
    [UNPACKING, 'local opts = ARGV[8]'],
    ['"parentKey", "parent", "deid")', '"parentKey", "parent", "deid", "defa")'],
    [`if ARGV[5] == "failed" then${MARK_ENDS}`, `if jobAttributes[4] then${MARK_ENDS}`],
  ],
}

function withOurs(name: string): string {
  return (OURS[name] ?? []).reduce((lua, [theirs, ours]) => {
    expect(lua.split(theirs)).toHaveLength(2)
    return lua.replace(theirs, () => ours)
  }, scriptOf(name).lua)
}

function scriptOf(name: string): Definition {
  const found = scripts.get(`${name}:${BULLMQ_VERSION}`)
  if (!found) throw new Error(`BullMQ defines no ${name}:${BULLMQ_VERSION}, only ${[...scripts.keys()].join(', ')}`)
  return found
}

describe('the pinned BullMQ', () => {
  it('is the one that is installed, and the only one package.json allows', () => {
    const installed = createRequire(import.meta.url)('bullmq/package.json') as { version: string }
    const own = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect([installed.version, own.dependencies.bullmq]).toEqual([BULLMQ_VERSION, BULLMQ_VERSION])
  })

  it('defines the four wrapped scripts with the expected keys and arguments, and the rest is left as it is', () => {
    for (const name of ['moveToFinished', 'moveToDelayed', 'retryJob', 'moveToActive']) {
      const [wrapped] = wrapperOf()(`${name}:${BULLMQ_VERSION}`, scriptOf(name)) as [NamedScript]
      // Whole, or in two parts where the functions end: nothing of BullMQ's text is left out, and changed is what OURS says.
      const [functions = '', ...body] = withOurs(name).split('\nlocal jobIdKey = KEYS[12]\n')
      expect(body).toHaveLength(name === 'moveToFinished' ? 1 : 0)
      expect(wrapped.definition.lua).toContain(functions)
      for (const part of body) expect(wrapped.definition.lua).toContain(`\nlocal jobIdKey = KEYS[12]\n${part}`)
      expect(wrapped.definition.lua).not.toMatch(/--@[A-Z_]+@/)
      expect(wrapped.definition.numberOfKeys).toBe(name === 'moveToFinished' ? undefined : 11)
    }
    const embedding = wrapperOf()(`moveToFinished:${BULLMQ_VERSION}`, scriptOf('moveToFinished'))
    const ours = [COMMIT_COMMAND, LIMITED_COMMIT_COMMAND, FIRE_COMMAND, DELIVER_COMMAND]
    expect(embedding.map(({ name }) => name)).toEqual(ours)
    for (const { definition } of embedding) {
      for (const name of ADDING) expect(definition.lua).toContain(scriptOf(name).lua)
    }
    expect(scripts.size).toBeGreaterThan(40)
    for (const [name, definition] of scripts) {
      if (/^(moveToFinished|moveToDelayed|retryJob|moveToActive):/.test(name)) continue
      expect(wrapperOf()(name, definition)).toEqual([{ name, definition }])
    }
  })

  it('has no other script that ends a job, and none but these that counts a failed attempt', () => {
    const matching = (pattern: RegExp) => [...scripts].filter(([, { lua }]) => pattern.test(lua)).map(([name]) => name)
    const named = (...names: string[]) => names.map((name) => `${name}:${BULLMQ_VERSION}`)
    expect(matching(/"HM?SET"[^\n]*"finishedOn"/)).toEqual(named('moveToFinished'))
    expect(matching(/"HINCRBY"[^\n]*"atm"/).sort()).toEqual(named('moveToDelayed', 'moveToFinished', 'retryJob'))
  })

  it('has the functions that run once for all jobs of a call, each defined once', () => {
    const { lua } = scriptOf('moveToFinished')
    for (const head of ONCE) expect(lua.split(`local function ${head}`)).toHaveLength(2)
  })

  it('finishes a job over the commit alone: its own script is not there to be called', async () => {
    const client = kernel.client as unknown as Record<string, unknown>
    expect(client[`moveToFinished:${BULLMQ_VERSION}`]).toBeUndefined()
    expect(client[COMMIT_COMMAND]).toBeTypeOf('function')
    const job = await kernel.start()
    const args = kernel.backend.moveToCompletedArgs(job, null, KEEP, TOKEN, false)
    await expect(kernel.backend.moveToFinished(String(job.id), args as never)).rejects.toThrow()
    expect(await kernel.client.llen(kernel.bull('active'))).toBe(1)
  })
})

describe('moveToFinished', () => {
  it.each(['completed', 'failed'] as const)(
    'gets the keys and arguments BullMQ gives it, for a %s job',
    async (target) => {
      const job = await kernel.start()
      const args = finishingArgs(job, target)
      const seen = await runStub(args)
      expect(seen.KEYS).toEqual(args.slice(0, 14))
      const [packed] = args.splice(21, 1, seen.ARGV[7])
      expect(seen.ARGV).toEqual(args.slice(14).map((arg) => String(arg ?? '')))
      const options = await kernel.client.eval('return cjson.encode(cmsgpack.unpack(ARGV[1]))', 0, packed as Buffer)
      expect(JSON.parse(seen.ARGV[7] ?? '')).toEqual(JSON.parse(String(options)))
    },
  )

  it('is given job id, time, property, value, target, fetch flag, prefix, options and fields, in this order', async () => {
    const job = await kernel.start()
    const args = finishingArgs(job, 'failed').slice(14)
    expect(args).toHaveLength(9)
    const [id, time, property, value, target, fetchNext, prefix, options, fields] = args
    expect([id, property, value, target, fetchNext, prefix]).toEqual([
      ...[job.id, 'failedReason', 'broke', 'failed', 0],
      kernel.keys.bullBase,
    ])
    expect(Math.abs(Number(time) - Date.now())).toBeLessThan(60_000)
    expect(Buffer.isBuffer(options) && options.includes(TOKEN)).toBe(true)
    expect(Buffer.isBuffer(fields) && fields.includes('a reason')).toBe(true)
    expect(kernel.backend.moveToCompletedArgs(job, 'x', KEEP, TOKEN, true).slice(14, 20)).toEqual([
      ...[job.id, expect.any(Number), 'returnvalue', 'x', 'completed', 1],
    ])
  })

  it('gets the same packed options for jobs of the same options, but for the token', async () => {
    const [one, other] = [await kernel.start(), await kernel.start()]
    expect(other.id).not.toBe(one.id)
    const packed = (job: Job, token: string) =>
      kernel.backend.moveToCompletedArgs(job, 'x', KEEP, token, true)[21] as Buffer
    expect(packed(other, TOKEN)).toEqual(packed(one, TOKEN))
    expect(packed(other, 'tokem').toString('latin1').replace('tokem', 'token')).toBe(
      packed(one, 'token').toString('latin1'),
    )
  })
})

describe('the retrying scripts', () => {
  it('take prefix and time first, and the fields of a failed attempt where they are looked for', async () => {
    const job = await kernel.start()
    const id = String(job.id)
    const delayed = kernel.backend.moveToDelayedArgs(id, 1_234, TOKEN, 5, { fieldsToUpdate: { failedReason: 'why' } })
    expect([delayed[4], delayed[11], delayed[12]]).toEqual([kernel.bull(id), kernel.keys.bullBase, 1_234])
    expect(String(delayed[11 + 6])).toContain('why')
    expect(kernel.backend.moveToDelayedArgs(id, 1_234, TOKEN, 5)[11 + 6]).toBeUndefined()

    const retried = kernel.backend.retryJobArgs(id, false, TOKEN, { fieldsToUpdate: { failedReason: 'why' } })
    expect([retried[3], retried[11]]).toEqual([kernel.bull(id), kernel.keys.bullBase])
    expect(Math.abs(Number(retried[12]) - Date.now())).toBeLessThan(60_000)
    expect(String(retried[11 + 5])).toContain('why')
    expect(kernel.backend.retryJobArgs(id, false, TOKEN)[11 + 5]).toBeUndefined()
  })
})

describe('another BullMQ', () => {
  const known = { lua: 'return ARGV[9]', numberOfKeys: 14 }

  it.each<[string, string, Definition, string]>([
    ['a later version', 'moveToFinished:6.8.0', known, 'found BullMQ 6.8.0 with 14 keys and 9 arguments'],
    ['no version', 'moveToFinished', known, 'found BullMQ of unknown version with 14 keys and 9 arguments'],
    ['another number of keys', `moveToFinished:${BULLMQ_VERSION}`, { ...known, numberOfKeys: 15 }, 'with 15 keys'],
    ['no number of keys', `moveToFinished:${BULLMQ_VERSION}`, { lua: known.lua }, 'with 0 keys'],
    ['one argument more', `moveToFinished:${BULLMQ_VERSION}`, { ...known, lua: 'return ARGV[10]' }, '10 arguments'],
    ['one argument less', `retryJob:${BULLMQ_VERSION}`, { lua: 'return ARGV[5]', numberOfKeys: 11 }, '5 arguments'],
    ['another delay script', `moveToDelayed:${BULLMQ_VERSION}`, { lua: 'return 1', numberOfKeys: 11 }, '0 arguments'],
  ])('is refused, both named: %s', (_what, name, definition, found) => {
    const refusal = catchError(() => wrapperOf()(name, definition))
    expect(refusal).toBeInstanceOf(UnsupportedBullmqError)
    expect(refusal).toMatchObject({ code: 'UNSUPPORTED_BULLMQ', script: name.split(':')[0] })
    expect(refusal.message).toContain(`expected BullMQ ${BULLMQ_VERSION} with`)
    expect(refusal.message).toContain(found)
  })

  it.each([
    ['no body where it is looked for', 'local a = ARGV[9]'],
    ['two of them', 'local a = 1\nlocal jobIdKey = KEYS[12]\nlocal jobIdKey = KEYS[12]\nreturn ARGV[9]'],
    ['functions that read keys by themselves', 'local a = KEYS[1]\nlocal jobIdKey = KEYS[12]\nreturn ARGV[9]'],
  ])('is refused when its finishing script has %s', (_what, lua) => {
    const refusal = catchError(() => wrapperOf()(`moveToFinished:${BULLMQ_VERSION}`, { lua, numberOfKeys: 14 }))
    expect(refusal).toBeInstanceOf(UnsupportedBullmqError)
  })

  it('is refused when it defines the finishing script before those that add jobs', () => {
    const definition = scriptOf('moveToFinished')
    const refusal = catchError(() => createScriptWrapper('PUBLISH')(`moveToFinished:${BULLMQ_VERSION}`, definition))
    expect(refusal).toBeInstanceOf(UnsupportedBullmqError)
    expect(refusal.message).toContain('addStandardJob')
  })

  it('cannot define its scripts on a client of a worker', () => {
    const client = new Redis({ lazyConnect: true })
    attachLedger(client)
    expect(() => client.defineCommand('moveToFinished:6.8.0', known)).toThrow(UnsupportedBullmqError)
    expect((client as unknown as Record<string, unknown>)['moveToFinished:6.8.0']).toBeUndefined()
  })
})

function finishingArgs(job: Job, target: 'completed' | 'failed'): unknown[] {
  const { backend } = kernel
  if (target === 'completed') return backend.moveToCompletedArgs(job, '"value"', KEEP, TOKEN, false)
  return backend.moveToFailedArgs(job, 'broke', KEEP, TOKEN, false, { failedReason: 'a reason' })
}

/** The keys and arguments BullMQ's script gets inside of the commit: a stub in its place sends back what it was given. */
async function runStub(args: readonly unknown[]): Promise<{ KEYS: string[]; ARGV: string[] }> {
  // It has the places that are changed in the real one, where they are never reached.
  const stub = `
local rcall = redis.call
local function copy(from, count) local to = {} for i = 1, count do to[i] = from[i] end return to end
local addBaseMarkerIfNeeded, promoteDelayedJobs, trimEvents
local function meta(queueMetaKey) local queueAttributes = ${META_READ} end
local jobIdKey = KEYS[12]
local function never() local jobAttributes = rcall("HMGET", jobIdKey, "parentKey", "parent", "deid")
  if ARGV[5] == "failed" then
    rcall("HDEL", jobIdKey, "defa")
  end end
${UNPACKING}
local given = copy(ARGV, 8)
given[9] = ARGV[9]
given[8] = cjson.encode(opts)
return {copy(KEYS, 14), given}`
  const name = `moveToFinished:${BULLMQ_VERSION}`
  const [{ definition }] = wrapperOf()(name, { lua: stub, numberOfKeys: 14 }) as [NamedScript]
  const words = [...finishWords(args, TOKEN), '{}', 60, 'resize:completed', 1, 'resize|c|0|0', 0]
  const sent = [args[11], kernel.keys.base, kernel.keys.bullBase, 1, words.length, ...words]
  const [[keys, argv]] = (await kernel.client.eval(definition.lua, 1, ...(sent as string[]))) as [[string[], string[]]]
  return { KEYS: keys, ARGV: argv }
}

function catchError(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}
