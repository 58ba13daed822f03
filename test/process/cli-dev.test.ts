import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  buildDrover,
  type CommandOptions,
  isAlive,
  linkPackages,
  makeProject,
  ROOT,
  type RunningCommand,
  runDrover,
  startCommand,
  startDrover,
  write,
} from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'
import { startTestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

beforeAll(buildDrover)

interface Dev {
  readonly command: RunningCommand
  readonly redis: string
  readonly dashboard: string
  /** Of the worker, of Redis and of what watches over it. */
  readonly children: number[]
}

async function startDev(cwd: string, words: readonly string[] = [], options: CommandOptions = {}): Promise<Dev> {
  const command = startDrover(['dev', '--port', '0', ...words], { cwd, ...options })
  const [, redis = ''] = await command.until(/^Redis +(\S+)/m)
  const [, dashboard = ''] = await command.until(/^Dashboard +(\S+)/m)
  await command.until(/worker ready/)
  return { command, redis, dashboard, children: childrenOf(command.pid) }
}

/** Every process below this one. */
function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  if (!existsSync(path)) return []
  const pids = readFileSync(path, 'utf8')
    .trim()
    .split(' ')
    .filter((text) => text !== '')
    .map(Number)
  return pids.flatMap((child) => [child, ...childrenOf(child)])
}

/** The worker has started this often. */
function untilReady(command: RunningCommand, times: number): Promise<void> {
  return until(`the worker started ${times} times`, () => command.stdout().split('worker ready').length > times)
}

function allGone(pids: readonly number[]): Promise<void> {
  return until('no process is left', () => !pids.some(isAlive))
}

