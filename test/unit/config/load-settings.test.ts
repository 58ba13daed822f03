import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LoadSettingsOptions, loadSettings, SETTINGS_TABLE } from '../../../src/config/index.js'
import { SETTING_DEFAULTS, SETTING_SCHEMAS } from '../../../src/config/settings-schema.js'
import { ConfigError } from '../../../src/job/index.js'

let cwd: string
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'drover-settings-'))
})
afterAll(() => rmSync(cwd, { recursive: true }))

const load = (options: LoadSettingsOptions = {}) => loadSettings({ env: {}, cwd, ...options })

async function problemsOf(options: LoadSettingsOptions): Promise<readonly string[]> {
  const error = await load(options).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ConfigError)
  return (error as ConfigError).problems
}

describe('settings', () => {
  it('that nobody gives have their defaults', async () => {
    expect(await load()).toEqual({
      redis: undefined,
      prefix: 'drover',
      jobs: ['jobs/**/*.{ts,mts,js,mjs}'],
      queues: {},
      concurrency: 10,
      shutdownTimeoutMs: 25_000,
      processes: 1,
      maxMemoryBytes: undefined,
      maxJobs: undefined,
      release: undefined,
      autoscale: { waitTarget: undefined, minWorkers: undefined, maxWorkers: undefined, scaleDown: undefined },
      healthPort: undefined,
      healthHost: '127.0.0.1',
      host: '127.0.0.1',
      port: 3768,
      basePath: '/',
      token: undefined,
      logLevel: 'info',
      logFormat: 'json',
      dataDir: join(cwd, '.drover'),
      timeoutMs: 5_000,
      durability: 'standard',
      allowVolatile: false,
    })
  })

  it('come from the environment, every one of them', async () => {
    const env = {
      REDIS_URL: 'redis://h/1',
      DROVER_PREFIX: 'shop',
      DROVER_JOBS: 'jobs/*.{ts,js}, more/*.ts',
      DROVER_QUEUES: 'media:8, mail',
      DROVER_CONCURRENCY: '4',
      DROVER_SHUTDOWN_TIMEOUT: '1m',
      DROVER_PROCESSES: '3',
      DROVER_MAX_MEMORY: '512mb',
      DROVER_MAX_JOBS: '1000',
      DROVER_RELEASE: 'v42',
      DROVER_WAIT_TARGET: '1m',
      DROVER_MIN_WORKERS: '2',
      DROVER_MAX_WORKERS: '20',
      DROVER_SCALE_DOWN: '0ms',
      DROVER_HEALTH_PORT: '9464',
      DROVER_HEALTH_HOST: '0.0.0.0',
      DROVER_HOST: '::1',
      DROVER_PORT: '0',
      DROVER_BASE_PATH: '/admin/jobs/',
      DROVER_TOKEN: 'open sesame',
      DROVER_LOG_LEVEL: 'warn',
      DROVER_LOG_FORMAT: 'pretty',
      DROVER_DATA_DIR: '/var/drover',
      DROVER_TIMEOUT: '250ms',
      DROVER_DURABILITY: 'strict',
      DROVER_ALLOW_VOLATILE: '1',
    }
    expect(await load({ env })).toEqual({
      redis: { kind: 'single', host: 'h', port: 6379, db: 1 },
      prefix: 'shop',
      jobs: ['jobs/*.{ts,js}', 'more/*.ts'],
      queues: { media: { concurrency: 8 }, mail: { concurrency: 4 } },
      concurrency: 4,
      shutdownTimeoutMs: 60_000,
      processes: 3,
      maxMemoryBytes: 536_870_912,
      maxJobs: 1_000,
      release: 'v42',
      autoscale: { waitTarget: 60_000, minWorkers: 2, maxWorkers: 20, scaleDown: 0 },
      healthPort: 9_464,
      healthHost: '0.0.0.0',
      host: '::1',
      port: 0,
      basePath: '/admin/jobs',
      token: 'open sesame',
      logLevel: 'warn',
      logFormat: 'pretty',
      dataDir: '/var/drover',
      timeoutMs: 250,
      durability: 'strict',
      allowVolatile: true,
    })
  })

  it('prefer the flag to the variable to the file to the default', async () => {
    const configFile = join(cwd, 'layers.mjs')
    writeFileSync(configFile, 'export default { prefix: "file", host: "file", concurrency: 3, redis: "redis://file" }')
    const env = { DROVER_PREFIX: 'env', DROVER_HOST: 'env', REDIS_HOST: 'env' }
    const flags = { prefix: 'flag', redis: 'redis://flag', host: undefined, json: true }
    const settings = await load({ configFile, env, flags })
    expect(settings).toMatchObject({ prefix: 'flag', host: 'env', concurrency: 3, port: 3768 })
    expect(settings.redis).toMatchObject({ host: 'flag' })
    expect((await load({ configFile, env })).redis).toMatchObject({ host: 'env' })
    expect((await load({ configFile })).redis).toMatchObject({ host: 'file' })
  })

  it('take a repeated flag as a list', async () => {
    const settings = await load({ flags: { jobs: ['a.ts', 'b.ts'], queues: ['media:2', 'mail:1'] } })
    expect(settings.jobs).toEqual(['a.ts', 'b.ts'])
    expect(settings.queues).toEqual({ media: { concurrency: 2 }, mail: { concurrency: 1 } })
  })

  it('take auto for as many processes as there are cores', async () => {
    const cores = Math.min(availableParallelism(), 256)
    expect(await load({ flags: { processes: 'auto' } })).toMatchObject({ processes: cores })
    expect(await load({ env: { DROVER_PROCESSES: 'auto' } })).toMatchObject({ processes: cores })
  })

  it('prefer DROVER_PORT to PORT', async () => {
    expect(await load({ env: { PORT: '80' } })).toMatchObject({ port: 80 })
    expect(await load({ env: { PORT: '80', DROVER_PORT: '81' } })).toMatchObject({ port: 81 })
  })

  it('take the token from a file', async () => {
    const file = join(cwd, 'token')
    writeFileSync(file, 'open sesame\n')
    expect(await load({ env: { DROVER_TOKEN_FILE: file } })).toMatchObject({ token: 'open sesame' })
  })

  it('take an empty variable as not set', async () => {
    expect(await load({ env: { DROVER_PREFIX: '', PORT: '', REDIS_URL: '' } })).toEqual(await load())
  })

  it.each([
    ['1', true],
    ['true', true],
    ['yes', true],
    ['0', false],
    ['false', false],
    ['no', false],
  ])('take %s for a flag as %s', async (text, allowVolatile) => {
    expect(await load({ env: { DROVER_ALLOW_VOLATILE: text } })).toMatchObject({ allowVolatile })
  })

  it('keep a parsed Redis as the config file built it', async () => {
    const configFile = join(cwd, 'tls.mjs')
    writeFileSync(
      configFile,
      'export default { redis: { kind: "single", host: "h", port: 1, db: 0, tls: { servername: "x" } } }',
    )
    expect((await load({ configFile })).redis).toEqual({
      kind: 'single',
      host: 'h',
      port: 1,
      db: 0,
      tls: { servername: 'x' },
    })
  })
})

