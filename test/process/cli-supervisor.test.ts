// drover worker with several processes: the built command, real signals.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob } from '../../src/index.js'
import { isAlive, ROOT, type RunningCommand, runDrover, startDrover, useProject, write } from '../support/drover-cli.js'
import { CONTRACTS, HANDLERS } from '../support/greeting-jobs.js'
import { parseMetrics, sampleValue } from '../support/metrics-text.js'
import { until } from '../support/until.js'

const { redis, cwd } = await useProject({ 'contracts.ts': CONTRACTS, 'jobs/handlers.ts': HANDLERS })

type LogLine = Record<string, unknown> & { msg?: string; pid: number }

function start(prefix: string, ...words: string[]): RunningCommand {
  return startDrover(['worker', '--prefix', prefix, ...words], { cwd, env: { REDIS_URL: redis.url } })
}

// Every line is one of JSON, so parsing is a check by itself.
function linesOf(command: RunningCommand, msg: string): LogLine[] {
  const text = command.stdout()
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return lines
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine)
    .filter((line) => line.msg === msg)
}

async function untilLines(command: RunningCommand, msg: string, count: number): Promise<LogLine[]> {
  await until(`${count} lines say ${msg}: ${command.stdout()}`, () => linesOf(command, msg).length >= count)
  return linesOf(command, msg)
}

function producerOf(prefix: string) {
  const greet = defineJob({ name: 'greet', queue: 'greetings', input: z.object({ name: z.string() }) })
  const nap = defineJob({ name: 'sleep', queue: 'naps', input: z.object({ file: z.string() }), attempts: 2 })
  const producer = createProducer({ redis: redis.url, timeout: '60s', prefix })
  return {
    greet: async () => {
      const outcome = await producer.results.wait(await producer.enqueue(greet, { name: 'Ada' }), { timeout: '60s' })
      return outcome.ok ? (outcome.value as { text: string }).text : outcome.error.message
    },
    nap: (file: string) => producer.enqueue(nap, { file }),
    ended: (job: { id: string; queue: string }) => producer.results.wait(job as never, { timeout: '60s' }),
    close: () => producer.close(),
  }
}