describe('drover dev', () => {
  it('runs Redis, a worker and a dashboard, which other commands in the directory find, and Ctrl-C ends all of it', async () => {
    const cwd = makeProject(GREETING_FILES)
    const { command, dashboard, children } = await startDev(cwd)
    expect(children).toHaveLength(3)
    const words = ['enqueue', 'greet', '--input', '{"name":"Ada"}', '--id', 'ada', '--wait', '--jobs', 'contracts.ts']
    expect(JSON.parse((await runDrover(words, { cwd })).stdout)).toEqual({ text: 'Hello, Ada!' })
    await command.until(/^\d\d:\d\d:\d\d info {2}greet ada: greeting name=Ada$/m)
    await command.until(/^\d\d:\d\d:\d\d done {2}greet ada in \S+ → \{"text":"Hello, Ada!"\}$/m)
    await until('the dashboard is ready', async () => (await fetch(`${dashboard}/readyz`)).ok)
    command.kill('SIGINT')
    expect(await command.finished).toMatchObject({ code: 0, stderr: '' })
    await allGone(children)
    expect(existsSync(join(cwd, '.drover', 'dev.json'))).toBe(false)
  })

  it('leaves a server on port 6379 alone, and tells and shows other commands where its own is', async () => {
    // Where a server is there already, this one cannot listen, and none is needed.
    const holder = createServer().on('error', () => undefined)
    holder.listen(6379, '127.0.0.1')
    const cwd = makeProject(GREETING_FILES)
    const { command, redis } = await startDev(cwd)
    const url = redis.replace(/\/0$/, '')
    expect(url).not.toMatch(/:6379$/)
    expect(command.stdout()).toContain(`Programs of your own find this one with REDIS_URL=${url}\n`)
    const words = ['enqueue', 'greet', '--input', '{"name":"Ada"}', '--wait', '--jobs', 'contracts.ts']
    expect(JSON.parse((await runDrover(words, { cwd })).stdout)).toEqual({ text: 'Hello, Ada!' })
    command.kill('SIGINT')
    expect((await command.finished).code).toBe(0)
    holder.close()
  })

  it('keeps jobs, results and counters from one start to the next', async () => {
    const cwd = makeProject(GREETING_FILES)
    const first = await startDev(cwd)
    await runDrover(
      ['enqueue', 'greet', '--input', '{"name":"Ada"}', '--id', 'ada', '--wait', '--jobs', 'contracts.ts'],
      { cwd },
    )
    first.command.kill('SIGTERM')
    await first.command.finished
    const second = await startDev(cwd)
    expect(JSON.parse((await runDrover(['result', 'greetings', 'ada'], { cwd })).stdout)).toEqual({
      text: 'Hello, Ada!',
    })
    expect((await runDrover(['counters', 'greetings', 'greeted'], { cwd })).stdout).toBe('1\n')
    second.command.kill('SIGTERM')
    expect((await second.command.finished).code).toBe(0)
    await allGone([...first.children, ...second.children])
  })

  it('restarts the worker when a job file changes, and when a new one appears in a new folder', async () => {
    const cwd = makeProject(GREETING_FILES)
    const { command } = await startDev(cwd)
    const handlers = readFileSync(join(cwd, 'jobs', 'handlers.ts'), 'utf8')
    write(cwd, 'jobs/handlers.ts', handlers.replace('Hello', 'Salut'))
    await untilReady(command, 2)
    expect(command.stdout()).toMatch(/handlers\.ts changed: the worker restarts$/m)
    const words = ['enqueue', 'greet', '--input', '{"name":"Ada"}', '--wait', '--jobs', 'contracts.ts']
    expect(JSON.parse((await runDrover(words, { cwd })).stdout)).toEqual({ text: 'Salut, Ada!' })
    write(
      cwd,
      'jobs/more/hello.ts',
      `import { defineJob } from 'drover'\nimport { handle } from 'drover/worker'\nimport { z } from 'zod'
       export default handle(defineJob({ name: 'hello', queue: 'more', input: z.null() }), () => 'hello')`,
    )
    await command.until(/worker ready .*jobs=fail,greet,hello,shout,sleep/)
    write(cwd, 'jobs/node_modules/some/index.js', 'ignored')
    write(cwd, 'jobs/notes.txt', 'ignored')
    const changes = () => command.stdout().split('handlers.ts changed: the worker restarts').length
    const before = changes()
    write(cwd, 'jobs/handlers.ts', handlers)
    await until('the last change was seen', () => changes() > before)
    // A write may come as two changes; which files were seen is what counts.
    const changed = command.stdout().matchAll(/(\S+) changed: the worker restarts/g)
    const seen = new Set([...changed].map(([, file = '']) => basename(file)))
    expect([...seen].sort()).toEqual(['handlers.ts', 'hello.ts'])
    command.kill('SIGINT')
    expect((await command.finished).code).toBe(0)
  })

  it('goes on when a job file does not load, and starts the worker again when it does', async () => {
    const cwd = makeProject(GREETING_FILES)
    const { command } = await startDev(cwd)
    const handlers = readFileSync(join(cwd, 'jobs', 'handlers.ts'), 'utf8')
    write(cwd, 'jobs/handlers.ts', 'export const = 1')
    await command.until(/^drover: job file \S+handlers\.ts does not load: /m)
    await command.until(/the worker ended with code 2: it starts again when a source file changes/)
    write(cwd, 'jobs/handlers.ts', handlers)
    await untilReady(command, 2)
    command.kill('SIGINT')
    expect((await command.finished).code).toBe(0)
  })

  it('hands a running job to the new worker on a reload', async () => {
    const cwd = makeProject(GREETING_FILES)
    const { command } = await startDev(cwd)
    const file = join(cwd, 'nap')
    const starts = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0)
    const words = ['enqueue', 'sleep', '--input', JSON.stringify({ file }), '--id', 'nap', '--jobs', 'contracts.ts']
    await runDrover(words, { cwd })
    await until('the job runs', () => starts() === 1)
    write(cwd, 'jobs/other.ts', 'export const other = 1')
    await until('the job runs again', () => starts() === 2)
    write(cwd, 'nap.wake', '')
    const result = await runDrover(['result', 'naps', 'nap', '--wait', '--json'], { cwd })
    expect(JSON.parse(result.stdout)).toMatchObject({ status: 'completed', attempts: 1 })
    command.kill('SIGINT')
    expect((await command.finished).code).toBe(0)
  })

  it('leaves no process when it is killed by SIGKILL, and starts again on the same data', async () => {
    const cwd = makeProject(GREETING_FILES)
    const { command, children } = await startDev(cwd)
    expect(children).toHaveLength(3)
    command.kill('SIGKILL')
    await command.finished
    await allGone(children)
    const again = await startDev(cwd)
    again.command.kill('SIGTERM')
    expect((await again.command.finished).code).toBe(0)
  })

  it('leaves no process when it is killed while a handler blocks the worker', async () => {
    const cwd = makeProject(GREETING_FILES)
    write(
      cwd,
      'jobs/spin.ts',
      `import { writeFileSync } from 'node:fs'
       import { defineJob } from 'drover'
       import { handle } from 'drover/worker'
       import { z } from 'zod'
       export const spin = defineJob({ name: 'spin', queue: 'spin', input: z.object({ file: z.string() }) })
       export default handle(spin, ({ file }) => {
         writeFileSync(file, '')
         for (;;);
       })`,
    )
    const { command, children } = await startDev(cwd)
    const file = join(cwd, 'spinning')
    await runDrover(['enqueue', 'spin', '--input', JSON.stringify({ file })], { cwd })
    await until('the job runs', () => existsSync(file))
    command.kill('SIGKILL')
    await command.finished
    await allGone(children)
  })

  it('ends at once on a second signal, and leaves no process', async () => {
    const cwd = makeProject(GREETING_FILES)
    const { command, children } = await startDev(cwd)
    const file = join(cwd, 'nap')
    const words = ['enqueue', 'sleep', '--input', JSON.stringify({ file }), '--jobs', 'contracts.ts']
    await runDrover(words, { cwd })
    await until('the job runs', () => existsSync(file))
    command.kill('SIGINT')
    await command.until(/worker closing/)
    await until('it ended', () => {
      command.kill('SIGINT')
      return command.child.exitCode !== null
    })
    expect((await command.finished).code).toBe(130)
    await allGone(children)
  })

  it('works on the Redis of the settings and starts none', async () => {
    const redis = await startTestRedis()
    const cwd = makeProject(GREETING_FILES)
    const env = { REDIS_URL: `${redis.url}/3` }
    const dev = await startDev(cwd, [], { env })
    expect(dev.redis).toBe(`${redis.url}/3`)
    expect(dev.children).toHaveLength(1)
    dev.command.kill('SIGINT')
    expect((await dev.command.finished).code).toBe(0)
    expect(await redis.cli('PING')).toBe('PONG')
    const password = 'open-sesame'
    const refused = await runDrover(['dev', '--port', '0'], {
      cwd,
      env: { REDIS_URL: `redis://:${password}@127.0.0.1:1`, DROVER_TIMEOUT: '200ms' },
    })
    expect(refused).toMatchObject({ code: 69, stdout: '' })
    expect(refused.stderr).not.toContain(password)
    await redis.close()
  })

  it('with --json writes JSON lines alone', async () => {
    const cwd = makeProject(GREETING_FILES)
    const command = startDrover(['dev', '--port', '0', '--json'], { cwd })
    await command.until(/worker ready/)
    command.kill('SIGTERM')
    const { code, stdout, stderr } = await command.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(lines[0]).toEqual({
      ready: true,
      redis: expect.any(String),
      ownRedis: true,
      canLose: expect.stringContaining('appendfsync everysec'),
      dashboard: expect.any(String),
    })
  })

  it('does not start without job files, nor twice on the same data', async () => {
    const empty = makeProject()
    const none = await runDrover(['dev', '--port', '0'], { cwd: empty })
    expect(none).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/no job file .* matches jobs\//) })
    expect(existsSync(join(empty, '.drover'))).toBe(false)
    const cwd = makeProject(GREETING_FILES)
    const { command } = await startDev(cwd)
    const second = await runDrover(['dev', '--port', '0'], { cwd })
    expect(second).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/is the data folder of a Redis server that process \d+ runs/),
    })
    command.kill('SIGINT')
    expect((await command.finished).code).toBe(0)
  })
})