describe('wrong settings', () => {
  it('are all listed at once, with what was expected and what came', async () => {
    const env = {
      DROVER_PREFIX: '{shop}',
      DROVER_CONCURRENCY: '0',
      DROVER_SHUTDOWN_TIMEOUT: '25',
      DROVER_PORT: '65536',
      DROVER_BASE_PATH: 'jobs',
      DROVER_LOG_LEVEL: 'loud',
      DROVER_CONCURENCY: '3',
      REDIS_PORT: 'x',
      REDIS_DB: 'y',
    }
    expect(await problemsOf({ env })).toEqual([
      'unknown environment variable "DROVER_CONCURENCY": did you mean DROVER_CONCURRENCY?',
      'REDIS_PORT: a port must be a whole number from 1 to 65535',
      'REDIS_DB: the database must be a whole number from 0',
      expect.stringMatching(/^DROVER_PREFIX: expected 1 to 32 characters .*, got "\{shop\}"$/),
      'DROVER_CONCURRENCY: expected a whole number from 1 to 10000, got "0"',
      'DROVER_SHUTDOWN_TIMEOUT: expected a duration with its unit, such as 25s, from 0ms to 1h, got "25"',
      'DROVER_PORT: expected a whole number from 0 to 65535, got "65536"',
      'DROVER_BASE_PATH: expected a path such as / or /admin/jobs, got "jobs"',
      expect.stringMatching(/^DROVER_LOG_LEVEL: expected one of trace, .*, got "loud"$/),
    ])
  })

  it.each<[string, unknown, RegExp]>([
    ['jobs', '', /^--jobs: expected a glob, got ""$/],
    ['jobs', [], /^--jobs: expected a glob or a list of globs/],
    ['queues', 'media:x', /^--queues: expected a concurrency/],
    ['queues', 'media,media', /^--queues: expected each queue once/],
    ['queues', 'me dia', /^--queues: expected names of 1 to 64 .*, got "me dia"$/],
    ['queues', 5, /^--queues: expected queues with their concurrency/],
    ['concurrency', '1e3', /^--concurrency: expected a whole number/],
    ['concurrency', 1.5, /^--concurrency: expected a whole number/],
    ['processes', '0', /^--processes: expected a whole number from 1 to 256, or auto for one per core, got "0"$/],
    ['processes', 257, /^--processes: expected a whole number from 1 to 256/],
    ['processes', '-1', /^--processes: expected a whole number from 1 to 256/],
    ['processes', 'all', /^--processes: expected .* or auto for one per core, got "all"$/],
    ['processes', '9999999999', /^--processes: expected a whole number/],
    ['maxMemory', '0', /^--max-memory: expected a size of memory from 64mb to 1024gb/],
    ['maxMemory', '63mb', /^--max-memory: expected a size/],
    ['maxMemory', '2000gb', /^--max-memory: expected a size/],
    ['maxMemory', '1.5gb', /^--max-memory: expected a size/],
    ['maxMemory', 'much', /^--max-memory: expected a size .*, got "much"$/],
    ['maxMemory', Number.NaN, /^--max-memory: expected a size/],
    ['maxJobs', 0, /^--max-jobs: expected a whole number from 1 to 999999999, got 0$/],
    ['release', 'v 42', /^--release: expected 1 to 64 letters, digits, _, \., \+ or -, got "v 42"$/],
    ['waitTarget', '0s', /^--wait-target: expected a duration .*, from 1s to 1d, got "0s"$/],
    ['minWorkers', '-1', /^--min-workers: expected a whole number from 0 to 10000, got "-1"$/],
    ['maxWorkers', '0', /^--max-workers: expected a whole number from 1 to 10000, got "0"$/],
    ['scaleDown', '2h', /^--scale-down: expected a duration/],
    ['healthPort', '65536', /^--health-port: expected a whole number from 0 to 65535, got "65536"$/],
    ['healthPort', 'http', /^--health-port: expected a whole number/],
    ['healthHost', '', /^--health-host: expected a host name or address, got ""$/],
    ['timeout', '0ms', /^--timeout: expected a duration/],
    ['timeout', '2h', /^--timeout: expected a duration/],
    ['host', ' ', /^--host: expected a host name/],
    ['basePath', '/a//b', /^--base-path: expected a path/],
    ['logFormat', 'xml', /^--log-format: expected one of json, pretty/],
    ['redis', { kind: 'single', host: 'h', port: 0, db: 0 }, /^--redis.port: expected a whole number from 1/],
    ['redis', { kind: 'single', port: 1, db: 0 }, /^--redis.host: expected a host name$/],
    ['redis', { kind: 'cluster', nodes: [] }, /^--redis.nodes: expected at least one host and port$/],
    ['redis', 5, /^--redis: expected a Redis URL/],
    ['durability', 'safe', /^--durability: expected one of standard, strict, got "safe"$/],
    ['allowVolatile', 'on', /^--allow-volatile: expected true or false .*, got "on"$/],
  ])('%s %j is refused', async (name, value, problem) => {
    expect(await problemsOf({ flags: { [name]: value } })).toContainEqual(expect.stringMatching(problem))
  })

  it('never show a secret', async () => {
    const problems = await problemsOf({
      flags: { redis: 'redis://:hunter2@h:x' },
      env: { DROVER_TOKEN: ' hunter2', DROVER_REDIS_PASSWORD: 'hunter2' },
    })
    expect(problems).toHaveLength(3)
    expect(problems.join()).not.toContain('hunter2')
  })

  it('name an empty token, as it would leave the dashboard without a sign-in, unless a file has it', async () => {
    expect(await problemsOf({ env: { DROVER_TOKEN: '' } })).toEqual([
      expect.stringMatching(/^DROVER_TOKEN is empty: expected 8 to 512 visible characters/),
    ])
    const file = join(cwd, 'token')
    writeFileSync(file, 'visible-token')
    expect((await load({ env: { DROVER_TOKEN: '', DROVER_TOKEN_FILE: file } })).token).toBe('visible-token')
  })

  it('name both variables of a secret that is given twice', async () => {
    expect(await problemsOf({ env: { DROVER_TOKEN: 'a', DROVER_TOKEN_FILE: '/x' } })).toEqual([
      'DROVER_TOKEN and DROVER_TOKEN_FILE are both set: keep one of them',
    ])
  })
})

