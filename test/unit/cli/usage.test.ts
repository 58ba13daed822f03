import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { EXIT_CODES, type ExitName } from '../../../src/cli/exit-codes.js'
import { run } from '../../../src/cli/run.js'
import { EXITS_OF_ALL, VERBS } from '../../../src/cli/verb.js'
import { SETTINGS_TABLE } from '../../../src/config/index.js'

const NAMES = Object.keys(VERBS)
const cwd = mkdtempSync(join(tmpdir(), 'drover-usage-'))

// Without a drover.config.ts, wherever the tests are started.
beforeAll(() => {
  vi.spyOn(process, 'cwd').mockReturnValue(cwd)
})
afterAll(() => {
  vi.restoreAllMocks()
  rmSync(cwd, { recursive: true })
})

/** What the command writes and answers, run in this process. */
async function runHere(words: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text)
      return true
    }),
  )
  try {
    const code = await run(words)
    return { code, ...written }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

describe('drover', () => {
  it('shows every command and every exit code in its help', async () => {
    const { code, stdout, stderr } = await runHere(['--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const verb of NAMES) expect(stdout).toMatch(new RegExp(`^ {2}${verb} +\\S`, 'm'))
    for (const { code: exitCode, meaning } of Object.values(EXIT_CODES)) {
      expect(stdout).toMatch(new RegExp(`^ {2}${exitCode} +${meaning.replace(/[()]/g, '.')}$`, 'm'))
    }
    expect((await runHere(['help'])).stdout).toBe(stdout)
  })

  it('shows the version of its package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    expect(await runHere(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it('shows its help on standard error when no command is given', async () => {
    const { code, stdout, stderr } = await runHere([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('Commands:')
  })

  it.each(NAMES)('%s --help shows options, examples and exit codes, and --json is one of the options', async (verb) => {
    const { code, stdout, stderr } = await runHere([verb, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(`Usage: drover ${verb}`)
    expect(stdout).toMatch(/^Examples:\n {2}\$/m)
    expect(stdout).toContain('--json')
    const exits = [...EXITS_OF_ALL, ...(VERBS[verb]?.exits ?? [])]
    const shown = stdout.slice(stdout.indexOf('\nExit codes:\n'))
    for (const name of Object.keys(EXIT_CODES) as ExitName[]) {
      const { code, meaning } = EXIT_CODES[name]
      const isShown = new RegExp(`^ {2}${code} +`, 'm').test(shown) && shown.includes(meaning)
      expect(isShown, `${code} in the help of ${verb}`).toBe(exits.includes(name))
    }
    // Only the dashboard starts without it, and tells on its pages.
    const needsRedis = stdout.includes('--redis <url>') && verb !== 'serve'
    expect(exits.includes('redisUnreachable')).toBe(needsRedis)
    expect((await runHere(['help', verb])).stdout).toBe(stdout)
  })

  it('shows the default and the environment variables of each setting, under the flag of the settings table', async () => {
    const help = (await Promise.all(NAMES.map((verb) => runHere([verb, '--help'])))).map(({ stdout }) => stdout)
    const text = help.join('\n').replace(/\s+/g, ' ')
    for (const { flag, env, default: fallback } of SETTINGS_TABLE) {
      expect(text).toContain(flag)
      expect(text).toContain(`[${env.join(', ')}]`)
      expect(text).toContain(fallback === 'none' ? flag : `(default: ${fallback})`)
    }
  })
})

describe('a command line that is wrong ends with exit code 2, one line on standard error and nothing on standard output', () => {
  const rows: [words: string[], message: RegExp][] = [
    [['enque'], /^drover: unknown command "enque": did you mean enqueue\?$/],
    [['zzzzzz'], /^drover: unknown command "zzzzzz": expected one of init, dev, /],
    [['__proto__'], /^drover: unknown command "__proto__"/],
    [['help', 'enque'], /did you mean enqueue\?/],
    [['--redis', 'counters'], /^drover: unknown option "--redis": the command comes first/],
    [
      ['worker', '--concurency', '3'],
      /^drover: unknown option '--concurency' \(Did you mean --concurrency\?\); see drover worker --help$/,
    ],
    [['worker', 'jobs/*.ts', '--jobs', 'more/*.ts'], /job files are given as arguments or with --jobs, not both$/],
    [['serve', '--port'], /^drover: option '--port <number>' argument missing/],
    [['result', 'media'], /^drover: missing required argument 'id'/],
    [['result', 'media', 'a1', 'b2'], /^drover: too many arguments.*; see drover result --help$/],
    [['enqueue', 'mail', '{"to":"ada"}'], /; an input goes after --input, see drover enqueue --help$/],
    [['counters', '--by', 'day'], /Allowed choices are minute, hour/],
    [['counters', '--by', 'hour'], /--by goes with --since/],
    [['counters', '--since', 'yesterday'], /^drover: option --since: expected a duration .*got "yesterday"$/],
    [['counters', 'a:b'], /^drover: invalid queue name/],
    [['counters', 'media', 'a b'], /^drover: invalid counter name/],
    [['result', 'media', 'a:b'], /^drover: invalid job id/],
    [['result', 'media', 'a1', '--wait=-5s'], /^drover: option --wait: expected a duration/],
    [['worker', '--concurrency', 'abc'], /--concurrency: expected a whole number from 1 to 10000, got "abc"$/],
    [['worker', '--queues', 'media:0'], /--queues.*expected a whole number from 1 to 10000/],
    [['worker', '--shutdown-timeout', '-1s'], /--shutdown-timeout: expected a duration/],
    [['worker', '--redis', 'http://localhost'], /--redis: expected a usable Redis URL/],
    [['serve', '--port', '70000'], /--port: expected a whole number from 0 to 65535, got "70000"$/],
    [['serve', '--trust-proxy', 'yes'], /--trust-proxy: expected a whole number, got "yes"$/],
    [['serve', '--trust-proxy', '99'], /trustProxy: expected a whole number from 0 to 10, got 99$/],
    [['serve', '--base-path', 'admin'], /--base-path: expected a path such as/],
    [
      ['serve', '--token-file', '/nowhere/token'],
      /^drover: --token-file names a file that cannot be read: \/nowhere\/token \(ENOENT\)$/,
    ],
    [['health', '--url', 'localhost'], /^drover: --url expects a whole address/],
    [['doctor', '--config', 'nowhere.ts'], /the configuration file \S*nowhere\.ts does not exist$/],
    [['doctor', '--prefix', '{drover}'], /--prefix: expected 1 to 32 characters/],
  ]

  it.each(rows)('%j', async (words, message) => {
    const { code, stdout, stderr } = await runHere(words)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^drover: [^\n]+\n$/)
    expect(stderr.trimEnd()).toMatch(message)
  })
})

describe('a secret', () => {
  it.each([
    [['serve', '--token', 'open-sesame'], /--token would show in `ps`.*DROVER_TOKEN.*--token-file/],
    [['serve', '--token=open-sesame'], /--token would show in `ps`/],
    [['doctor', '--redis', 'redis://:open-sesame@127.0.0.1'], /a password in --redis would show in `ps`.*REDIS_URL/],
    [['doctor', '--redis', 'redis+sentinel://h/m?sentinelPassword=open-sesame'], /a password in --redis/],
    [['health', '--url', 'http://a:open-sesame@127.0.0.1/livez'], /a password in --url/],
  ])('is refused as an argument: %j', async (words, message) => {
    const { code, stdout, stderr } = await runHere(words)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('open-sesame')
  })
})