describe('a project made by drover init', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-init-'))
  const project = join(folder, 'My Jobs')
  const env = { npm_config_update_notifier: 'false' }
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('runs as its README says: npm run types, npm run dev, npm run enqueue', async () => {
    const made = await runDrover(['init', 'My Jobs'], { cwd: folder })
    expect(made).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^\nNext: cd 'My Jobs' && npm install && npm run dev\n/),
    })
    const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >
    expect(manifest.name).toBe('my-jobs')
    expect(manifest.dependencies?.drover).toMatch(/^\^\d+\.\d+\.\d+$/)
    // As npm install would, without a registry.
    linkPackages(project, ['zod', 'tsx', 'typescript', '@types'])
    mkdirSync(join(project, 'node_modules', '.bin'))
    for (const name of ['tsx', 'tsc'])
      symlinkSync(join(ROOT, 'node_modules', '.bin', name), join(project, 'node_modules', '.bin', name))
    symlinkSync(join(ROOT, 'dist', 'cli', 'main.js'), join(project, 'node_modules', '.bin', 'drover'))

    const types = await startCommand('npm', ['run', 'types'], { cwd: project, env }).finished
    expect(types).toMatchObject({ code: 0 })
    const dev = startCommand('npm', ['run', 'dev'], { cwd: project, env: { ...env, DROVER_PORT: '0' }, ownGroup: true })
    const [, redis = ''] = await dev.until(/^Redis +(\S+)/m)
    await dev.until(/worker ready/)
    const children = childrenOf(dev.pid)
    const enqueued = await startCommand('npm', ['run', '--silent', 'enqueue', '--', 'Ada'], {
      cwd: project,
      env: { ...env, REDIS_URL: redis },
    }).finished
    expect(enqueued).toMatchObject({ code: 0, stdout: 'Hello, Ada!\ngreeted so far: 1\n' })
    const again = await runDrover(['enqueue', 'greet', '--input', '{"name":"Bob"}', '--wait'], { cwd: project })
    expect(JSON.parse(again.stdout)).toEqual({ text: 'Hello, Bob!' })
    // npm passes it on, so drover gets it twice: that is one Ctrl-C, and it ends in order.
    dev.kill('SIGINT')
    expect((await dev.finished).stdout).toContain('worker closed')
    await allGone(children)
  })

  it('has files whose text is the same at each init', async () => {
    const hash = (dir: string) =>
      createHash('sha256')
        .update(readFileSync(join(dir, 'jobs.ts')))
        .digest('hex')
    await runDrover(['init', 'other'], { cwd: folder })
    expect(hash(join(folder, 'other'))).toBe(hash(project))
  })
})
