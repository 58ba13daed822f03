import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  buildDrover,
  type CommandOptions,
  type Finished,
  makeProject,
  ROOT,
  runDrover,
  runDroverBatch,
  startCommand,
  startDrover,
  write,
} from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const JOBS = 'contracts.ts'
let redis: TestRedis
let cwd: string

beforeAll(async () => {
  await buildDrover()
  redis = await startTestRedis()
  cwd = makeProject(GREETING_FILES)
  await startDrover(['worker', '--queues', 'greetings'], { cwd, env: { REDIS_URL: redis.url } }).until(/worker ready/)
})
afterAll(() => redis.close())

function enqueue(words: readonly string[], options: CommandOptions = {}) {
  return runDrover(['enqueue', ...words], {
    cwd,
    ...options,
    env: { REDIS_URL: redis.url, DROVER_JOBS: JOBS, ...options.env },
  })
}

/** Jobs of a queue that nobody works on. */
async function waiting(): Promise<number> {
  return Number(await redis.cli('LLEN', '{drover:naps}:naps:wait'))
}

describe('drover enqueue', () => {
  it('prints the id alone, under which the job is in Redis', async () => {
    const { code, stdout, stderr } = await enqueue(['sleep', '--input', '{"file":"/tmp/x"}'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^[a-z0-9]{20}\n$/)
    expect(await redis.cli('HGET', `{drover:naps}:naps:${stdout.trim()}`, 'data')).toBe('{"file":"/tmp/x"}')
  })

  it('prints id, job and queue as JSON', async () => {
    const { stdout } = await enqueue(['sleep', '--input', '{"file":"x"}', '--id', 'nap-1', '--json'])
    expect(JSON.parse(stdout)).toEqual({ id: 'nap-1', job: 'sleep', queue: 'naps' })
  })

  it('takes delay, time, priority and attempts', async () => {
    const at = new Date(Date.now() + 3_600_000).toISOString()
    const input = ['--input', '{"file":"x"}']
    await enqueue(['sleep', ...input, '--id', 'later', '--delay', '10m', '--attempts', '7'])
    await enqueue(['sleep', ...input, '--id', 'at', '--at', at])
    await enqueue(['sleep', ...input, '--id', 'urgent', '--priority', '3'])
    const opts = async (id: string) => JSON.parse(await redis.cli('HGET', `{drover:naps}:naps:${id}`, 'opts')) as object
    expect(await opts('later')).toMatchObject({ delay: 600_000, attempts: 7 })
    expect(await redis.cli('ZSCORE', '{drover:naps}:naps:delayed', 'at')).not.toBe('')
    expect(await redis.cli('ZSCORE', '{drover:naps}:naps:prioritized', 'urgent')).not.toBe('')
  })

  it('reads the input from a file and from standard input, a byte order mark and line breaks included', async () => {
    write(cwd, 'nap.json', '\ufeff{\r\n  "file": "from a file"\r\n}\r\n')
    const fromFile = await enqueue(['sleep', '--input', '@nap.json'])
    const fromInput = await enqueue(['sleep', '--input', '-'], { input: '{"file":"from input"}' })
    const data = (id: string) => redis.cli('HGET', `{drover:naps}:naps:${id.trim()}`, 'data')
    expect(await data(fromFile.stdout)).toBe('{"file":"from a file"}')
    expect(await data(fromInput.stdout)).toBe('{"file":"from input"}')
  })

  it('with --wait prints the result alone on standard output', async () => {
    const { code, stdout, stderr } = await enqueue(['greet', '--input', '{"name":"Ada"}', '--wait'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ text: 'Hello, Ada!' })
    expect(stderr).toMatch(/^enqueued job [a-z0-9]{20} in queue greetings\n$/)
  })

  it('with --wait and --json prints the whole record', async () => {
    const { stdout, stderr } = await enqueue(['greet', '--input', '{"name":"Ada"}', '--wait', '30s', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ status: 'completed', value: { text: 'Hello, Ada!' }, attempts: 1 })
    expect(stderr).toBe('')
  })

  it('with --wait exits with 1 when the job failed, and tells its error', async () => {
    const failed = await enqueue(['fail', '--input', '{"why":"no such cat"}', '--wait'])
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toMatch(/^drover: job [a-z0-9]{20} failed after 1 attempt: PermanentError: no such cat$/m)
    const asJson = await enqueue(['fail', '--input', '{"why":"no such cat"}', '--wait', '--json'])
    expect(asJson).toMatchObject({ code: 1, stderr: '' })
    expect(JSON.parse(asJson.stdout)).toMatchObject({ status: 'failed', error: { message: 'no such cat' } })
  })

  it('with --wait exits with 4 when the job does not end in time', async () => {
    const { code, stdout, stderr } = await enqueue(['sleep', '--input', '{"file":"x"}', '--wait', '300ms'])
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toMatch(/^drover: job \S+ in queue naps did not finish within 300ms: it goes on/m)
  })

  it('with --wait and interrupted exits with 130 and says how to see the end', async () => {
    const command = startDrover(['enqueue', 'sleep', '--input', '{"file":"x"}', '--id', 'nap-2', '--wait'], {
      cwd,
      env: { REDIS_URL: redis.url, DROVER_JOBS: JOBS },
    })
    await command.until(/enqueued job nap-2/)
    command.kill('SIGINT')
    const { code, stderr } = await command.finished
    expect(code).toBe(130)
    expect(stderr).toContain(
      'interrupted by SIGINT: job nap-2 goes on; see its end with: drover result naps nap-2 --wait',
    )
  })
})

describe('drover enqueue refuses, with exit code 2 and without a job in Redis,', () => {
  const past = '2020-01-01T00:00:00Z'
  const rows: [what: string, words: string[], message: RegExp][] = [
    ['an unknown job', ['slep', '--input', '{}'], /^drover: unknown job "slep": did you mean "sleep"\?$/],
    ['no input', ['sleep'], /^drover: expected an input for the job: --input '\{"name":"Ada"\}', --input @file/],
    ['bad JSON', ['sleep', '--input', '{"file":}'], /^drover: --input is not JSON: expected a value such as/],
    ['an empty input', ['sleep', '--input', ''], /^drover: --input is empty: expected/],
    ['__proto__ in the input', ['sleep', '--input', '{"__proto__":{"a":1}}'], /^drover: --input: .*__proto__/],
    ['an input of the wrong shape', ['sleep', '--input', '{"file":1}'], /^drover: the input of job "sleep" .*\$\.file/],
    [
      'a file that is not there',
      ['sleep', '--input', '@no.json'],
      /^drover: no\.json cannot be read: there is no such/,
    ],
    ['a directory as a file', ['sleep', '--input', '@jobs'], /^drover: jobs cannot be read: it is a directory$/],
    ['a bad id', ['sleep', '--input', '{"file":"x"}', '--id', 'a:b'], /^drover: invalid job id: expected/],
    ['an id BullMQ uses', ['sleep', '--input', '{"file":"x"}', '--id', 'meta'], /^drover: invalid job id/],
    ['a negative delay', ['sleep', '--input', '{"file":"x"}', '--delay', '-5s'], /delay: expected a duration .*"-5s"$/],
    ['a delay without unit', ['sleep', '--input', '{"file":"x"}', '--delay', '5'], /delay: expected a duration/],
    [
      'a past date',
      ['sleep', '--input', '{"file":"x"}', '--at', past],
      /at: expected a time from now .*got "2020-01-01T/,
    ],
    ['a date without zone', ['sleep', '--input', '{"file":"x"}', '--at', '2999-01-01'], /at: expected a time from now/],
    [
      'a bad priority',
      ['sleep', '--input', '{"file":"x"}', '--priority', '1.5'],
      /--priority: expected a whole number/,
    ],
    [
      'attempts out of range',
      ['sleep', '--input', '{"file":"x"}', '--attempts', '0'],
      /attempts: expected a whole number/,
    ],
    ['--wait beside --file', ['sleep', '--file', 'x', '--wait'], /^drover: --wait cannot be given with --file/],
    ['job files that are not there', ['sleep', '--jobs', 'no/*.ts'], /no job file .* matches no\/\*\.ts/],
    [
      'a job file that does not load',
      ['sleep', '--jobs', 'broken.ts'],
      /^drover: job file \S+broken\.ts does not load: /,
    ],
    ['job files without jobs', ['sleep', '--jobs', 'empty.ts'], /no job is exported.*\n- \S+empty\.ts exports answer$/],
  ]

  let outcomes: Map<string, Finished>
  let before: number

  beforeAll(async () => {
    write(cwd, 'broken.ts', 'export const = 1')
    write(cwd, 'empty.ts', 'export const answer = 42')
    before = await waiting()
    const commands = rows.map(([, words]) => ['enqueue', ...words])
    const finished = await runDroverBatch(commands, { cwd, env: { REDIS_URL: redis.url, DROVER_JOBS: JOBS } })
    outcomes = new Map(rows.map(([what], index) => [what, finished[index] as Finished]))
  })

  it.each(rows)('%s', (what, _words, message) => {
    expect(outcomes.get(what)).toMatchObject({ code: 2, stdout: '' })
    expect(outcomes.get(what)?.stderr.trimEnd()).toMatch(message)
  })

  it('and so none of the above is in Redis', async () => {
    expect(await waiting()).toBe(before)
  })

  it.each([
    ['no standard input', '', /^drover: standard input is empty: expected/],
    ['standard input that is not UTF-8', Buffer.from([0x22, 0xff]), /^drover: standard input is not UTF-8 text$/],
  ])('%s', async (_what, input, message) => {
    const { code, stdout, stderr } = await enqueue(['sleep', '--input', '-'], { input })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr.trimEnd()).toMatch(message)
  })

  it('a password that Redis refuses, with exit code 77', async () => {
    const guarded = await startTestRedis({ password: 'open-sesame' })
    try {
      const env = { REDIS_URL: `redis://:close-sesame@127.0.0.1:${guarded.port}` }
      const { code, stdout, stderr } = await enqueue(['sleep', '--input', '{"file":"x"}'], { env })
      expect({ code, stdout }).toEqual({ code: 77, stdout: '' })
      expect(stderr).toMatch(/^drover: Redis at redis:\/\/127\.0\.0\.1:\d+\/0 refused the sign-in \(WRONGPASS\): check/)
      expect(stderr).not.toContain('sesame')
    } finally {
      await guarded.close()
    }
  })

  it('a Redis that is down, with exit code 69 and the id to repeat it with', async () => {
    const env = { REDIS_URL: 'redis://127.0.0.1:1', DROVER_TIMEOUT: '2s' }
    const { code, stdout, stderr } = await enqueue(['sleep', '--input', '{"file":"x"}', '--id', 'nap-3'], { env })
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' })
    expect(stderr).toMatch(
      /^drover: Redis did not answer .* within 2s: .* repeat it with id "nap-3".*\ncause: connect ECONNREFUSED/,
    )
  })
})

