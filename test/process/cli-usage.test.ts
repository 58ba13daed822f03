import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildDrover, makeProject, runDrover } from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'

const NOBODY = 'redis://127.0.0.1:1/0'

beforeAll(buildDrover)

describe('a command line that is wrong', () => {
  it('ends with exit code 2, a line on standard error and nothing on standard output', async () => {
    const { code, stdout, stderr } = await runDrover(['counters'], { env: { DROVER_PREFX: 'shop' } })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('unknown environment variable "DROVER_PREFX": did you mean DROVER_PREFIX?')
  })

  it('lists every problem of the settings at once', async () => {
    const cwd = makeProject({ 'drover.config.ts': 'export default { concurency: 3, port: -1 }' })
    const { code, stderr } = await runDrover(['serve', '--host', ' '], { cwd, env: { DROVER_TIMEOUT: 'soon' } })
    expect(code).toBe(2)
    expect(stderr).toContain('unknown setting "concurency" in drover.config.ts: did you mean concurrency?')
    expect(stderr).toContain('drover.config.ts: port: expected a whole number')
    expect(stderr).toContain('--host: expected')
    expect(stderr).toContain('DROVER_TIMEOUT: expected a duration')
  })

  it('is one JSON object with --json', async () => {
    const { code, stdout, stderr } = await runDrover(['worker', '--concurrency', 'abc', '--json'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'CONFIG_INVALID', message: expect.stringContaining('--concurrency'), exitCode: 2 },
    })
  })
})

describe('a secret', () => {
  it('in REDIS_URL is in no output, with DEBUG=drover neither', async () => {
    const env = { REDIS_URL: 'redis://ada:open-sesame@127.0.0.1:1/0', DROVER_TIMEOUT: '200ms', DEBUG: 'drover' }
    const { code, stdout, stderr } = await runDrover(['counters'], { env })
    expect(code).toBe(69)
    expect(stderr).toMatch(/^ {4}at /m)
    expect(stdout + stderr).not.toContain('open-sesame')
  })
})

describe('an error', () => {
  it('has its cause on a second line, and its stack only for DEBUG=drover', async () => {
    const words = ['counters', '--redis', NOBODY, '--timeout', '2s']
    const [{ code, stderr }, debugged] = await Promise.all([
      runDrover(words),
      runDrover(words, { env: { DEBUG: 'drover' } }),
    ])
    expect(code).toBe(69)
    expect(stderr).toMatch(
      /^drover: Redis did not answer at redis:\/\/127.0.0.1:1\/0 within 2s: .+\ncause: connect ECONNREFUSED 127.0.0.1:1\n$/,
    )
    expect(debugged.stderr).toMatch(/^ {4}at /m)
  })
})

describe('a command loads', () => {
  it.each([
    ['--version', []],
    ['init', ['ioredis', 'bullmq', 'zod', 'express', 'pino']],
    ['counters', ['express', '@bull-board/api', 'pino-http', 'tsx']],
    ['enqueue', ['express', '@bull-board/api', 'pino-http']],
    ['worker', ['express', '@bull-board/api', 'pino-http']],
  ])('for %s none of %j', async (verb, packages) => {
    const loaded = await loadedFiles(verb)
    expect(loaded.some((url) => url.endsWith('/dist/cli/main.js'))).toBe(true)
    for (const name of packages) expect(loaded.filter((url) => url.includes(`/node_modules/${name}/`))).toEqual([])
    if (verb === '--version') expect(loaded.filter((url) => url.includes('/dist/cli/verbs/'))).toEqual([])
  })

  it('for serve express, which shows that the list of loaded files is true', async () => {
    expect((await loadedFiles('serve')).some((url) => url.includes('/node_modules/express/'))).toBe(true)
  })
})

/** Every file that node ran, from its own coverage report. */
async function loadedFiles(verb: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'drover-coverage-'))
  try {
    const words: Record<string, string[]> = {
      '--version': ['--version'],
      enqueue: ['enqueue', 'greet', '--input', '{}', '--redis', NOBODY],
      serve: ['serve', '--host', '0.0.0.0'],
      worker: ['worker', '--redis', NOBODY, '--queues', 'nowhere:1'],
      counters: ['counters', '--redis', NOBODY, '--timeout', '50ms'],
      init: ['init'],
    }
    await runDrover(words[verb] ?? [], { cwd: makeProject(GREETING_FILES), env: { NODE_V8_COVERAGE: folder } })
    return readdirSync(folder).flatMap((name) => {
      const report = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: { url: string }[] }
      return report.result.map(({ url }) => url)
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
