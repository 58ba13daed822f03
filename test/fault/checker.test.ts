// The checker is checked first: it passes an honest run, and calls each planted bug by its own name. Were it blind to
// one of them, no green row of the matrix would mean anything.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { check, type Report } from './check.js'
import { PROBLEM_KINDS } from './judge.js'
import { DAMAGE } from './planted/damage.js'
import { IN_FINISHES } from './planted/in-finishes.js'
import { IN_HANDLERS } from './planted/in-handlers.js'
import { IN_KILLS, loseFirst, noteKill } from './planted/in-kills.js'
import { IN_PRODUCERS } from './planted/in-producers.js'
import { NUMBERS, openPlantedRoom, type Planted, type PlantedRoom, runHonest } from './planted/room.js'

const ALL = [...IN_PRODUCERS, ...IN_HANDLERS, ...IN_FINISHES, ...IN_KILLS, ...DAMAGE]

let server: TestRedis
let redis: Redis
let directory: string
let runs = 0

beforeAll(async () => {
  server = await startTestRedis({ appendonly: true, args: ['--auto-aof-rewrite-percentage', '0'] })
  redis = new Redis(server.url)
  directory = mkdtempSync(join(tmpdir(), 'drover-planted-'))
})
afterAll(async () => {
  redis.disconnect()
  await server.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Runs one on an empty database and gives the checker's report. */
async function reportOf(run: (room: PlantedRoom) => Promise<void>): Promise<Report> {
  await redis.flushall()
  const queue = `planted-${++runs}`
  const room = openPlantedRoom(server.url, redis, directory, queue)
  try {
    await run(room)
  } finally {
    await room.close()
  }
  return check({ ledger: join(directory, queue), redis, queue, servers: [server] })
}

it('an honest run passes', async () => {
  const { problems, ...report } = await reportOf(runHonest)
  expect(problems).toEqual([])
  const jobs = NUMBERS.length
  const nothing = {
    lost: 0,
    lostUnwritten: 0,
    unexpected: 0,
    duplicatedEffects: 0,
    counterOff: 0,
    recovered: 0,
    failed: 0,
  }
  expect(report).toMatchObject({ ok: true, acked: jobs, completed: jobs, reruns: 1, faults: 1, ...nothing })
  expect(report.resultWrites).toEqual({ min: 1, max: 1 })
})

it('a job whose enqueue was never answered counts as recovered', async () => {
  const report = await reportOf(async (room) => {
    await room.enqueue(NUMBERS)
    room.note({ e: 'try', id: 'j-9' }, { e: 'unknown', id: 'j-9', code: 'REDIS_UNAVAILABLE' })
    room.note({ e: 'try', id: 'j-10' }, { e: 'unknown', id: 'j-10', code: 'REDIS_UNAVAILABLE' })
    room.note({ e: 'fault', kind: 'a reply is lost', seed: 1 })
    await room.enqueueOne(9)
    await room.work()
    await room.untilEnded(NUMBERS.length + 1)
  })
  expect(report).toMatchObject({ ok: true, recovered: 1, tried: NUMBERS.length + 2, lost: 0 })
})

it('what a killed Redis had not written yet is counted, and is no bug', async () => {
  const report = await reportOf(async (room) => {
    const [, ...others] = NUMBERS
    await room.enqueue(others)
    loseFirst(room)
    noteKill(room)
    await room.work()
    await room.untilEnded(others.length)
  })
  expect(report).toMatchObject({ ok: true, acked: NUMBERS.length, lost: 1, lostUnwritten: 1 })
})

describe.each<[string, readonly Planted[]]>([
  ['producers', IN_PRODUCERS],
  ['handlers', IN_HANDLERS],
  ['finishes', IN_FINISHES],
  ['kills of Redis', IN_KILLS],
  ['data', DAMAGE],
])('bugs planted in %s', (_place, planted) => {
  it.each(planted)('$name: caught as $kind', async ({ kind, run }) => {
    const { ok, problems } = await reportOf(run)
    expect(ok).toBe(false)
    expect(problems.map((problem) => problem.kind)).toContain(kind)
  })
})

it('every kind of problem has a bug planted for it', () => {
  const kinds = new Set(ALL.map(({ kind }) => kind))
  expect([...kinds].sort()).toEqual(Object.keys(PROBLEM_KINDS).sort())
})
