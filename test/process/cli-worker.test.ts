import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Finished,
  makeProject,
  type RunningCommand,
  runDrover,
  runDroverBatch,
  startDrover,
  useProject,
  write,
} from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'
import { freePort, startTestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const { redis, cwd, env } = await useProject(GREETING_FILES)

async function startWorker(
  words: readonly string[] = [],
  moreEnv: Record<string, string> = {},
): Promise<RunningCommand> {
  const worker = startDrover(['worker', ...words], { cwd, env: { ...env, ...moreEnv } })
  await worker.until(/"msg":"worker ready"/)
  return worker
}

async function enqueue(job: string, input: object, id: string, prefix = 'drover'): Promise<void> {
  const words = ['enqueue', job, '--input', JSON.stringify(input), '--id', id, '--prefix', prefix]
  expect(await runDrover(words, { cwd, env: { ...env, DROVER_JOBS: 'contracts.ts' } })).toMatchObject({ code: 0 })
}

/** Starts a job that runs until `wake`, and resolves when it is running. */
async function startNap(
  id: string,
  prefix = 'drover',
): Promise<{ file: string; wake: () => void; starts: () => number }> {
  const file = join(cwd, id)
  const starts = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0)
  await enqueue('sleep', { file }, id, prefix)
  await until(`${id} runs`, () => starts() === 1)
  return { file, starts, wake: () => writeFileSync(`${file}.wake`, '') }
}

async function record(
  queue: string,
  id: string,
  prefix = 'drover',
): Promise<{ status: string; attempts: number } | null> {
  const text = await redis.cli('GET', `{${prefix}:${queue}}:result:${id}`)
  return text === '' ? null : (JSON.parse(text) as { status: string; attempts: number })
}

type LogLine = Record<string, unknown> & { msg?: string }
function logOf(worker: RunningCommand): LogLine[] {
  return worker
    .stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine)
}

function readyLine(worker: RunningCommand): LogLine | undefined {
  return logOf(worker).find(({ msg }) => msg === 'worker ready')
}

describe('drover worker', () => {
  it('runs the default and named handlers of TypeScript files without a build, and logs JSON with queue, job, id and attempt', async () => {
    const worker = await startWorker()
    await enqueue('greet', { name: 'Ada' }, 'ada')
    await until('the job is done', async () => (await record('greetings', 'ada')) !== null)
    expect(readyLine(worker)).toMatchObject({
      queues: ['greetings', 'naps'],
      jobs: ['fail', 'greet', 'shout', 'sleep'],
      prefix: 'drover',
    })
    expect(logOf(worker).find(({ msg }) => msg === 'greeting')).toMatchObject({
      queue: 'greetings',
      job: 'greet',
      id: 'ada',
      attempt: 1,
      name: 'Ada',
    })
    worker.kill('SIGTERM')
    expect(await worker.finished).toMatchObject({ code: 0, stderr: '' })
  })

  it('works the queues of --queues only, each with its concurrency', async () => {
    const worker = await startWorker(['--queues', 'naps:2', '--prefix', 'two'])
    const naps = [await startNap('two-1', 'two'), await startNap('two-2', 'two')]
    await enqueue('sleep', { file: join(cwd, 'two-3') }, 'two-3', 'two')
    await enqueue('greet', { name: 'Ada' }, 'two-4', 'two')
    expect(await redis.cli('LLEN', '{two:naps}:naps:active')).toBe('2')
    expect(await redis.cli('LLEN', '{two:naps}:naps:wait')).toBe('1')
    expect(await redis.cli('LLEN', '{two:greetings}:greetings:wait')).toBe('1')
    expect(readyLine(worker)).toMatchObject({ queues: ['naps'] })
    for (const nap of naps) nap.wake()
    writeFileSync(join(cwd, 'two-3.wake'), '')
    await until('the third ran', async () => (await record('naps', 'two-3', 'two')) !== null)
    worker.kill('SIGINT')
    expect(await worker.finished).toMatchObject({ code: 0 })
  })

  it('takes globs of its own, and handlers that several files export once', async () => {
    write(cwd, 'more/index.ts', `export { default, onSleep } from '../jobs/handlers.js'`)
    const worker = await startWorker(['more/*.ts', 'jobs/*.ts', '--prefix', 'globs'])
    expect(readyLine(worker)).toMatchObject({ jobs: ['fail', 'greet', 'shout', 'sleep'] })
    worker.kill('SIGTERM')
    await worker.finished
  })

  it('loads the JavaScript files of a project without "type": "module"', async () => {
    write(cwd, 'plain/package.json', '{}')
    write(
      cwd,
      'plain/hello.mjs',
      `import { defineJob } from 'drover'
      import { handle } from 'drover/worker'
      import { z } from 'zod'
      export default handle(defineJob({ name: 'hello', queue: 'plain', input: z.null() }), () => 'hello')`,
    )
    const worker = await startWorker(['plain/*.mjs'])
    expect(readyLine(worker)).toMatchObject({ queues: ['plain'], jobs: ['hello'] })
    worker.kill('SIGTERM')
    await worker.finished
  })
})

