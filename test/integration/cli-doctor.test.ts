// `drover doctor` against planted damage: each kind is named once, with its evidence and a remedy.
import { mkdirSync, rmdirSync } from 'node:fs'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { findKeys } from '../../src/cli/doctor/key-findings.js'
import { judgePackage } from '../../src/cli/doctor/package-findings.js'
import { findRecords } from '../../src/cli/doctor/record-findings.js'
import { defineJob } from '../../src/job/index.js'
import { type Finding, findClockSkew, judgeServer, repairLimits } from '../../src/ledger/index.js'
import { createProducer } from '../../src/producer/index.js'
import {
  connectOnce,
  createReaderClient,
  DEFAULT_REDIS,
  type Durability,
  parseRedisUrl,
  queueKeys,
  type RedisClient,
  readServerInfo,
} from '../../src/redis/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { collectLog } from '../support/worker.js'

let redis: TestRedis
let client: RedisClient
let plain: Redis

beforeAll(async () => {
  redis = await startTestRedis({ appendonly: true, args: ['--maxmemory', '1gb'] })
  client = createReaderClient(parseRedisUrl(redis.url), { timeoutMs: 60_000 })
  plain = new Redis(redis.port)
  await connectOnce(client, 60_000, 'the test')
})
afterEach(() => {
  vi.restoreAllMocks()
})
afterAll(async () => {
  client.disconnect()
  plain.disconnect()
  await redis.close()
})

const job = defineJob({ name: 'job', queue: 'media', input: anything })
const Q = '{drover:media}:media:'
const OWN = '{drover:media}:'

/** Everything but server and clock. */
async function findAll(): Promise<Finding[]> {
  return [...(await findKeys(client, 'drover')), ...(await findRecords(client, 'drover'))]
}

const wrongOf = (findings: readonly Finding[]) => findings.filter(({ level }) => level !== 'ok')

describe('the clock finding of drover doctor', () => {
  it.each([
    [0, 'ok', / ms (behind|ahead of)/],
    [-600, 'ok', /\d{3} ms behind/],
    [5_000, 'warning', /[45]\d{3} ms ahead of/],
    [-5_000, 'warning', /[45]\d{3} ms behind/],
    [120_000, 'error', /1[12]\d{4} ms ahead of/],
  ])('with this machine %d ms ahead is of level %s', async (aheadMs, level, evidence) => {
    const now = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs)
    const finding = await findClockSkew(client)
    expect(finding).toMatchObject({ level, code: 'CLOCK_SKEW', evidence: expect.stringMatching(evidence) })
    expect(finding.remedy === undefined).toBe(level === 'ok')
  })
})

