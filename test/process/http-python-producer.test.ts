// The example in examples/python-producer against the built `drover serve` and a worker, as its README says.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildDrover, makeProject, ROOT, runDrover, startDrover } from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const PYTHON = '/usr/bin/python3'
const SCRIPT = join(ROOT, 'examples', 'python-producer', 'producer.py')
let redis: TestRedis
let cwd: string
let env: Record<string, string>

beforeAll(async () => {
  await buildDrover()
  redis = await startTestRedis({ appendonly: true, args: ['--maxmemory-policy', 'noeviction'] })
  cwd = makeProject(GREETING_FILES)
  env = { REDIS_URL: redis.url }
})
afterAll(() => redis.close())

async function runPython(words: readonly string[], given: { env: Record<string, string>; input?: string }) {
  // -S -E: no package but the standard library can be imported.
  const python = spawn(PYTHON, ['-S', '-E', SCRIPT, ...words], { env: given.env, stdio: 'pipe' })
  python.stdin.on('error', () => undefined).end(given.input ?? '')
  const [stdout, stderr, [code]] = await Promise.all([text(python.stdout), text(python.stderr), once(python, 'exit')])
  const lines = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as unknown)
  return { code: code as number, lines, stderr }
}

test('Python enqueues one and many, waits for results, and is told what is wrong', async () => {
  const serve = startDrover(['serve', '--port', '0'], { cwd, env })
  const worker = startDrover(['worker'], { cwd, env })
  const [, url = ''] = await serve.until(/"url":"([^"]+)".*"msg":"dashboard ready"/)
  const made = await runDrover(['token', 'create', 'python', '--scope', 'enqueue,read', '--json'], { cwd, env })
  const { token, id } = JSON.parse(made.stdout) as { token: string; id: string }
  const python = { DROVER_URL: url, DROVER_API_TOKEN: token }

  const one = await runPython(['greet', '{"name":"Ünïcode ✓"}', '--wait', '60'], { env: python })
  expect(one).toMatchObject({ code: 0, stderr: '' })
  expect(one.lines).toMatchObject([{ status: 'completed', value: { text: 'Hello, Ünïcode ✓!' } }])

  const failed = await runPython(['fail', '{"why":"no reason"}', '--wait', '60'], { env: python })
  expect(failed).toMatchObject({ code: 1, lines: [{ status: 'failed', error: { message: 'no reason' } }] })

  const input = '{"name":"Ada"}\n{"name":""}\n{"name":"Grace"}\n'
  const many = await runPython(['greet'], { env: python, input })
  expect(many.code).toBe(1)
  expect(many.lines).toMatchObject([
    { line: 1, status: 201, job: 'greet' },
    { line: 2, status: 422, code: 'INVALID_INPUT' },
    { line: 3, status: 201, job: 'greet' },
  ])

  const keyed = ['greet', '{"name":"Ada"}', '--key', 'ada-1']
  const [first, again] = [await runPython(keyed, { env: python }), await runPython(keyed, { env: python })]
  expect(again.lines).toEqual(first.lines)
  const unknown = await runPython(['gret', '{"name":"Ada"}'], { env: python })
  expect(unknown.code).toBe(2)
  expect(JSON.parse(unknown.stderr)).toMatchObject({ code: 'UNKNOWN_JOB', suggestion: 'greet' })

  expect(await runDrover(['token', 'revoke', id], { cwd, env })).toMatchObject({ code: 0 })
  await expect
    .poll(async () => (await runPython(keyed, { env: python })).stderr, { timeout: 60_000 })
    .toContain('UNAUTHENTICATED')

  for (const command of [worker, serve]) {
    command.kill('SIGTERM')
    expect(await command.finished).toMatchObject({ code: 0, stderr: '' })
  }
  expect(serve.stdout()).not.toContain(token)
})