describe('drover.config', () => {
  function place(files: Readonly<Record<string, string>>): string {
    const directory = mkdtempSync(join(cwd, 'file-'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
    return directory
  }

  it('is found in the working directory, and its numbers and lists are taken as they are', async () => {
    const text = 'export default { jobs: ["a.ts"], queues: { mail: 2, media: {} }, concurrency: 5, timeout: 9000 }'
    expect(await load({ cwd: place({ 'drover.config.mjs': text }) })).toMatchObject({
      jobs: ['a.ts'],
      queues: { mail: { concurrency: 2 }, media: { concurrency: 5 } },
      concurrency: 5,
      timeoutMs: 9_000,
    })
  })

  it.each<[string, Record<string, string>, string | RegExp]>([
    ['does not load', { mjs: 'throw new Error("boom")' }, 'drover.config.mjs does not load: boom'],
    ['has no default export', { mjs: 'export const a = 1' }, /must export its settings/],
    ['exports a list', { mjs: 'export default []' }, /must export its settings/],
    [
      'is there twice',
      { mjs: 'export default {}', js: 'export default {}' },
      /keep one: drover.config.js, drover.config.mjs/,
    ],
    [
      'has an unknown setting',
      { mjs: 'export default { concurency: 1 }' },
      'unknown setting "concurency" in drover.config.mjs: did you mean concurrency?',
    ],
    [
      'has a wrong value deep inside',
      { mjs: 'export default { queues: { mail: { concurrency: 0 } } }' },
      'drover.config.mjs: queues.mail.concurrency: expected a whole number from 1 to 10000, got 0',
    ],
    [
      'has an unknown option of a queue',
      { mjs: 'export default { queues: { mail: { concurency: 1 } } }' },
      'drover.config.mjs: queues.mail: expected { concurrency } and nothing else, got an object',
    ],
    [
      'has a wrong Redis URL',
      { mjs: 'export default { redis: "redis://:hunter2@h:x" }' },
      'drover.config.mjs: redis: expected a usable Redis URL: a port must be a whole number from 1 to 65535',
    ],
  ])('that %s is a problem', async (_, files, problem) => {
    const named = Object.entries(files).map(([ending, text]) => [`drover.config.${ending}`, text])
    const problems = await problemsOf({ cwd: place(Object.fromEntries(named)) })
    expect(problems).toEqual([typeof problem === 'string' ? problem : expect.stringMatching(problem)])
  })

  it('that is named and not there is a problem', async () => {
    expect(await problemsOf({ configFile: 'mine.ts' })).toEqual([
      `the configuration file ${cwd}/mine.ts does not exist`,
    ])
  })
})

describe('the table of settings', () => {
  it('has exactly the settings that are checked', () => {
    expect(SETTINGS_TABLE.map(({ name }) => name).sort()).toEqual(Object.keys(SETTING_SCHEMAS).sort())
  })

  it('tells the defaults that hold', () => {
    for (const [name, value] of Object.entries(SETTING_DEFAULTS)) {
      expect(SETTINGS_TABLE.find((row) => row.name === name)?.default).toBe(String(value))
    }
  })

  it('names each flag and each variable once', () => {
    const names = SETTINGS_TABLE.flatMap(({ flag, env }) => [flag.split(' ')[0], ...env])
    expect(new Set(names).size).toBe(names.length)
  })
})
