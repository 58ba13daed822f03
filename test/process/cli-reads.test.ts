import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob, defineSchedule } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { type Finished, runDrover, runDroverBatch, startDrover, useProject } from '../support/drover-cli.js'

import { GREETING_FILES } from '../support/greeting-jobs.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const { redis, cwd, env: ofRedis } = await useProject(GREETING_FILES)
const env = { ...ofRedis, DROVER_JOBS: 'contracts.ts' }

beforeAll(async () => {
  const worker = startDrover(['worker', '--queues', 'greetings'], { cwd, env: ofRedis })
  await worker.until(/worker ready/)
  await run(
    ['enqueue', 'greet', '--input', '{"name":"Ada"}', '--id', 'ada', '--wait'],
    ['enqueue', 'greet', '--input', '{"name":"Bob"}', '--id', 'bob', '--wait'],
    ['enqueue', 'fail', '--input', '{"why":"no such cat"}', '--id', 'cat', '--wait'],
    ['enqueue', 'sleep', '--input', '{"file":"x"}', '--id', 'nap'],
  )
})

function run(...commands: string[][]): Promise<Finished[]> {
  return runDroverBatch(commands, { cwd, env })
}

async function runOne(...words: string[]): Promise<Finished> {
  const [outcome] = await run(words)
  return outcome as Finished
}

describe('drover autoscale', () => {
  it('says how many workers there should be, and refuses rules and queues that cannot be', async () => {
    const outcomes = await run(
      ['autoscale', '--queues', 'naps', '--json'],
      ['autoscale', '--max-workers', '0'],
      ['autoscale', '--min-workers', '3', '--max-workers', '2'],
      ['autoscale', '--wait-target', 'soon'],
      ['autoscale', '--queues', 'nasp'],
    )
    expect(outcomes.map(({ code }) => code)).toEqual([0, 2, 2, 2, 3])
    const answer = { desired: 1, workers: 0, queues: [{ queue: 'naps', backlog: 1, runMs: 1_000 }] }
    expect(JSON.parse(outcomes[0]?.stdout ?? '')).toMatchObject(answer)
    const [plain] = await run(['autoscale'])
    expect(plain?.stdout).toMatch(/^workers wanted: \d, there: 1 .*\n/)
  })
})

describe('drover result', () => {
  it('prints the value of a completed job', async () => {
    const { code, stdout, stderr } = await runOne('result', 'greetings', 'ada')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ text: 'Hello, Ada!' })
  })

  it('prints with --raw what Redis holds, and with --json the record', async () => {
    const stored = await redis.cli('GET', '{drover:greetings}:result:ada')
    const [raw, json] = await run(['result', 'greetings', 'ada', '--raw'], ['result', 'greetings', 'ada', '--json'])
    expect(raw?.stdout).toBe(`${stored}\n`)
    expect(JSON.parse(json?.stdout ?? '')).toEqual(JSON.parse(stored))
  })

  it('exits with 1 for a job that failed, and tells its error', async () => {
    const [plain, raw] = await run(['result', 'greetings', 'cat'], ['result', 'greetings', 'cat', '--raw'])
    expect(plain).toMatchObject({ code: 1, stdout: '' })
    expect(plain?.stderr).toBe('drover: job cat failed after 1 attempt: PermanentError: no such cat\n')
    expect(raw).toMatchObject({ code: 1, stderr: '' })
  })

  it('exits with 3 for a job that is not there, and with 4 for one that has not finished', async () => {
    const [gone, numbered, unfinished, late] = await run(
      ['result', 'greetings', 'nobody'],
      // A number, as the dashboard gives: looked for like any other id.
      ['result', 'greetings', '17'],
      ['result', 'naps', 'nap'],
      ['result', 'naps', 'nap', '--wait', '200ms'],
    )
    expect(gone).toMatchObject({ code: 3, stdout: '' })
    expect(gone?.stderr).toMatch(/^drover: no result for job nobody in queue greetings: it never existed/)
    expect(numbered).toMatchObject({ code: 3, stdout: '' })
    expect(unfinished).toMatchObject({ code: 4, stdout: '' })
    expect(unfinished?.stderr).toBe('drover: job nap in queue naps has not finished yet: wait for it with --wait\n')
    expect(late).toMatchObject({ code: 4, stdout: '' })
    expect(late?.stderr).toMatch(/did not finish within 200ms/)
  })

  it('waits with --wait for a job that is still to run', async () => {
    await runOne('enqueue', 'greet', '--input', '{"name":"Cyd"}', '--id', 'cyd', '--delay', '2s')
    const { code, stdout } = await runOne('result', 'greetings', 'cyd', '--wait')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ text: 'Hello, Cyd!' })
  })
})