describe('drover doctor on queues and records', () => {
  beforeAll(async () => {
    const producer = createProducer({ redis: redis.url })
    const handler = handle(job, async (_, ctx) => ctx.counter('bytes').add(5))
    const worker = await createWorker({ redis: redis.url, handlers: [handler], logger: collectLog().logger })
    const jobs = await Promise.all([1, 2, 3].map((input) => producer.enqueue(job, input)))
    for (const each of jobs) await producer.results.wait(each, { timeout: '60s' })
    await worker.close()
    await producer.close()
  })

  it('finds nothing wrong after real work', async () => {
    const findings = await findAll()
    expect(wrongOf(findings)).toEqual([])
    expect(findings.map(({ code }) => code)).toEqual(expect.arrayContaining(['KEYS', 'RECORDS', 'KEY_VERSION']))
  })

  const STATS = `${OWN}stats:1`
  const JOB = ['name', 'job', 'data', '1', 'opts', '{}', 'timestamp', '1000']
  // What depends on the time is made when it is planted: a case may begin long after the file was read.
  type Word = string | number | ((nowMs: number) => string | number)
  const ago = (ms: number) => (nowMs: number) => nowMs - ms
  const minuteNow = (nowMs: number) => `${OWN}stats:${Math.floor(nowMs / 60_000)}`
  // What is planted, as commands; the finding; what takes it away again.
  const PLANTED: [code: string, commands: Word[][], evidence: RegExp, undo: Word[][]][] = [
    [
      'OLD_JOB',
      [
        ['SET', `${Q}stalled-check`, '1'],
        ['HSET', `${Q}late`, ...JOB, 'timestamp', ago(900_000)],
        ['LPUSH', `${Q}wait`, 'late'],
      ],
      /media has a job that could run and has waited for \d+m: its workers send no heartbeat, [\d.]+\/s end$/,
      [['DEL', `${Q}wait`, `${Q}late`, `${Q}stalled-check`]],
    ],
    [
      'SCHEDULE_LATE',
      [['ZADD', `${OWN}schedules`, ago(120_000), 'nightly']],
      /schedule nightly of queue media was due \d+m ago, and no worker has fired it$/,
      [['DEL', `${OWN}schedules`]],
    ],
    [
      'NO_WORKER',
      [
        ['DEL', `${Q}stalled-check`],
        ['LPUSH', `${Q}wait`, 'a'],
      ],
      /media has 1 job that waits, and no worker was seen/,
      [['DEL', `${Q}wait`]],
    ],
    ['PAUSED', [['HSET', `${Q}meta`, 'paused', 1]], /media is paused/, [['HDEL', `${Q}meta`, 'paused']]],
    [
      'BULLMQ_VERSION',
      [['HSET', `${Q}meta`, 'version', 'bullmq:5.1.0']],
      /"bullmq:5\.1\.0", this Drover has bullmq:\d/,
      [['HSET', `${Q}meta`, 'version', 'bullmq:6.7.0']],
    ],
    [
      'ACTIVE_WITHOUT_LOCK',
      [
        ['HSET', `${Q}left`, ...JOB],
        ['LPUSH', `${Q}active`, 'left'],
      ],
      /nobody has held their lock for a minute: left$/,
      [['DEL', `${Q}left`, `${Q}active`]],
    ],
    [
      'STALLED_OFTEN',
      [
        ['HSET', `${Q}poison`, ...JOB, 'stc', 3],
        ['SET', `${Q}poison:lock`, 't', 'EX', 60],
        ['LPUSH', `${Q}active`, 'poison'],
      ],
      /lost their worker 3 times or more: poison$/,
      [['DEL', `${Q}poison`, `${Q}active`, `${Q}poison:lock`]],
    ],
    [
      'ORPHANED_LOCK',
      [['SET', `${Q}gone:lock`, 'token']],
      /belong to no running job.*gone:lock$/,
      [['DEL', `${Q}gone:lock`]],
    ],
    [
      'FAILURE_FLOOD',
      [
        ['HSET', minuteNow, 'job|r', 400, 'flood|f|1|1', 200],
        ['EXPIRE', minuteNow, 3_600],
      ],
      /job flood of queue media: in the last 10 minutes 200 failed|job job of queue media: .* 400 attempts were retried/,
      [['HDEL', minuteNow, 'job|r', 'flood|f|1|1']],
    ],
    [
      'COUNTER_NOT_INTEGER',
      [['SET', `${OWN}counter:unlisted`, '1.5']],
      /counter:unlisted$/,
      [['DEL', `${OWN}counter:unlisted`]],
    ],
    ['WRONG_TYPE', [['LPUSH', `${OWN}counter:list`, 'a']], /counter:list$/, [['DEL', `${OWN}counter:list`]]],
    ['WRONG_TYPE', [['SET', `${Q}failed`, 'a']], /failed .* is a string and not a zset/, [['DEL', `${Q}failed`]]],
    [
      'TOTALS_NOT_INTEGER',
      [['HSET', `${OWN}totals`, 'bad:completed', 'many']],
      /totals holds what is no count.*bad:completed$/,
      [['HDEL', `${OWN}totals`, 'bad:completed']],
    ],
    ['RESULT_MALFORMED', [['SET', `${OWN}result:x`, '{"v":1']], /result:x$/, [['DEL', `${OWN}result:x`]]],
    [
      'JOB_MALFORMED',
      [
        ['HSET', `${Q}odd`, 'name', 'job', 'data', '{"a"', 'opts', '{}'],
        ['ZADD', `${Q}failed`, 1, 'odd'],
      ],
      /media:odd$/,
      [
        ['DEL', `${Q}odd`],
        ['ZREM', `${Q}failed`, 'odd'],
      ],
    ],
    [
      'ORPHANED_JOB',
      [['HSET', `${Q}nowhere`, ...JOB]],
      /will ever run or remove them: .*media:nowhere$/,
      [['DEL', `${Q}nowhere`]],
    ],
    ['STATS_WITHOUT_TTL', [['HSET', STATS, 'job|c|1|1', 1]], /stats:1$/, [['DEL', STATS]]],
    [
      'KEY_VERSION',
      [['HSET', 'drover:contract', 'version', 99]],
      /are of version 99, this Drover writes 1/,
      [['HSET', 'drover:contract', 'version', 1]],
    ],
    ['STRANGE_QUEUE', [['SADD', 'drover:queues', 'no queue']], /"no queue"/, [['SREM', 'drover:queues', 'no queue']]],
  ]

  const LIMIT = ['drover:limit', '1,n,0,0,0,1,f job:a'] as const
  const IN_LINE = [
    ['SET', `${Q}stalled-check`, '1'],
    ['HSET', `${Q}first`, ...JOB, 'timestamp', ago(0), ...LIMIT],
    ['ZADD', `${Q}waiting-children`, ago(90_000), 'first'],
    ['ZADD', `${OWN}limit:line:job:a`, 0, 'first'],
  ]
  const OF_LIMIT = ['first', 'left', 'waiting-children', 'stalled-check', 'delayed', 'active'].map((name) => Q + name)
  const LIMIT_KEYS = ['held', 'key:job:a', 'line:job:a', 'state', 'ready'].map((name) => `${OWN}limit:${name}`)
  const AWAY = [['DEL', ...OF_LIMIT, ...LIMIT_KEYS]]
  const countOf = (held: number) => ['HSET', `${OWN}limit:key:job:a`, 'spec', '1,n,0,0,0,1,f', 'held', held]
  PLANTED.push(
    ['PERMITS_LEFT', [['HSET', `${OWN}limit:held`, 'left', 'job:a'], countOf(1)], /: left of job:a \(gone\)$/, AWAY],
    [
      'PERMITS_LEFT',
      [
        ['HSET', `${Q}left`, ...JOB, ...LIMIT],
        ['ZADD', `${Q}delayed`, 9e15, 'left'],
        ['SET', `${Q}stalled-check`, '1'],
        ['HSET', `${OWN}limit:held`, 'left', 'job:a'],
        countOf(1),
      ],
      /: left of job:a \(delayed\)$/,
      AWAY,
    ],
    ['WRONG_TYPE', [['SET', `${OWN}limit:held`, 'x']], /limit:held .* is a string and not a hash/, AWAY],
    [
      'WRONG_TYPE',
      [...IN_LINE, ['DEL', `${OWN}limit:line:job:a`], ['SET', `${OWN}limit:line:job:a`, 'x']],
      /media has a key of its limits that is of another type/,
      AWAY,
    ],
    ['PERMITS_MISCOUNTED', [...IN_LINE, countOf(1)], /: job:a \(1, held are 0\)$/, AWAY],
    ['LIMIT_LINE_STUCK', [...IN_LINE, countOf(0)], /: first of job:a \(no turn\)$/, AWAY],
    [
      'LIMIT_LINE_STUCK',
      [...IN_LINE, countOf(0), ['DEL', `${OWN}limit:line:job:a`]],
      /: first of job:a \(in no line\)$/,
      AWAY,
    ],
  )

  it.each(PLANTED)('names %s alone, planted by %j', async (code, commands, evidence, undo) => {
    const nowMs = Date.now()
    const run = async (all: Word[][]) => {
      for (const line of all) {
        const [command = '', ...words] = line.map((word) => String(typeof word === 'function' ? word(nowMs) : word))
        await plain.call(command, ...words)
      }
    }
    await run(commands)
    const wrong = wrongOf(await findAll())
    await run(undo)
    expect(new Set(wrong.map((finding) => finding.code))).toEqual(new Set([code]))
    for (const finding of wrong) {
      expect(finding.evidence).toMatch(evidence)
      expect(finding.remedy?.length).toBeGreaterThan(10)
    }
    expect(wrongOf(await findAll())).toEqual([])
  })

  it('gives workers that look after limits the time to take a permit back, and knows permits that jobs may have', async () => {
    await plain.hset(`${OWN}limit:held`, 'gone', 'job:a')
    await plain.hset(`${OWN}limit:key:job:a`, 'spec', '1,n,0,0,0,1,f', 'held', 1)
    await plain.hset(`${OWN}limit:state`, 'looked', Date.now())
    const evals = async () => Number(/cmdstat_eval:calls=(\d+)/.exec(await plain.info('commandstats'))?.[1] ?? 0)
    const before = await evals()
    // The time that doctor gives does not pass, however slow this machine is.
    vi.spyOn(performance, 'now').mockReturnValue(0)
    const found = findAll()
    await vi.waitFor(async () => expect(await evals()).toBeGreaterThan(before + 2), PATIENCE)
    expect(await repairLimits(client, queueKeys('drover', 'media'))).toBe(1)
    expect(wrongOf(await found)).toEqual([])
    // Handed back at a shutdown; and of a strict key, waiting for its next attempt.
    const strict = '1,n,0,0,0,1,s'
    await plain.hset(`${Q}left`, ...JOB, 'drover:limit', `${strict} job:a`)
    await plain.zadd(`${Q}delayed`, 9e15, 'left')
    await plain.set(`${Q}stalled-check`, '1')
    await plain.hset(`${OWN}limit:held`, 'left', 'job:a')
    await plain.hset(`${OWN}limit:key:job:a`, 'spec', strict, 'held', 1)
    expect(wrongOf(await findAll())).toEqual([])
    await plain.del(...OF_LIMIT, ...LIMIT_KEYS)
  })

  it('does not miss a worker that is there, and names a huge backlog beside it', async () => {
    const idle = defineJob({ name: 'other', queue: 'media', input: anything })
    const logger = collectLog().logger
    const worker = await createWorker({ redis: redis.url, handlers: [handle(idle, () => 1)], logger })
    // Delayed to a far day, so that the worker leaves them.
    await plain.zadd(`${Q}delayed`, ...Array.from({ length: 10_000 }, (_, n) => [9e15, `d${n}`]).flat())
    const wrong = wrongOf(await findAll())
    await worker.close()
    await plain.del(`${Q}delayed`)
    expect(wrong.map(({ code }) => code)).toEqual(['HUGE_BACKLOG'])
  })
})