describe('a worker that gets SIGTERM while a job runs', () => {
  it('takes no more jobs, lets the running one finish, and exits with 0', async () => {
    const worker = await startWorker(['--prefix', 'finish'])
    const nap = await startNap('finish-1', 'finish')
    worker.kill('SIGTERM')
    await worker.until(/"msg":"worker closing"/)
    await enqueue('greet', { name: 'late' }, 'finish-2', 'finish')
    nap.wake()
    const { code, stdout } = await worker.finished
    expect(code).toBe(0)
    expect(stdout).toMatch(/"handedBack":0,"abandoned":0,"msg":"worker closed"/)
    expect(await record('naps', 'finish-1', 'finish')).toMatchObject({ status: 'completed', attempts: 1 })
    expect(await record('greetings', 'finish-2', 'finish')).toBeNull()
    expect(await redis.cli('LLEN', '{finish:greetings}:greetings:wait')).toBe('1')
  })

  it('hands the job back at its deadline, not as a failed attempt, so that another worker runs it', async () => {
    const worker = await startWorker(['--shutdown-timeout', '100ms', '--prefix', 'back'])
    const nap = await startNap('back-1', 'back')
    worker.kill('SIGTERM')
    const { code, stdout } = await worker.finished
    expect(code).toBe(0)
    expect(stdout).toMatch(/"handedBack":1,"abandoned":0,"msg":"worker closed"/)
    expect(await redis.cli('LLEN', '{back:naps}:naps:wait')).toBe('1')
    const successor = await startWorker(['--prefix', 'back'])
    await until('the job runs again', () => nap.starts() === 2)
    nap.wake()
    await until('the job is done', async () => (await record('naps', 'back-1', 'back')) !== null)
    expect(await record('naps', 'back-1', 'back')).toMatchObject({ status: 'completed', attempts: 1 })
    expect(await redis.cli('GET', '{back:naps}:counter:naps')).toBe('1')
    successor.kill('SIGTERM')
    await successor.finished
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('and then %s exits at once with %d', async (second, exitCode) => {
    const worker = await startWorker(['--prefix', `second-${exitCode}`])
    await startNap(`second-${exitCode}`, `second-${exitCode}`)
    worker.kill('SIGTERM')
    await worker.until(/"msg":"worker closing"/)
    // One press of Ctrl-C under npm comes twice: only what comes later is a second wish.
    await until('it ended', () => {
      worker.kill(second)
      return worker.child.exitCode !== null
    })
    const { code, stdout } = await worker.finished
    expect(code).toBe(exitCode)
    expect(stdout).toContain('second signal, the worker ends now')
    expect(stdout).not.toContain('worker closed')
  })

  it('twice at the same moment still finishes its job', async () => {
    const worker = await startWorker(['--prefix', 'twice'])
    const nap = await startNap('twice', 'twice')
    worker.kill('SIGINT')
    worker.kill('SIGINT')
    await worker.until(/"msg":"worker closing"/)
    nap.wake()
    expect(await worker.finished).toMatchObject({ code: 0 })
    expect(await record('naps', 'twice', 'twice')).toMatchObject({ status: 'completed' })
  })
})

describe('a worker whose code throws outside of a handler', () => {
  it('logs it as fatal and exits with 1; its job runs again elsewhere', async () => {
    write(
      cwd,
      'stray/jobs.ts',
      `import { handle } from 'drover/worker'
       import { sleep } from '../contracts.js'
       export default handle(sleep, () => {
         setTimeout(() => { throw new Error('stray') }, 1)
         return new Promise(() => undefined)
       })`,
    )
    const worker = startDrover(['worker', 'stray/*.ts', '--prefix', 'stray'], { cwd, env })
    await worker.until(/"msg":"worker ready"/)
    await enqueue('sleep', { file: 'x' }, 'stray-1', 'stray')
    const { code, stdout } = await worker.finished
    expect(code).toBe(1)
    const fatal = stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as LogLine)
      .at(-1)
    expect(fatal).toMatchObject({ level: 60, msg: 'uncaught error, the worker ends', err: { message: 'stray' } })
    expect(await redis.cli('LLEN', '{stray:naps}:naps:active')).toBe('1')
  })
})

describe('drover worker does not start', () => {
  const files: Record<string, string> = {
    'bad/syntax.ts': 'export const = 1',
    'bad/script.mjs': 'export const = 1',
    'bad/throws.ts': `throw new Error('no database')\nexport {}`,
    'bad/missing.ts': `import './nowhere.js'`,
    'bad/none.ts': `export const answer = 42`,
    'bad/nothing.ts': `export {}`,
    'bad/twice.ts': `import { handle } from 'drover/worker'\nimport { greet } from '../contracts.js'\nexport const a = handle(greet, () => ({ text: '' }))`,
  }
  const rows: [what: string, words: string[], message: RegExp][] = [
    [
      'with a file that does not parse',
      ['bad/syntax.ts'],
      /^drover: job file \S+bad\/syntax\.ts does not load: .*(Expected|Unexpected)/s,
    ],
    [
      'with a JavaScript file that does not parse',
      ['bad/script.mjs'],
      /^drover: job file \S+bad\/script\.mjs does not load: Unexpected .*\ncause: its syntax: node --check \S+script\.mjs shows/,
    ],
    [
      'with a file that throws',
      ['bad/throws.ts'],
      /^drover: job file \S+bad\/throws\.ts does not load: no database\ncause: at \/\S+bad\/throws\.ts:1:7$/,
    ],
    [
      'with a file whose import is missing',
      ['bad/missing.ts'],
      /^drover: job file \S+bad\/missing\.ts does not load: Cannot find module .*nowhere/,
    ],
    ['without a matching file', ['nowhere/*.ts'], /no job file .* matches nowhere\/\*\.ts/],
    [
      'without a handler',
      ['bad/no{ne,thing}.ts', 'contracts.ts'],
      /^drover: no handler is exported by the job files.*\n- \S+none\.ts exports answer\n- \S+nothing\.ts exports nothing\n- \S+contracts\.ts exports fail \(a contract without its handler\), greet/,
    ],
    [
      'with two handlers for one job',
      ['jobs/*.ts', 'bad/twice.ts'],
      /^drover: two handlers for job greet of queue greetings, in \S+twice\.ts and in \S+handlers\.ts: keep one/,
    ],
    [
      'for a queue without a handler',
      ['--queues', 'napps:1'],
      /^drover: option queues: expected queues that a handler is for: greetings, naps, got "napps"$/,
    ],
  ]

  let outcomes: Map<string, Finished>

  beforeAll(async () => {
    for (const [path, text] of Object.entries(files)) write(cwd, path, text)
    const finished = await runDroverBatch(
      rows.map(([, words]) => ['worker', ...words]),
      { cwd, env },
    )
    outcomes = new Map(rows.map(([what], index) => [what, finished[index] as Finished]))
  })

  it.each(rows)('%s', (what, _words, message) => {
    expect(outcomes.get(what)).toMatchObject({ code: 2, stdout: '' })
    expect(outcomes.get(what)?.stderr.trimEnd()).toMatch(message)
  })

  it('with a Redis that is down', async () => {
    const port = await freePort()
    const down = await runDrover(['worker'], { cwd, env: { REDIS_URL: `redis://127.0.0.1:${port}` } })
    expect(down).toMatchObject({
      code: 69,
      stderr: expect.stringMatching(/^drover: Redis did not answer the start of the worker/),
    })
  })

  it('with a password that Redis refuses', async () => {
    const guarded = await startTestRedis({ password: 'open-sesame' })
    try {
      const url = `redis://ada:close-sesame@127.0.0.1:${guarded.port}`
      const { code, stdout, stderr } = await runDrover(['worker'], { cwd, env: { REDIS_URL: url } })
      expect(code).toBe(77)
      expect(stderr).toMatch(/^drover: Redis at redis:\/\/127\.0\.0\.1:\d+\/0 refused the sign-in/)
      expect(stdout + stderr).not.toContain('sesame')
    } finally {
      await guarded.close()
    }
  })
})

describe('the log of drover worker', () => {
  it('is written by pino-pretty with --log-format pretty where the project has it', async () => {
    const project = makeProject({
      ...GREETING_FILES,
      'node_modules/pino-pretty/package.json': '{ "main": "index.js" }',
    })
    write(
      project,
      'node_modules/pino-pretty/index.js',
      `const { Writable } = require('node:stream')
      module.exports = () => new Writable({ write(line, _, done) { process.stdout.write('pretty ' + JSON.parse(line).msg + '\\n'); done() } })`,
    )
    const worker = startDrover(['worker', '--log-format', 'pretty'], { cwd: project, env })
    await worker.until(/^pretty worker ready$/m)
    worker.kill('SIGTERM')
    await worker.finished
  })

  it('stays JSON and says so where it has not', async () => {
    const project = makeProject(GREETING_FILES)
    const worker = startDrover(['worker', '--log-format', 'pretty'], { cwd: project, env })
    await worker.until(/"msg":"worker ready"/)
    worker.kill('SIGTERM')
    expect((await worker.finished).stderr).toMatch(/^pino-pretty is not installed, so the log stays JSON: npm install/)
  })

  it('is silent below --log-level', async () => {
    const worker = startDrover(['worker', '--log-level', 'error', '--prefix', 'quiet'], { cwd, env })
    await until('it reads its queues', async () => (await redis.cli('EXISTS', 'quiet:queues')) === '1')
    worker.kill('SIGTERM')
    await worker.finished
    expect(worker.stdout()).toBe('')
  })
})