describe('drover counters', () => {
  it('lists the counters of all queues, and those of one', async () => {
    await redis.cli('SET', '{drover:naps}:counter:naps', '7')
    await redis.cli('SADD', '{drover:naps}:counters', 'naps')
    const greeted = await redis.cli('GET', '{drover:greetings}:counter:greeted')
    const [all, one, json] = await run(['counters'], ['counters', 'naps'], ['counters', '--json'])
    const rows = (outcome: Finished | undefined) =>
      outcome?.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/ +/))
    expect(rows(all)).toEqual([
      ['QUEUE', 'COUNTER', 'VALUE'],
      ['greetings', 'greeted', greeted],
      ['naps', 'naps', '7'],
    ])
    expect(rows(one)).toEqual([
      ['QUEUE', 'COUNTER', 'VALUE'],
      ['naps', 'naps', '7'],
    ])
    expect(JSON.parse(json?.stdout ?? '')).toEqual({
      queues: [
        { queue: 'greetings', counters: [{ name: 'greeted', value: Number(greeted) }] },
        { queue: 'naps', counters: [{ name: 'naps', value: 7 }] },
      ],
    })
  })

  it('prints one counter as a number alone, as it is in Redis', async () => {
    const [plain, json] = await run(
      ['counters', 'greetings', 'greeted'],
      ['counters', 'greetings', 'greeted', '--json'],
    )
    const value = await redis.cli('GET', '{drover:greetings}:counter:greeted')
    expect(plain).toMatchObject({ code: 0, stdout: `${value}\n`, stderr: '' })
    expect(JSON.parse(json?.stdout ?? '')).toEqual({ queue: 'greetings', name: 'greeted', value: Number(value) })
  })

  it('prints 0 for a counter that does not exist, and suggests the nearest that does', async () => {
    const { code, stdout, stderr } = await runOne('counters', 'greetings', 'greetd')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '0\n' })
    expect(stderr).toBe('queue greetings has no counter greetd yet, so it reads as 0: did you mean greeted?\n')
  })

  it('prints what was added in each minute or hour', async () => {
    const total = Number(await redis.cli('GET', '{drover:greetings}:counter:greeted'))
    const [minutes, hours, plain] = await run(
      ['counters', 'greetings', 'greeted', '--since', '10m', '--json'],
      ['counters', 'greetings', '--since', '2d', '--json'],
      ['counters', 'greetings', '--since', '1h'],
    )
    type Counter = { points: { at: number; value: number }[] }
    const byMinute = JSON.parse(minutes?.stdout ?? '') as Counter & { by: string }
    expect(byMinute.by).toBe('minute')
    // One more where a minute, or an hour, begins meanwhile.
    expect([11, 12]).toContain(byMinute.points.length)
    expect(byMinute.points.reduce((sum, { value }) => sum + value, 0)).toBe(total)
    const byHour = JSON.parse(hours?.stdout ?? '') as { by: string; queues: { counters: Counter[] }[] }
    expect(byHour.by).toBe('hour')
    expect([49, 50]).toContain(byHour.queues[0]?.counters[0]?.points.length)
    expect(plain?.stdout).toMatch(
      /^MINUTE +QUEUE +COUNTER +ADDED\n\d{4}-\d\d-\d\dT\d\d:\d\dZ +greetings +greeted +\d+\n/,
    )
  })

  it('exits with 3 for a queue that nobody has used, and suggests the nearest', async () => {
    const { code, stdout, stderr } = await runOne('counters', 'greeting')
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toBe('drover: no job was ever in queue greeting under the prefix drover: did you mean greetings?\n')
  })

  it('exits with 2 for a time longer ago than it is kept', async () => {
    const [minutes, hours] = await run(['counters', '--since', '3d', '--by', 'minute'], ['counters', '--since', '100d'])
    expect(minutes).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/since: .*at most 48 hours/) })
    expect(hours).toMatchObject({ code: 2, stdout: '' })
  })

  it('says how to count when there are no counters yet', async () => {
    const { code, stdout, stderr } = await runOne('counters', '--prefix', 'other')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toBe('no counters yet: a job adds to one with ctx.counter(name).add(number)\n')
  })
})

