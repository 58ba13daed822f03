// Handlers that are programs: what they are given, what they may answer, and every way in which they end. The worker is
// the built command, as a user has it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import type { JobResult } from '../../src/ledger/index.js'
import { createProducer, type Producer } from '../../src/producer/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { buildDrover, isAlive, makeProject, ROOT, type RunningCommand, startDrover } from '../support/drover-cli.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

/** Programs in Python, by job name. Their files have names that no module of Python has. */
const PROGRAMS = {
  facts: `
import json, os, sys
given = json.load(sys.stdin)
names = ["JOB", "QUEUE", "ATTEMPT", "ATTEMPTS", "FENCE", "JOB_ID"]
print(json.dumps({"given": given, "about": [os.environ["DROVER_" + name] for name in names], "extra": os.environ["EXTRA"]}))`,
  nothing: `pass`,
  garbage: `print("Traceback? no: garbage")`,
  bytes: `import sys; sys.stdout.buffer.write(b"\\xff\\xfe")`,
  schema: `print('{"n": "text"}')`,
  large: `
while True:
    print("x" * 10000)`,
  exit: `
import sys
print("the disk is full", file=sys.stderr)
sys.exit(3)`,
  permanent: `
import sys
print("not a picture", file=sys.stderr)
sys.exit(65)`,
  signal: `import os, signal; os.kill(os.getpid(), signal.SIGSEGV)`,
  unread: `print("1")`,
  noisy: `
import sys
for n in range(5000):
    print("line", n, file=sys.stderr)
sys.stderr.write("y" * 1000000)
print("1")`,
  envelope: `print('{"result": {"ok": true}, "counters": {"seen": 3}}')`,
  half: `print('{"result": 1, "counters": {"seen": 0.5}}')`,
  bare: `print('{"ok": true}')`,
  deaf: `
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
print("pids", os.getpid(), child.pid, file=sys.stderr, flush=True)
while True:
    pass`,
  left: `
import subprocess, sys
child = subprocess.Popen(["sleep", "600"])
print("pids", child.pid, file=sys.stderr)
print("1")`,
} as const
type Name = keyof typeof PROGRAMS

const JOBS = `
import { defineJob } from 'drover'
import { handleCommand } from 'drover/worker'
import { z } from 'zod'
const contract = (name, more) => defineJob({ name, queue: 'foreign', input: z.object({ n: z.number().default(1) }), attempts: 1, ...more })
const program = (name, options, more) =>
  handleCommand(contract(name, more), { command: ['python3', 'program_' + name + '.py'], cwd: new URL('../programs', import.meta.url), killGrace: 200, ...options })
export const handlers_facts = program('facts', { env: { EXTRA: 'of the job' } })
${Object.keys(PROGRAMS)
  .filter((name) => !['facts', 'deaf', 'schema', 'envelope', 'half', 'bare'].includes(name))
  .map((name) => `export const handlers_${name} = program('${name}')`)
  .join('\n')}
export const handlers_schema = program('schema', {}, { output: z.object({ n: z.number() }) })
export const handlers_deaf = program('deaf', {}, { timeout: '8s' })
${['envelope', 'half', 'bare'].map((name) => `export const handlers_${name} = program('${name}', { output: 'envelope' })`).join('\n')}
export const handlers_endless = program('endless', { command: ['python3', 'program_deaf.py'] })
export const missing = program('missing', { command: ['no-such-program-anywhere'] })
export const folder = program('folder', { command: ['.'] })
`

let server: TestRedis
let producer: Producer
let redis: Redis
let worker: RunningCommand

beforeAll(async () => {
  await buildDrover()
  server = await startTestRedis()
  producer = createProducer({ redis: server.url, timeout: '60s' })
  redis = new Redis(server.url)
  const programs = Object.entries(PROGRAMS).map(([name, text]) => [`programs/program_${name}.py`, text])
  const cwd = makeProject({ 'jobs/foreign.ts': JOBS, ...Object.fromEntries(programs) })
  worker = startDrover(['worker', '--log-format', 'json', '--concurrency', '3'], {
    cwd,
    env: { REDIS_URL: server.url },
  })
  await worker.until(/worker ready/)
})
afterAll(async () => {
  worker?.kill('SIGTERM')
  await worker?.finished
  await producer?.close()
  redis?.disconnect()
  await server?.close()
})

const enqueue = (name: string) => {
  const contract = defineJob({ name, queue: 'foreign', input: z.object({ n: z.number().optional() }), attempts: 1 })
  return producer.enqueue(contract, {})
}

async function run(name: Name | 'missing' | 'folder'): Promise<{ record: JobResult<unknown>; log: string[] }> {
  const job = await enqueue(name)
  const { record } = await producer.results.wait({ queue: 'foreign', id: job.id }, { timeout: '60s' })
  return { record, log: await redis.lrange(`${queueKeys('drover', 'foreign').bullBase}${job.id}:logs`, 0, -1) }
}

async function untilPids(id: string): Promise<number[]> {
  let pids: number[] = []
  await until('the program says its pids', async () => {
    const [line = ''] = await redis.lrange(`${queueKeys('drover', 'foreign').bullBase}${id}:logs`, 0, -1)
    pids = [...line.replace(/^\S+Z /, '').matchAll(/\d+/g)].map(Number)
    return pids.length > 0
  })
  return pids
}