describe('drover doctor on the server', () => {
  const codesOf = async (durability: Durability = 'standard') => {
    const info = await readServerInfo(client)
    return wrongOf(judgeServer(info, DEFAULT_REDIS, durability)).map(({ level, code }) => `${level} ${code}`)
  }

  it.each<[string, string[]]>([
    ['error NO_PERSISTENCE', ['appendonly', 'no', 'save', '']],
    ['error SNAPSHOTS_ONLY', ['appendonly', 'no', 'save', '3600 1']],
    ['warning APPENDFSYNC_NO', ['appendfsync', 'no']],
    ['error EVICTION_POLICY', ['maxmemory-policy', 'volatile-lru']],
    ['warning MAXMEMORY_UNSET', ['maxmemory', '0']],
    ['error MEMORY_NEARLY_FULL', ['maxmemory', '1mb']],
    ['error REPLICAS_MISSING', ['min-replicas-to-write', '1']],
  ])('names %s, planted by CONFIG SET %j', async (expected, settings) => {
    await plain.call('CONFIG', 'SET', ...settings)
    const found = await codesOf()
    await plain.call('CONFIG', 'SET', 'appendonly', 'yes', 'save', '', 'appendfsync', 'everysec', 'maxmemory', '1gb')
    await plain.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'min-replicas-to-write', '0')
    expect(found).toEqual([expected])
    expect(await codesOf()).toEqual([])
  })

  it('names everysec where strict is asked for', async () => {
    expect(await codesOf('strict')).toEqual(['error NOT_STRICT'])
  })

  it('names a replica, and one that lost its master', async () => {
    const replica = await startTestRedis({
      appendonly: true,
      args: ['--maxmemory', '1gb', '--replicaof', '127.0.0.1 1'],
    })
    const reader = createReaderClient(parseRedisUrl(replica.url), { timeoutMs: 60_000 })
    await connectOnce(reader, 60_000, 'the test')
    const codes = wrongOf(judgeServer(await readServerInfo(reader), DEFAULT_REDIS, 'standard')).map(({ code }) => code)
    reader.disconnect()
    await replica.close()
    expect(codes).toEqual(['IS_REPLICA', 'REPLICA_LINK_DOWN'])
  })

  it('names a snapshot that failed, which makes Redis refuse writes', async () => {
    await plain.config('SET', 'save', '3600 1000')
    // A directory of that name: the child that writes the snapshot cannot rename its file to it.
    mkdirSync(`${redis.directory}/dump.rdb/full`, { recursive: true })
    await plain.bgsave()
    await vi.waitFor(async () => expect(await codesOf()).toEqual(['error SNAPSHOT_FAILED']), PATIENCE)
    await expect(plain.set('a', 1)).rejects.toThrow('MISCONF')
    rmdirSync(`${redis.directory}/dump.rdb/full`)
    rmdirSync(`${redis.directory}/dump.rdb`)
    await plain.bgsave()
    await vi.waitFor(async () => expect(await codesOf()).toEqual([]), PATIENCE)
    await plain.config('SET', 'save', '')
  })

  it('names a server that is too old, and an append-only file that cannot be written', async () => {
    const info = { ...(await readServerInfo(client)), version: '6.0.20', aofLastWriteOk: false }
    const codes = wrongOf(judgeServer(info, DEFAULT_REDIS, 'standard')).map(({ code }) => code)
    expect(codes).toEqual(['VERSION_TOO_OLD', 'AOF_WRITE_FAILED'])
  })

  it.each([
    ['5:7.0.15-1~deb12u9', ['PACKAGE_OUTDATED']],
    ['5:7.0.15-1~deb12u10', []],
    ['5:7.0.15-1~deb12u11', []],
    ['6:8.0.0-1', []],
    ['', []],
  ])('of package %j says %j', (version, codes) => {
    expect(judgePackage(version).map(({ code }) => code)).toEqual(codes)
  })
})