describe('drover doctor', () => {
  type Report = {
    errors: number
    warnings: number
    findings: { level: string; code: string; evidence: string; remedy?: string }[]
  }

  async function report(server: TestRedis, words: string[] = []): Promise<{ code: number | null; report: Report }> {
    const { code, stdout } = await runDrover(['doctor', '--json', ...words], { env: { REDIS_URL: server.url } })
    return { code, report: JSON.parse(stdout) as Report }
  }

  it('finds nothing wrong with an append-only server that evicts nothing', async () => {
    const sound = await startTestRedis({ appendonly: true, args: ['--maxmemory', '1gb'] })
    try {
      const { code, report: found } = await report(sound)
      expect(code).toBe(0)
      expect(found).toMatchObject({ errors: 0, warnings: 0 })
      const codes = found.findings.map((finding) => finding.code)
      for (const checked of ['VERSION', 'EVICTION_POLICY', 'PERSISTENCE', 'MEMORY', 'CLUSTER', 'CLOCK_SKEW', 'KEYS']) {
        expect(codes).toContain(checked)
      }
    } finally {
      await sound.close()
    }
  })

  it('names each planted damage with its evidence and a remedy, and exits with 1', async () => {
    const ill = await startTestRedis({
      appendonly: false,
      args: ['--maxmemory', '2gb', '--maxmemory-policy', 'allkeys-lru'],
    })
    try {
      await ill.cli('SADD', 'drover:queues', 'media', 'mail', 'no queue')
      await ill.cli('SET', '{drover:media}:totals', 'mine')
      await ill.cli('SET', '{drover:mail}:counters', 'mine')
      await ill.cli('SADD', '{drover:media}:counters', 'bytes', 'tags')
      await ill.cli('SET', '{drover:media}:counter:bytes', 'many')
      await ill.cli('LPUSH', '{drover:media}:counter:tags', 'a')
      await ill.cli('HSET', 'drover:contract', 'version', '99')
      const { code, report: found } = await report(ill)
      expect(code).toBe(1)
      const errors = found.findings.filter(({ level }) => level === 'error')
      expect(found.errors).toBe(errors.length)
      const seen = errors.map((finding) => `${finding.code} ${finding.evidence}`).join('\n')
      expect(seen).toMatch(/EVICTION_POLICY .*allkeys-lru/)
      expect(seen).toMatch(/NO_PERSISTENCE /)
      expect(seen).toMatch(/WRONG_TYPE \{drover:media\}:totals .* is a string and not a hash/)
      expect(seen).toMatch(/WRONG_TYPE \{drover:mail\}:counters .* is a string and not a set/)
      expect(seen).toMatch(/WRONG_TYPE .*another program wrote them: \{drover:media\}:counter:tags/)
      expect(seen).toMatch(/COUNTER_NOT_INTEGER .*: \{drover:media\}:counter:bytes/)
      expect(seen).toMatch(/KEY_VERSION .* 99, this Drover writes 1/)
      expect(found.findings).toContainEqual(expect.objectContaining({ level: 'warning', code: 'STRANGE_QUEUE' }))
      for (const { level, remedy } of found.findings) expect(remedy === undefined).toBe(level === 'ok')
    } finally {
      await ill.close()
    }
  })

  it('reads a list of queues of the wrong type without falling over it', async () => {
    await redis.cli('SET', 'sick:queues', 'mine')
    const { code, report: found } = await report(redis, ['--prefix', 'sick'])
    expect(code).toBe(1)
    expect(found.findings.map(({ evidence }) => evidence).join('\n')).toMatch(
      /sick:queues .* is a string and not a set/,
    )
  })

  it('asks for the URL of a cluster where the server is part of one', async () => {
    const node = await startTestRedis({ args: ['--cluster-enabled', 'yes'] })
    try {
      const { code, report: found } = await report(node)
      expect(code).toBe(1)
      expect(found.findings).toContainEqual({
        level: 'error',
        code: 'CLUSTER_URL_NEEDED',
        evidence: expect.stringMatching(/part of a cluster/),
        remedy: expect.stringMatching(/redis\+cluster:\/\//),
      })
    } finally {
      await node.close()
    }
  })

  it('says what Redis refused where the user lacks a right', async () => {
    await redis.cli('ACL', 'SETUSER', 'reader', 'on', '>open-sesame', '~*', '+@all', '-smembers')
    const url = `redis://reader:open-sesame@127.0.0.1:${redis.port}`
    const { code, stdout, stderr } = await runDrover(['doctor'], { env: { REDIS_URL: url } })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^drover: Redis refused a read: NOPERM .*smembers/)
    expect(stderr).not.toContain('sesame')
  })

  it('shows a line for each finding to people, and changes nothing', async () => {
    // A user that may write nothing: the worker beside it goes on writing, so counting keys would prove nothing.
    await redis.cli('ACL', 'SETUSER', 'looker', 'on', '>open-sesame', '~*', '&*', '+@all', '-@write')
    const url = `redis://looker:open-sesame@127.0.0.1:${redis.port}`
    const { stdout, stderr } = await runDrover(['doctor'], { cwd, env: { ...env, REDIS_URL: url } })
    expect(stderr).toBe('')
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toBe(`${redis.url}/0`)
    expect(stdout).toMatch(/^warning {2}APPENDFSYNC_NO: appendfsync is no.*\n {9}remedy: set appendfsync everysec/m)
    expect(stdout).toMatch(/^ok {7}VERSION: (redis|valkey) \d/m)
    expect(lines.at(-1)).toMatch(/^\d+ errors?, \d+ warnings?$/)
  })

  it('exits with 69 when Redis is down and with 77 when it refuses the password', async () => {
    const guarded = await startTestRedis({ password: 'open-sesame' })
    try {
      const down = await runDrover(['doctor'], { env: { REDIS_URL: 'redis://127.0.0.1:1', DROVER_TIMEOUT: '2s' } })
      const refused = await runDrover(['doctor'], { env: { REDIS_URL: `redis://127.0.0.1:${guarded.port}` } })
      expect(down).toMatchObject({ code: 69, stdout: '', stderr: expect.stringMatching(/cause: connect ECONNREFUSED/) })
      expect(refused).toMatchObject({
        code: 77,
        stdout: '',
        stderr: expect.stringMatching(/refused the sign-in \(NOAUTH/),
      })
    } finally {
      await guarded.close()
    }
  })
})

describe('drover cache', () => {
  it('shows what caches did, and has an input, or all of them, run anew', async () => {
    const shout = ['enqueue', 'shout', '--input', '"hey"', '--wait']
    await run(shout)
    const outcomes = await run(
      shout,
      ['cache', '--json'],
      ['cache', 'list', 'greetings'],
      ['cache', 'invalidate', 'shout', '--key', 'hey'],
      ['cache', 'invalidate', 'shout', '--input', '"hey"', '--json'],
      shout,
      ['cache', 'clear', 'shout'],
      shout,
      ['cache', '--json'],
    )
    const done = { queue: 'greetings', job: 'shout' }
    expect(outcomes.map(({ code }) => code)).toEqual(outcomes.map(() => 0))
    const first = [{ ...done, hits: 1, shared: 0, misses: 1 }]
    expect(JSON.parse(outcomes[1]?.stdout ?? '')).toEqual({ caches: first, unreadable: [] })
    expect(outcomes[2]?.stdout).toMatch(/QUEUE +JOB +HITS +SHARED +MISSES\ngreetings +shout +1 +0 +1\n/)
    expect(outcomes[3]?.stdout).toBe('the next equal input runs anew\n')
    expect(JSON.parse(outcomes[4]?.stdout ?? '')).toEqual({ ...done, invalidated: false })
    const last = [{ ...done, hits: 1, shared: 0, misses: 3 }]
    expect(JSON.parse(outcomes[8]?.stdout ?? '')).toEqual({ caches: last, unreadable: [] })
  })

  it('names a queue that another program wrote a key of, and shows the others; so do drover counters and drover schedules', async () => {
    const { counterNames, schedules } = queueKeys('drover', 'odd')
    await redis.cli('SADD', 'drover:queues', 'odd')
    await redis.cli('SET', counterNames, 'mine')
    await runOne('enqueue', 'shout', '--input', '"again"', '--wait')
    const outcomes = await run(
      ['cache'],
      ['cache', '--json'],
      ['cache', 'list', 'odd'],
      ['counters'],
      ['counters', '--json'],
    )
    await redis.cli('DEL', counterNames)
    await redis.cli('SET', schedules, 'mine')
    const told = await runOne('schedules')
    await redis.cli('DEL', schedules)
    await redis.cli('SREM', 'drover:queues', 'odd')
    const problem = `${counterNames} (the list of counters) is a string and not a set: another program wrote it`
    expect(outcomes.map(({ code }) => code)).toEqual([1, 1, 1, 1, 1])
    for (const at of [0, 2, 3]) expect(outcomes[at]?.stderr).toBe(`queue odd cannot be read: ${problem}\n`)
    expect(told).toMatchObject({ code: 1, stderr: expect.stringContaining('(the list of schedules) is a string') })
    expect(outcomes[0]?.stdout).toMatch(/greetings +shout/)
    expect(outcomes[2]?.stdout).toBe('')
    expect(outcomes[3]?.stdout).toMatch(/greetings +cache:shout:misses/)
    const caches = [expect.objectContaining({ queue: 'greetings', job: 'shout' })]
    expect(JSON.parse(outcomes[1]?.stdout ?? '')).toEqual({ caches, unreadable: [{ queue: 'odd', problem }] })
    expect(JSON.parse(outcomes[4]?.stdout ?? '').queues).toContainEqual({ queue: 'odd', problem })
  })

  it('refuses other words', async () => {
    const rows: [string[], number, RegExp][] = [
      [['clera', 'shout'], 2, /did you mean clear/],
      [['clear'], 2, /expected: cache clear <job>/],
      [['clear', 'greet'], 2, /one whose contract has cache/],
      [['clear', 'shuot'], 2, /shout/],
      [['invalidate', 'shout'], 2, /either --input or --key/],
      [['clear', 'shout', '--key', 'x'], 2, /either --input or --key/],
      [['invalidate', 'shout', '--input', '5'], 2, /shout/],
      [['list', 'greeting'], 3, /greetings/],
    ]
    const outcomes = await run(...rows.map(([words]) => ['cache', ...words]))
    for (const [at, [words, code, text]] of rows.entries()) {
      expect(outcomes[at], words.join(' ')).toMatchObject({ code, stderr: expect.stringMatching(text) })
    }
  })
})

describe('drover schedules', () => {
  it('lists them, tells the next five runs, pauses, resumes, runs and removes one, and refuses what is not there', async () => {
    const producer = createProducer({ redis: redis.url, timeout: '60s' })
    const greet = defineJob({ name: 'greet', queue: 'greetings', input: z.object({ name: z.string() }) })
    const times = { cron: '0 30 3 1 1 *', timezone: 'Europe/Berlin' }
    await producer.schedules.set(defineSchedule(greet, { name: 'yearly', ...times, input: { name: 'Eve' } }))
    const yearly = ['greetings', 'yearly']
    const outcomes = await run(
      ['schedules'],
      ['schedules', 'next', ...yearly],
      ['schedules', 'pause', ...yearly],
      ['schedules', '--json'],
      ['schedules', 'resume', ...yearly],
      ['schedules', 'run', ...yearly],
      ['schedules', 'remove', ...yearly],
      ['schedules', 'list', 'greetings'],
      ['schedules', 'pause', ...yearly],
      ['schedules', 'pause', 'greetings'],
      ['schedules', 'pasue', ...yearly],
    )
    const words = outcomes.map(({ stdout }) => stdout)
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 2])
    expect(words[0]).toMatch(
      /QUEUE +NAME +JOB +WHEN[\s\S]*greetings +yearly +greet +0 30 3 1 1 \* Europe\/Berlin +\d{4}-01-01T02:30:00/,
    )
    const next = words[1]?.trim().split('\n') ?? []
    expect(next).toHaveLength(5)
    for (const time of next) expect(time).toMatch(/^\d{4}-01-01T02:30:00\.000Z$/)
    expect(new Set(next).size).toBe(5)
    expect(words[2]).toBe('paused yearly of queue greetings\n')
    expect(JSON.parse(words[3] ?? '')).toMatchObject([
      { queue: 'greetings', name: 'yearly', job: 'greet', paused: true },
    ])
    expect(words[3]).not.toContain('Eve')
    expect(words[4]).toBe('resumed yearly of queue greetings\n')
    const id = words[5]?.trim() ?? ''
    const { value } = (await producer.results.wait({ queue: 'greetings', id }, { timeout: '60s' })) as {
      value: unknown
    }
    expect(value).toEqual({ text: 'Hello, Eve!' })
    expect(words[6]).toBe('removed yearly of queue greetings\n')
    expect(outcomes[7]?.stderr).toContain('no schedules')
    expect(outcomes[8]?.stderr).toContain('drover schedules lists them')
    expect(outcomes[9]?.stderr).toContain('expected: schedules pause <queue> <name>')
    expect(outcomes[10]?.stderr).toContain('did you mean pause?')
    await producer.close()
  })
})