it('a program is given the input as its schema reads it, and what its job is', async () => {
  const { record } = await run('facts')
  expect(record).toMatchObject({
    status: 'completed',
    value: { given: { n: 1 }, about: ['facts', 'foreign', '1', '1', '1', record.id], extra: 'of the job' },
  })
})

it('a program that prints nothing has the result null, and one that does not read its input may end', async () => {
  expect((await run('nothing')).record).toMatchObject({ status: 'completed', value: null })
  expect((await run('unread')).record).toMatchObject({ status: 'completed', value: 1 })
})

it('counters of an envelope commit with its result, and one that cannot be counted fails the attempt', async () => {
  expect((await run('envelope')).record).toMatchObject({ status: 'completed', value: { ok: true } })
  expect((await run('half')).record).toMatchObject({ status: 'failed', error: { code: 'INVALID_OPTION' } })
  expect(await producer.counters.get('foreign', 'seen')).toBe(3)
})

it.each<[Name | 'missing' | 'folder', string, RegExp]>([
  ['garbage', 'COMMAND_OUTPUT', /"python3" cannot be used: it is not one JSON value/],
  ['bytes', 'COMMAND_OUTPUT', /it is not UTF-8/],
  ['bare', 'COMMAND_OUTPUT', /it is no envelope/],
  ['schema', 'INVALID_RESULT', /\$\.n/],
  ['large', 'TOO_LARGE', /the limit is 1048576/],
  ['exit', 'COMMAND_FAILED', /ended with exit code 3: the disk is full$/],
  ['permanent', 'PERMANENT', /ended with exit code 65: not a picture$/],
  ['signal', 'COMMAND_FAILED', /ended by SIGSEGV, and wrote nothing to standard error$/],
  ['missing', 'COMMAND_NOT_STARTED', /"no-such-program-anywhere" did not start: .*ENOENT/],
  ['folder', 'COMMAND_NOT_STARTED', /"\." did not start: .*EACCES/],
])('a program that ends in %s fails its attempt with %s', async (name, code, message) => {
  const { record } = await run(name)
  expect(record).toMatchObject({ status: 'failed', error: { code, message: expect.stringMatching(message) } })
})

it('standard error goes to the log of the job line by line, cut and bounded', async () => {
  const { record, log } = await run('noisy')
  expect(record).toMatchObject({ status: 'completed', value: 1 })
  expect(log).toHaveLength(100)
  expect(log.at(-2)).toMatch(/Z info line 999$/)
  expect(log.at(-1)).toMatch(/Z warn the program wrote more lines than are kept \{"dropped":4001\}$/)
})

it('a program and what it started are killed after the timeout, deaf as they are', async () => {
  const job = await enqueue('deaf')
  const pids = await untilPids(job.id)
  const { record } = await producer.results.wait({ queue: 'foreign', id: job.id }, { timeout: '60s' })
  expect(record).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } })
  expect(pids).toHaveLength(2)
  await until('both are gone', () => !pids.some(isAlive))
})

it('what a program leaves running does not keep its attempt waiting', async () => {
  const job = await enqueue('left')
  const pids = await untilPids(job.id)
  const { record } = await producer.results.wait({ queue: 'foreign', id: job.id }, { timeout: '60s' })
  expect(record).toMatchObject({ status: 'completed', value: 1 })
  await until('it is gone', () => !pids.some(isAlive))
})

it('the example counts words in Python', async () => {
  const example = join(ROOT, 'examples', 'foreign-handler')
  const text = (path: string) => readFileSync(join(example, path), 'utf8')
  const cwd = makeProject({
    'jobs/count-words.ts': text('jobs/count-words.ts'),
    'count_words.py': text('count_words.py'),
  })
  const started = startDrover(['worker'], { cwd, env: { REDIS_URL: server.url } })
  await started.until(/worker ready/)
  const contract = defineJob({ name: 'words.count', queue: 'words', input: z.object({ text: z.string() }) })
  const ends = await Promise.all(
    ['to be or not to be', '', 'no\0text'].map(async (text) => {
      const job = await producer.enqueue(contract, { text })
      return (await producer.results.wait({ queue: 'words', id: job.id }, { timeout: '60s' })).record
    }),
  )
  expect(ends).toMatchObject([
    { status: 'completed', value: { words: 6, longest: 'not' } },
    { status: 'completed', value: { words: 0, longest: null } },
    { status: 'failed', attempts: 1, error: { code: 'PERMANENT' } },
  ])
  expect(await producer.counters.get('words', 'words')).toBe(6)
  started.kill('SIGTERM')
  expect((await started.finished).code).toBe(0)
})

it('a program and what it started do not outlive a worker that is killed', async () => {
  const job = await enqueue('endless')
  const pids = await untilPids(job.id)
  expect(pids).toHaveLength(2)
  expect(pids.every(isAlive)).toBe(true)
  worker.kill('SIGKILL')
  await worker.finished
  await until('both are gone', () => !pids.some(isAlive))
})