it('two processes work; one that is killed is started again; SIGHUP replaces each by one with the new code; bad code changes nothing', async () => {
  const producer = producerOf('two')
  const supervisor = start('two', '--processes', '2', '--health-port', '0')
  const [, port = ''] = await supervisor.until(/"port":(\d+),"msg":"health checks/)
  const statusOf = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status
  const first = await untilLines(supervisor, 'worker ready', 2)
  expect(first.map((line) => line.process).sort()).toEqual([1, 2])
  await until('both are ready', async () => (await statusOf('/readyz')) === 200)
  expect(await producer.greet()).toBe('Hello, Ada!')
  let samples: ReturnType<typeof parseMetrics> = []
  const completed = () => samples.filter(({ name }) => name === 'drover_worker_jobs_completed_total')
  // The result may be read before the worker has heard that it is there.
  await until('the job is counted', async () => {
    samples = parseMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
    return completed().length > 0
  })
  const seen = samples.filter(({ name }) => name === 'drover_worker_info').map(({ labels }) => labels)
  const pidOf = (line: LogLine) => ({ process: String(line.process), pid: String(line.pid) })
  expect(seen).toMatchObject(first.map(pidOf).sort((a, b) => Number(a.process) - Number(b.process)))
  expect(completed().map(({ value }) => value)).toEqual([1])
  expect(sampleValue(samples, 'drover_queue_jobs', { queue: 'greetings', state: 'waiting' })).toBe(0)

  // The next one is held while it loads its job files, so that its lack is seen however late it is asked for.
  const gate = join(cwd, 'gate')
  write(cwd, 'jobs/handlers.ts', `${HANDLERS}\nwhile (!existsSync(${JSON.stringify(gate)})) await setTimeout(10)\n`)
  process.kill(first[0]?.pid ?? 0, 'SIGKILL')
  await until('it is missed', async () => (await statusOf('/readyz')) === 503)
  expect(await statusOf('/livez')).toBe(200)
  writeFileSync(gate, '')
  await untilLines(supervisor, 'process ready', 3)
  const [crash] = linesOf(supervisor, 'process ended by itself, it is started again')
  expect(crash).toMatchObject({ process: first[0]?.process, signal: 'SIGKILL', ends: 1, againInMs: 500 })

  const asleep = join(cwd, 'nap-over-restart')
  const nap = await producer.nap(asleep)
  await until('the nap runs', () => existsSync(asleep))
  write(cwd, 'jobs/handlers.ts', HANDLERS.replace('Hello', 'Welcome'))
  supervisor.kill('SIGHUP')
  await untilLines(supervisor, 'worker closing', 1)
  // Jobs run all the while, and the one that runs is waited for.
  expect(await producer.greet()).toMatch(/^(Hello|Welcome), Ada!$/)
  writeFileSync(`${asleep}.wake`, '')
  await untilLines(supervisor, 'rolling restart done', 1)
  expect(await producer.ended(nap)).toMatchObject({ ok: true })
  expect(await producer.greet()).toBe('Welcome, Ada!')
  expectNewBeforeOld(supervisor)

  write(cwd, 'jobs/handlers.ts', 'throw new Error("half written")')
  const pids = () => linesOf(supervisor, 'worker ready').map(({ pid }) => pid)
  const before = pids()
  supervisor.kill('SIGHUP')
  const stop = 'rolling restart stopped: the new process was not ready, the others go on as they are'
  expect(await untilLines(supervisor, stop, 1)).toMatchObject([{ process: 1 }])
  expect(pids()).toEqual(before)
  expect(await producer.greet()).toBe('Welcome, Ada!')
  write(cwd, 'jobs/handlers.ts', HANDLERS)

  supervisor.kill('SIGTERM')
  expect(await supervisor.finished).toMatchObject({ code: 0 })
  expect(pids().filter(isAlive)).toEqual([])
  await producer.close()
})

/** Each process that was replaced began to close only when its place had one more that was ready. */
function expectNewBeforeOld(supervisor: RunningCommand): void {
  const closing = linesOf(supervisor, 'worker closing')
  expect(closing.map((line) => line.process)).toEqual([1, 2])
  const text = supervisor.stdout()
  for (const { pid, process: number } of closing) {
    const untilThen = text.slice(0, text.search(new RegExp(`"pid":${pid},.*"msg":"worker closing"`)))
    const ready = [...untilThen.matchAll(/"process":(\d),"processPid":(\d+),"msg":"process ready"/g)]
    expect(ready.filter((match) => Number(match[1]) === number).at(-1)?.[2]).not.toBe(String(pid))
  }
}

it('a process that has run its number of jobs is replaced; a job that runs then is waited for', async () => {
  const producer = producerOf('jobs')
  const supervisor = start('jobs', '--max-jobs', '2')
  const [old] = await untilLines(supervisor, 'worker ready', 1)
  const asleep = join(cwd, 'nap-over-recycle')
  const nap = await producer.nap(asleep)
  await until('the nap runs', () => existsSync(asleep))
  for (let count = 0; count < 2; count++) await producer.greet()
  const [limit] = await untilLines(supervisor, 'process has reached its limit, it is replaced', 1)
  expect(limit).toMatchObject({ process: 1, why: 'jobs', handled: 2 })
  await untilLines(supervisor, 'worker closing', 1)
  expect(await producer.greet()).toBe('Hello, Ada!')
  writeFileSync(`${asleep}.wake`, '')
  expect(await producer.ended(nap)).toMatchObject({ ok: true, value: 'awake' })
  await until('the old one has ended', () => !isAlive(old?.pid ?? 0))
  // Processes that are told to close from outside are not replaced, and without any there is nothing to supervise.
  const env = { REDIS_URL: redis.url }
  expect(await runDrover(['workers', 'close', 'all', '--prefix', 'jobs'], { cwd, env })).toMatchObject({ code: 0 })
  expect(await supervisor.finished).toMatchObject({ code: 0 })
  expect(linesOf(supervisor, 'process was told to close, it is not replaced')).toHaveLength(1)
  await producer.close()
})

it('a process over its memory limit is replaced, not within its first 10 s; a supervisor that is killed leaves no process', async () => {
  const supervisor = start('memory', '--max-memory', '64mb')
  const [old] = await untilLines(supervisor, 'worker ready', 1)
  const [limit] = await untilLines(supervisor, 'process has reached its limit, it is replaced', 1)
  expect(limit).toMatchObject({ process: 1, why: 'memory', handled: 0 })
  expect(limit?.rssBytes).toBeGreaterThan(64 * 1_024 ** 2)
  expect(Number(limit?.time) - Number(old?.time)).toBeGreaterThan(9_000)
  const [, fresh] = await untilLines(supervisor, 'worker ready', 2)
  supervisor.kill('SIGKILL')
  await supervisor.finished
  await until('both have ended', () => ![old, fresh].some((line) => isAlive(line?.pid ?? 0)))
})

it('a supervisor that a second signal ends has written what waited in its thinned log', async () => {
  // Stands in for pino-pretty, and thins lines of its own in the supervisor's log, from when that closes: two of each kind.
  const [pino, job] = [`${ROOT}node_modules/pino/pino.js`, `${ROOT}dist/job/index.js`].map((file) =>
    pathToFileURL(file),
  )
  const stand = `import { writeSync } from 'node:fs'
    import { pino } from '${pino}'
    import { logThinned } from '${job}'
    const write = (line) => {
      writeSync(1, line)
      if (!line.includes('"msg":"supervisor closing"')) return
      for (const kind of [...KINDS, ...KINDS]) logThinned(log, 'warn', { kind }, 'storm', kind)
    }
    const KINDS = Array.from({ length: 20 }, (_, kind) => String(kind))
    const stream = { write }
    const log = pino({ level: 'info' }, stream)
    export default () => stream`
  write(cwd, 'node_modules/pino-pretty/package.json', '{ "type": "module", "main": "index.js" }')
  write(cwd, 'node_modules/pino-pretty/index.js', stand)
  const supervisor = start('second', '--max-jobs', '5', '--log-format', 'pretty')
  const [ready] = await untilLines(supervisor, 'process ready', 1)
  const pid = Number(ready?.processPid)
  // So that it does not end with the first signal.
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
  process.kill(pid, 'SIGSTOP')
  supervisor.kill('SIGTERM')
  await untilLines(supervisor, 'supervisor closing', 1)
  await until('it ended', () => {
    supervisor.kill('SIGTERM')
    return supervisor.child.exitCode !== null
  })
  expect(await supervisor.finished).toMatchObject({ code: 143 })
  const storm = linesOf(supervisor, 'storm')
  expect(new Set(storm.map(({ kind }) => kind)).size).toBe(20)
  expect(storm.reduce((sum, { suppressed = 0 }) => sum + 1 + Number(suppressed), 0)).toBe(40)
  await until('its process is gone', () => !isAlive(pid))
})

it('a start that fails ends with the exit code and the error that one process has, once', async () => {
  const finished = await start('bad', '--processes', '3', 'nowhere/*.ts').finished
  expect(finished).toMatchObject({ code: 2 })
  expect(finished.stderr.match(/no job file/g)).toHaveLength(1)
})