describe('drover enqueue --file', () => {
  it('enqueues one job for each line, in their order, and tells how many', async () => {
    await redis.cli('DEL', '{drover:naps}:naps:wait')
    const lines = Array.from({ length: 1_203 }, (_, index) => `{"file":"line ${index + 1}"}`)
    write(cwd, 'naps.ndjson', lines.join('\n'))
    const { code, stdout } = await enqueue(['sleep', '--file', 'naps.ndjson'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^enqueued 1,203 jobs in \S+, [\d,]+ a second: sleep in queue naps\n$/)
    expect(await waiting()).toBe(1_203)
    const last = await redis.cli('LINDEX', '{drover:naps}:naps:wait', '0')
    expect(await redis.cli('HGET', `{drover:naps}:naps:${last}`, 'data')).toBe('{"file":"line 1203"}')
  })

  it('with --json writes one object and nothing else', async () => {
    const input = '{"file":"1"}\n{"file":"2"}\n'
    const { stdout, stderr } = await enqueue(['sleep', '--file', '-', '--json'], { input })
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({ job: 'sleep', queue: 'naps', enqueued: 2, seconds: expect.any(Number) })
  })

  it('names the first bad line of a file and enqueues none of its lines', async () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => `{"file":"${index}"}`)
    lines[699] = '{"file":700}'
    write(cwd, 'bad.ndjson', lines.join('\n'))
    const before = await waiting()
    const { code, stdout, stderr } = await enqueue(['sleep', '--file', 'bad.ndjson'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(
      /^drover: line 700 of bad\.ndjson: the input of job "sleep" .*\$\.file.* \(nothing was enqueued\)\n$/,
    )
    expect(await waiting()).toBe(before)
  })

  it('names the first bad line of standard input and how many jobs it enqueued before', async () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => `{"file":"${index}"}`)
    lines[699] = 'nonsense'
    const before = await waiting()
    const { code, stderr } = await enqueue(['sleep', '--file', '-'], { input: lines.join('\n') })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^drover: line 700 of standard input is not JSON.* \(the first 500 jobs were enqueued\)\n$/)
    expect(await waiting()).toBe(before + 500)
  })

  it('refuses a file without a line, one that is not there, and a directory', async () => {
    write(cwd, 'empty.ndjson', '')
    write(cwd, 'blank.ndjson', '\n\r\n  \n')
    const names = ['empty.ndjson', 'blank.ndjson', 'no.ndjson', 'jobs']
    const commands = names.map((name) => ['enqueue', 'sleep', '--file', name])
    const finished = await runDroverBatch(commands, { cwd, env: { REDIS_URL: redis.url, DROVER_JOBS: JOBS } })
    expect(finished.map(({ code, stdout, stderr }) => [code, stdout, stderr.trimEnd()])).toEqual([
      [2, '', expect.stringMatching(/^drover: empty\.ndjson has no line with an input/)],
      [2, '', expect.stringMatching(/^drover: blank\.ndjson has no line with an input/)],
      [2, '', 'drover: no.ndjson cannot be read: there is no such file'],
      [2, '', 'drover: jobs cannot be read: it is a directory'],
    ])
  })

  it('interrupted while standard input is silent exits with 130 and says how many jobs it enqueued', async () => {
    const command = startDrover(['enqueue', 'sleep', '--file', '-'], {
      cwd,
      env: { REDIS_URL: redis.url, DROVER_JOBS: JOBS, DEBUG: 'drover' },
      keepInputOpen: true,
    })
    const lines = Array.from({ length: 600 }, (_, index) => `{"file":"${index}"}\n`)
    const before = await waiting()
    command.child.stdin?.write(lines.join(''))
    await expect.poll(waiting).toBe(before + 500)
    command.kill('SIGINT')
    const { code, stderr } = await command.finished
    expect(code).toBe(130)
    expect(stderr).toContain('drover: interrupted by SIGINT: the first 500 jobs were enqueued')
  })

  it('needs no more memory for a large file than for a small one', async () => {
    const run = join(ROOT, 'dist', 'cli', 'run.js')
    const program = `import { run } from ${JSON.stringify(run)}
      const code = await run(['enqueue', 'sleep', '--file', 'large.ndjson', '--json'])
      console.log(JSON.stringify({ code, kilobytes: process.resourceUsage().maxRSS }))
      process.exit()`
    write(cwd, 'measure.mjs', program)
    const peakKilobytes = async (lines: number) => {
      write(cwd, 'large.ndjson', `{"file":"x"}${' '.repeat(20_000)}\n`.repeat(lines))
      const env = { REDIS_URL: redis.url, DROVER_JOBS: JOBS }
      const { stdout } = await startCommand(process.execPath, ['measure.mjs'], { cwd, env }).finished
      const [summary = '', measured = ''] = stdout.trim().split('\n')
      expect(JSON.parse(summary)).toMatchObject({ enqueued: lines })
      return (JSON.parse(measured) as { kilobytes: number }).kilobytes
    }
    const small = await peakKilobytes(1_000)
    // 160 MB more of file; what is not yet collected of it is well below that.
    expect((await peakKilobytes(9_000)) - small).toBeLessThan(80_000)
  })
})
