// How a run of the main job ends: by itself, by Ctrl-C, by a kill, by a server that is gone, by a wrong option. None
// leaves a process behind.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildDrover } from '../support/drover-cli.js'
import { numbersOf, processesOf, startTextIndex } from '../support/text-index-run.js'
import { until } from '../support/until.js'

/** Enough files for a run that takes some seconds. */
const PACKAGE = fileURLToPath(new URL('../../node_modules/zod', import.meta.url))
const shell = promisify(execFile)

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drover-text-index-end-'))
  await buildDrover()
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function expectNoProcess(): Promise<void> {
  expect(await processesOf(folder)).toEqual([])
}

test('a run stays with its dashboard, beside another run, until Ctrl-C; its commands run as printed', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const run = startTextIndex(folder, ['--dir', join(PACKAGE, 'src'), '--json', '--port', String(port)])
  const [, url = ''] = await run.until(/\nDashboard: (http:\S+) \(Ctrl-C ends it\)\n\{.*\}\n/)
  taken.close()

  const numbers = numbersOf(run.stdout())
  expect(run.stdout()).toContain(`Port ${port} is in use, the dashboard takes ${new URL(url).port}`)
  expect((await fetch(`${url}/livez`)).status).toBe(200)
  const [commands, words] = [run.stdout().match(/redis-cli .*/g) ?? [], String(numbers.counters.words)]
  const replies = await Promise.all(commands.map((command) => shell('sh', ['-c', command])))
  expect(replies).toHaveLength(7)
  expect(replies[0]?.stdout.trim()).toBe(words)
  expect(replies[2]?.stdout.trim().split('\n').slice(0, 2)).toEqual(numbers.topWords[0]?.map(String))
  for (const [index, { stdout }] of replies.entries())
    expect(stdout.trim(), commands[index]).not.toMatch(/^$|^ERR|\(nil\)/)

  const other = await startTextIndex(folder, ['--dir', join(PACKAGE, 'src'), '--exit', '--json']).finished
  expect({ ...numbersOf(other.stdout), seconds: 0 }).toEqual({ ...numbers, seconds: 0 })
  expect(other.code).toBe(0)

  run.kill('SIGINT')
  expect((await run.finished).code).toBe(0)
  await expectNoProcess()
})

test('Ctrl-C before it is done ends the run with code 130 and leaves no process', async () => {
  const run = startTextIndex(folder, ['--dir', PACKAGE, '--json'])
  const [, worker] = await run.until(/Worker process (\d+) works/)
  await run.until(/Indexing/)
  // A terminal tells every process of the run.
  process.kill(Number(worker), 'SIGINT')
  run.kill('SIGINT')
  const { code, stdout, stderr } = await run.finished
  expect(code).toBe(130)
  expect(stderr.trim()).toBe('Interrupted before it was done')
  expect(stdout).not.toMatch(/\{"jobs"|The worker process ended/)
  await expectNoProcess()
})

test('nothing outlives a run that is killed', async () => {
  const run = startTextIndex(folder, ['--dir', PACKAGE])
  await run.until(/Indexing/)
  expect((await processesOf(folder)).length).toBeGreaterThanOrEqual(3)
  run.kill('SIGKILL')
  await run.finished
  await until('all its processes have ended', async () => (await processesOf(folder)).length === 0)
})

test('a run whose Redis is killed says so and ends with code 1', async () => {
  const run = startTextIndex(folder, ['--dir', PACKAGE, '--exit'])
  await run.until(/Indexing/)
  const [server] = (await processesOf(folder)).filter(({ name }) => /^(redis|valkey)-server/.test(name))
  process.kill(server?.pid ?? 0, 'SIGKILL')
  const { code, stderr } = await run.finished
  expect(stderr).toContain('text-index: the Redis of this run ended by itself')
  expect(code).toBe(1)
  await expectNoProcess()
})

test('a wrong option ends with code 2 and one line that says what was expected', async () => {
  const file = join(folder, 'file.txt')
  writeFileSync(file, '')
  const cases: [args: string[], message: RegExp][] = [
    [['--dir', join(folder, 'none')], /^text-index: --dir: expected a directory, got ".*none": there is none\n$/],
    [['--dir', file], /^text-index: --dir: expected a directory, got ".*": it is a file\n$/],
    [['--exitt'], /^text-index: unknown option '--exitt' \(Did you mean --exit\?\).*--help.*\n$/],
    [['--port', '65536'], /^text-index: .*--port: expected a whole number from 0 to 65535, got "65536"\n$/],
    [['--redis', 'redis+cluster://a,b'], /^text-index: --redis: expected redis:\/\/ or rediss:\/\/.*\n$/],
  ]
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await startTextIndex(folder, args).finished
    expect(stderr).toMatch(message)
    expect([code, stdout]).toEqual([2, ''])
  }
})

test('a Redis that cannot be reached ends the run with code 1', async () => {
  const { code, stderr } = await startTextIndex(folder, ['--exit', '--redis', 'redis://127.0.0.1:1']).finished
  expect(stderr).toMatch(/^text-index: Redis did not answer .*ECONNREFUSED.*\n$/)
  expect(code).toBe(1)
})
